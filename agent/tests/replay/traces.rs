//! Every real series, where there are any: `TRIMTAB_TRACES` names a directory with an index.

use std::{collections::BTreeSet, env, fs, io::Write as _, path::Path};

use trimtab::replay::{Half, Quantity, Source, half};

#[test]
fn every_real_series_is_read() {
    let Some(directory) = env::var_os("TRIMTAB_TRACES") else {
        // Past the capture of test output, which would hide it behind an `ok`.
        let _ = writeln!(
            std::io::stderr(),
            "SKIP: TRIMTAB_TRACES names no directory of traces"
        );
        return;
    };
    let directory = Path::new(&directory);
    let index = fs::read_to_string(directory.join("index.csv")).unwrap();
    let rows = || {
        index
            .lines()
            .skip(1)
            .map(|row| row.split_once(',').unwrap())
    };
    for source in Source::find(directory.to_str().unwrap(), None).unwrap() {
        let format = source.format();
        let files = source.files().len();
        let mut reader = source.read();
        let (mut names, mut parts, mut samples) = (BTreeSet::new(), 0, 0u64);
        let (mut spans, mut sums, mut tuning) = (0u64, [0u128; 7], 0);
        while let Some(head) = reader.next_series().unwrap() {
            parts += 1;
            if names.insert(head.name.clone()) && half(head.source, &head.name) == Half::Tuning {
                tuning += 1;
            }
            let mut last = 0;
            while let Some(sample) = reader.next_sample().unwrap() {
                samples += 1;
                last = sample.at.0;
                for (sum, value) in sums.iter_mut().zip(sample.values) {
                    *sum += u128::from(value.unwrap_or(0));
                }
            }
            spans += last;
        }
        let listed: BTreeSet<_> = rows()
            .filter(|(source, _)| trimtab::replay::Format::named(source) == Some(format))
            .map(|(_, rest)| rest.split(',').next().unwrap().to_owned())
            .collect();
        let left = reader.left_out();
        println!(
            "{}: {files} files, {} series ({tuning} tuning) in {parts} parts, {samples} samples, {} days; left out {} short, {} other; repairs: {}",
            format.name(),
            names.len(),
            spans / 86_400_000_000_000,
            left.short,
            left.other,
            reader.total(),
        );
        for quantity in Quantity::ALL {
            if sums[quantity.index()] > 0 {
                println!(
                    "  mean {quantity:?} {}",
                    sums[quantity.index()] / u128::from(samples)
                );
            }
        }
        assert!(
            names.is_subset(&listed),
            "{:?}",
            names.difference(&listed).next()
        );
        let missing = u64::try_from(listed.len() - names.len()).unwrap();
        assert!(
            missing <= left.short + left.other,
            "{missing} series are missing"
        );
        assert!(samples > 1_000 && reader.total().backwards * 100 < samples);
    }
}
