//! The columns of the table: from which width on each is shown, and what stands in it.

use ratatui::{style::Style, text::Span};
use trimtab_core::signal::{Mode, Resource};

use super::{
    super::{
        order::Sort,
        row::{Row, value},
    },
    chart,
    look::Look,
    number::{UNKNOWN, amount, count, percent, span},
};
use crate::api::view::ResourceState;

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) width: u16,
    /// How wide the terminal is at least.
    from: u16,
    /// The order that is by this column.
    pub(super) sort: Option<Sort>,
    /// Left and not right.
    pub(super) left: bool,
    pub(super) cell: fn(&Row, Look) -> Span<'static>,
}

const fn column(
    head: &'static str,
    width: u16,
    from: u16,
    sort: Option<Sort>,
    cell: fn(&Row, Look) -> Span<'static>,
) -> Column {
    Column {
        head,
        width,
        from,
        sort,
        left: false,
        cell,
    }
}

const fn left(column: Column) -> Column {
    Column {
        left: true,
        ..column
    }
}

/// All columns but the mark and the name, from left to right.
const COLUMNS: [Column; 16] = [
    column("WAIT/s", 6, 0, Some(Sort::Waiting), waited),
    left(column("WAITED", 10, 100, None, |row, look| {
        spark(chart::spark(row.waited.last(10), 10, look), look)
    })),
    column("THR/s", 6, 0, Some(Sort::Throttled), throttled),
    left(column("THROTTLED", 10, 136, None, |row, look| {
        spark(chart::spark(row.throttled.last(10), 10, look), look)
    })),
    column("CPU", 5, 0, Some(Sort::Cpu), |row, look| {
        plain(row.workload.cpu.as_ref().map(|cpu| amount(cpu.used)), look)
    }),
    column("LIMIT", 6, 0, None, |row, look| {
        limit(row.workload.cpu.as_ref(), look)
    }),
    left(column("OF LIMIT", 8, 148, None, |row, look| {
        of_limit(row.workload.cpu.as_ref(), look)
    })),
    column("MEM", 6, 0, Some(Sort::Memory), |row, look| {
        plain(
            row.workload
                .memory
                .as_ref()
                .map(|memory| amount(memory.used)),
            look,
        )
    }),
    column("LIMIT", 6, 0, None, |row, look| {
        limit(row.workload.memory.as_ref(), look)
    }),
    left(column("OF LIMIT", 8, 148, None, |row, look| {
        of_limit(row.workload.memory.as_ref(), look)
    })),
    column("LENT", 6, 0, Some(Sort::Lent), lent),
    column("UNUSED", 6, 0, Some(Sort::Unused), unused),
    column("REQ/s", 6, 112, None, |row, look| {
        let tcp = row.workload.signals.tcp.as_ref();
        plain(tcp.map(|tcp| count(tcp.requests_per_s)), look)
    }),
    column("REQP99", 6, 112, Some(Sort::Requests), |row, look| {
        let tcp = row.workload.signals.tcp.as_ref();
        plain(tcp.and_then(|tcp| tcp.answered_p99_ns).map(span), look)
    }),
    column("GPU", 5, 118, None, gpu),
    left(column("POLICY", 10, 128, None, |row, _| {
        Span::raw(row.workload.policy.clone())
    })),
];

/// The columns that there is room for.
pub(super) fn columns(width: u16) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |column| width >= column.from)
}

/// Its mode, and what stands out about it.
pub(super) fn mark(row: &Row, look: Look) -> [Span<'static>; 2] {
    let workload = &row.workload;
    let mode = match workload.mode {
        Mode::Enforce => Span::styled("E", look.good()),
        Mode::Recommend => Span::raw("r"),
        Mode::Observe => Span::styled("o", look.faint()),
    };
    let states = || [&workload.cpu, &workload.memory].into_iter().flatten();
    let killed = workload.signals.oom_kills.is_some_and(|kills| kills > 0);
    let note = if killed || !workload.anomalies.is_empty() || states().any(|state| state.foreign) {
        Span::styled("!", look.bad())
    } else if workload.pinned {
        Span::styled("P", look.fair())
    } else if states().any(|state| state.held_back.is_some()) {
        Span::styled("<", look.fair())
    } else {
        Span::raw(" ")
    };
    [mode, note]
}

fn unknown(look: Look) -> Span<'static> {
    Span::styled(UNKNOWN, look.faint())
}

fn plain(text: Option<String>, look: Look) -> Span<'static> {
    text.map_or_else(|| unknown(look), Span::raw)
}

fn spark(text: String, look: Look) -> Span<'static> {
    Span::styled(text, look.chart())
}

/// A duration a second; a hundredth of a CPU is worth a look, a tenth is bad.
fn rate(ns: Option<u64>, look: Look) -> Span<'static> {
    let Some(ns) = ns else { return unknown(look) };
    let style = match ns {
        0 => look.faint(),
        1..10_000_000 => Style::new(),
        10_000_000..100_000_000 => look.fair(),
        _ => look.bad(),
    };
    Span::styled(span(ns), style)
}

fn waited(row: &Row, look: Look) -> Span<'static> {
    rate(row.waited_ns_per_s, look)
}

fn throttled(row: &Row, look: Look) -> Span<'static> {
    rate(row.throttled_ns_per_s, look)
}

/// The limit; red where somebody else wrote it, yellow where it is nearly used up.
fn limit(state: Option<&ResourceState>, look: Look) -> Span<'static> {
    let Some(state) = state else {
        return unknown(look);
    };
    let style = match (value(state.used), value(state.limit)) {
        _ if state.foreign => look.bad(),
        (Some(used), Some(limit)) if chart::per_mille(used, limit) >= 800 => look.fair(),
        _ => Style::new(),
    };
    Span::styled(amount(state.limit), style)
}

fn of_limit(state: Option<&ResourceState>, look: Look) -> Span<'static> {
    let known = state.and_then(|state| Some((value(state.used)?, value(state.limit)?)));
    let Some((used, limit)) = known else {
        return unknown(look);
    };
    let text = chart::bar(used, limit, 8, look).concat();
    Span::styled(text, look.load(chart::per_mille(used, limit)))
}

/// What it has borrowed: of CPU, or else of memory.
fn lent(row: &Row, look: Look) -> Span<'static> {
    let lent = |state: &Option<ResourceState>| value(state.as_ref()?.lent);
    let (cpu, memory) = (lent(&row.workload.cpu), lent(&row.workload.memory));
    let some = |amount: &u64| *amount > 0;
    let text = match (cpu.filter(some), memory.filter(some)) {
        (Some(micro), _) => super::number::cores(micro),
        (None, Some(bytes)) => super::number::size(bytes),
        (None, None) if cpu.or(memory).is_some() => return Span::styled("0", look.faint()),
        (None, None) => return unknown(look),
    };
    Span::styled(text, look.good())
}

fn unused(row: &Row, look: Look) -> Span<'static> {
    let Some(unused) = row.unused else {
        return unknown(look);
    };
    let sign = match unused.resource {
        Resource::Cpu => 'c',
        Resource::Memory => 'm',
    };
    let text = format!("{}{sign}", percent(unused.per_mille * 10));
    Span::styled(
        text,
        if unused.per_mille >= 100 {
            look.fair()
        } else {
            Style::new()
        },
    )
}

/// The part of the time in which it used GPUs, all of them together; else that it has memory there.
fn gpu(row: &Row, look: Look) -> Span<'static> {
    let gpus = &row.workload.gpus;
    if gpus.is_empty() {
        return unknown(look);
    }
    let style = if gpus.iter().any(|gpu| gpu.waits_for_cpu) {
        look.bad()
    } else {
        Style::new()
    };
    let percents = gpus.iter().filter_map(|gpu| gpu.used_percent);
    let used = percents.fold(None, |sum: Option<u32>, percent| {
        Some(sum.unwrap_or(0) + percent)
    });
    Span::styled(
        used.map_or_else(|| "used".into(), |used| format!("{used}%")),
        style,
    )
}
