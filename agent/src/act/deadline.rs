//! Work that may block inside the kernel, on a thread of its own and waited for with a deadline.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::error::ActError;

/// Runs `work` on its own thread and waits at most until `deadline`.
///
/// Lowering a memory limit makes the kernel reclaim inside `write(2)`, which cannot be
/// interrupted: past the deadline the thread is left to finish by itself.
///
/// # Errors
/// [`ActError::Deadline`] if it is not done in time; [`ActError::Group`] if no thread could be made
/// or the work panicked.
pub fn run<T: Send + 'static>(
    what: &str,
    deadline: Instant,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ActError> {
    start(what, work)?.wait(deadline)
}

/// Work under way on its own thread.
#[derive(Debug)]
pub struct Running<T> {
    what: String,
    started: Instant,
    result: mpsc::Receiver<T>,
}

/// Starts `work` on its own thread.
///
/// # Errors
/// No thread could be made.
pub fn start<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Running<T>, ActError> {
    let (send, result) = mpsc::sync_channel(1);
    let body = move || {
        // Nobody waits any more once the deadline has passed.
        let _ = send.send(work());
    };
    match thread::Builder::new()
        .name("limit-write".into())
        .spawn(body)
    {
        Ok(_) => Ok(Running {
            what: what.to_owned(),
            started: Instant::now(),
            result,
        }),
        Err(error) => Err(failed(what, "start a thread", &error.to_string())),
    }
}

impl<T> Running<T> {
    /// Waits for the result, at most until `deadline`.
    ///
    /// # Errors
    /// As [`run`].
    pub fn wait(self, deadline: Instant) -> Result<T, ActError> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.result.recv_timeout(left) {
            Ok(value) => Ok(value),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let after = Duration::from_millis(
                    u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                );
                Err(ActError::Deadline {
                    what: self.what,
                    after,
                })
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(failed(&self.what, "write", "its thread panicked"))
            }
        }
    }
}

fn failed(what: &str, action: &'static str, reason: &str) -> ActError {
    ActError::Group {
        group: what.to_owned(),
        action,
        source: std::io::Error::other(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_work_is_left_behind() {
        let soon = Instant::now() + Duration::from_millis(20);
        let (release, wait) = mpsc::channel::<()>();
        let late = run("w", soon, move || wait.recv().is_ok());
        assert!(matches!(late, Err(ActError::Deadline { .. })), "{late:?}");
        drop(release);
        assert_eq!(
            run("w", Instant::now() + Duration::from_secs(10), || 7).unwrap(),
            7
        );
    }
}
