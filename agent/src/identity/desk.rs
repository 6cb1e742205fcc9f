//! Where questions for one source are left, and its answers.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    known::Known,
    source::{Failure, Group, Source},
    watch::{Address, Heard, Standing},
};
use crate::sense::cgroup::Ids;

/// Time from the first to the second question about a group; then it doubles. A group is there
/// before its runtime lists its container.
const AGAIN: Duration = Duration::from_millis(250);
/// How often a source is asked about a group that it does not know: for half a minute.
const TRIES: u32 = 8;
/// The shortest and the longest time from a failure to the next question.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often a source that is asked nothing else is greeted, so that its standing is no older.
const GREETING: Duration = Duration::from_secs(30);

/// One source's questions and answers. The lock is never held while the source is asked.
#[derive(Debug)]
pub(super) struct Desk {
    address: Address,
    state: Mutex<State>,
    /// A question has come, or the end.
    news: Notify,
    /// The source has answered, or failed to.
    told: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wanted: HashMap<Ids, Wanted>,
    found: Vec<(Ids, Known)>,
    standing: Standing,
    ended: bool,
}

/// A group that has not been found yet.
#[derive(Debug)]
struct Wanted {
    group: Group,
    due: Instant,
    tries: u32,
}

impl Desk {
    pub(super) fn new(address: Address) -> Self {
        Self {
            address,
            state: Mutex::default(),
            news: Notify::new(),
            told: Condvar::new(),
        }
    }

    /// The state: every change to it is whole, so that nobody can have left it half done.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn ask(&self, group: &Group) {
        let wanted = Wanted {
            group: group.clone(),
            due: Instant::now(),
            tries: 0,
        };
        self.lock().wanted.insert(group.ids, wanted);
        self.news.notify_one();
    }

    pub(super) fn forget(&self, ids: Ids) {
        self.lock().wanted.remove(&ids);
    }

    pub(super) fn found(&self) -> Vec<(Ids, Known)> {
        std::mem::take(&mut self.lock().found)
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.news.notify_one();
    }

    pub(super) fn heard(&self) -> Heard {
        Heard {
            address: self.address.clone(),
            standing: self.lock().standing.clone(),
        }
    }

    /// [`Desk::heard`], once the source has been asked for the first time.
    pub(super) fn first(&self, until: Instant) -> Heard {
        let left = until.saturating_duration_since(Instant::now());
        let none_yet = |state: &mut State| state.standing == Standing::Starting;
        // Whether it was in time is what the standing says.
        drop(self.told.wait_timeout_while(self.lock(), left, none_yet));
        self.heard()
    }

    /// When the next question is due, if any is; `Err` at the end.
    fn due(&self) -> Result<Option<Instant>, Ended> {
        let state = self.lock();
        if state.ended {
            return Err(Ended);
        }
        Ok(state.wanted.values().map(|wanted| wanted.due).min())
    }

    /// The groups about which a question is due.
    fn questions(&self, now: Instant) -> Vec<Group> {
        let state = self.lock();
        let due = state.wanted.values().filter(|wanted| wanted.due <= now);
        due.map(|wanted| wanted.group.clone()).collect()
    }

    /// Takes an answer: what was asked and is not in it is asked for again, a while later.
    fn answer(&self, asked: &[Group], found: Vec<(Ids, Known)>) {
        let now = Instant::now();
        let mut state = self.lock();
        for (ids, known) in found {
            // One that was forgotten meanwhile is of no interest.
            if state.wanted.remove(&ids).is_some() {
                state.found.push((ids, known));
            }
        }
        for group in asked {
            let Some(wanted) = state.wanted.get_mut(&group.ids) else {
                continue;
            };
            wanted.due = now + AGAIN * 2u32.pow(wanted.tries);
            wanted.tries += 1;
            if wanted.tries >= TRIES {
                state.wanted.remove(&group.ids);
            }
        }
    }

    fn stand(&self, standing: Standing) {
        self.lock().standing = standing;
        self.told.notify_all();
    }
}

/// Nobody wants to know anything any more.
struct Ended;

/// Asks a source whatever is left on its desk.
pub(super) async fn tend<S: Source>(mut source: S, desk: &Desk) {
    let mut backoff = BACKOFF.0;
    let mut greet_at = Instant::now();
    let mut not_before = greet_at;
    loop {
        let Ok(due) = desk.due() else { return };
        let next = due.unwrap_or(greet_at).min(greet_at).max(not_before);
        tokio::select! {
            // What has come may be due sooner.
            () = desk.news.notified() => continue,
            () = tokio::time::sleep_until(next.into()) => {}
        }
        let now = Instant::now();
        match round(&mut source, desk, now, greet_at <= now).await {
            Ok(()) => {
                backoff = BACKOFF.0;
                greet_at = now + GREETING;
            }
            Err(failure) => {
                desk.stand(Standing::Fails(failure));
                not_before = Instant::now() + backoff;
                greet_at = not_before;
                backoff = (backoff * 2).min(BACKOFF.1);
            }
        }
    }
}

async fn round<S: Source>(
    source: &mut S,
    desk: &Desk,
    now: Instant,
    greet: bool,
) -> Result<(), Failure> {
    if greet {
        let name = source.greet().await?;
        desk.stand(Standing::Here(name));
    }
    let asked = desk.questions(now);
    if !asked.is_empty() {
        let found = source.look_up(&asked).await?;
        desk.answer(&asked, found);
    }
    Ok(())
}
