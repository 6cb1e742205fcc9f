//! One byte to and fro over a TCP connection on loopback: nothing but the network's way and two
//! wake-ups each time.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Requests that were answered.
    pub turns: u64,
    /// Seconds that all of them took.
    pub seconds: f64,
}

/// Takes so many turns, one after the other.
///
/// # Errors
/// When loopback cannot be used.
pub fn run(turns: u64) -> Result<Report> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || answer(&listener));
    let report = take(address, turns)?;
    match server.join() {
        Ok(answered) => answered?,
        Err(_) => bail!("the server panicked"),
    }
    Ok(report)
}

/// Takes so many turns with a server elsewhere, over one connection.
///
/// # Errors
/// When the server cannot be reached or goes away.
pub fn take(server: SocketAddr, turns: u64) -> Result<Report> {
    let mut client = connect(TcpStream::connect(server).context("cannot connect")?)?;
    let begun = Instant::now();
    for _ in 0..turns {
        client.write_all(b"?")?;
        client.read_exact(&mut [0])?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Report { turns, seconds })
}

/// Answers one connection until it ends.
///
/// # Errors
/// When nobody can be accepted, or the connection fails.
pub fn answer(listener: &TcpListener) -> Result<()> {
    let (stream, _) = listener.accept().context("cannot accept")?;
    let mut stream = connect(stream)?;
    while stream.read(&mut [0])? == 1 {
        stream.write_all(b"!")?;
    }
    Ok(())
}

/// A byte must not wait for more.
fn connect(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_is_taken() {
        let report = run(100).expect("loopback");
        assert_eq!(report.turns, 100);
        assert!(report.seconds > 0.0);
    }
}
