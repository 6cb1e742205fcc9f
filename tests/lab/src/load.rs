//! An open-loop load generator: it sends when a request is due, whether or not earlier ones were answered,
//! and measures from the moment a request was due. A slow server cannot hide behind requests that were never sent.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;

use crate::{
    arrivals::Plan,
    burst::now_ns,
    rates::Rates,
    serve::MESSAGE,
    summary::{Durations, Summary},
};

/// From here on a send counts as late; timers are some 50 us late without anything being wrong.
const LATE: Duration = Duration::from_millis(1);

/// Where to send what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// The server.
    pub target: SocketAddr,
    /// When requests are due.
    pub plan: Plan,
    /// Connections, used in turn.
    pub connections: usize,
    /// How long to wait for answers after the last request.
    pub patience: Duration,
}

/// What the clients saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// When the plan began, in ns of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// Requests sent, which is all that were planned.
    pub sent: u64,
    /// Requests answered.
    pub answered: u64,
    /// Requests without an answer when patience ended; they count in `latency` with the time waited.
    pub unanswered: u64,
    /// Requests sent more than a millisecond after they were due; their latency counts from when they were due.
    pub late: u64,
    /// The longest delay of a send, in microseconds.
    pub late_max_us: u64,
    /// Seconds from the start to the last answer, or to the end of patience.
    pub wall_s: f64,
    /// From the moment a request was due to its answer.
    pub latency: Summary,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clients {
    /// The server.
    pub target: SocketAddr,
    /// Connections, used in turn.
    pub connections: usize,
    /// How long to wait for answers after the last request.
    pub patience: Duration,
}

/// What became of each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// When it began, in ns of `CLOCK_MONOTONIC`.
    pub began_ns: u64,
    /// The requests, in the order in which they were due.
    pub requests: Vec<Request>,
    /// Requests sent more than a millisecond after they were due.
    pub late: u64,
    /// The longest delay of a send.
    pub late_max: Duration,
    /// From the start until the last was answered, or patience had ended.
    pub wall: Duration,
}

/// One request; times are since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was due.
    pub due: Duration,
    /// When its answer came; `None` where patience ended before.
    pub answered: Option<Duration>,
}

struct Sent {
    count: u64,
    late: u64,
    late_max: Duration,
}

impl Load {
    /// Sends the whole plan and waits for the answers.
    ///
    /// # Errors
    /// When the server cannot be reached, closes a connection, or answers what was not asked.
    pub fn run(&self) -> Result<Report> {
        self.run_watched(&|_| ())
    }

    /// The same, and calls `seen` with each latency as its answer comes, in the thread that received it.
    ///
    /// # Errors
    /// As for [`Load::run`].
    pub fn run_watched(&self, seen: &(dyn Fn(Duration) + Sync)) -> Result<Report> {
        self.clients().send(&self.plan.times(), seen)?.report()
    }

    /// The same, but the rate follows these, with the plan's rate as their mean and nothing of its pattern.
    ///
    /// # Errors
    /// As for [`Load::run`], and when there are no requests within the plan's duration.
    pub fn follow(&self, rates: &Rates) -> Result<Report> {
        let Plan {
            rate,
            duration,
            spacing,
            seed,
            ..
        } = self.plan;
        let rates = rates.clone().with_mean(rate, duration)?;
        let times = rates.times(duration, spacing, seed);
        self.clients().send(&times, &|_| ())?.report()
    }

    const fn clients(&self) -> Clients {
        Clients {
            target: self.target,
            connections: self.connections,
            patience: self.patience,
        }
    }
}

impl Clients {
    /// Sends a request at each of these times since the start, which are in order, and waits for the answers.
    /// Calls `seen` with each latency as its answer comes, in the thread that received it.
    ///
    /// # Errors
    /// When the server cannot be reached, closes a connection, or answers what was not asked.
    pub fn send(&self, times: &[Duration], seen: &(dyn Fn(Duration) + Sync)) -> Result<Account> {
        ensure!(self.connections > 0, "at least one connection is needed");
        // Zero means unanswered, so answers are stored one nanosecond late.
        let answers: Vec<AtomicU64> = times.iter().map(|_| AtomicU64::new(0)).collect();
        let mut streams = Vec::new();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(self.target)
                .with_context(|| format!("cannot connect to {}", self.target))?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        let failure = Mutex::new(None);
        let start = Instant::now();
        let began_ns = now_ns();
        let sent = thread::scope(|scope| {
            for stream in &streams {
                let (answers, failure) = (&answers, &failure);
                thread::Builder::new().spawn_scoped(scope, move || {
                    if let Err(error) = receive(stream, start, times, answers, seen) {
                        failure
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .get_or_insert(error);
                    }
                })?;
            }
            let sent = send(&streams, start, times);
            let end = Instant::now() + self.patience;
            while Instant::now() < end
                && answers
                    .iter()
                    .any(|answer| answer.load(Ordering::Relaxed) == 0)
            {
                thread::sleep(Duration::from_millis(2));
            }
            for stream in &streams {
                // Ends the receiver; the server may have closed it before.
                let _ = stream.shutdown(Shutdown::Both);
            }
            sent
        })?;
        let wall = start.elapsed();
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let answered = answers.into_iter().map(AtomicU64::into_inner);
        let requests = times.iter().zip(answered).map(|(due, answered)| Request {
            due: *due,
            answered: answered.checked_sub(1).map(Duration::from_nanos),
        });
        Ok(Account {
            began_ns,
            requests: requests.collect(),
            late: sent.late,
            late_max: sent.late_max,
            wall,
        })
    }
}

impl Account {
    /// How long a request waited for its answer: one without, as long as it was waited for.
    #[must_use]
    pub fn waited(&self, request: &Request) -> Duration {
        let until = request.answered.unwrap_or(self.wall);
        until.saturating_sub(request.due)
    }

    fn report(&self) -> Result<Report> {
        let mut latencies = Durations::new()?;
        let (mut answered, mut last) = (0, Duration::ZERO);
        for request in &self.requests {
            answered += u64::from(request.answered.is_some());
            last = last.max(request.answered.unwrap_or(self.wall));
            latencies.record(self.waited(request));
        }
        let sent = self.requests.len() as u64;
        Ok(Report {
            began_ns: self.began_ns,
            sent,
            answered,
            unanswered: sent - answered,
            late: self.late,
            late_max_us: u64::try_from(self.late_max.as_micros())?,
            wall_s: last.as_secs_f64(),
            latency: latencies.summary(),
        })
    }
}

fn send(mut streams: &[TcpStream], start: Instant, times: &[Duration]) -> Result<Sent> {
    let all = streams;
    let mut sent = Sent {
        count: 0,
        late: 0,
        late_max: Duration::ZERO,
    };
    for due in times {
        thread::sleep((start + *due).saturating_duration_since(Instant::now()));
        let late = start.elapsed().saturating_sub(*due);
        sent.late += u64::from(late > LATE);
        sent.late_max = sent.late_max.max(late);
        let (stream, rest) = streams
            .split_first()
            .or_else(|| all.split_first())
            .context("no connection")?;
        streams = rest;
        let mut stream = stream;
        stream
            .write_all(&sent.count.to_le_bytes())
            .context("cannot send a request")?;
        sent.count += 1;
    }
    Ok(sent)
}

fn receive(
    mut stream: &TcpStream,
    start: Instant,
    times: &[Duration],
    answers: &[AtomicU64],
    seen: &(dyn Fn(Duration) + Sync),
) -> Result<()> {
    let mut message = [0; MESSAGE];
    // An error is how the end of the connection looks, whoever ended it: what is missing counts as unanswered.
    while stream.read_exact(&mut message).is_ok() {
        let at = u64::try_from(start.elapsed().as_nanos())?;
        let number = usize::try_from(u64::from_le_bytes(message))?;
        let (answer, due) = answers
            .get(number)
            .zip(times.get(number))
            .ok_or_else(|| anyhow!("an answer to request {number}, which was never sent"))?;
        answer.store(at + 1, Ordering::Relaxed);
        seen(Duration::from_nanos(at).saturating_sub(*due));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arrivals::{Pattern, Spacing},
        serve::{Server, Work},
    };

    fn load(target: SocketAddr, rate: f64) -> Load {
        Load {
            target,
            plan: Plan {
                rate,
                duration: Duration::from_millis(500),
                pattern: Pattern::Steady,
                spacing: Spacing::Even,
                seed: 1,
            },
            connections: 4,
            patience: Duration::from_secs(10),
        }
    }

    fn server(threads: usize, cpu: Duration) -> Server {
        let work = Work {
            threads,
            cpu,
            memory: 64 << 10,
        };
        Server::start(([127, 0, 0, 1], 0).into(), work).unwrap()
    }

    #[test]
    fn every_request_is_sent_and_answered() {
        let server = server(2, Duration::from_micros(200));
        let report = load(server.address(), 200.0).run().unwrap();
        assert!((98..=100).contains(&report.sent), "{report:?}");
        assert_eq!((report.unanswered, report.answered), (0, report.sent));
        assert!(report.latency.p50_us >= 200, "{report:?}");
    }

    #[test]
    fn each_answer_is_seen_as_it_comes() {
        let server = server(2, Duration::from_micros(200));
        let seen = Mutex::new(Vec::new());
        let report = load(server.address(), 200.0)
            .run_watched(&|latency| seen.lock().unwrap().push(latency))
            .unwrap();
        let seen = seen.into_inner().unwrap();
        assert_eq!(u64::try_from(seen.len()).unwrap(), report.answered);
        let longest = seen.iter().max().unwrap().as_micros();
        assert!(longest.abs_diff(u128::from(report.latency.max_us)) <= 1 + longest / 500);
    }

    #[test]
    fn a_server_that_is_too_slow_shows_in_the_latency_of_all_that_waited() {
        // Twice as much work as one thread can do in the time: the last request waits about as long as sending took.
        let server = server(1, Duration::from_millis(10));
        let report = load(server.address(), 200.0).run().unwrap();
        assert_eq!(report.unanswered, 0);
        assert!(report.latency.max_us > 400_000, "{report:?}");
        assert!(report.latency.p50_us > 150_000, "{report:?}");
    }

    #[test]
    fn a_silent_server_leaves_requests_unanswered_and_counts_their_waiting() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let load = Load {
            patience: Duration::from_millis(50),
            ..load(silent.local_addr().unwrap(), 100.0)
        };
        let report = load.run().unwrap();
        assert_eq!((report.answered, report.unanswered), (0, report.sent));
        assert!(report.latency.max_us >= 500_000, "{report:?}");
    }
}
