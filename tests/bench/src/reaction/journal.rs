//! What the agent did, as `trimtab watch` tells it while it happens.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    thread,
};

use anyhow::{Context, Result};
use trimtab::api::view::{Entry, EntryKind};
use trimtab_tests::Agent;

/// A stream of journal entries; ends with the agent.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: Receiver<Entry>,
}

impl Journal {
    /// Follows an agent from now on. A stream costs one process for all bursts, where asking
    /// after each one would use the CPU that the next one is to be lent.
    pub(crate) fn follow(agent: &Agent) -> Result<Self> {
        let mut watch = agent.command(&["watch", "--json"])?;
        watch.stdin(Stdio::null());
        // How it ends, with the agent's socket, is of no interest.
        watch.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = watch.spawn().context("cannot watch the agent")?;
        let output = child.stdout.take().context("`watch` has no output")?;
        let (send, entries) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(entry) = serde_json::from_str(&line)
                    && send.send(entry).is_err()
                {
                    break;
                }
            }
            // Fails when it has ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        });
        Ok(Self { entries })
    }

    /// What the fast loop did about one group, as far as it is known by now.
    pub(crate) fn spends(&mut self, path: &str) -> Vec<Entry> {
        self.entries
            .try_iter()
            .filter(|entry| entry.kind == EntryKind::Spend && entry.path == path)
            .collect()
    }
}
