//! Column maps.

use trimtab::replay::Columns;

use crate::tell::{Files, golden, page};

#[test]
fn bad_maps_are_refused_with_a_remedy() {
    let parsed = [
        "",
        "time",
        "cpu=use",
        "cpu=use:CPUs",
        "cpu=use:%",
        "time=t",
        "memory=rss:KB",
        "processor=use:cores",
        "cpu=:cores",
        "cpu=#0:cores",
        "cpu=#x:cores",
        "cpu=a:cores,cpu=b:cores",
        "step=5",
        "step=0s,cpu=a:cores",
    ];
    let complete = [
        "cpu=use:cores",
        "time=t:s,step=1s,cpu=use:cores",
        "time=t:s,cpu-cap=cap:cores",
        "time=t:s,cpu=use:MHz,cores=n",
        "time=t:s,cpu=use:cores,cpu-cap=cap:MHz,cores=n",
        "time=t:s,cpu=use:%cap",
        "time=t:s,memory=use:fraction",
        "time=t:s,cpu=use:%cap,cpu-part=part:%cap",
        "time=t:s,memory=use:B,memory-cap=cap:B,memory-part=part:%cap",
    ];
    let parsed = parsed.map(|map| (map, Columns::parse(map).unwrap_err().to_string()));
    let files = Files::new(&[("table.csv", b"t,use\n0,1\n")]);
    let complete = complete.map(|map| (map, files.tell("table.csv", map)));
    for (map, told) in parsed.iter().chain(&complete) {
        assert!(told.contains("\n  = "), "{map}: {told}");
    }
    golden("bad_columns", &page(parsed.into_iter().chain(complete)));
}

/// Two rows of a table, read in every unit.
#[test]
fn units_come_to_the_same() {
    let table = b"a,b,c,d,e,f,g\n0,0.5,500,50,25,1500,2\n60,0.5,500,50,25,1500,2\n";
    let files = Files::new(&[("table.csv", table)]);
    let same = |maps: &[&str], expected: &str| {
        for map in maps {
            let told = files.tell("table.csv", map);
            assert!(told.contains(&format!("\n  {expected}\n")), "{map}: {told}");
        }
    };
    same(
        &[
            "time=a:s,cpu=b:cores",
            "time=a:s,cpu=c:millicores",
            "time=a:s,cpu=d:%core",
            "step=1m,cpu=#2:cores",
        ],
        " 60000 ms  Cpu 500000",
    );
    same(
        &[
            "time=a:s,cpu=e:%cap,cores=g",
            "time=a:s,cpu=b:cores,cpu-part=e:%cap",
            "time=a:s,cpu=c:millicores,cpu-cap=g:cores",
        ],
        " 60000 ms  Cpu 500000  CpuCap 2000000",
    );
    same(
        &["time=a:s,cpu=f:MHz,cpu-cap=f:MHz,cores=g"],
        " 60000 ms  Cpu 2000000  CpuCap 2000000",
    );
    same(
        &[
            "time=a:s,memory=g:KiB",
            "time=a:s,memory-cap=g:KiB,memory=g:KiB",
        ][..1],
        " 60000 ms  Memory 2048",
    );
    same(
        &[
            "time=a:s,memory=b:fraction,memory-cap=c:B",
            "time=a:s,memory=d:%cap,memory-cap=c:B",
        ],
        " 60000 ms  Memory 250  MemoryCap 500",
    );
    same(&["time=a:s,requests=g:/s"], " 60000 ms  Requests 2000");
    same(
        &["time=a:s,requests=f:/5min", "time=a:ms,requests=f:/5min"][..1],
        " 60000 ms  Requests 5000",
    );
    same(
        &[
            "time=a:s,gpu=d:%,gpu-memory=c:MB",
            "time=a:s,gpu=b:fraction,gpu-memory=c:MB",
        ],
        " 60000 ms  Gpu 5000  GpuMemory 500000000",
    );
    same(&["time=a:ms,cpu=b:cores"], "    60 ms  Cpu 500000");
}
