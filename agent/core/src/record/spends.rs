//! Spends as what could not be expected after those before.
//!
//! Where nothing is left to lend, one event after the other is refused for the same reason. What is
//! new about such a spend is whose it is and when it was raised; one byte, a mask, says that nothing
//! else is.

use super::bytes::{Bytes, put_change};
use super::mask::{get_masked, put_masked};
use crate::signal::{Amount, Cause, Denial, Event, Nanos, Resource, Slot, Spend};

/// Nothing is kept of slots beyond this, which are no agent's: nobody's bytes fill the memory.
const SLOTS: u32 = 1 << 16;

/// In the mask of the usual figures: some of the others have changed.
const SELDOM: u8 = 0x80;

/// What was told before, which encoder and decoder both keep.
#[derive(Clone, Debug, Default)]
pub(super) struct Spends {
    seq: u64,
    slot: u32,
    time: Nanos,
    pool_left: [u64; 2],
    /// Of each workload, by slot, for each resource.
    lasting: Vec<[Lasting; 2]>,
}

/// What is expected to be the same at a workload's next spend.
#[derive(Clone, Copy, Debug, Default)]
struct Lasting {
    epoch: u32,
    answer: u64,
    held: u64,
    used: u64,
    headroom: u64,
}

/// A spend's figures: those that often differ from what was expected, and the others.
type Figures = ([u64; 7], [u64; 4]);

impl Spends {
    /// Forgets what was told before, where a segment begins.
    pub(super) fn reset(&mut self) {
        let mut lasting = std::mem::take(&mut self.lasting);
        lasting.clear();
        *self = Self {
            lasting,
            ..Self::default()
        };
    }

    /// Appends a spend; its resource is told by whoever says that this is one.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, spend: &Spend) {
        let event = &spend.event;
        put_change(out, u64::from(self.slot), u64::from(event.slot.0));
        put_change(out, self.time.0, event.time.0);
        let (usual, seldom) = self.expected(event.slot, event.resource);
        let (is_usual, is_seldom) = self.figures(spend);
        let pages = pages(event.resource);
        let flag = if seldom == is_seldom { 0 } else { SELDOM };
        put_masked(out, &usual, &is_usual, pages.0, flag);
        if flag != 0 {
            put_masked(out, &seldom, &is_seldom, pages.1, 0);
        }
        self.keep(spend);
    }

    /// Reads what [`Spends::put`] has written.
    pub(super) fn get(&mut self, bytes: &mut Bytes<'_>, resource: Resource) -> Option<Spend> {
        let slot = bytes.change(u64::from(self.slot))?;
        let slot = Slot(u32::try_from(slot).ok()?);
        let time = Nanos(bytes.change(self.time.0)?);
        let (usual, seldom) = self.expected(slot, resource);
        let pages = pages(resource);
        let mask = bytes.byte()?;
        let usual = get_masked(bytes, mask, usual, pages.0)?;
        let seldom = if mask & SELDOM == 0 {
            seldom
        } else {
            let mask = bytes.byte()?;
            get_masked(bytes, mask, seldom, pages.1)?
        };
        let spend = self.spend(time, slot, resource, (usual, seldom))?;
        self.keep(&spend);
        Some(spend)
    }

    /// A refusal like the last one of that workload, by a pool that is as it was.
    fn expected(&self, slot: Slot, resource: Resource) -> Figures {
        let row = self.lasting.get(slot.0 as usize);
        let lasting = row.map_or_else(Lasting::default, |row| row[resource.index()]);
        let Lasting {
            epoch,
            answer,
            held,
            used,
            headroom,
        } = lasting;
        (
            [answer, held, used, headroom, 0, 0, 0],
            [u64::from(epoch), 0, 0, 0],
        )
    }

    fn figures(&self, spend: &Spend) -> Figures {
        let event = &spend.event;
        let step = spend.to.0.wrapping_sub(spend.from.0);
        let pool_left = self.pool_left[event.resource.index()];
        let usual = [
            answer(event.cause, spend.denial),
            event.held.0,
            event.used.0,
            event.headroom.0,
            step,
            u64::from(spend.burst),
            spend.pool_left.0.wrapping_sub(pool_left),
        ];
        let seldom = [
            u64::from(spend.epoch),
            spend.from.0.wrapping_sub(event.held.0),
            spend.granted.0.wrapping_sub(step),
            spend.seq.wrapping_sub(self.seq.wrapping_add(1)),
        ];
        (usual, seldom)
    }

    fn spend(
        &self,
        time: Nanos,
        slot: Slot,
        resource: Resource,
        figures: Figures,
    ) -> Option<Spend> {
        let ([answer, held, used, headroom, step, burst, left], [epoch, away, beyond, missed]) =
            figures;
        let (cause, denial) = answered(answer)?;
        let from = held.wrapping_add(away);
        let pool_left = self.pool_left[resource.index()];
        Some(Spend {
            seq: self.seq.wrapping_add(1).wrapping_add(missed),
            epoch: u32::try_from(epoch).ok()?,
            event: Event {
                time,
                slot,
                resource,
                cause,
                held: Amount(held),
                used: Amount(used),
                headroom: Amount(headroom),
            },
            from: Amount(from),
            to: Amount(from.wrapping_add(step)),
            granted: Amount(step.wrapping_add(beyond)),
            pool_left: Amount(pool_left.wrapping_add(left)),
            burst: u32::try_from(burst).ok()?,
            denial,
        })
    }

    fn keep(&mut self, spend: &Spend) {
        let event = &spend.event;
        let (slot, resource) = (event.slot.0, event.resource.index());
        self.seq = spend.seq;
        self.slot = slot;
        self.time = event.time;
        self.pool_left[resource] = spend.pool_left.0;
        if slot >= SLOTS {
            return;
        }
        let place = slot as usize;
        if self.lasting.len() <= place {
            self.lasting.resize(place + 1, Default::default());
        }
        self.lasting[place][resource] = Lasting {
            epoch: spend.epoch,
            answer: answer(event.cause, spend.denial),
            // What the kernel holds from now on.
            held: spend.to.0,
            used: event.used.0,
            headroom: event.headroom.0,
        };
    }
}

/// Which figures are bytes of memory.
const fn pages(resource: Resource) -> (u8, u8) {
    match resource {
        Resource::Cpu => (0, 0),
        Resource::Memory => (0b101_1110, 0b110),
    }
}

/// Why somebody asked and was refused, in one figure below 128.
fn answer(cause: Cause, denial: Option<Denial>) -> u64 {
    let denial = denial.map_or(0, |denial| denial as u64 + 1);
    cause as u64 | denial << 3
}

fn answered(answer: u64) -> Option<(Cause, Option<Denial>)> {
    let cause = Cause::ALL.get(usize::try_from(answer & 7).ok()?)?;
    let denial = match (answer >> 3).checked_sub(1) {
        None => None,
        Some(denial) => Some(*Denial::ALL.get(usize::try_from(denial).ok()?)?),
    };
    Some((*cause, denial))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;

    /// `serde` numbers variants as they are declared, and knows how many there are.
    fn declared<T: DeserializeOwned>() -> Vec<T> {
        let one = |number: u8| postcard::from_bytes(&[number]).ok();
        (0..u8::MAX).map_while(one).collect()
    }

    #[test]
    fn every_answer_has_its_number() {
        assert_eq!(declared::<Cause>(), Cause::ALL);
        assert_eq!(declared::<Denial>(), Denial::ALL);
        for cause in Cause::ALL {
            let denials = Denial::ALL.into_iter().map(Some).chain([None]);
            for denial in denials {
                let number = answer(cause, denial);
                assert!(number < 128, "{cause:?} {denial:?}");
                assert_eq!(answered(number), Some((cause, denial)));
            }
        }
        assert_eq!(answered(6), None);
        assert_eq!(answered(12 << 3), None);
        assert_eq!(answered(u64::MAX), None);
    }

    fn refused(seq: u64, slot: u32, ms: u64) -> Spend {
        Spend {
            seq,
            epoch: 3,
            event: Event {
                time: Nanos(ms * 1_000_001),
                slot: Slot(slot),
                resource: Resource::Cpu,
                cause: Cause::QuotaNear,
                held: Amount(100_000),
                used: Amount(0),
                headroom: Amount::UNLIMITED,
            },
            from: Amount(100_000),
            to: Amount(100_000),
            granted: Amount(0),
            pool_left: Amount(1_234_567),
            burst: 0,
            denial: Some(Denial::PoolEmpty),
        }
    }

    #[test]
    fn a_refusal_that_comes_again_is_short() {
        let mut spends = Spends::default();
        let lengths: Vec<_> = (0..6)
            .map(|seq| {
                let mut out = Vec::new();
                let slot = 50 + u32::try_from(seq % 2).unwrap_or_default();
                spends.put(&mut out, &refused(100 + seq, slot, 5_000 + seq * 8));
                out.len()
            })
            .collect();
        // Slot, time, mask: 8 ms are four bytes.
        assert_eq!(lengths[2..], [6; 4], "{lengths:?}");
    }

    #[test]
    fn slots_that_no_agent_has_take_no_memory() {
        let mut spends = Spends::default();
        let mut out = Vec::new();
        spends.put(&mut out, &refused(7, u32::MAX, 1));
        assert_eq!(spends.lasting.len(), 0);
        let mut bytes = Bytes(&out);
        let found = Spends::default().get(&mut bytes, Resource::Cpu);
        assert_eq!(found, Some(refused(7, u32::MAX, 1)));
    }
}
