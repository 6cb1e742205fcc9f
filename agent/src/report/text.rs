//! The text that Prometheus reads: OpenMetrics 1.0 and the older text format 0.0.4, from the table.
//!
//! The crate `prometheus-client` writes OpenMetrics alone, and from counters that live in its own registry; here
//! values come from one moment's sample, in two formats that name counters differently. That is these lines.

use std::fmt::Write as _;

use super::{
    accept::Format,
    metric::{Kind, Metric, Point, Unit, Value},
    sample::Sample,
    table,
};

/// The label that has a workload's path.
pub const PATH: &str = "trimtab.workload.path";
/// The label that has its name.
pub const NAME: &str = "trimtab.workload.name";
/// Path and name of those together that are not told by name: no path of a group, as those begin with a slash.
pub const OTHER: &str = "other";

/// All metrics at one moment.
#[must_use]
pub fn text(sample: &Sample, format: Format) -> String {
    let mut out = String::new();
    for metric in table::all() {
        let points = metric.points(sample);
        if !points.is_empty() {
            Writer {
                out: &mut out,
                format,
                metric,
                name: name(metric),
            }
            .family(sample, &points);
        }
    }
    if format == Format::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

/// A metric's name in Prometheus, without what its kind adds: the unit is a part of it.
#[must_use]
pub fn name(metric: &Metric) -> String {
    let mut name = label(metric.name);
    if let Some(suffix) = metric.unit.suffix()
        && !name.ends_with(suffix)
    {
        name.push('_');
        name.push_str(suffix);
    }
    name
}

/// What the samples of a metric are called in Prometheus.
#[must_use]
pub fn sample_name(metric: &Metric) -> String {
    let name = name(metric);
    match metric.kind {
        Kind::Counter => name + "_total",
        Kind::Info => name + "_info",
        Kind::UpDownCounter | Kind::Gauge | Kind::Histogram => name,
    }
}

/// An attribute's name as a label.
fn label(attribute: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    attribute.chars().map(allowed).collect()
}

struct Writer<'a> {
    out: &'a mut String,
    format: Format,
    metric: &'a Metric,
    name: String,
}

impl Writer<'_> {
    fn family(&mut self, sample: &Sample, points: &[Point]) {
        let help = self.metric.help;
        let (called, kind) = match (self.format, self.metric.kind) {
            (Format::OpenMetrics, Kind::Info) => (self.name.clone(), "info"),
            (Format::OpenMetrics, Kind::Counter) => (self.name.clone(), "counter"),
            (Format::Text, Kind::Counter) => (sample_name(self.metric), "counter"),
            (Format::Text, Kind::Info) => (sample_name(self.metric), "gauge"),
            (_, Kind::UpDownCounter | Kind::Gauge) => (self.name.clone(), "gauge"),
            (_, Kind::Histogram) => (self.name.clone(), "histogram"),
        };
        self.line(&["# TYPE ", &called, " ", kind]);
        if let (Format::OpenMetrics, Some(unit)) = (self.format, self.metric.unit.suffix()) {
            self.line(&["# UNIT ", &called, " ", unit]);
        }
        // The older format takes a quote in a help text as it is, and the newer one an escaped one: there are none.
        self.line(&["# HELP ", &called, " ", &help.replace('\\', "\\\\")]);
        let samples = sample_name(self.metric);
        for point in points {
            let labels = self.labels(sample, point);
            match &point.value {
                Value::Number(value) => {
                    self.value(
                        &samples,
                        "",
                        &labels,
                        None,
                        &number(*value, self.metric.unit),
                    );
                }
                Value::Histogram(histogram) => {
                    for (end, below) in histogram.below() {
                        let end = number(end, Unit::Seconds);
                        self.value(&samples, "_bucket", &labels, Some(&end), &below.to_string());
                    }
                    let count = histogram.count().to_string();
                    self.value(&samples, "_bucket", &labels, Some("+Inf"), &count);
                    self.value(&samples, "_count", &labels, None, &count);
                    let sum = number(histogram.sum_ns, Unit::Seconds);
                    self.value(&samples, "_sum", &labels, None, &sum);
                }
            }
        }
    }

    /// The labels of a point, without braces.
    fn labels(&self, sample: &Sample, point: &Point) -> String {
        let mut labels = String::new();
        let mut push = |name: &str, value: &str| {
            if value.is_empty() {
                return;
            }
            if !labels.is_empty() {
                labels.push(',');
            }
            labels.push_str(&label(name));
            labels.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => labels.push_str("\\\\"),
                    '"' => labels.push_str("\\\""),
                    '\n' => labels.push_str("\\n"),
                    c => labels.push(c),
                }
            }
            labels.push('"');
        };
        if let Some(subject) = point.subject.and_then(|place| sample.subjects.get(place)) {
            let who = subject.who.as_deref();
            push(PATH, who.map_or(OTHER, |who| &who.path));
            push(NAME, who.map_or(OTHER, |who| &who.name));
        }
        for (name, value) in self.metric.attributes.iter().zip(&point.attributes) {
            push(name, value);
        }
        labels
    }

    fn value(&mut self, name: &str, suffix: &str, labels: &str, end: Option<&str>, value: &str) {
        let comma = if labels.is_empty() || end.is_none() {
            ""
        } else {
            ","
        };
        let end = end.map(|end| format!("le=\"{end}\"")).unwrap_or_default();
        if labels.is_empty() && end.is_empty() {
            self.line(&[name, suffix, " ", value]);
        } else {
            self.line(&[name, suffix, "{", labels, comma, &end, "} ", value]);
        }
    }

    fn line(&mut self, parts: &[&str]) {
        self.out.extend(parts.iter().copied());
        self.out.push('\n');
    }
}

/// A value in its unit, in full: no digit is lost to a floating-point number before the reader has it.
fn number(value: u64, unit: Unit) -> String {
    let one = 10_u64.pow(unit.decimals());
    let mut text = (value / one).to_string();
    let part = value % one;
    if part > 0 {
        let width = unit.decimals() as usize;
        // Writing to a string does not fail.
        let _ = write!(text, ".{part:0width$}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        assert_eq!(number(0, Unit::Seconds), "0");
        assert_eq!(number(1_024, Unit::Seconds), "0.000001024");
        assert_eq!(number(1_500_000_000, Unit::Seconds), "1.5");
        assert_eq!(number(20_000_000, Unit::Cpus), "20");
        assert_eq!(number(u64::MAX, Unit::Seconds), "18446744073.709551615");
        assert_eq!(number(100, Unit::Bytes), "100");
    }
}
