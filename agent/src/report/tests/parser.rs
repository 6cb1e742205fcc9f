//! A strict reader of both formats: what the specification of OpenMetrics 1.0 demands, and what that of the text
//! format 0.0.4 does.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::accept::Format;

/// The labels of a sample, by name.
pub(super) type Labels = BTreeMap<String, String>;

/// One metric family as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) unit: Option<String>,
    pub(super) help: Option<String>,
    /// Name, labels and value.
    pub(super) samples: Vec<(String, Labels, f64)>,
}

/// Reads a whole exposition; what is wrong with it, and in which line.
pub(super) fn parse(text: &str, format: Format) -> Result<BTreeMap<String, Family>, String> {
    let open = format == Format::OpenMetrics;
    let body = match (open, text.strip_suffix("# EOF\n")) {
        (true, Some(body)) => body,
        (true, None) => return Err("no # EOF at the end".into()),
        (false, _) => text,
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for (number, line) in body.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
        if let Some(rest) = line.strip_prefix("# ") {
            let mut parts = rest.splitn(3, ' ');
            let (what, name) = (parts.next(), parts.next());
            let (Some(what), Some(name)) = (what, name) else {
                return Err(wrong("a comment of no kind"));
            };
            let text = parts.next().unwrap_or_default();
            if name != current {
                if !is_name(name) || families.contains_key(name) {
                    return Err(wrong("a bad name, or a family in two pieces"));
                }
                name.clone_into(&mut current);
                families.insert(current.clone(), Family::default());
            }
            let Some(family) = families.get_mut(name) else {
                return Err(wrong("no family"));
            };
            if !family.samples.is_empty() {
                return Err(wrong("metadata after a sample"));
            }
            match what {
                "TYPE" if family.kind.is_empty() => text.clone_into(&mut family.kind),
                "HELP" if family.help.is_none() => {
                    let help = unescape(text, open).ok_or_else(|| wrong("a bad escape"))?;
                    family.help = Some(help);
                }
                "UNIT" if open && family.unit.is_none() => {
                    if !name.ends_with(&format!("_{text}")) {
                        return Err(wrong("the name does not end in the unit"));
                    }
                    family.unit = Some(text.to_owned());
                }
                _ => return Err(wrong("metadata twice, or of no kind")),
            }
            continue;
        }
        let (name, labels, value) = sample(line).ok_or_else(|| wrong("no sample"))?;
        let Some(family) = families.get_mut(&current) else {
            return Err(wrong("a sample of no family"));
        };
        let suffix = name
            .strip_prefix(&current)
            .ok_or_else(|| wrong("a sample of another family"))?;
        let fits = match (family.kind.as_str(), suffix) {
            ("counter", suffix) => suffix == if open { "_total" } else { "" },
            ("gauge", suffix) => suffix.is_empty(),
            ("info", suffix) => open && suffix == "_info" && (value - 1.0).abs() < f64::EPSILON,
            ("histogram", suffix) => match suffix {
                "_bucket" => labels.contains_key("le"),
                "_count" | "_sum" => !labels.contains_key("le"),
                _ => false,
            },
            _ => false,
        };
        if !fits {
            return Err(wrong("a sample that its kind does not have"));
        }
        let counts = matches!(family.kind.as_str(), "counter" | "histogram");
        if value.is_nan() || (counts && value < 0.0) {
            return Err(wrong("a bad value"));
        }
        if !seen.insert((name.clone(), labels.clone())) {
            return Err(wrong("a series twice"));
        }
        family.samples.push((name, labels, value));
    }
    for (name, family) in &families {
        if family.kind == "histogram" {
            histogram(family).map_err(|what| format!("{name}: {what}"))?;
        }
        if family.samples.is_empty() {
            return Err(format!("{name}: no samples"));
        }
    }
    Ok(families)
}

/// A name of a metric.
fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.starts_with(|c: char| rest(c) && !c.is_ascii_digit()) && name.chars().all(rest)
}

fn unescape(text: &str, quotes: bool) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                '\\' => out.push('\\'),
                'n' => out.push('\n'),
                '"' if quotes => out.push('"'),
                _ => return None,
            },
            '"' if quotes => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn sample(line: &str) -> Option<(String, Labels, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return None;
    }
    let mut labels = Labels::new();
    let mut rest = match rest.strip_prefix('{') {
        None => rest,
        Some(mut rest) => loop {
            let (label, after) = rest.split_once("=\"")?;
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if label.is_empty()
                || !label.chars().all(allowed)
                || label.starts_with(|c: char| c.is_ascii_digit())
            {
                return None;
            }
            let mut escaped = false;
            let end = after.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })?;
            let value = unescape(&after[..end], true)?;
            if value.is_empty() || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            rest = &after[end + 1..];
            if let Some(after) = rest.strip_prefix('}') {
                break after;
            }
            rest = rest.strip_prefix(',')?;
        },
    };
    rest = rest.strip_prefix(' ')?;
    let value = match rest {
        "+Inf" => f64::INFINITY,
        rest if rest
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | 'e')) =>
        {
            rest.parse().ok()?
        }
        _ => return None,
    };
    Some((name.to_owned(), labels, value))
}

/// What holds within a histogram, for each of its sets of labels.
fn histogram(family: &Family) -> Result<(), String> {
    #[derive(Default)]
    struct Series {
        last: Option<(f64, f64)>,
        count: Option<f64>,
        sum: Option<f64>,
    }
    let mut all: BTreeMap<Labels, Series> = BTreeMap::new();
    for (name, labels, value) in &family.samples {
        let mut labels = labels.clone();
        let end = labels.remove("le");
        let series = all.entry(labels).or_default();
        match end {
            Some(end) => {
                let end = if end == "+Inf" {
                    f64::INFINITY
                } else {
                    end.parse().map_err(|_| format!("le=\"{end}\""))?
                };
                if series.count.is_some() {
                    return Err("a bucket after the count".into());
                }
                if let Some((before, below)) = series.last
                    && (end <= before || *value < below)
                {
                    return Err(format!("a bucket that does not grow, to {end}"));
                }
                series.last = Some((end, *value));
            }
            None if name.ends_with("_count") => series.count = Some(*value),
            None => series.sum = Some(*value),
        }
    }
    for series in all.values() {
        let Some((end, below)) = series.last else {
            return Err("no buckets".into());
        };
        if end.is_finite() || series.count != Some(below) || series.sum.is_none() {
            return Err("no +Inf, or it is not the count, or no sum".into());
        }
    }
    Ok(())
}

#[test]
fn what_is_wrong_is_refused() {
    let good = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds It.\na_seconds_total{x=\"y\\\"\"} 1.5\n# EOF\n";
    assert_eq!(
        parse(good, Format::OpenMetrics).map(|families| families.len()),
        Ok(1)
    );
    let bad = [
        (
            "a_seconds_total{x=",
            "a_seconds_total{x=\"y\\\"\"} 1\na_seconds_total{x=",
        ),
        ("1.5", "-1"),
        ("1.5", "NaN"),
        ("# EOF\n", ""),
        ("x=", "0x="),
        ("\\\"", "\\q"),
        ("_total", ""),
        ("seconds seconds", "seconds minutes"),
        ("counter", "gauge"),
        ("# HELP a_seconds", "# HELP b_seconds"),
        ("} 1.5", "}  1.5"),
    ];
    for (from, to) in bad {
        let text = good.replacen(from, to, 1);
        assert!(parse(&text, Format::OpenMetrics).is_err(), "{text}");
    }
    let buckets = |lines: &str| format!("# TYPE h histogram\n# HELP h It.\n{lines}h_sum 1\n");
    let good = "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 3\nh_count 3\n";
    assert!(parse(&buckets(good), Format::Text).is_ok());
    for (from, to) in [
        ("} 3", "} 1"),
        ("count 3", "count 2"),
        ("+Inf", "0.5"),
        ("+Inf", "2"),
    ] {
        let text = buckets(&good.replacen(from, to, 1));
        assert!(parse(&text, Format::Text).is_err(), "{text}");
    }
}
