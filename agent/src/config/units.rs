//! Amounts and durations as people write them.
//!
//! The texts of errors are `what is wrong; what to write instead`: the part after the semicolon
//! becomes the remedy of the report.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use trimtab_core::signal::{Amount, Nanos};

/// An amount of a resource, or a part of what the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So much, on any node.
    Amount(Amount),
    /// A part of the node's capacity, in hundredths of a percent.
    OfNode(u32),
}

impl Share {
    /// A percentage of the node.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::OfNode(percent.saturating_mul(100))
    }

    /// What it comes to on a node with this capacity.
    #[must_use]
    pub const fn of(self, capacity: Amount) -> Amount {
        match self {
            Self::Amount(amount) => amount,
            Self::OfNode(part) if part >= 10_000 => capacity,
            // Divided first: a part of at most 10,000 cannot overflow what is left.
            Self::OfNode(part) => {
                let part = part as u64;
                Amount(capacity.0 / 10_000 * part + capacity.0 % 10_000 * part / 10_000)
            }
        }
    }
}

/// How CPU may be written.
const CPU_FORMS: &str =
    r#"a number of CPUs (0.5), thousandths ("250m"), or a part of the node ("50%")"#;

/// How memory may be written.
const MEMORY_FORMS: &str =
    r#"a size with its unit ("64MiB", "1.5GiB") or a part of the node ("10%")"#;

/// How a duration may be written.
const DURATION_FORMS: &str = r#"a duration with its unit ("30s", "1m 30s", "500ms")"#;

/// Units of memory; decimal ones are there because people write them.
const MEMORY_UNITS: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A decimal number, scaled: exact to six digits after the point, refused beyond.
fn scaled(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().ok()?
    };
    let value =
        (whole.parse::<u128>().ok()? * scale + fraction).checked_mul(u128::from(unit))? / scale;
    u64::try_from(value).ok()
}

/// `"50%"` in hundredths of a percent; `None` when there is no `%`.
fn parse_percent(text: &str) -> Option<Result<u32, String>> {
    let number = text.strip_suffix('%')?.trim_end();
    let part = scaled(number, 100)
        .and_then(|part| u32::try_from(part).ok())
        .filter(|&part| part <= 10_000);
    Some(part.ok_or_else(|| format!("`{text}` is no part of the node; write 0% to 100%")))
}

/// CPU as a number of CPUs or in thousandths of one.
///
/// # Errors
/// What is wrong, and after a semicolon what to write instead.
pub fn parse_cpus(text: &str) -> Result<Amount, String> {
    let trimmed = text.trim();
    let parsed = match trimmed.strip_suffix('m') {
        Some(milli) => scaled(milli.trim_end(), 1_000),
        None => scaled(trimmed, 1_000_000),
    };
    parsed
        .map(Amount)
        .ok_or_else(|| format!("`{text}` is no amount of CPU; write {CPU_FORMS}"))
}

/// Memory with its unit.
///
/// # Errors
/// What is wrong, and after a semicolon what to write instead.
pub fn parse_bytes(text: &str) -> Result<Amount, String> {
    let wrong = || format!("`{text}` is no amount of memory; write {MEMORY_FORMS}");
    let trimmed = text.trim();
    let (number, unit) = trimmed.split_at(
        trimmed
            .find(|c: char| c.is_ascii_alphabetic())
            .ok_or_else(wrong)?,
    );
    let scale = MEMORY_UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(wrong)?
        .1;
    scaled(number.trim_end(), scale)
        .map(Amount)
        .ok_or_else(wrong)
}

/// A duration with its unit.
fn parse_duration(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("`{text}` is no duration; write {DURATION_FORMS}");
    let duration = humantime::parse_duration(text).map_err(|_| wrong())?;
    u64::try_from(duration.as_nanos())
        .map(Nanos)
        .map_err(|_| wrong())
}

/// CPU in the file: a number, or text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu(pub(super) Share);

/// Memory in the file: always text, since a bare number leaves its unit to guessing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory(pub(super) Share);

/// A duration in the file: always text, for the same reason.
#[derive(Clone, Copy, Debug)]
pub(super) struct Duration(pub(super) Nanos);

/// Reads a value from text, and from numbers where they are as good.
struct Reader<T> {
    forms: &'static str,
    text: fn(&str) -> Result<T, String>,
    number: bool,
}

impl<T> de::Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.forms)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        if self.number {
            return self.visit_str(&number.to_string());
        }
        Err(E::custom(format!(
            "`{number}` lacks its unit; write {}",
            self.forms
        )))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        if self.number {
            return self.visit_str(&number.to_string());
        }
        Err(E::custom(format!(
            "`{number}` lacks its unit; write {}",
            self.forms
        )))
    }
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |text: &str| match parse_percent(text) {
            Some(part) => part.map(|part| Self(Share::OfNode(part))),
            None => parse_cpus(text).map(|amount| Self(Share::Amount(amount))),
        };
        deserializer.deserialize_any(Reader {
            forms: CPU_FORMS,
            text,
            number: true,
        })
    }
}

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |text: &str| match parse_percent(text) {
            Some(part) => part.map(|part| Self(Share::OfNode(part))),
            None => parse_bytes(text).map(|amount| Self(Share::Amount(amount))),
        };
        deserializer.deserialize_any(Reader {
            forms: MEMORY_FORMS,
            text,
            number: false,
        })
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |text: &str| parse_duration(text).map(Self);
        deserializer.deserialize_any(Reader {
            forms: DURATION_FORMS,
            text,
            number: false,
        })
    }
}
