//! The laws by name.

use trimtab_core::baseline::{Unknown, all, named};
use trimtab_core::signal::Nanos;

#[test]
fn every_law_is_made_by_its_name_and_says_it() {
    let mut names = Vec::new();
    for baseline in all() {
        let law = named(baseline.name).ok();
        assert_eq!(law.map(|law| law.name()), Some(baseline.name));
        assert_eq!(baseline.make().name(), baseline.name);
        names.push(baseline.name);
    }
    let expected = [
        "static",
        "threshold",
        "k8s-cpu",
        "k8s-cpu-fast",
        "vpa",
        "vpa-in-place",
        "vpa-before-2025",
        "autopilot",
        "captain",
        "koordinator",
        "senpai",
    ];
    assert_eq!(names, expected);
}

#[test]
fn every_law_looks_at_some_interval_and_acts_with_some_delay_before_its_next_look() {
    for baseline in all() {
        let law = baseline.make();
        assert!(
            law.interval() >= Nanos(100 * Nanos::MILLI.0),
            "{}",
            law.name()
        );
        assert!(law.delay() > Nanos(0), "{}", law.name());
    }
}

#[test]
fn a_number_is_taken_in_its_range_only() {
    for good in ["captain:0", "captain:0.3", "k8s-cpu:0.6", "static:600"] {
        assert!(named(good).is_ok(), "{good}");
    }
    for bad in [
        "captain:-1",
        "captain:x",
        "captain:",
        "k8s-cpu:0",
        "k8s-cpu:NaN",
    ] {
        let error = named(bad).err();
        assert!(matches!(error, Some(Unknown::Parameter { .. })), "{bad}");
    }
    assert_eq!(named("vpa:1").err(), Some(Unknown::NoParameter("vpa")));
}

#[test]
fn what_is_wrong_is_said_with_its_remedy() {
    let message = |text| named(text).err().map(|error| error.to_string());
    let unknown = message("captian").unwrap_or_default();
    assert!(unknown.contains("`captian`") && unknown.contains("captain, koordinator"));
    let range = message("captain:2").unwrap_or_default();
    assert_eq!(
        range,
        "`captain` takes a part of throttled periods from 0 to 1, not `2`"
    );
}

#[test]
fn nothing_is_held_for_who_never_began() {
    for baseline in all() {
        let law = baseline.make();
        for resource in trimtab_core::signal::Resource::ALL {
            assert_eq!(law.held(crate::SLOT, resource).0, 0, "{}", law.name());
        }
    }
}
