//! `docs/METRICS.md`, made from the table.

use std::fmt::Write as _;

use super::{
    metric::{Kind, Metric},
    table::SECTIONS,
    text::{NAME, PATH, sample_name},
};

/// What stands in front of the tables.
const ABOUT: &str = "\
# Metrics

What monitoring systems are told: one table (`agent/src/report/table/mod.rs`), from which this page is made too. For it nothing is read from the kernel but
pressure (PSI), of the node and of workloads that are told by name, and what the agent itself takes: the rest is what the slow loop holds in memory anyway.

## Prometheus

Off, unless the configuration says otherwise:

```toml
[report.prometheus]
enabled = true
```

Then `http://127.0.0.1:9464/metrics` answers, as `trimtab doctor` says: in OpenMetrics 1.0 or in the text format 0.0.4, whichever the scraper would rather have. Whoever can connect there learns the names of workloads
and how they fare: on a host with users who may not know that, leave it off. An address that other hosts reach is warned of. An endpoint that cannot be opened at the start is said in the log and by `trimtab doctor`, and
the agent goes on without; a reload tries again.

A reload (SIGHUP) opens, moves and closes the endpoint, and changes how many workloads are told by name. If it is to move to an address that cannot be opened, all of the new configuration is refused, as `trimtab status`
says, and the old endpoint goes on to answer. Counters go on from where they stood, whether or not the endpoint was closed meanwhile.

The unit in `packaging/systemd/trimtab.service` shuts the agent off from the network, its own host's included. A drop-in (`systemctl edit trimtab`, then `systemctl restart trimtab`) opens the host's
loopback to it:

```ini
[Service]
PrivateNetwork=no
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
IPAddressDeny=any
IPAddressAllow=localhost
```

The last two lines take effect only where systemd can filter packets (eBPF for control groups); elsewhere the whole network is open to the agent, which still uses nothing of it but the address in `listen`. For
scrapers on other hosts, `listen` needs an address of this host that they reach, and `IPAddressAllow` theirs beside `localhost`.

- Metrics are made when somebody asks, and no oftener than once a tick: who asks twice in between is told the same.
- One request for each connection, eight connections at a time, two seconds for a request to arrive, ten for all of it: for so long whoever is slow keeps one of the eight from others, and nobody keeps the agent.
- A scrape holds the slow loop up while values are copied, and not while they are written out or sent; the fast threads it never touches. For how long, `trimtab_agent_scrape_duration_seconds` says.
- When the values cannot be taken, the answer is an error of HTTP and one line, so that `up` is 0.

## Who is told by name

At most `workloads` of `[report]`, 50 by default, have series of their own, some 130 each; all others are told together under the path and the name `other`. The places go to those that need most of the node:
CPU used, plus time throttled and time waited for a CPU, or memory held, whichever is the larger share. Time waited counts since a workload that is held back uses little, and is what one looks
for. What was needed before fades within minutes, and who has a place keeps it unless another needs twice as much.

Every count goes to exactly one series, to a workload's own when it is told by name at that moment and else to `other`:
- No counter falls when a workload gets its name, loses it, gets it back, or ends, and the sum over all of them, `other` included, grows by what workloads have done. What one did between the last time that anybody asked and its end is in `other`.
- So a workload that comes up from `other` begins at 0 there and then; one that has had a place since its adoption shows what it has done since then.
- A series begins at 0 again when its workload was away when somebody asked, or has become known by another name.

Workloads nest: what a slice has done holds what the services below it have. Those at the top have no `trimtab_workload_parent`:

    sum(rate(trimtab_workload_cpu_time_seconds_total[5m])
      * on (instance, trimtab_workload_path) group_left () trimtab_workload_info{trimtab_workload_parent=\"\"})

Those among them that are not told by name are missing from that.

## Names

Names and units are OpenTelemetry's, with its semantic conventions where these have one for the very thing. A workload's figures have names of our own: it may be a slice or a pod as well as a
container, and `container.cpu.time` of a slice would be wrong. In Prometheus a dot becomes `_`, and the unit and `_total` are added, as OpenTelemetry's rules have it.

| kind | is | in Prometheus |
|---|---|---|
| counter | never falls but to 0 | counter |
| up-down counter | goes up and down; sums mean something | gauge |
| gauge | goes up and down; sums mean nothing | gauge |
| histogram | durations, in buckets at powers of two from 2^10 ns (1.024 us) to 2^32 ns (4.3 s) | classic histogram |
| info | always 1; says something by its attributes | info, in the text format a gauge |

The kernel's histograms have four buckets where these have one; sums and counts are the same. A value that is not known is left out, and so is an attribute.
";

/// The whole page.
pub(super) fn page() -> String {
    let mut page = ABOUT.to_owned();
    let _ = writeln!(
        page,
        "\nAll of a workload's have the attributes `{PATH}` and `{NAME}`.",
    );
    for section in &SECTIONS {
        let _ = write!(
            page,
            "\n## {}\n\n| metric, and in Prometheus | kind, unit | attributes | is | from |\n|---|---|---|---|---|\n",
            section.title
        );
        for metric in section.metrics {
            page.push_str(&line(metric));
        }
    }
    page
}

fn line(metric: &Metric) -> String {
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::UpDownCounter => "up-down counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    };
    let unit = match metric.unit.ucum() {
        "" => String::new(),
        unit => format!(", `{unit}`"),
    };
    let attributes: Vec<_> = metric
        .attributes
        .iter()
        .map(|name| format!("`{name}`"))
        .collect();
    format!(
        "| `{}`<br>`{}` | {kind}{unit} | {} | {} | {} |\n",
        metric.name,
        sample_name(metric),
        attributes.join(", "),
        metric.help,
        metric.source
    )
}
