//! Traces that are refused, and what is said about them.

use crate::tell::{Files, golden, gzip, page};

const COLUMNS: &str = "time=t:s,cpu=use:cores,cpu-cap=cap:cores";

/// A good table with its fourth line replaced.
fn with(line: &str) -> Vec<u8> {
    format!("t,use,cap\n0,0.5,2\n60,0.5,2\n{line}\n180,0.5,2\n").into_bytes()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one case after another")]
fn bad_tables_are_refused_with_place_and_remedy() {
    let rows: Vec<_> = (0..5_000)
        .map(|row| format!("{},0.{:03},2\n", row * 60, row * 7 % 1_000))
        .collect();
    let rows = rows.concat();
    let whole = gzip(format!("t,use,cap\n{rows}").as_bytes());
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xff);
    let unsorted: Vec<_> = (0..40)
        .map(|row| format!("{},0.5,2\n", row * 17 % 40 * 60))
        .collect();
    let unsorted = unsorted.concat();
    let cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("empty", COLUMNS, b"".into()),
        ("blank lines only", COLUMNS, b"\n \r\n\n".into()),
        ("header only", COLUMNS, b"t,use,cap\n".into()),
        ("no header", COLUMNS, b"0,0.5,2\n60,0.5,2\n".into()),
        (
            "column that is not there",
            COLUMNS,
            b"t,used,cap\n0,0.5,2\n".into(),
        ),
        (
            "column that is there twice",
            COLUMNS,
            b"t,use,cap,use\n0,0.5,2,1\n".into(),
        ),
        (
            "position that is not there",
            "time=#1:s,cpu=#4:cores",
            b"0,0.5,2\n60,0.5,2\n".into(),
        ),
        ("word for a number", COLUMNS, with("120,lots,2")),
        ("unit in the field", COLUMNS, with("120,0.5 CPUs,2")),
        (
            "decimal comma",
            COLUMNS,
            b"t;use;cap\n0;0,5;2\n60;0,5;2\n".into(),
        ),
        (
            "thousands separator in quotes",
            COLUMNS,
            with("120,\"1,000\",2"),
        ),
        ("word for a time", COLUMNS, with("noon,0.5,2")),
        (
            "date for a number",
            COLUMNS,
            with("2014-05-14 01:14:00,0.5,2"),
        ),
        (
            "number for a date",
            "time=t:date,cpu=use:cores",
            with("120,0.5,2"),
        ),
        ("too few fields", COLUMNS, with("120,0.5")),
        ("too many fields", COLUMNS, with("120,0.5,2,3")),
        (
            "cut off in a row",
            COLUMNS,
            b"t,use,cap\n0,0.5,2\n60,0.5,2\n120,0".into(),
        ),
        ("open quote", COLUMNS, with("120,\"0.5,2")),
        ("truncated gzip", COLUMNS, whole[..whole.len() / 2].into()),
        ("truncated gzip header", COLUMNS, whole[..5].into()),
        (
            "gzip without its end",
            COLUMNS,
            whole[..whole.len() - 6].into(),
        ),
        ("damaged gzip", COLUMNS, damaged),
        (
            "rubbish after gzip",
            COLUMNS,
            [whole.as_slice(), b"rubbish"].concat(),
        ),
        ("NUL byte", COLUMNS, with("120,0.5\0,2")),
        (
            "UTF-16",
            COLUMNS,
            "t,use,cap\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect(),
        ),
        ("not UTF-8", COLUMNS, b"t,use,cap\n0,\xff\xfe,2\n".into()),
        (
            "long line",
            COLUMNS,
            [b"t,use,cap\n".as_slice(), &vec![b'1'; 2 << 20]].concat(),
        ),
        ("5,000 CPUs", COLUMNS, with("120,5000,9000")),
        (
            "millicores as cores",
            "time=t:s,cpu=use:cores",
            with("120,12000,2"),
        ),
        (
            "far above the cap in every row",
            COLUMNS,
            b"t,use,cap\n0,250,2\n60,0,2\n120,300,2\n".into(),
        ),
        (
            "percent as fraction",
            "time=t:s,cpu=use:fraction,cpu-cap=cap:cores",
            with("120,71.5,2"),
        ),
        (
            "bytes as kibibytes",
            "time=t:s,memory=use:KiB",
            with("120,274877906944,2"),
        ),
        (
            "memory far above the cap in every row",
            "time=t:s,memory=use:KiB,memory-cap=cap:KiB",
            b"t,use,cap\n0,8388608,2048\n60,9388608,2048\n".into(),
        ),
        (
            "requests without end",
            "time=t:s,requests=use:/s",
            with("120,1e10,2"),
        ),
        ("duty of 300 %", "time=t:s,gpu=use:%", with("120,300,2")),
        (
            "exponent without end",
            COLUMNS,
            with("120,1e999999999999,2"),
        ),
        (
            "milliseconds as seconds",
            COLUMNS,
            with("1375308176000,0.5,2"),
        ),
        ("time before 1970", COLUMNS, with("-60,0.5,2")),
        (
            "seconds as nanoseconds",
            "time=t:ns,cpu=use:cores",
            with("120,0.5,2"),
        ),
        (
            "years apart",
            COLUMNS,
            b"t,use,cap\n0,0.5,2\n90000000,0.5,2\n180000000,0.5,2\n".into(),
        ),
        (
            "not sorted",
            COLUMNS,
            format!("t,use,cap\n{unsorted}").into(),
        ),
        (
            "series not together",
            "time=t:s,cpu=use:cores,series=cap",
            b"t,use,cap\n0,1,a\n60,1,a\n0,1,b\n60,1,b\n120,1,a\n".into(),
        ),
    ];
    let names = cases.iter().map(|(name, _, _)| *name);
    let told = cases
        .iter()
        .map(|(_, columns, bytes)| Files::new(&[("bad.csv", bytes)]).tell("csv:bad.csv", columns));
    let told: Vec<_> = names.zip(told).collect();
    for (name, told) in &told {
        assert!(
            told.starts_with("bad.csv:") && told.contains("\n  = "),
            "{name}: {told}"
        );
    }
    assert!(told.len() >= 25);
    golden("bad_tables", &page(told));
}

#[test]
fn bad_answers_are_refused_with_place_and_remedy() {
    let series = |values: &str| {
        format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\n\"result\":[{{\"metric\":{{\"pod\":\"a\"}},\"values\":[[0,\"1\"],\n{values}]}}]}}}}"
        )
    };
    let cases = [
        ("empty", String::new()),
        ("no JSON", "t,use\n0,1\n".into()),
        ("cut off", series("[60,\"1\"]")[..100].into()),
        ("rubbish after it", series("[60,\"1\"]") + "}"),
        ("error of the server", r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.into()),
        ("nothing in it", r#"{"status":"success","data":{}}"#.into()),
        ("instant query", r#"{"data":{"result":[{"metric":{},"value":[0,"1"]}],"resultType":"vector"}}"#.into()),
        ("scalar", r#"{"data":{"resultType":"scalar","result":[0,"1"]}}"#.into()),
        ("values before their metric", r#"{"data":{"result":[{"values":[[0,"1"]],"metric":{}}]}}"#.into()),
        ("counter", r#"{"data":{"result":[{"metric":{"__name__":"container_cpu_usage_seconds_total"},"values":[]}]}}"#.into()),
        ("word for a value", series(r#"[60,"lots"]"#)),
        ("value without quotes", series("[60,1]")),
        ("sample without a value", series("[60]")),
        ("sample with two values", series(r#"[60,"1","2"]"#)),
        ("5,000 CPUs", series(r#"[60,"5000"]"#)),
        ("milliseconds", series(r#"[1435781430781,"1"]"#)),
        ("deep", "[".repeat(10_000)),
        ("deep in what is not read", format!("{{\"stats\":{}", "[".repeat(10_000))),
        ("time that is a word", series(r#"["noon","1"]"#)),
    ];
    let told = cases.map(|(name, text)| {
        let told = Files::new(&[("bad.json", text.as_bytes())])
            .tell("prometheus:bad.json", "cpu=value:cores");
        assert!(
            told.starts_with("bad.json:") && told.contains("\n  = "),
            "{name}: {told}"
        );
        (name, told)
    });
    let cut = gzip(series("[60,\"1\"]").as_bytes());
    let cut = Files::new(&[("bad.json.gz", &cut[..cut.len() - 12])])
        .tell("bad.json.gz", "cpu=value:cores");
    golden(
        "bad_answers",
        &page(told.into_iter().chain([("truncated gzip", cut)])),
    );
}

#[test]
fn bad_sources_are_refused_with_place_and_remedy() {
    let files = Files::new(&[
        ("empty/readme.md", b""),
        ("table.csv", b"t,use\n0,1\n60,1\n"),
        (
            "unknown/index.csv",
            b"source,series,file\nbitbrains-rnd,vm1,vm1.csv.gz\nborg2019,a,a.csv\n",
        ),
        ("headless/index.csv", b"bitbrains-rnd,vm1,vm1.csv.gz\n"),
        (
            "stale/index.csv",
            b"source,series,file\nbitbrains-rnd,vm1,vm1.csv.gz\n",
        ),
        ("google/cpu.csv", b"a,1,2,3\nb,1,2,3\n"),
        ("google/mem.csv", b"a,1,2,3\nc,1,2,3\n"),
        ("shorter/cpu.csv", b"a,1,2,3\nb,1,2,3\n"),
        ("shorter/mem.csv", b"a,1,2,3\n"),
        ("narrow/cpu.csv", b"a,1,2,3\n"),
        ("narrow/mem.csv", b"a,1,2\n"),
        (
            "planetlab/cpu.csv",
            b"20110303,a,1,2,3\n20110303,b,1,many,3\n",
        ),
        ("wide/cpu.csv", b"20110303,a,1,2,9000\n"),
        ("bitbrains/vm1.csv", b"t_s,cpu_mhz\n0,1\n"),
        (
            "nab/ec2_cpu_utilization_1.csv",
            b"timestamp,value\n2014-13-14 01:14:00,1\n",
        ),
        ("rates/bursty.txt", b"157\n158\nmany\n"),
    ]);
    let cases = [
        ("not there", "bitbrains:nowhere", ""),
        ("unknown format", "borg:table.csv", ""),
        ("no format", "empty", ""),
        ("no such files", "bitbrains:empty", ""),
        ("no column map", "table.csv", ""),
        (
            "column map of a format that has its own",
            "bitbrains:table.csv",
            "time=t:s,cpu=use:cores",
        ),
        (
            "column map of several values for a query",
            "prometheus:table.csv",
            "cpu=value:cores,memory=value:B",
        ),
        (
            "column map that is not complete",
            "table.csv",
            "time=t:s,cpu=use:MHz",
        ),
        ("index of an unknown source", "unknown", ""),
        ("index without a header", "headless", ""),
        ("index of a file that is not there", "stale", ""),
        ("pair with other rows", "google2011:google", ""),
        ("pair with fewer rows", "google2011:shorter", ""),
        ("pair with fewer values", "google2011:narrow", ""),
        ("word in a wide row", "planetlab:planetlab", ""),
        ("percentage of 9,000", "planetlab:wide", ""),
        (
            "other columns than the format has",
            "bitbrains:bitbrains",
            "",
        ),
        ("date that is none", "nab-aws:nab", ""),
        ("word for a rate", "autothrottle-rps:rates", ""),
    ];
    let told = cases.map(|(name, given, columns)| {
        let told = files.tell(given, columns);
        assert!(told.contains("\n  = "), "{name}: {told}");
        (name, told)
    });
    golden("bad_sources", &page(told));
}
