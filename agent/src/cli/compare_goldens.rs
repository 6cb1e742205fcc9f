//! What users read about shadows, from fixed views.

use trimtab_core::signal::Resource;

use super::{
    compare,
    goldens::{both, cpu, golden},
};
use crate::api::view::*;

fn course(policy: &str, held: u64, limit: u64, short_ns: u64) -> Course {
    Course {
        policy: policy.into(),
        limit: cpu(limit),
        mean_limit: cpu(limit + 12_345),
        mean_held: cpu(held),
        changes: 96,
        turns: 31,
        short_ns,
        slack_per_mille: Some(412),
    }
}

#[test]
fn a_shadow_stands_below_what_it_is_compared_with() {
    let web = Comparison {
        workload: "nginx".into(),
        path: "/system.slice/nginx.service".into(),
        resource: Resource::Cpu,
        age_ns: 8_100_000_000_000,
        compared_ns: 7_980_000_000_000,
        used: cpu(294_000),
        active: course("web", 500_000, 600_000, 14_000_000_000),
        shadow: Course {
            changes: 24,
            turns: 0,
            slack_per_mille: Some(-35),
            ..course("web-tight", 284_000, 310_000, 0)
        },
    };
    let new = Comparison {
        workload: "db".into(),
        path: "/system.slice/db.service".into(),
        age_ns: 400_000_000,
        compared_ns: 0,
        ..web.clone()
    };
    both("compare", &[new, web], |comparisons| {
        compare::render(comparisons)
    });
    golden("compare_none", &compare::render(&[]));
}
