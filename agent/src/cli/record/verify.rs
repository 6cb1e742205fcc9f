//! `trimtab record verify`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use trimtab_core::{
    decide::Record,
    record::{Call, Comparison, Header, Item, Replay},
    signal::Amount,
};

use super::{
    super::{Failure, context::Context, exit::DATA, output::print},
    verdict::{Changed, Told, Verdict, Verified, render},
};
use crate::{
    config::Config,
    record::{Configured, read},
};

/// Options of `trimtab record verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Segments, or directories of them [default: the configuration's]
    files: Vec<PathBuf>,

    /// A configuration: say what it would have decided otherwise, decision by decision
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<ExitCode, Failure> {
    let files = super::files(&args.files, context)?;
    let config = args.policy.as_deref().map(Config::load).transpose()?;
    let mut verdict = Verdict {
        identical: true,
        ..Verdict::default()
    };
    let mut before = None;
    for file in &files {
        let verified = verify(file, &mut before)?;
        verdict.identical &= verified.is_identical();
        verdict.segments.push(verified);
    }
    if let (Some(config), Some(path)) = (config, &args.policy) {
        let mut changed = Changed {
            file: super::shown(path),
            ..Changed::default()
        };
        let whole = files
            .iter()
            .zip(&verdict.segments)
            .filter(|(_, verified)| verified.trouble.is_none());
        for (file, _) in whole {
            compare(file, &config, &mut changed)?;
        }
        verdict.policy = Some(changed);
    }
    print(context.json, &verdict, render)?;
    Ok(if verdict.identical {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DATA)
    })
}

/// Replays one segment; `before` is where the last one led.
fn verify(file: &Path, before: &mut Option<(u64, Replay)>) -> Result<Verified, Failure> {
    let mut verified = Verified {
        file: super::shown(file),
        ..Verified::default()
    };
    let earlier = before.take();
    let mut replay: Option<Replay> = None;
    let mut number = 0;
    let read = read(file, |header, item| -> Result<(), Failure> {
        number = header.number;
        match (&mut replay, item) {
            (begun, Item::Key(key)) => {
                if let Some((last, earlier)) = &earlier
                    && header.continues
                    && last + 1 == header.number
                {
                    verified.continuous = Some(earlier.leads_to(&key)?);
                }
                *begun = Some(Replay::new(*key));
            }
            (Some(replay), item) => step(&mut verified, header, replay, item)?,
            // The decoder lets nothing through before a state.
            (None, _) => {}
        }
        Ok(())
    });
    match read {
        Ok(end) => {
            verified.bytes = end.bytes;
            verified.begun_unix_ns = end.header.unix_ns;
            verified.torn_bytes = end.torn;
            *before = replay.map(|replay| (number, replay));
        }
        Err(failure) if failure.code == DATA => {
            verified.trouble = Some(format!("{:#}", failure.error));
        }
        Err(failure) => return Err(failure),
    }
    Ok(verified)
}

fn step(
    verified: &mut Verified,
    header: &Header,
    replay: &mut Replay,
    item: Item,
) -> Result<(), Failure> {
    match &item {
        Item::Tick(ticked) => {
            verified.ticks += 1;
            verified.workload_ticks += ticked.snapshot.workloads.len() as u64;
            verified.decisions += ticked.decisions.len() as u64;
        }
        Item::Call(Call::Record(Record::Spend(spend))) if spend.denial.is_none() => {
            verified.lifts += 1;
        }
        _ => {}
    }
    let Some(outcome) = replay.replay(item)? else {
        return Ok(());
    };
    verified.other_decisions += u64::from(!outcome.decisions_equal);
    verified.other_answers += u64::from(!outcome.rest_equal);
    if !(outcome.decisions_equal && outcome.rest_equal) {
        let when = super::wall(header, outcome.now);
        verified.first_unix_ns.get_or_insert(when);
    }
    Ok(())
}

/// Says what a configuration would have decided otherwise in one segment.
fn compare(file: &Path, config: &Config, changed: &mut Changed) -> Result<(), Failure> {
    let node = node(file)?;
    let mut comparison = None;
    read(file, |header, item| -> Result<(), Failure> {
        match (&mut comparison, item) {
            (begun, Item::Key(key)) => {
                *begun = Some(Comparison::new(Configured::new(config.clone(), node), *key));
            }
            (Some(comparison), item) => {
                for difference in comparison.replay(&item)? {
                    changed.differences.push(Told {
                        unix_ns: super::wall(header, difference.now),
                        path: comparison.path(difference.slot),
                        difference,
                    });
                }
            }
            (None, _) => {}
        }
        Ok(())
    })?;
    if let Some(comparison) = comparison {
        changed.equal += comparison.equal;
        changed.repeated += comparison.repeated;
        changed.unknown += comparison.unknown;
    }
    Ok(())
}

/// What the node had, as the segment's first tick says.
fn node(file: &Path) -> Result<[Amount; 2], Failure> {
    let mut found = None;
    read(file, |_, item| -> Result<(), Failure> {
        if let (None, Item::Tick(ticked)) = (found, item) {
            let node = ticked.snapshot.node;
            found = Some([node.capacity, node.memory_total]);
        }
        Ok(())
    })?;
    Ok(found.unwrap_or([Amount::UNLIMITED; 2]))
}
