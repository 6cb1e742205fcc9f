//! What users see, from a fixed node, on terminals of both sizes.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};

use super::{
    action::Action,
    draw::{self, Look},
    fixture,
    news::{News, Sample},
    once::text,
    order::{Order, Sort},
    state::State,
    svg::svg,
};
use crate::cli::goldens::golden;

const LOOK: Look = Look {
    colour: true,
    unicode: true,
};
const LOW: (u16, u16) = (80, 24);
const HIGH: (u16, u16) = (160, 50);
const NGINX: &str = "/system.slice/nginx.service";

fn frame(state: &mut State, (width, height): (u16, u16), look: Look) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw::screen(frame, state, look))
        .unwrap();
    terminal.backend().buffer().clone()
}

fn both(name: &str, state: &mut State) {
    golden(
        &format!("top_{name}_80x24"),
        &text(&frame(state, LOW, LOOK)),
    );
    golden(
        &format!("top_{name}_160x50"),
        &text(&frame(state, HIGH, LOOK)),
    );
}

fn list() -> State {
    fixture::state(Order::default())
}

/// The details of nginx, after some looks.
fn details() -> State {
    let mut state = list();
    while state.current().unwrap().workload.path != NGINX {
        state.act(Action::Move(1));
    }
    state.act(Action::Details);
    for step in 0..30 {
        state.hear(News::Looked(Box::new(fixture::look(NGINX, step))));
    }
    state
}

#[test]
fn the_list_says_who_waits_and_what_was_done() {
    both("list", &mut list());
}

#[test]
fn the_tree_has_children_below_their_parents() {
    let mut state = fixture::state(Order {
        sort: Sort::Throttled,
        tree: true,
        ..Order::default()
    });
    both("tree", &mut state);
}

#[test]
fn details_say_why_and_what_became_of_it() {
    both("details", &mut details());
}

#[test]
fn help_fits_the_smallest_screen() {
    let mut state = list();
    state.act(Action::Help);
    let low = text(&frame(&mut state, LOW, LOOK));
    assert!(
        low.contains("LIFTS   limits raised"),
        "the last line is seen:\n{low}"
    );
    both("help", &mut state);
}

#[test]
fn the_footer_asks_before_anything_is_changed() {
    let mut state = list();
    state.act(Action::Pin);
    golden("top_pin_80x24", &text(&frame(&mut state, LOW, LOOK)));
    state.act(Action::Back);
    state.act(Action::Pause);
    let pause = text(&frame(&mut state, LOW, LOOK));
    let said = pause.lines().last().unwrap_or_default();
    assert_eq!(
        said,
        "pause: write no limit until resumed, sensing goes on?  y yes, other keys no"
    );
}

#[test]
fn the_filter_is_seen_while_it_is_typed_and_after() {
    let mut state = list();
    state.act(Action::Filter);
    "kube"
        .chars()
        .for_each(|letter| drop(state.act(Action::Type(letter))));
    golden("top_filter_80x24", &text(&frame(&mut state, LOW, LOOK)));
    state.act(Action::Accept);
    let kept = text(&frame(&mut state, LOW, LOOK));
    assert!(
        kept.lines().last().unwrap().starts_with("/kube  ? help"),
        "{kept}"
    );
}

#[test]
fn an_agent_that_is_gone_is_said_to_be() {
    let mut state = list();
    state.hear(News::Lost("it has hung up".into(), 12_000_000_000));
    golden("top_lost_80x24", &text(&frame(&mut state, LOW, LOOK)));
}

#[test]
fn who_only_looks_on_says_so() {
    let mut sample = fixture::sample(0);
    sample.status.enforced = 0;
    let mut state = State::new(Order::default());
    state.hear(News::Sample(Box::new(sample.clone())));
    let first = text(&frame(&mut state, LOW, LOOK));
    assert!(
        first.contains("ONLY LOOKS ON: no limit is written"),
        "{first}"
    );
    sample.status.paused = true;
    state.hear(News::Sample(Box::new(sample)));
    let first = text(&frame(&mut state, LOW, LOOK));
    assert!(first.contains("PAUSED: no limit is written"), "{first}");
}

#[test]
fn a_first_sample_claims_no_rates() {
    let mut state = State::new(Order::default());
    state.hear(News::Sample(Box::new(fixture::sample(0))));
    golden("top_first_80x24", &text(&frame(&mut state, LOW, LOOK)));
    let mut nothing = State::new(Order::default());
    nothing.hear(News::Sample(Box::<Sample>::default()));
    golden("top_nothing_80x24", &text(&frame(&mut nothing, LOW, LOOK)));
}

#[test]
fn a_poor_terminal_loses_colours_and_no_words() {
    let look = Look {
        colour: false,
        unicode: false,
    };
    let buffer = frame(&mut list(), LOW, look);
    for cell in buffer.content() {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
        assert!(cell.symbol().is_ascii(), "{}", cell.symbol());
    }
    golden("top_poor_80x24", &text(&buffer));
    assert!(
        frame(&mut list(), LOW, LOOK)
            .content()
            .iter()
            .any(|cell| cell.fg == Color::Red)
    );
}

#[test]
fn one_print_has_every_workload() {
    golden("top_once", &text(&draw::all(&mut list(), 80, LOOK)));
}

#[test]
fn any_size_can_be_drawn() {
    for state in [&mut list(), &mut details()] {
        for width in [1, 20, 39, 40, 41, 79, 99, 150, 300] {
            for height in [1, 2, 9, 10, 11, 13, 30, 80] {
                frame(state, (width, height), LOOK);
            }
        }
    }
}

#[test]
fn pictures_in_the_docs_are_up_to_date() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for (name, state, size) in [
        ("top.svg", &mut list(), (112, 30)),
        ("top-details.svg", &mut details(), (112, 30)),
    ] {
        let (path, picture) = (docs.join(name), svg(&frame(state, size, LOOK)));
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, &picture).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == picture,
            "{name} is stale: run this test with INSTA_UPDATE=always"
        );
    }
}
