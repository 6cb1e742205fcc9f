//! Traces that are repaired, and how that is counted.

use crate::tell::{Files, golden, page};

const COLUMNS: &str = "time=t:s,cpu=use:cores,cpu-cap=cap:cores,memory=rss:KiB,memory-cap=size:KiB";

#[test]
fn repairs_are_done_and_counted() {
    let cases = [
        ("nothing to repair", "0,1,2,3,4\n60,1,2,3,4\n121,1,2,3,4\n"),
        (
            "same time twice, also the same row",
            "0,1,2,3,4\n60,1,2,3,4\n60,1.5,2,3,4\n60,1,2,3,4\n120,1,2,3,4\n",
        ),
        (
            "clock steps back and catches up",
            "0,1,2,3,4\n60,1,2,3,4\n120,1,2,3,4\n70,0.1,2,3,4\n130,1,2,3,4\n",
        ),
        (
            "clock jumps back by a day",
            "100000,1,2,3,4\n100060,1,2,3,4\n100120,1,2,3,4\n60,1,2,3,4\n120,1,2,3,4\n180,1,2,3,4\n",
        ),
        (
            "clock jumps ahead for one row",
            "0,1,2,3,4\n60,1,2,3,4\n100000,1,2,3,4\n120,1,2,3,4\n180,1,2,3,4\n240,1,2,3,4\n",
        ),
        (
            "three samples missing",
            "0,1,2,3,4\n60,1,2,3,4\n120,1.5,2,3,4\n360,1,2,3,4\n",
        ),
        (
            "twelve samples missing",
            "0,1,2,3,4\n60,1,2,3,4\n120,1.5,2,3,4\n900,1,2,3,4\n",
        ),
        (
            "thirteen samples missing",
            "0,1,2,3,4\n60,1,2,3,4\n120,1.5,2,3,4\n960,1,2,3,4\n1020,1,2,3,4\n",
        ),
        (
            "NaN, empty and infinite in all of a row",
            "0,1,2,3,4\n60,NaN,,null,\n120,inf,nan,-,N/A\n180,1,2,3,4\n",
        ),
        ("NaN in one value", "0,1,2,,4\n60,NaN,2,3,4\n120,1,2,3,4\n"),
        (
            "row without a time",
            "0,1,2,3,4\n,1,2,3,4\n120,1,2,3,4\n180,1,2,3,4\n240,1,2,3,4\n",
        ),
        ("negative", "0,-0.001,2,-3,4\n60,1,2,3,4\n120,-0,2,3,4\n"),
        ("above the cap", "0,2.5,2,5,4\n60,1,2,3,4\n"),
        (
            "far above the cap in one row",
            "0,1,2,3,4\n60,20,2,40,4\n120,1,2,3,4\n",
        ),
        (
            "only what was provisioned is known",
            "0,1,2,3,4\n60,,2,,4\n120,1,2,3,4\n",
        ),
        (
            "nothing provisioned",
            "0,1,2,3,4\n60,0,0,0,0\n120,0.5,0,3,4\n180,1,2,3,4\n",
        ),
        (
            "no cap, as the kernel says it",
            "0,1,max,3,9007199254740991\n60,1,-1,3,-1\n",
        ),
        ("a series of one row", "0,1,2,3,4\n"),
        ("nothing known at all", "0,,,,\n60,,,,\n"),
        ("one time only", "0,1,2,3,4\n0,1,2,3,4\n0,1,2,3,4\n"),
    ];
    let told = cases.map(|(name, rows)| {
        let table = format!("t,use,cap,rss,size\n{rows}");
        (
            name,
            Files::new(&[("table.csv", table.as_bytes())]).tell("table.csv", COLUMNS),
        )
    });
    golden("repairs", &page(told));
}

/// A gap or a repair in one series says nothing of the next.
#[test]
fn series_are_repaired_by_themselves() {
    let table = b"name,t,use\na,0,1\na,60,1\na,6000,1\na,6060,1\nb,0,1\nb,10,1\nb,20,2\nb,40,1\n";
    let files = Files::new(&[("table.csv", table)]);
    golden(
        "series",
        &files.tell("table.csv", "series=name,time=t:s,cpu=use:cores"),
    );
}
