//! What a scraper reads.

use std::collections::{BTreeMap, BTreeSet};

use super::{a_sample, a_subject, parser::parse};
use crate::report::{
    Kind, Sample, Unit,
    accept::Format,
    page,
    table::{self, SECTIONS},
    text::{name, sample_name, text},
};

const FORMATS: [Format; 2] = [Format::OpenMetrics, Format::Text];

#[test]
fn both_formats_are_as_they_should_be_and_say_the_same() {
    let sample = a_sample();
    let read = FORMATS.map(|format| parse(&text(&sample, format), format).unwrap());
    let values = |place: usize| -> BTreeMap<_, _> {
        let samples = read[place].values().flat_map(|family| &family.samples);
        samples
            .map(|(name, labels, value)| ((name.clone(), labels.clone()), value.to_bits()))
            .collect()
    };
    assert_eq!(values(0), values(1));
}

#[test]
fn the_target_comes_first() {
    for (format, first) in FORMATS
        .into_iter()
        .zip(["target info", "target_info gauge"])
    {
        for sample in [a_sample(), Sample::default()] {
            let text = text(&sample, format);
            assert_eq!(text.lines().next(), Some(&*format!("# TYPE {first}")));
        }
    }
}

#[test]
fn every_metric_is_told_with_its_unit_and_its_help() {
    let families = parse(&text(&a_sample(), Format::OpenMetrics), Format::OpenMetrics).unwrap();
    for metric in table::all() {
        let family = families
            .get(&name(metric))
            .unwrap_or_else(|| panic!("{} has no points", metric.name));
        assert_eq!(
            family.unit.as_deref(),
            metric.unit.suffix(),
            "{}",
            metric.name
        );
        assert_eq!(family.help.as_deref(), Some(metric.help), "{}", metric.name);
    }
    assert_eq!(families.len(), table::all().count());
}

#[test]
fn the_table_keeps_its_own_rules() {
    let mut names = BTreeSet::new();
    for metric in table::all() {
        let what = metric.name;
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        for name in metric.attributes.iter().chain([&metric.name]) {
            assert!(name.split('.').all(word), "{what}: {name}");
            let ours = [
                "trimtab.",
                "process.",
                "container.",
                "k8s.",
                "service.",
                "host.",
            ];
            let ours = ours.iter().any(|prefix| name.starts_with(prefix));
            assert!(
                ours || *name == "target",
                "{what}: {name} has no prefix of ours"
            );
        }
        assert!(
            !metric.help.contains(['"', '\n']) && metric.help.ends_with('.'),
            "{what}"
        );
        assert!(!metric.source.is_empty(), "{what}");
        assert!(
            metric.kind != Kind::Histogram || metric.unit == Unit::Seconds,
            "{what}"
        );
        // What a family's samples are called must be nobody else's.
        let called = sample_name(metric);
        let endings: &[&str] = match metric.kind {
            Kind::Histogram => &["", "_bucket", "_count", "_sum"],
            _ => &[""],
        };
        for ending in endings {
            assert!(
                names.insert(format!("{called}{ending}")),
                "{what}: {called}{ending}"
            );
        }
    }
    let mut titles: Vec<_> = SECTIONS.iter().map(|section| section.title).collect();
    titles.dedup();
    assert_eq!(titles.len(), SECTIONS.len());
}

#[test]
fn texts_are_escaped_and_come_back() {
    for format in FORMATS {
        let families = parse(&text(&a_sample(), format), format).unwrap();
        let samples = families.values().flat_map(|family| &family.samples);
        let names: BTreeSet<_> = samples
            .filter_map(|(_, labels, _)| labels.get("trimtab_workload_name"))
            .map(String::as_str)
            .collect();
        let told = ["web.service", "odd, {it} = \"is\"\\n\n", "other"];
        assert_eq!(names, told.into_iter().collect());
    }
}

/// How many series there are: some for the node, and no more than this for each workload.
#[test]
fn a_workload_has_no_more_series_than_the_documents_say() {
    let count = |workloads: usize| {
        let one = |place| a_subject(&format!("/w{place}"), "w");
        let sample = Sample {
            subjects: (0..workloads).map(one).collect(),
            ..a_sample()
        };
        let text = text(&sample, Format::OpenMetrics);
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let each = count(2) - count(1);
    assert_eq!(count(50), count(1) + 49 * each);
    assert!(
        (120..=135).contains(&each),
        "{each} series for each workload"
    );
}

#[test]
fn an_agent_that_knows_nothing_says_so_in_order() {
    for format in FORMATS {
        assert!(parse(&text(&Sample::default(), format), format).is_ok());
    }
}

#[test]
fn the_formats_read_as_ever() {
    let sample = Sample {
        subjects: vec![a_sample().subjects.swap_remove(0)],
        ..a_sample()
    };
    for (format, name) in FORMATS.into_iter().zip(["openmetrics", "text"]) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("testdata");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text(&sample, format)));
    }
}

/// `docs/METRICS.md` is made from the table; `INSTA_UPDATE=always` writes it, as it does goldens.
#[test]
fn the_page_is_what_the_table_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    let made = page::page();
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/METRICS.md is stale: run this test with INSTA_UPDATE=always, and read what has changed"
    );
}
