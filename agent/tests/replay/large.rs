//! Memory does not grow with what is read.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use trimtab::replay::{Columns, Source};

use crate::tell::Files;

thread_local! {
    /// Bytes that this thread holds, and the most that it held.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The system's allocator, with what each thread holds counted: a test sees its own reading only.
struct Counting;

fn count(bytes: isize) {
    // A thread that ends has nothing left to count in.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + bytes;
        held.set((now, held.get().1.max(now)));
    });
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-size(layout));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Reads all of a file; how many samples there were, and the most memory that it took.
fn read(files: &Files, rows: u64) -> (u64, isize) {
    let columns =
        Columns::parse("time=t:s,cpu=use:millicores,cpu-cap=cap:cores,memory=rss:KiB").unwrap();
    let given = files
        .path()
        .join(format!("{rows}.csv.gz"))
        .display()
        .to_string();
    let held = HELD.get().0;
    HELD.set((held, held));
    let mut reader = Source::find(&given, Some(&columns))
        .unwrap()
        .remove(0)
        .read();
    let mut samples = 0;
    while reader.next_series().unwrap().is_some() {
        while reader.next_sample().unwrap().is_some() {
            samples += 1;
        }
    }
    (samples, HELD.get().1 - held)
}

/// A table of so many rows, compressed.
fn table(rows: u64) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"t,use,cap,rss\n").unwrap();
    for row in 0..rows {
        writeln!(
            packed,
            "{},{}.{},2,{}",
            row * 60,
            row % 1_999,
            row % 10,
            row % 1_048_576
        )
        .unwrap();
    }
    packed.finish().unwrap()
}

#[test]
fn a_million_rows_take_no_more_memory_than_a_thousand() {
    let files = Files::new(&[
        ("1000.csv.gz", &table(1_000)),
        ("1000000.csv.gz", &table(1_000_000)),
    ]);
    let (few, little) = read(&files, 1_000);
    let (many, much) = read(&files, 1_000_000);
    assert_eq!((few, many), (1_000, 1_000_000));
    assert!(
        little > 0 && much <= little + 4_096,
        "{little} and {much} bytes"
    );
    assert!(much < 512 << 10, "{much} bytes");
}

/// So many series of 2,000 rows each, no two of which are alike.
fn series(count: u64) -> Vec<u8> {
    let mut table = b"name,t,use,rss\n".to_vec();
    for row in 0..count * 2_000 {
        let (name, minute) = (row / 2_000, row % 2_000);
        let (milli, mib) = (row * 7_919 % 997, 64 + row % 211);
        writeln!(table, "w{name},{},{milli},{mib}", minute * 60).unwrap();
    }
    table
}

/// The most memory that a replay of a file has had, in KiB.
fn peak(files: &Files, name: &str, together: &[&str]) -> u64 {
    let mut program = Command::new(env!("CARGO_BIN_EXE_trimtab"))
        .args([
            "replay",
            "--threads",
            "2",
            "--policy",
            "static",
            "--columns",
        ])
        .arg("series=name,time=t:s,cpu=use:millicores,memory=rss:MiB")
        .args(together)
        .arg(files.path().join(name))
        .env_remove("TRIMTAB_CONFIG")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", program.id());
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = program.try_wait().unwrap() {
            break ended;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = kib.unwrap_or(0).max(peak);
        thread::sleep(Duration::from_millis(2));
    };
    assert!(ended.success() && peak > 0, "{ended}, {peak} KiB");
    peak
}

#[test]
fn a_run_of_many_series_takes_no_more_memory_than_of_few() {
    let files = Files::new(&[("20.csv", &series(20)), ("300.csv", &series(300))]);
    for together in [&[][..], &["--together", "4"]] {
        let [little, much] = ["20.csv", "300.csv"].map(|name| peak(&files, name, together));
        // Kept, the others would take 48 bytes a row: 26 MiB.
        assert!(much <= little + (6 << 10), "{little} and {much} KiB");
    }
}
