//! What a metric is: the terms of OpenTelemetry, from which those of Prometheus follow.

use super::{Histogram, Sample, Subject};

/// One metric: a row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, in OpenTelemetry's way.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    /// How it adds up.
    pub kind: Kind,
    /// What tells its points apart, beside the workload.
    pub attributes: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
    /// Where the agent has it from.
    pub source: &'static str,
    /// Its points at one moment.
    pub read: Read,
}

/// How a metric adds up, over time and over nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never falls but to 0, when counting begins anew.
    Counter,
    /// Goes up and down; a sum over workloads or nodes means something.
    UpDownCounter,
    /// Goes up and down; a sum means nothing.
    Gauge,
    /// Durations, in buckets that never fall.
    Histogram,
    /// Always 1: what matters are its attributes. In OpenTelemetry they belong to the resource.
    Info,
}

/// What a metric is measured in. Values are whole numbers of the unit's finest part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Values are nanoseconds.
    Seconds,
    /// Values are bytes.
    Bytes,
    /// Values are micro-CPUs.
    Cpus,
    /// Values are what the word says.
    Count(&'static str),
    /// There is none.
    None,
}

impl Unit {
    /// The unit in UCUM, as OpenTelemetry has it.
    #[must_use]
    pub const fn ucum(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Bytes => "By",
            Self::Cpus => "{cpu}",
            Self::Count(what) => what,
            Self::None => "",
        }
    }

    /// The word that a name in Prometheus ends in; what is only annotated has none.
    #[must_use]
    pub const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Seconds => Some("seconds"),
            Self::Bytes => Some("bytes"),
            Self::Cpus | Self::Count(_) | Self::None => None,
        }
    }

    /// How many decimals of the unit a value's last digit stands for.
    #[must_use]
    pub const fn decimals(self) -> u32 {
        match self {
            Self::Seconds => 9,
            Self::Cpus => 6,
            Self::Bytes | Self::Count(_) | Self::None => 0,
        }
    }
}

/// How a metric gets its points.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// Once for the node.
    Node(fn(&Sample, &mut Points)),
    /// Once for each workload that is told by name, and where it adds up, for the others together.
    Workload(fn(&Subject, &mut Points)),
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// In the unit's finest part.
    Number(u64),
    /// A distribution of durations.
    Histogram(Box<Histogram>),
}

/// One value with what tells it apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The workload, as a place in [`Sample::subjects`]; `None` for the node.
    pub subject: Option<usize>,
    /// Values of the metric's attributes, in their order; an empty one is left out.
    pub attributes: Vec<String>,
    /// The value.
    pub value: Value,
}

/// Points of one metric.
#[derive(Clone, Debug, Default)]
pub struct Points {
    subject: Option<usize>,
    points: Vec<Point>,
}

impl Points {
    /// Adds a number, if there is one.
    pub fn number(&mut self, attributes: &[&str], value: impl Into<Option<u64>>) {
        if let Some(value) = value.into() {
            self.push(attributes, Value::Number(value));
        }
    }

    /// Adds a distribution, if there is one.
    pub fn histogram(&mut self, histogram: Option<&Histogram>) {
        if let Some(histogram) = histogram {
            self.push(&[], Value::Histogram(Box::new(*histogram)));
        }
    }

    fn push(&mut self, attributes: &[&str], value: Value) {
        self.points.push(Point {
            subject: self.subject,
            attributes: attributes.iter().map(ToString::to_string).collect(),
            value,
        });
    }
}

impl Metric {
    /// Its points at one moment.
    #[must_use]
    pub fn points(&self, sample: &Sample) -> Vec<Point> {
        let mut points = Points::default();
        match self.read {
            Read::Node(read) => read(sample, &mut points),
            Read::Workload(read) => {
                for (place, subject) in sample.subjects.iter().enumerate() {
                    points.subject = Some(place);
                    read(subject, &mut points);
                }
            }
        }
        points.points
    }

    /// Whether its points are told apart by workload.
    #[must_use]
    pub const fn is_of_workloads(&self) -> bool {
        matches!(self.read, Read::Workload(_))
    }

    /// The same with attributes.
    #[must_use]
    pub(super) const fn by(self, attributes: &'static [&'static str]) -> Self {
        Self { attributes, ..self }
    }
}
