//! Which workloads are shown, and in which order.

use std::cmp::Reverse;

use super::row::{Row, value};
use crate::api::view::{ResourceState, Workload};

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Sort {
    /// Who waits longest for a CPU
    #[default]
    Waiting,
    /// Who is throttled longest
    Throttled,
    /// Who uses most CPU
    Cpu,
    /// Who uses most memory
    Memory,
    /// Who holds most of the node and does not use it
    Unused,
    /// Who has borrowed the largest part of its limits
    Lent,
    /// Whose requests are slowest
    Requests,
    /// By name
    Name,
}

impl Sort {
    /// As it is said: `by waiting`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Throttled => "throttled",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Unused => "unused",
            Self::Lent => "lent",
            Self::Requests => "requests",
            Self::Name => "name",
        }
    }

    /// How much of it a workload has; `None` where that is not known.
    fn key(self, row: &Row) -> Option<u64> {
        let used = |state: Option<&ResourceState>| value(state?.used);
        let workload = &row.workload;
        match self {
            Self::Waiting => row.waited_ns_per_s,
            Self::Throttled => row.throttled_ns_per_s,
            Self::Cpu => used(workload.cpu.as_ref()),
            Self::Memory => used(workload.memory.as_ref()),
            Self::Unused => row.unused.map(|unused| unused.per_mille),
            Self::Lent => lent_per_mille(workload),
            Self::Requests => workload.signals.tcp.as_ref()?.answered_p99_ns,
            Self::Name => None,
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Which row.
    pub(super) row: usize,
    /// How many of those shown stand above it.
    pub(super) depth: usize,
}

/// What is wanted of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// What comes first.
    pub(super) sort: Sort,
    /// The other way round.
    pub(super) reversed: bool,
    /// Children below their parents.
    pub(super) tree: bool,
    /// Only what has this in its name, path or policy.
    pub(super) filter: String,
}

impl Order {
    /// The lines that are shown, of rows in the order of their paths.
    pub(super) fn arrange(&self, rows: &[Row]) -> Vec<Line> {
        let sorted = self.sorted(rows);
        if self.tree {
            return self.nested(rows, &sorted);
        }
        let shown = sorted.into_iter().filter(|row| self.shows(&rows[*row]));
        shown.map(|row| Line { row, depth: 0 }).collect()
    }

    /// All rows; those of which it is not known come last.
    fn sorted(&self, rows: &[Row]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if self.sort == Sort::Name {
            order.sort_by(|a, b| rows[*a].workload.name.cmp(&rows[*b].workload.name));
            if self.reversed {
                order.reverse();
            }
            return order;
        }
        let keys: Vec<_> = rows.iter().map(|row| self.sort.key(row)).collect();
        if self.reversed {
            order.sort_by_key(|row| (keys[*row].is_none(), keys[*row]));
        } else {
            order.sort_by_key(|row| Reverse(keys[*row]));
        }
        order
    }

    /// Children right below their parents, siblings as sorted. Who stands above one that is shown is shown too.
    fn nested(&self, rows: &[Row], sorted: &[usize]) -> Vec<Line> {
        let parents: Vec<Option<usize>> = rows.iter().map(|row| parent(rows, row)).collect();
        let mut shown = vec![false; rows.len()];
        let fitting = rows.iter().enumerate().filter(|(_, row)| self.shows(row));
        for (row, _) in fitting {
            // A parent's path is shorter than its child's, so this ends.
            let mut above = Some(row);
            while let Some(row) = above.filter(|row| !shown[*row]) {
                shown[row] = true;
                above = parents[row];
            }
        }
        let mut children = vec![Vec::new(); rows.len()];
        let mut open = Vec::new();
        // The first on the stack comes last.
        for &row in sorted.iter().rev().filter(|row| shown[**row]) {
            match parents[row] {
                Some(parent) => children[parent].push(row),
                None => open.push(Line { row, depth: 0 }),
            }
        }
        let mut lines = Vec::with_capacity(rows.len());
        while let Some(line) = open.pop() {
            lines.push(line);
            let below = children[line.row].iter().map(|&row| Line {
                row,
                depth: line.depth + 1,
            });
            open.extend(below);
        }
        lines
    }

    fn shows(&self, row: &Row) -> bool {
        let workload = &row.workload;
        self.filter.is_empty()
            || [&workload.name, &workload.path, &workload.policy]
                .iter()
                .any(|text| has(text, &self.filter))
    }
}

/// The row of the workload above; rows are in the order of their paths.
fn parent(rows: &[Row], row: &Row) -> Option<usize> {
    let path = row.workload.parent.as_deref()?;
    let place = rows.binary_search_by(|row| row.workload.path.as_str().cmp(path));
    place.ok()
}

/// Whether a text has a part, whatever the case of ASCII letters.
fn has(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    text.windows(part.len())
        .any(|window| window.eq_ignore_ascii_case(part))
}

/// The larger part of its limits that is borrowed; `None` where it has no limit of which there could be a part.
fn lent_per_mille(workload: &Workload) -> Option<u64> {
    let part = |state: &ResourceState| {
        let limit = value(state.limit).filter(|limit| *limit > 0)?;
        u64::try_from(u128::from(value(state.lent)?) * 1_000 / u128::from(limit)).ok()
    };
    let states = [&workload.cpu, &workload.memory];
    let parts = states.iter().filter_map(|state| part(state.as_ref()?));
    parts.max()
}
