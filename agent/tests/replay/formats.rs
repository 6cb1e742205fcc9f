//! Every format with a small file in its shape, written for this test.

use trimtab::replay::{Format, Quantity, Series, Source};

use crate::tell::{Files, golden, gzip, page};

const BITBRAINS: &str = "t_s,cpu_cores,cpu_cap_mhz,cpu_mhz,mem_cap_kib,mem_kib\n\
    1375308176,2,5000,1250.5,4096,1024\n1375308476,2,5000,2500,4096,2048\n1375308776,4,10000,2500,8192,2048\n";

const NEZHA: &str = "t_s,cpu_millicores,cpu_pct_of_limit,mem_mib,mem_pct_of_limit,net_rx_Bps,ops_per_s\n\
    1661140279,50,10,100,50,29342,5.087\n1661140339,0.1,0.02,100,50,0,0\n1661140399,100,20,150,75,1,9\n";

const GENTD26: &str = "t_s,gpu_duty_pct,gpu_mem_bytes,mem_util_frac\n\
    1662858948,,,0.25\n1662859005,6.5,1048576,0.5\n1662859062,100.5,1048576,-0.001\n";

const AZURE: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\n\
    2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n2023-11-16 18:17:04.0781490,110,27\n\
    2023-11-16 18:17:07.5,110,27\n2023-11-16 18:17:06.5,110,27\n2023-11-16 18:17:08.5,110,27";

const PROMETHEUS: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[
    {"metric":{"__name__":"container:cpu","pod":"a","namespace":"shop"},"values":[[1435781430.781,"0.5"],[1435781445.781,"NaN"],[1435781460.781,"1.25"]]},
    {"metric":{},"values":[[1435781430,"2"],[1435781445,"3"]],"histograms":[[1435781430,{"count":"1"}]]}
]},"infos":["one"]}"#;

fn files() -> Files {
    Files::new(&[
        (
            "index.csv",
            b"source,series,samples,interval_s,columns,file\n\
              bitbrains-rnd,vm1,3,300,\"cpu,mem\",vm1.csv.gz\n\
              google2011-gcd,vm_1_1,4,300,\"cpu,mem\",cpu.csv.gz+mem.csv.gz\n\
              google2011-gcd,vm_1_2,4,300,\"cpu,mem\",cpu.csv.gz+mem.csv.gz\n\
              nezha-pods,2022-08-22/adservice,3,60,cpu,2022-08-22_adservice.csv.gz\n",
        ),
        ("bitbrains-rnd/vm1.csv.gz", &gzip(BITBRAINS.as_bytes())),
        ("google2011-gcd/cpu.csv.gz", &gzip(b"vm_1_1,6.76,7.29,50,100\nvm_1_2,8.53,8.8,0,5\n")),
        ("google2011-gcd/mem.csv.gz", &gzip(b"vm_1_1,25,25.5,26,27\nvm_1_2,50,50,NaN,50\n")),
        ("planetlab/cpu.csv.gz", &gzip(b"20110303,node_root,47,4,38\n20110306,node_root,0,100,2\n")),
        ("nezha-pods/2022-08-22_adservice.csv.gz", &gzip(NEZHA.as_bytes())),
        ("alibaba-gentd26/pod_00ff.csv.gz", &gzip(GENTD26.as_bytes())),
        ("nab-aws/ec2_cpu_utilization_1.csv", b"timestamp,value\n2014-05-14 01:14:00,85.835\n2014-05-14 01:19:00,88.167\n"),
        ("nab-aws/ec2_network_in_1.csv", b"timestamp,value\n2014-05-14 01:14:00,85835\n"),
        ("nab-aws/elb_request_count_1.csv", b"timestamp,value\n2014-05-14 01:14:00,300\n2014-05-14 01:19:00,30\n"),
        ("autothrottle-rps/bursty.txt", b"157\n158\n0\n"),
        ("azure-llm-2023/AzureLLMInferenceTrace_code.csv", AZURE.as_bytes()),
        ("answer.json", PROMETHEUS.as_bytes()),
        ("quoted.csv", "\u{feff}\"Time\";\"the pod's, use\"\r\n\r\n2014-05-14T01:14:00Z;\"0.5\"\r\n\"2014-05-14T01:15:00+00:00\"; 0.25 \r\n".as_bytes()),
        ("several.csv", b"pod\ttime\trss\nweb\t0\t10\nweb\t1000\t20\ndb\t0\t30\ndb\t1000\t40\n"),
        ("positions.csv", b"0,1\n10,2\n"),
    ])
}

#[test]
fn every_format_is_read() {
    let files = files();
    let cases = [
        ("bitbrains:bitbrains-rnd", ""),
        ("google2011:google2011-gcd", ""),
        ("planetlab:planetlab", ""),
        ("nezha:nezha-pods", ""),
        ("alibaba-gentd26:alibaba-gentd26", ""),
        ("nab-aws:nab-aws", ""),
        ("autothrottle-rps:autothrottle-rps/bursty.txt", ""),
        ("azure-llm-2023:azure-llm-2023", ""),
        ("answer.json", "cpu=value:cores"),
        ("quoted.csv", "time=Time:date,cpu=the pod's, use:cores"),
        ("several.csv", "series=pod,time=time:ms,memory=rss:MiB"),
        ("positions.csv", "time=#1:s,requests=#2:/s"),
    ];
    let read: Vec<_> = cases
        .iter()
        .map(|(given, columns)| {
            // A comma is no part of a name in a map: that column goes by its position.
            (
                *given,
                files.tell(given, &columns.replace("the pod's, use", "#2")),
            )
        })
        .collect();
    // Recordings are no text: they have tests of their own.
    let text = Format::ALL.into_iter();
    for format in text.filter(|format| *format != Format::Recording) {
        let begin = format!("{} ", format.name());
        assert!(
            read.iter().any(|(_, told)| told.starts_with(&begin)),
            "{begin}"
        );
    }
    golden("formats", &page(read));
}

#[test]
fn an_index_tells_what_lies_where() {
    let files = files();
    let alone: String = [
        "bitbrains:bitbrains-rnd",
        "google2011:google2011-gcd",
        "nezha:nezha-pods",
    ]
    .map(|given| files.tell(given, ""))
    .concat();
    assert_eq!(files.tell(".", ""), alone);
}

#[test]
fn a_series_is_kept_in_columns() {
    let files = files();
    let given = format!(
        "alibaba-gentd26:{}",
        files.path().join("alibaba-gentd26").display()
    );
    let mut reader = Source::find(&given, None).unwrap().remove(0).read();
    let series = Series::next(&mut reader).unwrap().unwrap();
    assert_eq!((series.len(), series.head.name.as_str()), (3, "00ff"));
    assert!(series.has(Quantity::Gpu) && !series.has(Quantity::Cpu));
    let duty: Vec<_> = series
        .samples()
        .map(|sample| sample.get(Quantity::Gpu))
        .collect();
    assert_eq!(duty, [None, Some(650), Some(10_000)]);
    assert_eq!(series.repairs, *reader.repairs());
    assert!(Series::next(&mut reader).unwrap().is_none());
}

/// What is skipped is checked all the same, and does not end up in the next series.
#[test]
fn series_can_be_skipped() {
    let files = files();
    let given = format!("planetlab:{}", files.path().join("planetlab").display());
    let mut reader = Source::find(&given, None).unwrap().remove(0).read();
    let mut names = Vec::new();
    while let Some(head) = reader.next_series().unwrap() {
        names.push(head.name);
    }
    assert_eq!(names, ["20110303/node_root", "20110306/node_root"]);
}

/// Nobody waits for the parser of a file that is not read to its end.
#[test]
fn an_answer_can_be_left() {
    let values: Vec<_> = (0..50_000)
        .map(|sample| format!("[{},\"1\"]", sample * 15))
        .collect();
    let text = format!(
        "{{\"data\":{{\"result\":[{{\"metric\":{{}},\"values\":[{}]}}]}}}}",
        values.join(",")
    );
    let files = Files::new(&[("answer.json", text.as_bytes())]);
    let columns = trimtab::replay::Columns::parse("cpu=value:cores").unwrap();
    let given = files.path().join("answer.json").display().to_string();
    let mut reader = Source::find(&given, Some(&columns))
        .unwrap()
        .remove(0)
        .read();
    assert!(reader.next_series().unwrap().is_some());
    assert!(reader.next_sample().unwrap().is_some());
    drop(reader);
    let mut reader = Source::find(&given, Some(&columns))
        .unwrap()
        .remove(0)
        .read();
    assert_eq!(Series::next(&mut reader).unwrap().unwrap().len(), 50_000);
}
