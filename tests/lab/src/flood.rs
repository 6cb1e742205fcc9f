//! A storm of softirqs: broadcasts over loopback that many sockets hear and nobody reads.
//!
//! Each packet costs its sender one system call, and the CPU that receives it a delivery per socket.
//! Which CPU that is, the interface's `rps_cpus` says.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, UdpSocket},
};

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, socket, sockopt};

/// Loopback's broadcast address.
const EVERYBODY: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);

/// Sends for ever, to this many sockets.
///
/// # Errors
/// When a socket cannot be made.
pub fn flood(sockets: usize) -> Result<Infallible> {
    let (mut port, mut heard) = (0, Vec::new());
    for _ in 0..sockets {
        let one = socket(AddressFamily::INET, SocketType::DGRAM, None).context("no socket")?;
        sockopt::set_socket_reuseaddr(&one, true)?;
        bind(&one, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))
            .with_context(|| format!("cannot bind port {port}"))?;
        let one = UdpSocket::from(one);
        port = one.local_addr()?.port();
        heard.push(one);
    }
    let sender = UdpSocket::bind(("127.0.0.1", 0))?;
    sender.set_broadcast(true)?;
    loop {
        // A packet that finds a full queue has done what it was for.
        let _ = sender.send_to(&[0], (EVERYBODY, port));
    }
}
