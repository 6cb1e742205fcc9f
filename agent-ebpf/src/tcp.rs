//! Requests to TCP servers: how long each waited to be read and to be answered, a histogram per
//! group, and bytes in and out.
//!
//! Hooks: `inet_sock_set_state`, `sk_data_ready`, `tcp_rcv_space_adjust`, `tcp_sendmsg_locked`.
//! Minimum kernel: 5.11 (`bpf_get_current_task_btf`, socket storage from tracing programs). The
//! second hook is a tracepoint since 6.3 and the fourth since 6.16; on older kernels the functions
//! in which they stand are entered (fentry).
//!
//! A connection that is accepted gets a cell in its socket's storage. The first byte that arrives
//! when nothing is in hand begins a request, the first read ends its wait, and the first byte sent
//! after that answers it: one turn. All four hooks run under the socket's lock, so nothing in a
//! cell needs a lock of its own. Nothing of the payload is looked at.
//!
//! The group is that of the task that answers, by the CPU controller, as in [`crate::runq`]; not the
//! socket's, which a parent may have made elsewhere. All of a turn is counted when it is answered:
//! one look for the group instead of two.
//!
//! Cost: 304 to 398 ns per request in six runs of programs, since both ends of the connection were on
//! one host, beyond six empty ones (6.18, x86-64, a virtual machine; `bench requests`); two looks at
//! the clock of about 50 each are in that. A client's socket costs a load and a branch per hook.
//!
//! What it cannot see: connections that were there before it was attached; requests that arrive
//! before an earlier one is answered (pipelining; HTTP/2 and other multiplexed protocols), which
//! are one turn unless the answer goes out before they are read; what a server says without being
//! asked; data in a SYN; sockets whose data the kernel moves by itself (sockmap, SMC), `AF_UNIX`
//! and QUIC. TLS is seen by its records, so that a handshake is made of turns as well. A segment
//! that comes while the server holds the socket's lock arrives when the lock is released. Bytes are
//! counted when the next byte is sent or the connection ends; of an upload of more than 4 GiB in
//! between, what is beyond the last whole 4 GiB. Before 6.5 `sendfile` and `splice`
//! to a socket do not pass the last hook: an answer without a header before them is not seen to
//! begin. Not tried: `io_uring`, which goes the same way as calls; kTLS; MPTCP.

use core::ptr;

use aya_ebpf::{
    bindings::BPF_SK_STORAGE_GET_F_CREATE,
    btf_maps::SkStorage,
    helpers::generated::{bpf_get_current_task_btf, bpf_sk_storage_get, bpf_skc_to_tcp_sock},
    macros::{btf_map, btf_tracepoint, fentry, map},
    maps::Array,
    programs::{BtfTracePointContext, FEntryContext},
};
use trimtab_ebpf::{GroupCell, TcpHist, bucket, duty, lost};

use crate::{
    emit::{add, count_lost, now},
    groups::index_of,
    kernel::{Kernel, has, load, offset, on},
    runq::group_of,
};

/// What is known of an accepted connection.
#[repr(C)]
#[derive(Clone, Copy)]
struct Connection {
    /// When the request in hand arrived, in ns of `CLOCK_MONOTONIC`; 0 when there is none.
    arrived: u64,
    /// How long it waited to be read, in ns; [`UNREAD`] until then, [`UNKNOWN`] when nobody saw it
    /// arrive.
    waited: u64,
    /// The group whose task sent last, or was the first to read.
    group: u64,
    /// `copied_seq` and `write_seq` up to which bytes are counted.
    read: u32,
    written: u32,
}

const UNREAD: u64 = u64::MAX;
const UNKNOWN: u64 = u64::MAX - 1;

/// Lives and dies with the sockets.
#[btf_map]
static CONNECTIONS: SkStorage<Connection> = SkStorage::new();

/// The ids of the groups of which user space wants histograms, see [`crate::groups`].
#[map]
static TCP_GROUPS: Array<GroupCell> = Array::with_max_entries(2048, 0);

/// Their histograms, the one that many share first.
#[map]
static TCP_HISTS: Array<TcpHist> = Array::with_max_entries(2048, 0);

/// States of a connection, as numbered by the kernel's `include/net/tcp_states.h`.
mod state {
    pub(super) const ESTABLISHED: i32 = 1;
    pub(super) const SYN_RECV: i32 = 3;
    pub(super) const CLOSE_WAIT: i32 = 8;
}

/// `inet_sock_set_state(const struct sock *sk, const int oldstate, const int newstate)`
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(crate) fn inet_sock_set_state(ctx: BtfTracePointContext) -> i32 {
    let sk: Kernel = ctx.arg(0);
    let (old, new): (i32, i32) = (ctx.arg(1), ctx.arg(2));
    if !on(duty::TCP_LATENCY) {
        return 0;
    }
    match old {
        state::SYN_RECV if new == state::ESTABLISHED => accepted(sk),
        // From here on nothing can be sent, or nothing but what the peer's end lets through.
        state::ESTABLISHED | state::CLOSE_WAIT => closing(sk),
        _ => {}
    }
    0
}

/// `sk_data_ready(const struct sock *sk)`
#[btf_tracepoint(function = "sk_data_ready")]
pub(crate) fn sk_data_ready(ctx: BtfTracePointContext) -> i32 {
    arrived(ctx.arg(0))
}

/// `sock_def_readable(struct sock *sk)`
#[fentry(function = "sock_def_readable")]
pub(crate) fn enter_sock_def_readable(ctx: FEntryContext) -> i32 {
    arrived(ctx.arg(0))
}

/// `tcp_rcv_space_adjust(struct sock *sk)`
#[btf_tracepoint(function = "tcp_rcv_space_adjust")]
pub(crate) fn tcp_rcv_space_adjust(ctx: BtfTracePointContext) -> i32 {
    read(ctx.arg(0))
}

/// `tcp_sendmsg_locked(const struct sock *sk, const struct msghdr *msg, ..)`, before each piece.
#[btf_tracepoint(function = "tcp_sendmsg_locked")]
pub(crate) fn tcp_sendmsg_locked(ctx: BtfTracePointContext) -> i32 {
    sends(ctx.arg(0))
}

/// `tcp_sendmsg_locked(struct sock *sk, struct msghdr *msg, size_t size)`
#[fentry(function = "tcp_sendmsg_locked")]
pub(crate) fn enter_tcp_sendmsg_locked(ctx: FEntryContext) -> i32 {
    sends(ctx.arg(0))
}

/// A client has connected.
#[inline(always)]
fn accepted(sk: Kernel) {
    let Some(tcp) = tcp_sock(sk) else {
        return;
    };
    let connection = storage(sk, BPF_SK_STORAGE_GET_F_CREATE.into());
    if connection.is_null() {
        count_lost(lost::NO_STORAGE);
        return;
    }
    // SAFETY: not null, and the storage lives as long as the socket.
    unsafe {
        (*connection).read = load!(tcp, tcp_copied as u32);
        (*connection).written = load!(tcp, tcp_written as u32);
    }
}

/// Data has arrived.
#[inline(always)]
fn arrived(sk: Kernel) -> i32 {
    let Some(connection) = connection(sk) else {
        return 0;
    };
    if connection.arrived == 0 {
        // The kernel has looked at the clock for this segment already.
        let clock = match tcp_sock(sk) {
            Some(tcp) if has(offset!(tcp_clock)) => load!(tcp, tcp_clock as u64),
            _ => now(),
        };
        connection.arrived = clock;
        connection.waited = UNREAD;
    }
    0
}

/// The task has read some of what has arrived, or looked at it.
#[inline(always)]
fn read(sk: Kernel) -> i32 {
    let Some(connection) = connection(sk) else {
        return 0;
    };
    if connection.arrived == 0 {
        // It was there when the last answer went out, or nobody saw it arrive.
        connection.arrived = now();
        connection.waited = UNKNOWN;
    } else if connection.waited == UNREAD {
        connection.waited = elapsed(connection.arrived).unwrap_or(UNKNOWN);
    }
    if connection.group == 0 {
        connection.group = own_group();
    }
    0
}

/// The task is about to send.
#[inline(always)]
fn sends(sk: Kernel) -> i32 {
    let Some(connection) = connection(sk) else {
        return 0;
    };
    let Connection {
        arrived, waited, ..
    } = *connection;
    // What is sent before the request is read answers something else.
    let answers = arrived != 0 && waited != UNREAD;
    if answers {
        connection.arrived = 0;
    }
    connection.group = own_group();
    let Some(hist) = count_bytes(sk, connection) else {
        if answers {
            count_lost(lost::UNKNOWN_SERVER);
        }
        return 0;
    };
    if answers && let Some(ns) = elapsed(arrived) {
        // SAFETY: a map value; `bucket` stays below the number of buckets.
        unsafe {
            add((&raw mut (*hist).answered).cast::<u64>().add(bucket(ns)), 1);
            add(&raw mut (*hist).answered_ns, ns);
            if waited != UNKNOWN {
                add(
                    (&raw mut (*hist).unread).cast::<u64>().add(bucket(waited)),
                    1,
                );
                add(&raw mut (*hist).unread_ns, waited);
            }
        }
    }
    0
}

/// The connection can send no more, or will not be read from any more: counts the last bytes. Whose
/// task runs now says nothing, as it may be the peer's segment that brings this about.
#[inline(always)]
fn closing(sk: Kernel) {
    if let Some(connection) = connection(sk) {
        count_bytes(sk, connection);
    }
}

/// Counts what has been read and sent since the last time for the connection's group; where that is.
#[inline(always)]
fn count_bytes(sk: Kernel, connection: &mut Connection) -> Option<*mut TcpHist> {
    let tcp = tcp_sock(sk)?;
    let written = load!(tcp, tcp_written as u32);
    let mut read = load!(tcp, tcp_copied as u32);
    // The end of what the client sends takes a place in the sequence, but is no byte.
    if load!(sk, sock_state as u8) == state::CLOSE_WAIT as u8
        && read == load!(tcp, tcp_received as u32)
    {
        read = read.wrapping_sub(1);
    }
    let (bytes_in, bytes_out) = (
        read.wrapping_sub(connection.read),
        written.wrapping_sub(connection.written),
    );
    (connection.read, connection.written) = (read, written);
    if connection.group == 0 {
        return None;
    }
    let hist = TCP_HISTS.get_ptr_mut(index_of(&TCP_GROUPS, connection.group)?)?;
    // SAFETY: a map value.
    unsafe {
        add(&raw mut (*hist).bytes_in, bytes_in.into());
        add(&raw mut (*hist).bytes_out, bytes_out.into());
    }
    Some(hist)
}

/// The time since then, in ns.
#[inline(always)]
fn elapsed(since: u64) -> Option<u64> {
    let ns = now().checked_sub(since);
    if ns.is_none() {
        count_lost(lost::BACKWARDS);
    }
    ns
}

/// The group of the running task.
#[inline(always)]
fn own_group() -> u64 {
    // SAFETY: a helper without arguments.
    let task: Kernel = unsafe { bpf_get_current_task_btf() }.cast();
    group_of(task)
}

/// What is known of a connection; `None` for a client's, and for whatever else is no accepted one.
#[inline(always)]
fn connection<'a>(sk: Kernel) -> Option<&'a mut Connection> {
    // Most sockets have no storage at all, and a load is cheaper than a call.
    if has(offset!(sock_storage)) && load!(sk, sock_storage as Kernel).is_null() {
        return None;
    }
    // SAFETY: null, or storage that lives as long as the socket, which is locked.
    unsafe { storage(sk, 0).as_mut() }
}

#[inline(always)]
fn storage(sk: Kernel, flags: u64) -> *mut Connection {
    let map = (&raw const CONNECTIONS).cast_mut().cast();
    // SAFETY: a map of the fitting kind, and a socket whose type the verifier knows.
    unsafe { bpf_sk_storage_get(map, sk.cast_mut().cast(), ptr::null_mut(), flags) }.cast()
}

/// The socket as a TCP socket, if it is one.
#[inline(always)]
fn tcp_sock(sk: Kernel) -> Option<Kernel> {
    // SAFETY: a socket whose type the verifier knows.
    let tcp: Kernel = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) }.cast();
    (!tcp.is_null()).then_some(tcp)
}
