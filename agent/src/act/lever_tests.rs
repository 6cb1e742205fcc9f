//! Levers on real groups of this host.

use trimtab_core::signal::{Amount, Resource};

use super::lever::{Kind, Lever, LeverError};
use crate::sense::hierarchy::Version;
use crate::sense::testing::TestGroup;

fn lever(group: &TestGroup, path: &str, resource: Resource) -> Lever {
    let target = group.target(path);
    let (dir, version) = target.of(resource).unwrap();
    Lever::open(dir, *version, resource).unwrap()
}

#[test]
fn a_quota_goes_there_and_back() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    group.set_quota(group.path(), "10000");
    let lever = lever(&group, group.path(), Resource::Cpu);
    assert_eq!(lever.read().unwrap(), Amount(100_000));
    for amount in [
        Amount(2_000_000),
        Amount(123_456),
        Amount(10_000),
        Amount::UNLIMITED,
    ] {
        lever.write(amount).unwrap();
        assert_eq!(lever.read().unwrap(), lever.kind().quantise(amount));
    }
    assert!(
        group
            .quota(group.path())
            .starts_with(if group.version() == Version::V2 {
                "max"
            } else {
                "-1"
            })
    );
    let refused = lever.write(Amount(5_000)).unwrap_err();
    assert!(
        matches!(
            refused,
            LeverError::Io {
                syscall: "pwrite",
                ..
            }
        ),
        "half a millisecond: {refused}"
    );
    assert!(!lever.may_block(Amount(2), Amount(1)));
}

#[test]
fn a_memory_limit_goes_there_and_back() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let lever = lever(&group, group.path(), Resource::Memory);
    assert_eq!(lever.read().unwrap(), Amount::UNLIMITED);
    for amount in [Amount(64 << 20), Amount((32 << 20) + 5), Amount::UNLIMITED] {
        lever.write(amount).unwrap();
        assert_eq!(lever.read().unwrap(), lever.kind().quantise(amount));
    }
    assert!(lever.may_block(Amount::UNLIMITED, Amount(1)));
    assert!(!lever.may_block(Amount(1), Amount(2)));
}

#[test]
fn a_lever_of_a_removed_group_says_gone() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    let path = group.child("c");
    let target = group.target(&path);
    let levers = Resource::ALL.map(|resource| lever(&group, &path, resource));
    for resource in Resource::ALL {
        let dir = group.hierarchies.of(resource).unwrap().group(&path);
        if dir.exists() {
            std::fs::remove_dir(dir).unwrap();
        }
    }
    // Another group under the same name must not be reached.
    let again = group.child("c");
    for lever in levers {
        assert!(lever.read().unwrap_err().is_gone());
        assert!(lever.write(Amount(1 << 30)).unwrap_err().is_gone());
    }
    for resource in Resource::ALL {
        let (dir, version) = target.of(resource).unwrap();
        let error = Lever::open(dir, *version, resource).unwrap_err();
        assert!(error.is_gone(), "{error}");
    }
    assert_ne!(
        group.target(&again).cpu.unwrap().0.id(),
        target.cpu.unwrap().0.id()
    );
}

#[test]
fn amounts_are_rounded_to_what_the_kernel_holds() {
    let cpu = Kind::CpuMax { period_us: 100_000 };
    assert_eq!(cpu.quantise(Amount(123_456)), Amount(123_450));
    assert_eq!(cpu.quantise(Amount(1)), Amount(10_000), "never below 1 ms");
    assert_eq!(cpu.quantise(Amount::UNLIMITED), Amount::UNLIMITED);
    let page = rustix::param::page_size() as u64;
    assert_eq!(
        Kind::MemoryHigh.quantise(Amount(page * 3 + 1)),
        Amount(page * 3)
    );
    assert_eq!(
        Kind::LimitInBytes.quantise(Amount::UNLIMITED),
        Amount::UNLIMITED
    );
    for period_us in [1_000, 30_000, 100_000, 1_000_000] {
        let kind = Kind::CfsQuota { period_us };
        for amount in (0..3_000_000).step_by(777).map(Amount) {
            let held = kind.quantise(amount);
            assert_eq!(kind.quantise(held), held, "{amount:?} under {period_us}");
        }
    }
}

#[test]
fn writing_costs_microseconds() {
    let Some(group) = TestGroup::make() else {
        return;
    };
    group.set_quota(group.path(), "10000");
    let lever = lever(&group, group.path(), Resource::Cpu);
    let start = std::time::Instant::now();
    for round in 0..1_000u64 {
        lever.write(Amount(500_000 + round * 10)).unwrap();
    }
    let each = start.elapsed() / 1_000;
    eprintln!("a quota write takes {each:?}");
    assert!(each < std::time::Duration::from_millis(5), "{each:?}");
}
