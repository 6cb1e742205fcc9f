//! The ledger under crashes, damage, full disks and rivals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use trimtab_core::signal::Amount;

use super::ledger::{Entry, Key, Ledger, LedgerError, Notice, Ours, UnitValue};
use super::limit_file::LimitFile;
use super::marks::Echo;
use crate::sense::testing::{PATIENCE, runtime_dir};

fn entry(group: &str, file: LimitFile, original: &str) -> Entry {
    let key = Key {
        dir: Path::new("/nowhere").join(group),
        inode: 7,
        file,
    };
    let ours = match file {
        LimitFile::CpuMax | LimitFile::MemoryHigh => Ours::Moving {
            least: Amount(100_000),
            most: Amount(2_000_000),
            period_us: None,
            mark: None,
        },
        _ => Ours::Fixed {
            wrote: vec!["9".into()],
        },
    };
    Entry {
        key,
        group: group.to_owned(),
        original: original.to_owned(),
        ours,
        unit: None,
    }
}

fn open(dir: &Path) -> (Ledger, Vec<Notice>) {
    Ledger::open(dir, PATIENCE).unwrap()
}

fn with_one(dir: &Path) -> Ledger {
    let (mut ledger, _) = open(dir);
    ledger
        .record([entry("a", LimitFile::CpuMax, "10000 100000")])
        .unwrap();
    ledger
}

#[test]
fn originals_survive_and_only_we_may_read_them() {
    let dir = runtime_dir();
    let state = dir.path().join("state");
    let (mut ledger, _) = open(&state);
    ledger
        .record([
            entry("a", LimitFile::CpuMax, "10000 100000"),
            entry("a/b", LimitFile::MemoryMax, "max"),
        ])
        .unwrap();
    drop(ledger);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&state.join("ledger.json")), 0o600);
    let (ledger, notices) = open(&state);
    assert!(
        notices
            .iter()
            .all(|notice| matches!(notice, Notice::NoMarks { .. })),
        "{notices:?}"
    );
    let groups: Vec<_> = ledger
        .entries()
        .map(|entry| (entry.group.as_str(), entry.original.as_str()))
        .collect();
    assert_eq!(groups, [("a", "10000 100000"), ("a/b", "max")]);
}

#[test]
fn a_file_cut_or_flipped_at_any_byte_is_set_aside_or_whole() {
    let dir = runtime_dir();
    let path = dir.path().join("ledger.json");
    drop(with_one(dir.path()));
    let whole = fs::read(&path).unwrap();
    let brace = whole.iter().rposition(|byte| *byte == b'}').unwrap();
    for length in 0..=brace {
        fs::write(&path, &whole[..length]).unwrap();
        let (ledger, notices) = open(dir.path());
        assert!(ledger.is_empty(), "cut at {length}");
        let aside = notices.iter().find_map(|notice| match notice {
            Notice::SetAside { path, .. } => Some(path.clone()),
            _ => None,
        });
        let aside = aside.unwrap_or_else(|| panic!("cut at {length}: {notices:?}"));
        assert_eq!(
            fs::read(&aside).unwrap(),
            &whole[..length],
            "kept for a person to look at"
        );
        assert!(!path.exists());
        fs::remove_file(aside).unwrap();
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x80;
        fs::write(&path, &damaged).unwrap();
        let (ledger, notices) = open(dir.path());
        assert!(ledger.is_empty() && !notices.is_empty(), "flipped at {at}");
    }
    fs::write(&path, br#"{"version":2,"boot_id":"x","later":1}"#).unwrap();
    let (_, notices) = open(dir.path());
    let said = notices.iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains("version 2 is not 1"), "{said}");
}

#[test]
fn a_crash_between_writing_and_replacing_leaves_the_old_file() {
    let dir = runtime_dir();
    drop(with_one(dir.path()));
    fs::write(dir.path().join("ledger.json.new"), b"{\"version\":1,\"boo").unwrap();
    let (mut ledger, _) = open(dir.path());
    assert_eq!(ledger.entries().count(), 1);
    ledger
        .record([entry("b", LimitFile::CpuMax, "max 100000")])
        .unwrap();
    assert_eq!(ledger.entries().count(), 2);
}

#[test]
fn another_boot_has_other_groups() {
    let dir = runtime_dir();
    drop(with_one(dir.path()));
    let path = dir.path().join("ledger.json");
    let boot = super::ledger::boot_id().unwrap();
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace(&boot, "00000000-0000-0000-0000-000000000000");
    fs::write(&path, text).unwrap();
    let (ledger, notices) = open(dir.path());
    assert!(ledger.is_empty());
    assert!(
        notices.contains(&Notice::OtherBoot { entries: 1 }),
        "{notices:?}"
    );
}

#[test]
fn a_rival_is_refused_and_the_lock_goes_with_its_holder() {
    let dir = runtime_dir();
    let (ledger, _) = open(dir.path());
    assert!(matches!(
        Ledger::open(dir.path(), Duration::from_millis(20)),
        Err(LedgerError::Busy { .. })
    ));
    drop(ledger);
    open(dir.path());
}

#[test]
fn a_full_disk_keeps_nothing_and_says_so() {
    let dir = runtime_dir();
    let mut ledger = with_one(dir.path());
    // The device that is always full stands in for the disk.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("ledger.json.new")).unwrap();
    let error = ledger
        .record([entry("b", LimitFile::CpuMax, "max 100000")])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("ledger.json.new: write: No space left on device"),
        "{error}"
    );
    assert_eq!(
        ledger.entries().count(),
        1,
        "nothing may be changed that is not kept"
    );
    fs::remove_file(dir.path().join("ledger.json.new")).unwrap();
    ledger
        .record([entry("b", LimitFile::CpuMax, "max 100000")])
        .unwrap();
}

#[test]
fn ours_is_what_is_marked() {
    let dir = runtime_dir();
    let (mut ledger, notices) = open(dir.path());
    if !notices.is_empty() {
        eprintln!("SKIP: {}", notices[0]);
        return;
    }
    ledger
        .record([
            entry("a", LimitFile::CpuMax, "10000 100000"),
            entry("b", LimitFile::CpuMax, "20000 100000"),
            entry("b", LimitFile::MemoryMax, "max"),
        ])
        .unwrap();
    let entries: Vec<Entry> = ledger.entries().cloned().collect();
    let a = ledger
        .mark(&entries[0].key, Amount(100_000))
        .unwrap()
        .unwrap();
    let b = ledger
        .mark(&entries[1].key, Amount(200_000))
        .unwrap()
        .unwrap();
    a.about_to_write(Amount(400_000)).unwrap();
    b.about_to_write(Amount(500_000)).unwrap();
    for (entry, text, ours) in [
        (0, "10000 100000", true),
        (0, "40000 100000", true),
        (0, "50000 100000", false),
        (0, "5000 50000", true),
        (1, "50000 100000", true),
        (1, "40000 100000", false),
        (2, "9", true),
        (2, "8192", false),
    ] {
        assert_eq!(
            ledger.is_ours(&entries[entry], text, None),
            ours,
            "{entry}: {text}"
        );
    }
    ledger.intend(&entries[2].key, "4096").unwrap();
    ledger.intend(&entries[2].key, "8192").unwrap();
    let wrote = Ours::Fixed {
        wrote: vec!["4096".into(), "8192".into()],
    };
    assert_eq!(
        ledger.get(&entries[2].key).unwrap().ours,
        wrote,
        "the one before and the one to come"
    );
    // What is recorded again keeps its mark.
    let before = ledger.get(&entries[1].key).unwrap().ours.clone();
    ledger
        .record([Entry {
            original: "30000 100000".into(),
            ..entries[1].clone()
        }])
        .unwrap();
    assert_eq!(ledger.get(&entries[1].key).unwrap().ours, before);
}

#[test]
fn without_marks_the_range_decides() {
    let dir = runtime_dir();
    let ledger = with_one(dir.path());
    let mut unmarked = ledger.entries().next().unwrap().clone();
    unmarked.ours = Ours::Moving {
        least: Amount(100_000),
        most: Amount(2_000_000),
        period_us: None,
        mark: None,
    };
    for (text, ours) in [
        ("9999 100000", false),
        ("10000 100000", true),
        ("200000 100000", true),
        ("200001 100000", false),
        ("max 100000", false),
        ("nonsense", false),
    ] {
        assert_eq!(ledger.is_ours(&unmarked, text, None), ours, "{text}");
    }
}

#[test]
fn what_a_unit_was_told_is_ours_and_survives() {
    let dir = runtime_dir();
    let (mut ledger, _) = open(dir.path());
    let unit = UnitValue {
        unit: "a.service".into(),
        bus: "/nowhere/bus".into(),
        value: 100_000,
        is_set: false,
        told: None,
    };
    let moving = Entry {
        unit: Some(unit.clone()),
        ..entry("a", LimitFile::CpuMax, "10000 100000")
    };
    let fixed = Entry {
        unit: Some(unit),
        ..entry("a", LimitFile::MemoryMax, "max")
    };
    ledger.record([moving.clone(), fixed.clone()]).unwrap();
    let echo = ledger.echo(&moving.key).unwrap().unwrap();
    ledger.mark(&moving.key, Amount(555_000)).unwrap();
    assert!(echo.contains(Amount(100_000)), "nothing else was told");
    // What was never heard of may have been heard.
    for (before, value) in [(100_000, 550_000), (100_000, 560_000), (560_000, 570_000)] {
        ledger.about_to_tell(&moving.key, before, value).unwrap();
    }
    let told = |ledger: &Ledger, key| ledger.told(ledger.get(key).unwrap());
    assert_eq!(told(&ledger, &fixed.key), Some(Vec::new()), "nothing yet");
    ledger.about_to_tell(&fixed.key, 8192, 4096).unwrap();
    let amounts = [100_000, 555_000, 560_000, 570_000].map(Amount);
    assert_eq!(
        amounts.map(|amount| echo.contains(amount)),
        [false, false, true, true]
    );
    drop(ledger);
    let (mut ledger, _) = open(dir.path());
    assert_eq!(told(&ledger, &moving.key), Some(vec![560_000, 570_000]));
    assert_eq!(told(&ledger, &fixed.key), Some(vec![8192, 4096]));
    let kept = ledger.get(&moving.key).unwrap().clone();
    for (text, ours) in [
        ("55500 100000", true),
        ("56000 100000", true),
        ("57000 100000", true),
        ("56000 50000", false),
        ("58000 100000", false),
    ] {
        assert_eq!(ledger.is_ours(&kept, text, None), ours, "{text}");
    }
    // Recorded again, it keeps what it was told; with another original, or in the place of another one, it
    // does not begin with that.
    ledger.record([kept.clone()]).unwrap();
    assert_eq!(told(&ledger, &moving.key), Some(vec![560_000, 570_000]));
    let echo = ledger.echo(&moving.key).unwrap().unwrap();
    let mut anew = kept.clone();
    anew.unit.as_mut().unwrap().value = 330_000;
    ledger.record([anew]).unwrap();
    assert_eq!(told(&ledger, &moving.key), Some(Vec::new()));
    let amounts = [560_000, 570_000, 330_000].map(Amount);
    let heard = |echo: &Echo| amounts.map(|amount| echo.contains(amount));
    assert_eq!(heard(&echo), [false; 3], "a lever from before");
    let anew = ledger.echo(&moving.key).unwrap().unwrap();
    assert_eq!(heard(&anew), [false, false, true]);
    assert_eq!(heard(&echo), [false, false, true], "nobody else's record");
    ledger.forget([&moving.key]).unwrap();
    let other = Entry {
        key: entry("b", LimitFile::CpuMax, "").key,
        ..moving
    };
    ledger.record([other.clone()]).unwrap();
    assert_eq!(told(&ledger, &other.key), Some(Vec::new()));
}
