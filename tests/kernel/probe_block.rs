//! Block I/O: every request and byte of what a program reads and writes past the page cache.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimtab::probe::{BlockHist, Probe, Probes};
use trimtab_tests::{Group, Process, Traced, Tracing, disk, lab_bin, skip};

use crate::probe_support::{agree, group, load, samples, turn};

const SIZE: u64 = 16 << 10;
const REQUESTS: u64 = 5_000;

/// All of them, but for 2 %: see the probe about what the kernel does not show it.
fn all(count: u64, of: u64) {
    assert!(
        count <= of && count * 50 >= of * 49,
        "{count} of {of} were counted"
    );
}

/// What happened while a program made its requests.
struct Seen {
    hist: BlockHist,
    /// What the program says.
    report: Value,
    /// What the kernel traced.
    traced: Option<Vec<Traced>>,
}

/// Loads the probe and registers a group; `None`, with a loud line, where nothing counts its I/O.
fn loaded(detached: &[&str], group: &Group) -> Result<Option<(Probes, u64)>> {
    let Some(id) = group.io_id()? else {
        skip("no controller counts block I/O here");
        return Ok(None);
    };
    // The kernel makes room to account for a group's I/O when it makes its first request.
    direct(group, &[])?;
    let Some((mut loaded, _ring)) = load(&[Probe::BlockLatency], detached) else {
        return Ok(None);
    };
    loaded.block_mut().register(id)?;
    Ok(Some((loaded, id)))
}

/// Makes the requests in a group; what makes the file is the test, and is not counted.
fn direct(group: &Group, more: &[&str]) -> Result<Value> {
    let disk = disk()?;
    let file = disk.path().join("direct");
    trimtab_lab::cache::make(&file, SIZE * REQUESTS)?;
    let mut command = group.command(lab_bin()?)?;
    command.args(["direct", "--json", "--file"]).arg(&file);
    command.arg("--size").arg(SIZE.to_string());
    command.arg("--requests").arg(REQUESTS.to_string());
    Process::spawn(command.args(more))?.json()
}

/// What the group's histogram shows while a program in it makes its requests.
fn seen(detached: &[&str], more: &[&str]) -> Result<Option<Seen>> {
    let Some(group) = group() else {
        return Ok(None);
    };
    let Some((loaded, id)) = loaded(detached, &group)? else {
        return Ok(None);
    };
    let trace = Tracing::start(&["block/block_rq_issue", "block/block_rq_complete"])
        .inspect_err(|error| skip(&format!("without the kernel's own trace: {error:#}")));
    let report = direct(&group, more)?;
    let hist = loaded.block().read(id)?.context("registered")?;
    ensure!(loaded.lost().read().no_room == 0, "no room");
    Ok(Some(Seen {
        hist,
        report,
        traced: trace.ok().map(|trace| trace.events()).transpose()?,
    }))
}

/// How long the requests of the program's kind took by the kernel's trace; another program's may
/// be among them, since who hands a request to the device is not always who made it.
fn durations(events: &[Traced], kind: char) -> Vec<u64> {
    // `DEV RWBS BYTES () SECTOR + SECTORS ..`, without the bytes when it is complete.
    let place = |event: &Traced| {
        let (before, after) = event.text.split_once(" () ")?;
        let device = before.split(' ').next()?.to_owned();
        Some((device, after.split(' ').next()?.to_owned()))
    };
    let ours = |event: &Traced| {
        let mut words = event.text.split(' ').skip(1);
        words.next().is_some_and(|rwbs| rwbs.starts_with(kind))
            && words.next() == Some(&SIZE.to_string())
    };
    let mut issued = HashMap::new();
    let mut took = Vec::new();
    for event in events {
        let Some(place) = place(event) else { continue };
        if event.event == "block_rq_issue" {
            if ours(event) {
                issued.insert(place, event.time);
            }
        } else if let Some(since) = issued.remove(&place) {
            took.push(event.time - since);
        }
    }
    took
}

/// Compares with what the kernel traced, and with what the program saw.
fn compare(seen: &Seen, kind: char, buckets: &[u64], ns: u64) -> Result<()> {
    let count = samples(buckets);
    all(count, REQUESTS);
    all(samples(&seen.hist.queued), REQUESTS);
    let program = &seen.report["latency"];
    let mean = program["mean_us"].as_f64().context("no mean")?;
    let ours = ns / count;
    eprintln!(
        "{ours} ns and {} ns in the queue, {mean} us by the program: {program}",
        seen.hist.queued_ns / count
    );
    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
    let part = (ours + seen.hist.queued_ns / count) as f64 / 1e3;
    // A call is its request and the way into the kernel and back; the clock is read to the microsecond.
    assert!(part < mean + 1.0, "{part} us of {mean}");
    if let Some(events) = &seen.traced {
        let mut took = durations(events, kind);
        let traced = took.len() as u64;
        assert!(
            (REQUESTS..REQUESTS * 51 / 50).contains(&traced),
            "{traced} by the kernel's trace"
        );
        agree("a request", buckets, &mut took);
    }
    Ok(())
}

#[test]
fn every_read_is_counted_with_its_bytes_and_its_time() -> Result<()> {
    let _turn = turn();
    let Some(seen) = seen(&[], &[])? else {
        return Ok(());
    };
    let hist = &seen.hist;
    assert_eq!(hist.read_bytes, samples(&hist.read) * SIZE);
    assert_eq!((samples(&hist.written), hist.written_bytes), (0, 0));
    compare(&seen, 'R', &hist.read, hist.read_ns)
}

#[test]
fn every_write_is_counted_with_its_bytes_and_its_time() -> Result<()> {
    let _turn = turn();
    let Some(seen) = seen(&[], &["--write"])? else {
        return Ok(());
    };
    let hist = &seen.hist;
    assert_eq!(hist.written_bytes, samples(&hist.written) * SIZE);
    assert_eq!((samples(&hist.read), hist.read_bytes), (0, 0));
    compare(&seen, 'W', &hist.written, hist.written_ns)
}

#[test]
fn without_the_completion_there_is_nothing() -> Result<()> {
    let _turn = turn();
    let Some(seen) = seen(&["block_rq_complete"], &[])? else {
        return Ok(());
    };
    assert_eq!(seen.hist, BlockHist::default());
    Ok(())
}

#[test]
fn without_the_issue_there_are_bytes_and_no_times() -> Result<()> {
    let _turn = turn();
    let Some(seen) = seen(&["block_rq_issue"], &[])? else {
        return Ok(());
    };
    all(seen.hist.read_bytes, REQUESTS * SIZE);
    let times = (samples(&seen.hist.read), samples(&seen.hist.queued));
    assert_eq!(times, (0, 0));
    Ok(())
}

#[test]
fn a_group_that_nobody_asks_about_counts_for_the_one_above() -> Result<()> {
    let _turn = turn();
    let Some(group) = group() else {
        return Ok(());
    };
    let Some((mut loaded, id)) = loaded(&[], &group)? else {
        return Ok(());
    };
    let inner = group.child("inner")?;
    let reads = |loaded: &Probes, id| -> Result<u64> {
        let hist = loaded.block().read(id)?.context("registered")?;
        Ok(samples(&hist.read))
    };
    direct(&inner, &[])?;
    let before = reads(&loaded, id)?;
    all(before, REQUESTS);
    // As soon as somebody asks about the inner one, the outer one has nothing of it any more.
    let inner_id = inner.io_id()?.context("no id")?;
    loaded.block_mut().register(inner_id)?;
    direct(&inner, &[])?;
    assert_eq!(reads(&loaded, id)?, before);
    all(reads(&loaded, inner_id)?, REQUESTS);
    Ok(())
}
