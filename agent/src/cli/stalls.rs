//! What tasks stalled on, as people read it.

use super::{
    output::{FAIR, HEAD, paint},
    table::Table,
    units::{bytes, count, duration, percent},
};
use crate::api::view::{Block, Lacks, Latency, Pressure, Pressures, Reclaim, Stalls};

/// What is known of it, a line for each kind; nothing where nothing is known.
pub(super) fn lines(stalls: &Stalls) -> Vec<(&'static str, String)> {
    let pressure = pressures(&stalls.pressure);
    [
        ("memory", stalls.memory.as_ref().map(lacks)),
        ("reclaim", stalls.reclaim.as_ref().map(reclaim)),
        ("pressure", pressure),
    ]
    .into_iter()
    .filter_map(|(label, text)| Some((label, text?)))
    .collect()
}

/// Block I/O as a table.
pub(super) fn block(block: &Block) -> String {
    let mut table = Table::new(&["", ">REQUESTS", ">BYTES", ">P50", ">P99"]);
    let time = |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), duration);
    let mut row = |name: &str, latency: &Latency, moved: Option<u64>| {
        table.row([
            paint(HEAD, name),
            latency.count.to_string(),
            moved.map_or_else(String::new, bytes),
            time(latency.p50_ns),
            time(latency.p99_ns),
        ]);
    };
    row("block reads", &block.read, Some(block.read_bytes));
    row("block writes", &block.written, Some(block.written_bytes));
    row("in the queue", &block.queued, None);
    table.render()
}

/// Of the node or of a workload; `None` where the kernel keeps none.
pub(super) fn pressures(pressures: &Pressures) -> Option<String> {
    let Pressures { cpu, memory, io } = pressures;
    let known: Vec<_> = [("CPU", cpu), ("memory", memory), ("I/O", io)]
        .into_iter()
        .filter_map(|(name, pressure)| Some(format!("{name} {}", shares(pressure.as_ref()?))))
        .collect();
    (!known.is_empty()).then(|| known.join("; "))
}

fn shares(pressure: &Pressure) -> String {
    let text = format!(
        "some {}, full {}",
        percent(pressure.some_bp),
        percent(pressure.full_bp)
    );
    if pressure.full_bp > 0 {
        paint(FAIR, text)
    } else {
        text
    }
}

fn lacks(lacks: &Lacks) -> String {
    let mut known = vec![format!("working set {}", bytes(lacks.working_set_bytes))];
    if let (Some(file), Some(anon)) = (lacks.refaults_file, lacks.refaults_anon) {
        known.push(format!("refaults {file} of files, {anon} from swap"));
    }
    if let Some(major) = lacks.major_faults {
        known.push(count(major, "major fault"));
    }
    known.push(format!(
        "at its limit {}, over `memory.high` {}",
        count(lacks.max, "time"),
        count(lacks.high, "time")
    ));
    known.join("; ")
}

fn reclaim(reclaim: &Reclaim) -> String {
    let turns = |whom: &str, latency: &Latency| match (latency.p50_ns, latency.p99_ns) {
        (Some(p50), Some(p99)) => format!(
            "{} for {whom}, {} in all, p50 {}, p99 {}",
            count(latency.count, "turn"),
            duration(latency.total_ns),
            duration(p50),
            duration(p99)
        ),
        _ => format!("none for {whom}"),
    };
    [
        turns("a limit", &reclaim.limit),
        turns("the node", &reclaim.node),
    ]
    .join("; ")
}
