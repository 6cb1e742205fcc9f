//! Requests to TCP servers: what the probe says beside what the server measures itself.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::{process::Command, thread, time::Duration};

use trimtab::probe::{Probe, Probes, State, TcpHist};
use trimtab_ebpf::{bucket, bucket_start};
use trimtab_lab::answer::{Account, MESSAGE, Manner, Span, ask};
use trimtab_tests::{Answer, Group, lab_bin};

use crate::probe_support::{group, load, turn};

const WHILE: Duration = Duration::from_secs(1);
const SERVICE: Duration = Duration::from_millis(2);
const PROMPT: Manner = Manner {
    late: Duration::ZERO,
    service: SERVICE,
};

/// The TCP probe alone, with a histogram for the group; `None`, with a loud line, where it cannot
/// be had.
fn probe(group: &Group, detached: &[&str]) -> Option<Probes> {
    let (mut loaded, _ring) = load(&[Probe::TcpLatency], detached)?;
    if detached.is_empty() && state(&loaded).0 == State::Off {
        println!("SKIP: {}", state(&loaded).1);
        return None;
    }
    let id = group.cpu_id().expect("the group");
    loaded.tcp().register(id).expect("registered");
    Some(loaded)
}

fn state(loaded: &Probes) -> (State, String) {
    let mut status = loaded.status().iter();
    let status = status.find(|status| status.probe == Probe::TcpLatency);
    let status = status.expect("a status");
    (status.state, status.why.clone())
}

fn read(loaded: &mut Probes, group: &Group) -> TcpHist {
    let id = group.cpu_id().expect("the group");
    let hist = loaded.tcp().read(id).expect("read");
    hist.expect("registered")
}

/// What the probe and the server say of so many connections that ask all the time.
fn measure(
    group: &Group,
    detached: &[&str],
    manner: Manner,
    connections: usize,
) -> Option<(TcpHist, Account)> {
    let mut loaded = probe(group, detached)?;
    let server = Answer::start(group, manner).expect("a server");
    let answers = ask(server.address, connections, WHILE).expect("answers");
    let account = server.account().expect("an account");
    assert_eq!(account.answered.len() as u64, answers);
    Some((read(&mut loaded, group), account))
}

fn count(buckets: &[u64]) -> u64 {
    buckets.iter().sum()
}

/// The bucket in which a quantile of the histogram lies.
fn quantile(buckets: &[u64], per_mille: u64) -> usize {
    let rank = (count(buckets) * per_mille).div_ceil(1000);
    (0..buckets.len())
        .find(|index| count(&buckets[..=*index]) >= rank)
        .expect("a rank below the count")
}

/// Every request is counted, and both quantiles lie within one bucket of the truth, as far as the
/// server knows it.
fn agree(what: &str, buckets: &[u64], truth: &[Span]) {
    assert_eq!(count(buckets), truth.len() as u64, "{what}: count");
    let sorted = |end: fn(&Span) -> u64| {
        let mut ends: Vec<u64> = truth.iter().map(end).collect();
        ends.sort_unstable();
        ends
    };
    let (least, most) = (sorted(|span| span.least), sorted(|span| span.most));
    for per_mille in [500, 990] {
        let rank = (truth.len() * usize::try_from(per_mille).expect("small")).div_ceil(1000);
        let (least, most) = (least[rank - 1], most[rank - 1]);
        let ours = quantile(buckets, per_mille);
        let said = format!(
            "{what}, {per_mille} per mille of {}: bucket from {} ns, truth {least} to {most} ns",
            truth.len(),
            bucket_start(ours)
        );
        println!("{said}");
        assert!(
            ours + 1 >= bucket(least) && ours <= bucket(most) + 1,
            "{said}"
        );
    }
}

fn agrees_with_the_server(manner: Manner, connections: usize) {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let Some((hist, account)) = measure(&group, &[], manner, connections) else {
        return;
    };
    agree("answered", &hist.answered, &account.answered);
    agree("unread", &hist.unread, &account.unread);
    let bytes = (account.answered.len() * MESSAGE) as u64;
    assert_eq!((hist.bytes_in, hist.bytes_out), (bytes, bytes));
}

#[test]
fn one_connection_is_measured_as_the_server_measures_it() {
    agrees_with_the_server(PROMPT, 1);
}

#[test]
fn so_is_a_server_with_more_to_do_than_it_can() {
    agrees_with_the_server(PROMPT, 16);
}

#[test]
fn a_server_that_reads_late_is_seen_to() {
    let late = Duration::from_millis(10);
    agrees_with_the_server(Manner { late, ..PROMPT }, 1);
}

#[test]
fn clients_are_not_counted() {
    let _turn = turn();
    let (Some(asking), Some(answering)) = (group(), crate::trust::group("server")) else {
        return;
    };
    let Some(mut loaded) = probe(&asking, &[]) else {
        return;
    };
    let server = Answer::start(&answering, PROMPT).expect("a server");
    let mut client: Command = asking.command(lab_bin().expect("lab")).expect("a client");
    let target = server.address.to_string();
    let client = client.args(["ask", "--target", &target, "--for", "300ms"]);
    assert!(client.status().expect("a client").success());
    let answers = server.account().expect("an account").answered.len() as u64;
    assert!(answers > 10, "{answers} answers");
    assert_eq!(read(&mut loaded, &asking), TcpHist::default());
    // The server's group is not registered, and that is counted.
    assert_eq!(loaded.lost().read().unknown_server, answers);
}

#[test]
fn connections_from_before_are_not_seen() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let server = Answer::start(&group, PROMPT).expect("a server");
    let address = server.address;
    let asking = thread::spawn(move || ask(address, 2, WHILE));
    thread::sleep(WHILE / 4);
    let Some(mut loaded) = probe(&group, &[]) else {
        return;
    };
    asking.join().expect("a client").expect("answers");
    assert_eq!(read(&mut loaded, &group), TcpHist::default());
}

#[test]
fn without_one_of_its_hooks_it_is_off_and_says_why() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    for hook in [
        "inet_sock_set_state",
        "tcp_rcv_space_adjust",
        "tcp_sendmsg_locked",
    ] {
        let Some(loaded) = probe(&group, &[hook]) else {
            return;
        };
        let (state, why) = state(&loaded);
        assert_eq!(state, State::Off);
        assert!(why.contains(hook), "{why}");
        drop(loaded);
        let Some((hist, _)) = measure(&group, &[hook], PROMPT, 1) else {
            return;
        };
        assert_eq!(count(&hist.answered), 0, "answered without {hook}");
    }
}

#[test]
fn without_the_arrival_it_measures_from_the_read() {
    let _turn = turn();
    let Some(group) = group() else {
        return;
    };
    let late = Duration::from_millis(10);
    let Some(loaded) = probe(&group, &["sk_data_ready"]) else {
        return;
    };
    let (state, why) = state(&loaded);
    drop(loaded);
    assert_eq!(state, State::Degraded);
    assert!(why.contains("waits to be read is not measured"), "{why}");
    let manner = Manner { late, ..PROMPT };
    let Some((hist, account)) = measure(&group, &["sk_data_ready"], manner, 1) else {
        return;
    };
    assert_eq!(count(&hist.unread), 0);
    agree("served", &hist.answered, &account.served);
}
