//! Numbered jobs on several threads.

use std::{
    num::NonZeroUsize,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Does jobs from 0 up; what they came to, in their order, whichever thread did them.
pub(super) fn each<T: Send>(
    threads: NonZeroUsize,
    jobs: usize,
    act: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mine = std::iter::from_fn(|| {
            let job = next.fetch_add(1, Ordering::Relaxed);
            (job < jobs).then(|| (job, act(job)))
        });
        mine.collect::<Vec<_>>()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get()).map(|_| scope.spawn(work)).collect();
        let workers = workers.into_iter().map(thread::ScopedJoinHandle::join);
        workers
            .flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_unstable_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_jobs() {
        for threads in [1, 3] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let squares = each(threads, 100, |job| job * job);
            assert_eq!(squares, (0..100).map(|job| job * job).collect::<Vec<_>>());
        }
    }
}
