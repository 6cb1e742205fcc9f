//! Whatever bytes come: an answer or a refusal, never a panic, and the samples are in order.

use proptest::prelude::*;
use trimtab::replay::{Columns, Format, Source};

use crate::tell::{Files, gzip};

const COLUMNS: &str = "time=t:s,cpu=use:MHz,cpu-cap=cap:MHz,cores=n,memory=m:fraction,memory-cap=size:GiB,requests=r:/min";

/// Pieces of which files are made that come close to real ones.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "t,use,cap,n,m,size,r\n",
        "t_s,gpu_duty_pct,gpu_mem_bytes,mem_util_frac\n",
        "timestamp,value\n",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n",
        "t_s,cpu_cores,cpu_cap_mhz,cpu_mhz,mem_cap_kib,mem_kib\n",
        "t_s,cpu_millicores,cpu_pct_of_limit,mem_mib,mem_pct_of_limit,ops_per_s\n",
        "{\"data\":{\"result\":[{\"metric\":{\"a\":\"b\"},\"values\":[",
        "[1,\"2\"],",
        "[61,\"NaN\"]",
        "]}",
        ",",
        "]}}",
        "\n",
        "\r\n",
        "\"",
        ";",
        "-",
        "NaN",
        "0",
        "1",
        "60",
        "120",
        "1e308",
        "-1e-308",
        "99999999999999999999",
        "9223372036854775807",
        "max",
        "2014-05-14 01:14:00",
        "2014-05-14 01:19:00",
        "9999-12-31T23:59:59Z",
        "0,1,2,3,0.5,4,5\n",
        "60,1,2,3,0.5,4,5\n",
        "120,0,0,0,,0,5\n",
        "30,1,2,3,0.5,4,5\n",
        "9000,1,2,3,-1,4,5\n",
    ];
    prop_oneof![
        8 => prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        2 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => any::<f64>().prop_map(|number| number.to_string().into_bytes()),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat());
    (
        text,
        prop_oneof![4 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    )
        .prop_map(|(text, cut)| match cut {
            None => text,
            Some(cut) => {
                let packed = gzip(&text);
                packed[..=cut.index(packed.len())].to_vec()
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_any_format(bytes in bytes()) {
        let files = Files::new(&[("cpu.csv", &bytes), ("mem.csv", &bytes), ("ec2_cpu_utilization.csv", &bytes)]);
        let table = Columns::parse(COLUMNS).unwrap();
        let query = Columns::parse("memory=value:GB").unwrap();
        for format in Format::ALL {
            let name = if format == Format::NabAws { "ec2_cpu_utilization.csv" } else { "cpu.csv" };
            let given = format!("{}:{}", format.name(), files.path().join(name).display());
            let columns = match format {
                Format::Csv => Some(&table),
                Format::Prometheus => Some(&query),
                _ => None,
            };
            let mut reader = Source::find(&given, columns).unwrap().remove(0).read();
            let mut read = || {
                while let Some(head) = reader.next_series()? {
                    assert!(head.part >= 1 && head.step.0 >= 1_000_000, "{head:?}");
                    let (mut count, mut last) = (0, None);
                    while let Some(sample) = reader.next_sample()? {
                        assert!(last < Some(sample.at), "{format:?}: {last:?}, {sample:?}");
                        let [cpu, cpu_cap, memory, memory_cap, ..] = sample.values;
                        assert!(cpu_cap.is_none() || cpu <= cpu_cap, "{sample:?}");
                        assert!(memory_cap.is_none() || memory <= memory_cap, "{sample:?}");
                        last = Some(sample.at);
                        count += 1;
                    }
                    assert!(count >= 2);
                }
                Ok(())
            };
            let read: Result<(), trimtab::replay::ReadError> = read();
            if let Err(error) = read {
                prop_assert!(error.to_string().contains("\n  = "));
            }
        }
    }

    #[test]
    fn any_column_map(map in "[a-z:=,#%0-9-]{0,40}|(time|cpu|cores|step)=[#a-z0-9]{0,3}:[a-z%A-Z]{0,4}") {
        if let Err(error) = Columns::parse(&map) {
            prop_assert!(!error.remedy.is_empty());
        }
    }
}
