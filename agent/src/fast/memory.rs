//! What the node's memory can still give: what is available, less what has been promised of it.
//!
//! A grant that is not used yet comes out of memory that somebody else, who asks nobody, may take
//! first. So while there are such grants, the node is looked at again before it can have run
//! short, and they are taken back when it has.

use rustix::system::sysinfo;
use trimtab_core::{
    decide::{Envelope, Settle, just_above},
    signal::{Amount, Nanos, Resource, Slot},
};

use super::table::Entry;
use crate::{
    act::hard::HardLimit,
    sense::{
        file::{Scratch, SenseError, Sight},
        node::Available,
    },
};

/// How fast memory is taken at most, in bytes per ns; one process at full speed was measured at 2.7.
const FASTEST: u64 = 4;
/// A look costs some 20 us; what is taken within such a time comes out of the reserve.
const SOONEST: Nanos = Nanos(2 * Nanos::MILLI.0);
/// Grants are measured anew every tick, which is soon enough to look.
const LATEST: Nanos = Nanos::SECOND;
/// What could be taken back was taken: nothing changes before somebody lets go of memory.
const AFTER_RECALL: Nanos = Nanos(100 * Nanos::MILLI.0);

/// Less than this is not worth taking back.
const LEAST: Amount = Amount(4 << 20);

/// The node's memory.
#[derive(Debug)]
pub(super) struct NodeMemory {
    available: Available,
    /// What is never granted.
    reserve: Amount,
    /// What was granted and is not used yet: the sum over all workloads.
    unused: Amount,
    /// When to look again whether the node has run short.
    look: Nanos,
}

impl NodeMemory {
    pub(super) fn open(reserve: Amount) -> Result<Self, SenseError> {
        Ok(Self {
            available: Available::open()?,
            reserve,
            unused: Amount::ZERO,
            look: Nanos(0),
        })
    }

    /// What can still be granted to a workload that uses `used` and has `own` unused. Free
    /// memory (`sysinfo`, under 1 us) answers when it is plenty for doubling a group of this use;
    /// only otherwise is `MemAvailable` read.
    pub(super) fn headroom(&self, own: Amount, used: Amount) -> Amount {
        let taken = self.reserve.plus(self.unused.minus(own));
        let info = sysinfo();
        let free = Amount(info.freeram.saturating_mul(u64::from(info.mem_unit.max(1))));
        if free >= taken.plus(used.percent(200)) {
            return free.minus(taken);
        }
        self.available.read().map_or(free, Amount).minus(taken)
    }

    /// Replaces what one workload has unused.
    pub(super) fn replace(&mut self, own: &mut Amount, unused: Amount, now: Nanos) {
        if self.unused == Amount::ZERO && unused > Amount::ZERO {
            self.look = now.plus(SOONEST);
        }
        self.unused = self.unused.minus(*own).plus(unused);
        *own = unused;
    }

    /// When it is time to look again; `None` when there is nothing to look for.
    pub(super) fn due(&self) -> Option<Nanos> {
        (self.unused > Amount::ZERO).then_some(self.look)
    }

    /// Looks, if it is time to: whether the node has less left than was promised.
    pub(super) fn is_short(&mut self, now: Nanos) -> bool {
        if self.unused == Amount::ZERO || now < self.look {
            return false;
        }
        let Ok(available) = self.available.read() else {
            self.look = now.plus(LATEST);
            return false;
        };
        let left = available.saturating_sub(self.reserve.plus(self.unused).0);
        let pause = Nanos(left / FASTEST).clamp(SOONEST, LATEST);
        self.look = now.plus(if left == 0 { AFTER_RECALL } else { pause });
        left == 0
    }
}

/// The order that takes back what was lent to a workload and is not used, and what is in use;
/// `None` when that would be too little for a write.
pub(super) fn recall(
    slot: Slot,
    entry: &Entry,
    envelope: &Envelope,
    scratch: &mut Scratch,
) -> Option<(Settle, Amount)> {
    if entry.unused == Amount::ZERO {
        return None;
    }
    let used = entry
        .memory
        .as_ref()?
        .current(scratch)
        .ok()
        .and_then(Sight::here)?;
    // Back below a hard limit that can then be its owner's again.
    let lever = entry.levers[Resource::Memory.index()].as_ref()?;
    let slowed = lever.hard().map_or(Amount::UNLIMITED, HardLimit::slowed);
    let own = envelope.base().min(slowed.max(envelope.floor));
    let limit = just_above(Amount(used)).max(own);
    (envelope.limit.minus(limit) >= LEAST).then_some((
        Settle {
            slot,
            resource: Resource::Memory,
            epoch: envelope.epoch,
            seen_seq: envelope.seq,
            limit,
        },
        Amount(used).max(own),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(reserve: Amount) -> NodeMemory {
        NodeMemory::open(reserve).expect("/proc/meminfo")
    }

    #[test]
    fn nothing_is_looked_at_while_nothing_is_promised() {
        let mut node = node(Amount::UNLIMITED);
        assert_eq!(node.due(), None);
        assert!(!node.is_short(Nanos(5)));
    }

    #[test]
    fn a_promise_that_the_node_cannot_keep_is_found_at_the_next_look() {
        let mut node = node(Amount::ZERO);
        let mut own = Amount::ZERO;
        node.replace(&mut own, Amount(1 << 60), Nanos(0));
        assert!(!node.is_short(Nanos(0)), "not yet");
        assert_eq!(node.due(), Some(Nanos(2_000_000)));
        assert!(node.is_short(Nanos(2_000_000)));
        node.replace(&mut own, Amount(1), Nanos(0));
        assert!(!node.is_short(Nanos::SECOND), "one byte there is");
        node.replace(&mut own, Amount::ZERO, Nanos(0));
        assert_eq!(node.due(), None);
    }

    #[test]
    fn the_own_promise_does_not_count_against_a_workload() {
        let mut node = node(Amount::ZERO);
        let (mut own, mut other) = (Amount::ZERO, Amount::ZERO);
        node.replace(&mut own, Amount(1 << 60), Nanos(0));
        assert!(node.headroom(own, Amount::ZERO) > Amount::ZERO);
        assert_eq!(node.headroom(Amount::ZERO, Amount::ZERO), Amount::ZERO);
        node.replace(&mut other, Amount(1 << 60), Nanos(0));
        assert_eq!(node.headroom(own, Amount::ZERO), Amount::ZERO);
    }

    #[test]
    fn a_limit_taken_back_leaves_some_room() {
        assert_eq!(just_above(Amount(1 << 20)), Amount(5 << 20));
        assert_eq!(just_above(Amount(640 << 20)), Amount(650 << 20));
    }
}
