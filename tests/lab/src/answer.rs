//! A server that keeps its own account of how long each request waited, and clients for it.
//!
//! Nobody outside the kernel knows the moment at which a request arrives or is read: the account
//! says between which two times it was, those before and after the system call. A request is two
//! clocks of eight bytes, the answer the same bytes. One thread serves one request after the
//! other, so that with many clients most of them wait unread.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    event::{PollFd, PollFlags, poll},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};

/// The length of requests and answers, in bytes: when the client began to send this request, in ns
/// of `CLOCK_MONOTONIC`, and for how long it was at sending the one before, in ns.
pub const MESSAGE: usize = 16;

/// How a server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How long a request that has arrived is left unread.
    pub late: Duration,
    /// From reading a request to answering it.
    pub service: Duration,
}

/// A time that was somewhere between these two, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// It was no shorter.
    pub least: u64,
    /// It was no longer.
    pub most: u64,
}

/// What the server measured: one entry per request, in the order of the answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// From a request's arrival to its answer.
    pub answered: Vec<Span>,
    /// From its arrival to the read.
    pub unread: Vec<Span>,
    /// From the read to the answer.
    pub served: Vec<Span>,
}

/// A client, and which entry of the account is of its last request.
struct Client {
    stream: TcpStream,
    last: Option<usize>,
}

/// Serves until `end` has something to read or is closed, and gives account.
///
/// # Errors
/// When a client cannot be accepted or waited for.
pub fn serve(listener: &TcpListener, manner: Manner, end: BorrowedFd<'_>) -> Result<Account> {
    let mut account = Account::default();
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let (ended, knocked, ready) = wait(listener, &clients, end)?;
        if ended {
            for client in &clients {
                account.settle(client, u64::MAX);
            }
            return Ok(account);
        }
        // From the last, so that those before keep their places.
        for index in ready.into_iter().rev() {
            if !attend(&mut clients[index], manner, &mut account) {
                // How long it was at sending its last request will not be known.
                account.settle(&clients.swap_remove(index), u64::MAX);
            }
        }
        if knocked {
            let (stream, _) = listener.accept().context("cannot accept a client")?;
            stream.set_nodelay(true)?;
            clients.push(Client { stream, last: None });
        }
    }
}

/// Whether the end has come, whether somebody wants to be accepted, and which clients have spoken.
fn wait(
    listener: &TcpListener,
    clients: &[Client],
    end: BorrowedFd<'_>,
) -> Result<(bool, bool, Vec<usize>)> {
    let all = [end, listener.as_fd()].into_iter();
    let mut all: Vec<PollFd<'_>> = all
        .chain(clients.iter().map(|client| client.stream.as_fd()))
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    poll(&mut all, None).context("cannot wait for clients")?;
    let spoke = |fd: &PollFd<'_>| !fd.revents().is_empty();
    let ready = all[2..].iter().enumerate().filter(|(_, fd)| spoke(fd));
    let ready = ready.map(|(index, _)| index).collect();
    Ok((spoke(&all[0]), spoke(&all[1]), ready))
}

/// Reads one request and answers it; `false` when the client has gone.
fn attend(client: &mut Client, manner: Manner, account: &mut Account) -> bool {
    thread::sleep(manner.late);
    let mut message = [0; MESSAGE];
    let reading = now();
    if client.stream.read_exact(&mut message).is_err() {
        return false;
    }
    let read = now();
    let (sent, took) = parts(message);
    account.settle(client, took);
    thread::sleep(manner.service);
    let answering = now();
    if client.stream.write_all(&message).is_err() {
        return false;
    }
    let answered = now();
    client.last = Some(account.answered.len());
    let span = |from: [u64; 2], to: [u64; 2]| Span {
        least: to[0].saturating_sub(from[1]),
        most: to[1].saturating_sub(from[0]),
    };
    // When the client had sent it shows with its next request.
    account
        .answered
        .push(span([sent; 2], [answering, answered]));
    account.unread.push(span([sent; 2], [reading, read]));
    account
        .served
        .push(span([reading, read], [answering, answered]));
    true
}

impl Account {
    /// Takes in that a client was at sending its last request for so long.
    fn settle(&mut self, client: &Client, took: u64) {
        let Some(last) = client.last else {
            return;
        };
        for span in [&mut self.answered[last], &mut self.unread[last]] {
            span.least = span.least.saturating_sub(took);
        }
    }
}

/// The two clocks in a message.
fn parts(message: [u8; MESSAGE]) -> (u64, u64) {
    let both = u128::from_ne_bytes(message);
    (part(both), part(both >> 64))
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn part(both: u128) -> u64 {
    both as u64
}

/// Asks over so many connections at the same time, each again as soon as it is answered, for a
/// while; how many answers came.
///
/// # Errors
/// When the server cannot be reached, goes away, or answers what was not asked.
pub fn ask(server: SocketAddr, connections: usize, length: Duration) -> Result<u64> {
    ensure!(connections > 0, "at least one connection is needed");
    let end = Instant::now() + length;
    thread::scope(|scope| {
        let asking: Vec<_> = (0..connections)
            .map(|_| scope.spawn(move || ask_one(server, end)))
            .collect();
        let mut answers = 0;
        for asking in asking {
            answers += asking
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok(answers)
    })
}

fn ask_one(server: SocketAddr, end: Instant) -> Result<u64> {
    let mut stream =
        TcpStream::connect(server).with_context(|| format!("cannot connect to {server}"))?;
    stream.set_nodelay(true)?;
    let (mut answers, mut answer, mut took) = (0, [0; MESSAGE], 0);
    while Instant::now() < end {
        let asking = now();
        let message = (u128::from(asking) | u128::from(took) << 64).to_ne_bytes();
        stream.write_all(&message).context("cannot ask")?;
        took = now() - asking;
        match stream.read_exact(&mut answer) {
            Ok(()) => ensure!(answer == message, "an answer to another question"),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error).context("no answer"),
        }
        answers += 1;
    }
    Ok(answers)
}

/// ns of `CLOCK_MONOTONIC`.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_accounted_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (end, stop) = std::io::pipe().unwrap();
        let manner = Manner {
            late: Duration::from_millis(2),
            service: Duration::from_millis(1),
        };
        let server = thread::spawn(move || serve(&listener, manner, end.as_fd()).unwrap());
        let answers = ask(address, 3, Duration::from_millis(200)).unwrap();
        drop(stop);
        let account = server.join().unwrap();
        assert!(answers > 3);
        assert_eq!(account.answered.len() as u64, answers);
        let spans = account.unread.iter().zip(&account.answered);
        for ((unread, answered), served) in spans.zip(&account.served) {
            assert!(unread.most >= 2_000_000 && served.least >= 1_000_000);
            assert!(answered.least <= answered.most && unread.least <= unread.most);
            assert!(answered.most >= unread.least + served.least);
        }
        // All but the last of each client.
        let known = account.unread.iter().filter(|span| span.least > 0).count() as u64;
        assert!(known >= answers - 3 && known > 0, "{account:?}");
    }
}
