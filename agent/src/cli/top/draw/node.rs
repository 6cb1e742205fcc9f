//! The lines about the node: who writes what, what is used, lent and free, who waits in all, GPUs, and what is wrong.

use ratatui::text::{Line, Span};
use trimtab_core::signal::Resource;

use super::{
    super::{
        row::value,
        state::{State, View},
    },
    chart,
    look::Look,
    number::{UNKNOWN, amount, percent, span},
};
use crate::{
    api::view::{Gpu, GpuDriver, GpuState, Gpus, Pool, Pressure, Quantity, Status},
    cli::units::{count, cpus, duration, watts},
};

/// So many GPUs have a line of their own on a low screen, and on a high one.
const GPUS: [usize; 2] = [2, 8];
const HIGH: u16 = 36;

/// All of them, for a screen of this size.
pub(super) fn lines(state: &State, width: u16, height: u16, look: Look) -> Vec<Line<'static>> {
    let Some(status) = &state.status else {
        return vec![Line::styled("trimtab: waiting for the agent", look.head())];
    };
    let title = title(state, status, look);
    // There is more to say about a workload than there is room on a low screen.
    if !matches!(state.view, View::List) && height < HIGH {
        return vec![title];
    }
    let mut lines = vec![title];
    let pressures = [&status.pressure.cpu, &status.pressure.memory];
    for (resource, pressure) in Resource::ALL.into_iter().zip(pressures) {
        let pool = status.pools.iter().find(|pool| pool.resource == resource);
        lines.push(self::pool(resource, pool, pressure.as_ref(), width, look));
    }
    lines.push(flow(state, status, width, look));
    lines.extend(gpus(&status.gpus, width, height, look));
    lines.extend(trouble(status, look));
    lines
}

/// Who we are, and whether anything is written.
fn title(state: &State, status: &Status, look: Look) -> Line<'static> {
    if let Some(why) = &state.lost {
        let since = duration(state.lost_ns);
        let text = format!("NO AGENT for {since}: what is below is old; trying again: {why}");
        return Line::styled(text, look.bad().patch(look.marked()));
    }
    let mut spans = vec![Span::styled(
        format!("trimtab {}", status.version),
        look.head(),
    )];
    let warned = |text: &'static str| Span::styled(text, look.fair().patch(look.marked()));
    if status.paused {
        spans.extend([Span::raw("  "), warned("PAUSED: no limit is written")]);
    } else if status.enforced == 0 {
        spans.extend([
            Span::raw("  "),
            warned("ONLY LOOKS ON: no limit is written"),
        ]);
    }
    spans.push(Span::raw(format!(
        "  {} enforced, {} recommended, {} observed",
        status.enforced, status.recommended, status.observed,
    )));
    let more = format!(
        "  up {}, every {}",
        duration(status.uptime_ns),
        duration(state.every_ns)
    );
    spans.push(Span::styled(more, look.faint()));
    Line::from(spans)
}

/// What is used of a resource, what is lent and what could be.
fn pool(
    resource: Resource,
    pool: Option<&Pool>,
    pressure: Option<&Pressure>,
    width: u16,
    look: Look,
) -> Line<'static> {
    let name = match resource {
        Resource::Cpu => "CPU ",
        Resource::Memory => "MEM ",
    };
    let mut spans = vec![Span::styled(name, look.head())];
    let known = pool.and_then(|pool| Some((pool, value(pool.used)?, value(pool.capacity)?)));
    let Some((pool, used, capacity)) = known.filter(|(_, _, capacity)| *capacity > 0) else {
        spans.push(Span::styled(UNKNOWN, look.faint()));
        return Line::from(spans);
    };
    let [full, empty] = chart::bar(used, capacity, bar_width(width), look);
    spans.push(Span::styled(
        full,
        look.load(chart::per_mille(used, capacity)),
    ));
    spans.push(Span::styled(empty, look.faint()));
    let free = match (pool.size, pool.lent) {
        (Quantity::MicroCpus(size), Quantity::MicroCpus(lent)) => {
            Quantity::MicroCpus(size.saturating_sub(lent))
        }
        (Quantity::Bytes(size), Quantity::Bytes(lent)) => {
            Quantity::Bytes(size.saturating_sub(lent))
        }
        (size, _) => size,
    };
    let capacity = match pool.capacity {
        Quantity::MicroCpus(micro) => cpus(micro),
        bytes => amount(bytes),
    };
    spans.push(Span::raw(format!(" {} of {capacity}", amount(pool.used))));
    spans.push(Span::raw(format!(
        "  lent {}, free {}",
        amount(pool.lent),
        amount(free)
    )));
    let pressure = pressure.map_or_else(
        || UNKNOWN.to_owned(),
        |pressure| percent(u64::from(pressure.some_bp)),
    );
    spans.push(Span::styled(format!("  stalled {pressure}"), look.faint()));
    Line::from(spans)
}

fn bar_width(width: u16) -> usize {
    usize::from(width / 4).clamp(8, 40)
}

/// How long all workloads together wait and are throttled, and how the fast loop does.
fn flow(state: &State, status: &Status, width: u16, look: Look) -> Line<'static> {
    let places = usize::from(width.saturating_sub(66) / 2).clamp(4, 30);
    let mut spans = Vec::new();
    for (name, series) in [("WAIT ", &state.waited), ("  THROTTLED ", &state.throttled)] {
        spans.push(Span::styled(name, look.head()));
        let text = chart::spark(series.last(places), places, look);
        spans.push(Span::styled(text, look.chart()));
        let last = series.last(1).next().flatten();
        let last = last.map_or_else(|| UNKNOWN.into(), |us| format!("{}/s", span(us * 1_000)));
        spans.push(Span::raw(format!(" {last}")));
    }
    spans.push(Span::styled("  LIFTS", look.head()));
    let fast = &status.fast_loop;
    let reaction = fast.reaction_p99_ns.map_or_else(|| UNKNOWN.into(), span);
    spans.push(Span::raw(format!(" {}, p99 {reaction}", fast.lifts)));
    if fast.denied > 0 {
        spans.push(Span::styled(
            format!(", {} denied", fast.denied),
            look.fair(),
        ));
    }
    Line::from(spans)
}

fn gpus(gpus: &Gpus, width: u16, height: u16, look: Look) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let most = GPUS[usize::from(height >= HIGH)];
    lines.extend(
        gpus.devices
            .iter()
            .take(most)
            .map(|gpu| device(gpu, width, look)),
    );
    let driver = match gpus.driver {
        GpuDriver::Silent => {
            let silent = gpus.silent_ns.map_or_else(|| UNKNOWN.into(), duration);
            Some(format!(
                "the driver has not answered for {silent}; what is shown of GPUs is old"
            ))
        }
        GpuDriver::Refuses => Some(format!("the driver cannot be used: {}", gpus.why)),
        _ => None,
    };
    let hidden = gpus.devices.len().saturating_sub(most);
    let hidden = (hidden > 0).then(|| format!("and {hidden} more: `trimtab status`"));
    let text: Vec<_> = driver.into_iter().chain(hidden).collect();
    if !text.is_empty() {
        let text = Span::styled(text.join("; "), look.fair());
        lines.push(Line::from(vec![Span::styled("GPU ", look.head()), text]));
    }
    lines
}

fn device(gpu: &Gpu, width: u16, look: Look) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("GPU{} ", gpu.index), look.head())];
    if gpu.state != GpuState::Here {
        let state = match gpu.state {
            GpuState::Lost => "lost",
            GpuState::Denied => "may not be opened",
            _ => "cannot be read",
        };
        spans.push(Span::styled(
            format!("{} {state} {}", gpu.name, gpu.why),
            look.bad(),
        ));
        return Line::from(spans);
    }
    let places = bar_width(width).saturating_sub(1);
    if let Some(used) = gpu.used_percent {
        let [full, empty] = chart::bar(u64::from(used), 100, places, look);
        spans.push(Span::styled(full, look.chart()));
        spans.push(Span::styled(empty, look.faint()));
    } else {
        spans.push(Span::styled(format!("{UNKNOWN:<places$}"), look.faint()));
    }
    let shown = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.into());
    spans.push(Span::raw(format!(
        " {}  {} of {}  {}  {}",
        shown(gpu.used_percent.map(|percent| format!("{percent}%"))),
        shown(gpu.memory_used_bytes.map(super::number::size)),
        shown(gpu.memory_total_bytes.map(super::number::size)),
        shown(gpu.power_milliwatts.map(|power| watts(u64::from(power)))),
        gpu.name,
    )));
    if !gpu.waits_for_cpu.is_empty() {
        let text = format!(
            "  idles while {} waits for a CPU",
            gpu.waits_for_cpu.join(", ")
        );
        spans.push(Span::styled(text, look.bad()));
    }
    Line::from(spans)
}

/// What somebody should look at, in a line; none where there is nothing.
fn trouble(status: &Status, look: Look) -> Option<Line<'static>> {
    let cost = &status.cost;
    let said = |is: bool, text: String| is.then_some(text);
    let parts = [
        said(
            status.config_error.is_some(),
            "the new configuration was refused (`trimtab status`)".into(),
        ),
        said(cost.over_cpu, "the agent is over its CPU budget".into()),
        said(
            cost.over_memory,
            "the agent is over its memory budget".into(),
        ),
        said(
            status.fast_loop.lost > 0,
            format!("{} lost", count(status.fast_loop.lost, "event")),
        ),
        said(
            status.probes_off > 0,
            format!(
                "{} off (`trimtab doctor`)",
                count(u64::from(status.probes_off), "probe")
            ),
        ),
        said(
            status.room.waiting > 0,
            format!(
                "{} without room",
                count(u64::from(status.room.waiting), "group")
            ),
        ),
        said(
            !status.anomalies.is_empty(),
            match status.anomalies.first() {
                Some(first) if status.anomalies.len() == 1 => {
                    format!("{} of {}", first.kind, first.workload)
                }
                _ => format!("{} out of the ordinary", status.anomalies.len()),
            },
        ),
    ];
    let text: Vec<_> = parts.into_iter().flatten().collect();
    if text.is_empty() {
        return None;
    }
    Some(Line::styled(format!("! {}", text.join("; ")), look.bad()))
}
