//! What keys and news do to the screen.

use super::{
    action::{Action, Focus},
    fixture,
    news::{News, Request},
    order::{Order, Sort},
    state::{Effect, State},
};

fn names(state: &State) -> Vec<&str> {
    let name = |line: &super::order::Line| state.rows[line.row].workload.name.as_str();
    state.lines.iter().map(name).collect()
}

fn current(state: &State) -> &str {
    &state.current().unwrap().workload.name
}

fn list() -> State {
    fixture::state(Order::default())
}

fn hear(state: &mut State, step: u64) {
    state.hear(News::Sample(Box::new(fixture::sample(step))));
}

#[test]
fn rates_take_two_samples_of_the_same_adoption() {
    let mut state = State::new(Order::default());
    let rate = |state: &State, name: &str| {
        let row = state.rows.iter().find(|row| row.workload.name == name);
        row.unwrap().throttled_ns_per_s
    };
    hear(&mut state, 1);
    assert_eq!(rate(&state, "queue"), None, "not known, which is not 0");
    // Two seconds later: 260 ms and 20 % more, then 40 % more.
    hear(&mut state, 4);
    let ms = [260, 312, 364].iter().sum::<u64>() * 1_000_000;
    assert_eq!(rate(&state, "queue"), Some(ms / 3));
    assert_eq!(rate(&state, "redis"), Some(0));
    assert_eq!(rate(&state, "build-user@1000"), None, "its probe is off");
    let mut anew = fixture::sample(5);
    for workload in &mut anew.workloads {
        workload.age_ns = 1;
    }
    state.hear(News::Sample(Box::new(anew)));
    assert_eq!(rate(&state, "queue"), None);
}

#[test]
fn what_is_not_known_comes_last() {
    let mut state = list();
    assert_eq!(names(&state)[..3], ["render", "trainer", "backup"]);
    assert_eq!(names(&state).last(), Some(&"build-user@1000"));
    state.act(Action::Reverse);
    assert_eq!(names(&state).last(), Some(&"build-user@1000"));
    assert_eq!(names(&state)[0], "cron");
    for (sort, first) in [
        (Sort::Throttled, "queue"),
        (Sort::Cpu, "batch.slice"),
        (Sort::Memory, "trainer"),
        (Sort::Unused, "kubepods.slice"),
        (Sort::Lent, "nginx"),
        (Sort::Requests, "api"),
        (Sort::Name, "api"),
    ] {
        state.act(Action::Sort(sort));
        assert_eq!(names(&state)[0], first, "by {}", sort.word());
    }
}

#[test]
fn a_tree_keeps_whoever_stands_above_what_fits() {
    let mut state = fixture::state(Order {
        tree: true,
        filter: "WORKER".into(),
        ..Order::default()
    });
    assert_eq!(names(&state), ["kubepods.slice", "worker"]);
    let depths: Vec<_> = state.lines.iter().map(|line| line.depth).collect();
    assert_eq!(depths, [0, 1]);
    state.act(Action::Back);
    assert_eq!(names(&state).len(), 16);
    let place = |name| {
        names(&state)
            .iter()
            .position(|other| *other == name)
            .unwrap()
    };
    assert_eq!(
        place("render"),
        place("batch.slice") + 1,
        "who waits more comes first"
    );
    assert_eq!(place("backup"), place("batch.slice") + 2);
}

#[test]
fn a_selection_stays_with_its_workload_and_the_top_stays_the_top() {
    let mut state = list();
    assert_eq!(current(&state), "render");
    state.act(Action::Move(2));
    assert_eq!(current(&state), "backup");
    state.act(Action::Reverse);
    assert_eq!(current(&state), "backup");
    state.act(Action::First);
    assert_eq!(current(&state), "cron");
    state.act(Action::Sort(Sort::Throttled));
    assert_eq!(
        current(&state),
        "queue",
        "what comes first is what one wants to see"
    );
    state.act(Action::Last);
    state.act(Action::Move(9));
    assert_eq!(current(&state), "build-user@1000");
    // It goes.
    let mut sample = fixture::sample(41);
    sample
        .workloads
        .retain(|workload| workload.name != "build-user@1000");
    state.hear(News::Sample(Box::new(sample)));
    assert_eq!(current(&state), "queue");
}

#[test]
fn the_selected_line_is_seen() {
    let mut state = list();
    state.show(5);
    assert_eq!(state.offset, 0);
    state.act(Action::Page(1));
    state.show(5);
    assert_eq!((state.cursor(), state.offset), (5, 1));
    state.act(Action::Last);
    state.show(5);
    assert_eq!((state.cursor(), state.offset), (15, 11));
    state.act(Action::Move(-4));
    state.show(5);
    assert_eq!((state.cursor(), state.offset), (11, 11));
    state.act(Action::Page(-2));
    state.show(5);
    assert_eq!((state.cursor(), state.offset), (1, 1));
}

#[test]
fn letters_go_to_the_filter_until_it_is_left() {
    let mut state = list();
    state.act(Action::Filter);
    assert_eq!(state.focus(), Focus::Filter);
    "WEBx"
        .chars()
        .for_each(|letter| drop(state.act(Action::Type(letter))));
    assert!(names(&state).is_empty());
    assert!(state.current().is_none());
    state.act(Action::Erase);
    assert_eq!(names(&state), ["nginx", "queue"], "by their policy");
    state.act(Action::Accept);
    assert_eq!((state.focus(), state.lines.len()), (Focus::Screen, 2));
    state.act(Action::Back);
    assert_eq!(state.lines.len(), 16);
}

#[test]
fn nothing_is_asked_of_the_agent_without_a_yes() {
    let mut state = list();
    state.act(Action::Sort(Sort::Lent));
    assert_eq!(state.act(Action::Pin), Effect::None);
    assert_eq!(state.focus(), Focus::Question);
    state.act(Action::Back);
    assert_eq!(
        state.act(Action::Accept),
        Effect::None,
        "the question is gone"
    );
    state.act(Action::Pin);
    let pin = Request::Pin {
        path: "/system.slice/nginx.service".into(),
        name: "nginx".into(),
        pinned: true,
    };
    assert_eq!(state.act(Action::Accept), Effect::Ask(pin));
    // One that is pinned is unpinned, whatever happens to the order meanwhile.
    state.act(Action::Sort(Sort::Throttled));
    state.act(Action::Pin);
    state.act(Action::Reverse);
    let Effect::Ask(Request::Pin { name, pinned, .. }) = state.act(Action::Accept) else {
        panic!("a request");
    };
    assert_eq!((name.as_str(), pinned), ("queue", false));
    state.act(Action::Pause);
    assert_eq!(state.act(Action::Accept), Effect::Ask(Request::Pause(true)));
}

#[test]
fn details_follow_the_selection_and_leave_it_where_it_was() {
    let mut state = list();
    state.act(Action::Details);
    assert_eq!(state.subject(), Some("/batch.slice/render.service"));
    state.act(Action::Move(1));
    assert_eq!(state.subject(), Some("/ml.slice/trainer.service"));
    state.hear(News::Looked(Box::new(fixture::look("/batch.slice", 0))));
    state.act(Action::Back);
    assert_eq!((state.subject(), current(&state)), (None, "trainer"));
}

#[test]
fn an_agent_that_comes_back_is_heard_and_another_one_begins_anew() {
    let mut state = list();
    state.hear(News::Lost("gone".into(), 1));
    assert!(
        state.lost.is_some() && state.lines.len() == 16,
        "what was known stays"
    );
    hear(&mut state, 41);
    assert!(state.lost.is_none());
    assert_eq!(state.changes.newest().count(), 6);
    let last = state.changes.newest().next().cloned();
    state.hear(News::Past(last.into_iter().collect()));
    let mut other = fixture::sample(42);
    other.status.pid += 1;
    state.hear(News::Sample(Box::new(other)));
    assert_eq!(state.changes.newest().count(), 1, "its own stay");
    assert!(state.rows.iter().all(|row| row.waited_ns_per_s.is_none()));
}
