//! Requests and answers as a packet socket sees them on loopback.
//!
//! Every packet comes by twice there: on its way out and on its way in. A request counts from when
//! it comes in, an answer when it goes out: what a capture on the server's side of a wire would
//! show. tcpdump has only the way in, which is some microseconds late for answers.

use std::{
    collections::HashMap,
    io::{self, IoSliceMut},
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::{
    cmsg_space,
    errno::Errno,
    sys::{
        socket::{
            AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType,
            recvmsg, setsockopt, socket, sockopt,
        },
        time::TimeSpec,
    },
};

/// Bytes of a packet that are kept: both headers, and little else.
const SNAP: u32 = 60;
/// Where packets wait for the thread that takes them, in bytes of the kernel's.
const BUFFER: usize = 512 << 20;
/// The thread takes all that there is, then sleeps, so that it seldom competes with the server.
const PAUSE: Duration = Duration::from_millis(50);

/// A capture that goes on until it is read.
pub(super) struct Capture {
    end: Arc<AtomicBool>,
    taking: JoinHandle<Result<Turns>>,
}

impl Capture {
    /// Captures what comes and goes at a port of loopback from now on.
    pub(super) fn start(port: u16) -> Result<Self> {
        let socket =
            open(port).context("no packet socket: it takes CAP_NET_RAW and CAP_NET_ADMIN")?;
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let taking = thread::Builder::new()
            .name("capture".into())
            .spawn(move || take(&socket, port, &ended))?;
        Ok(Self { end, taking })
    }

    /// Ends the capture; for each request how long it waited for its answer, in ns.
    pub(super) fn answers(self) -> Result<Vec<u64>> {
        self.end.store(true, Ordering::Relaxed);
        let turns = self
            .taking
            .join()
            .map_err(|_| anyhow!("the capture has failed"))?;
        Ok(turns?.answers)
    }
}

/// A packet socket that lets through segments with data only, each once.
fn open(port: u16) -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        flags,
        SockProtocol::EthAll,
    )?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    attach(&socket, &filter(port))?;
    // What came before the filter was in place.
    let mut buffers = Buffers::default();
    while buffers.receive(&socket)?.is_some() {}
    Ok(socket)
}

/// The kernel's classic filter, on packets that begin with their IP header.
fn filter(port: u16) -> [libc::sock_filter; 23] {
    const DROP: usize = 22;
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    const LOAD_IP_HEADER: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let port = u32::from(port);
    let extra = |field: libc::c_int| (libc::SKF_AD_OFF + field).cast_unsigned();
    let go = |code, k| instruction(code, k, 0, 0);
    // Goes on when it holds, and to the end when not.
    let only = |at: usize, code, k| instruction(code, k, 0, DROP - at - 1);
    [
        go(LOAD_HALF, extra(libc::SKF_AD_PROTOCOL)),
        only(1, EQUAL, libc::ETH_P_IP.cast_unsigned()),
        go(LOAD_BYTE, 9),
        only(3, EQUAL, libc::IPPROTO_TCP.cast_unsigned()),
        // The length of both headers, against that of the packet.
        go(LOAD_IP_HEADER, 0),
        go(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 12),
        go(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0xf0),
        go(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 2),
        go(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X, 0),
        go(libc::BPF_ST, 0),
        go(LOAD_HALF, 2),
        go(libc::BPF_LDX | libc::BPF_W | libc::BPF_MEM, 0),
        only(12, libc::BPF_JMP | libc::BPF_JGT | libc::BPF_X, 0),
        // From the server on the way out, to the server on the way in.
        go(LOAD_IP_HEADER, 0),
        go(LOAD_BYTE, extra(libc::SKF_AD_PKTTYPE)),
        instruction(EQUAL, u32::from(libc::PACKET_OUTGOING), 0, 2),
        go(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0),
        instruction(EQUAL, port, 3, DROP - 18),
        only(18, EQUAL, u32::from(libc::PACKET_HOST)),
        go(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 2),
        only(20, EQUAL, port),
        go(libc::BPF_RET | libc::BPF_K, SNAP),
        go(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// One instruction, and how many to leave out when it holds, and when not.
#[expect(
    clippy::cast_possible_truncation,
    reason = "codes have 16 bits, and jumps stay within 23 instructions"
)]
const fn instruction(code: u32, k: u32, holds: usize, fails: usize) -> libc::sock_filter {
    libc::sock_filter {
        code: code as u16,
        jt: holds as u8,
        jf: fails as u8,
        k,
    }
}

fn attach(socket: &OwnedFd, filter: &[libc::sock_filter]) -> Result<()> {
    let program = libc::sock_fprog {
        len: filter.len().try_into()?,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads the program, which outlives the call, and writes nothing.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of_val(&program).try_into()?,
        )
    };
    ensure!(result == 0, "no filter: {}", io::Error::last_os_error());
    Ok(())
}

/// Takes packets until it is told to end, and then those that are left.
fn take(socket: &OwnedFd, port: u16, end: &AtomicBool) -> Result<Turns> {
    let mut turns = Turns::new(port);
    let mut buffers = Buffers::default();
    loop {
        let last = end.load(Ordering::Relaxed);
        while let Some(packet) = buffers.receive(socket)? {
            turns.packet(packet);
        }
        if last {
            return Ok(turns);
        }
        thread::sleep(PAUSE);
    }
}

/// What is received into.
struct Buffers {
    packet: [u8; SNAP as usize],
    control: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            packet: [0; SNAP as usize],
            control: cmsg_space!(TimeSpec, u32),
        }
    }
}

/// One segment with data.
#[derive(Clone, Copy, Debug)]
struct Packet {
    /// In ns.
    time: u64,
    from: u16,
    to: u16,
}

impl Buffers {
    /// The next packet; `None` when there is none now.
    fn receive(&mut self, socket: &OwnedFd) -> Result<Option<Packet>> {
        let mut slices = [IoSliceMut::new(&mut self.packet)];
        let fd = socket.as_fd().as_raw_fd();
        let message =
            match recvmsg::<()>(fd, &mut slices, Some(&mut self.control), MsgFlags::empty()) {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error).context("the capture cannot be read"),
            };
        let mut time = None;
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmTimestampns(stamp) => time = Some(stamp),
                ControlMessageOwned::RxqOvfl(lost) if lost > 0 => {
                    bail!("the capture is not whole: {lost} packets were lost")
                }
                _ => {}
            }
        }
        let time = time.context("a packet without a time")?;
        let time = u64::try_from(time.tv_sec())? * 1_000_000_000 + u64::try_from(time.tv_nsec())?;
        let header = usize::from(self.packet[0] & 0x0f) * 4;
        let port = |at: usize| {
            let bytes = self.packet.get(at..at + 2).unwrap_or(&[0; 2]);
            u16::from_be_bytes([bytes[0], bytes[1]])
        };
        Ok(Some(Packet {
            time,
            from: port(header),
            to: port(header + 2),
        }))
    }
}

/// The connections' requests in hand, by the client's port, and what was answered.
struct Turns {
    server: u16,
    since: HashMap<u16, u64>,
    answers: Vec<u64>,
}

impl Turns {
    fn new(server: u16) -> Self {
        Self {
            server,
            since: HashMap::new(),
            answers: Vec::new(),
        }
    }

    fn packet(&mut self, Packet { time, from, to }: Packet) {
        if to == self.server {
            self.since.entry(from).or_insert(time);
        } else if let Some(since) = self.since.remove(&to) {
            self.answers.push(time.saturating_sub(since));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_from_the_first_segment_to_the_first_of_the_answer() {
        let mut turns = Turns::new(80);
        for (time, from, to) in [
            (0, 4000, 80),
            (100, 4001, 80),
            (200, 4000, 80),
            (1_000, 80, 4000),
            (1_500, 80, 4000),
            (2_000, 80, 4001),
        ] {
            turns.packet(Packet { time, from, to });
        }
        assert_eq!(turns.answers, [1_000, 1_900]);
    }
}
