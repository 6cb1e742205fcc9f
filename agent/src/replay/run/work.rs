//! Workers: each takes the next node and policy, runs it, and adds its scores.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use trimtab_core::score::{self, Score};

use super::super::source::Source;
use super::{
    input::Input,
    options::Options,
    pack::Pack,
    policy::Policy,
    progress::Progress,
    report::Report,
    state::{State, StateError},
};

/// What workers share.
struct Shared<'a> {
    input: Mutex<(Input<'a>, Report)>,
    state: Option<Mutex<State>>,
    progress: Mutex<Progress>,
    /// Why the state cannot be kept any more.
    failed: Mutex<Option<StateError>>,
    stop: AtomicBool,
}

/// Runs all chosen series of these sources under these policies. `told` hears how far it has come, after every run
/// and on any thread.
///
/// # Errors
/// The state cannot be kept. What is wrong with a trace is in the report.
pub fn replay(
    sources: &[Source],
    policies: &[Policy],
    options: &Options,
    state: Option<State>,
    told: &(dyn Fn(&Progress) + Sync),
) -> Result<Report, StateError> {
    let shared = Shared {
        input: Mutex::new((
            Input::new(sources, policies.len(), options),
            Report::new(policies.len(), options),
        )),
        state: state.map(Mutex::new),
        progress: Mutex::default(),
        failed: Mutex::default(),
        stop: AtomicBool::new(policies.is_empty()),
    };
    std::thread::scope(|scope| {
        scope.spawn(|| shared.survey(sources, policies.len(), options));
        for _ in 0..options.threads.get() {
            scope.spawn(|| while shared.step(policies, options, told) {});
        }
    });
    let failed = shared.failed.into_inner();
    if let Some(error) = failed.unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let input = shared.input.into_inner();
    Ok(input.unwrap_or_else(PoisonError::into_inner).1)
}

/// A lock that somebody died with is as good as any: totals are only ever added to.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared<'_> {
    /// One run; whether there may be more.
    fn step(
        &self,
        policies: &[Policy],
        options: &Options,
        told: &(dyn Fn(&Progress) + Sync),
    ) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return false;
        }
        let next = {
            let (input, report) = &mut *lock(&self.input);
            input.next(report)
        };
        let Some((pack, index)) = next else {
            self.stop.store(true, Ordering::Relaxed);
            return false;
        };
        let Some(policy) = policies.get(index) else {
            return true;
        };
        match self.score(&pack, policy, options) {
            Ok((scores, reused)) => {
                let left_alone = policy.left_alone(&pack);
                {
                    let report = &mut lock(&self.input).1;
                    report.score(&pack, index, &scores, reused);
                    if let Some(source) = pack.source() {
                        report.leave_alone(source, left_alone);
                    }
                }
                let progress = {
                    let mut progress = lock(&self.progress);
                    progress.runs += 1;
                    progress.done += pack.time();
                    *progress
                };
                told(&progress);
                true
            }
            Err(error) => {
                lock(&self.failed).get_or_insert(error);
                self.stop.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    /// The scores of a node's series under a policy, and whether they were there already.
    fn score(
        &self,
        pack: &Pack,
        policy: &Policy,
        options: &Options,
    ) -> Result<(Vec<Score>, bool), StateError> {
        let Some(state) = &self.state else {
            return Ok((run(pack, policy, options), false));
        };
        let key = lock(state).key(pack, policy, options);
        if let Some(known) = lock(state).get(key) {
            return Ok((known.clone(), true));
        }
        let scores = run(pack, policy, options);
        lock(state).put(key, &scores)?;
        Ok((scores, false))
    }

    /// Reads everything once more, to learn how much there is.
    fn survey(&self, sources: &[Source], policies: usize, options: &Options) {
        let mut input = Input::new(sources, 1, options);
        let mut unheard = Report::default();
        let mut all = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let Some(pack) = input.next_pack(&mut unheard) else {
                lock(&self.progress).all = Some(all);
                return;
            };
            all += pack.time() * policies as u128;
        }
    }
}

/// The scores of a node's series, in their order.
fn run(pack: &Pack, policy: &Policy, options: &Options) -> Vec<Score> {
    // Every policy that there is can be made: it was made when it was named.
    let Some(mut controller) = policy.controller(pack, &options.rules) else {
        return Vec::new();
    };
    score::run(
        policy.setup(pack),
        &pack.workloads,
        controller.as_mut(),
        pack.until,
        options.rules,
        &mut |_| {},
    )
}
