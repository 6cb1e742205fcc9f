//! Divides what a node has beyond everybody's own among those who want it: strict priorities, and
//! weighted max-min fairness within each.
//!
//! Bertsekas and Gallager, Data Networks, section 6.5.2, has the unweighted law. What is minimised,
//! and why this finds it, stands in `docs/ARBITRATION.md`. All is done in integers, and the order in
//! which claims come makes no difference.

use super::entitlement::{Entitlement, Priority};
use crate::signal::Amount;

/// A level is counted in so many parts of a unit per weight, as a power of two: fine enough that one
/// part more adds less than a unit to anybody's share.
const PARTS: u32 = 14;

const _: () = assert!(Entitlement::HEAVIEST <= 1 << PARTS);

/// What one workload may have of one resource, and wants of it: micro-CPUs or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its own, which nobody else can have, and from where on its share is compared with others'.
    pub floor: Amount,
    /// What it holds and cannot be taken back; no more than its floor where everything can.
    pub held: Amount,
    /// Beyond this it has no use for any.
    pub want: Amount,
    /// Beyond this it must not have any.
    pub ceiling: Amount,
    /// How it stands among others.
    pub entitlement: Entitlement,
    /// The claim that bounds it, by its place: it draws on that one's share. `None` for one that draws
    /// on what the node has.
    pub parent: Option<usize>,
}

impl Claim {
    /// It has this in any case.
    fn least(&self) -> Amount {
        self.floor.max(self.held)
    }

    /// What it would have if nobody else was there.
    fn most(&self) -> Amount {
        self.want.min(self.ceiling).max(self.least())
    }

    /// Its share when everybody of its priority stands at a level.
    fn at(&self, level: u128) -> Amount {
        let rise = (u128::from(self.entitlement.weight) * level) >> PARTS;
        let rise = u64::try_from(rise).map_or(Amount::UNLIMITED, Amount);
        self.floor.plus(rise)
    }

    /// The lowest level at which its share is no less than this.
    fn level_of(&self, share: Amount) -> u128 {
        let rise = share.0.saturating_sub(self.floor.0);
        (u128::from(rise) << PARTS).div_ceil(u128::from(self.entitlement.weight.max(1)))
    }
}

/// Divides; what it needs for that it keeps, so that nothing is allocated once it has seen as many
/// claims.
#[derive(Clone, Debug, Default)]
pub struct Arbiter {
    /// For each claim the place of the one above it, or itself, that draws on what the node has.
    tops: Vec<usize>,
    /// The most that each can have under the wants and ceilings of those above.
    most: Vec<Amount>,
    /// What those that draw on the node have got so far.
    given: Vec<Amount>,
    /// The same while a level is tried.
    tried: Vec<Amount>,
    shares: Vec<Amount>,
}

impl Arbiter {
    /// The share of each claim, when all together may have `spare` beyond their floors: capacity less
    /// reserve and floors. Only claims without a parent count for that.
    ///
    /// A share is no less than floor and `held`, otherwise no more than want, ceiling and the
    /// parent's share. Less than a unit for each claim may be left over by rounding. A claim below
    /// another one pulls that up in its own priority, as far as that one wants to go.
    pub fn divide(&mut self, claims: &[Claim], spare: Amount) -> &[Amount] {
        self.prepare(claims);
        let mut held = 0;
        for (place, claim) in claims.iter().enumerate() {
            if self.tops[place] == place {
                held += u128::from(claim.held.0.saturating_sub(claim.floor.0));
            }
        }
        let mut left = u128::from(spare.0).checked_sub(held);
        for priority in Priority::DESCENDING {
            let Some(rest) = left else { break };
            left = self.serve(claims, priority, rest);
        }
        self.shares.clear();
        let each = claims.iter().zip(&self.tops).zip(&self.most);
        let given = &self.given;
        self.shares
            .extend(each.map(|((claim, top), most)| claim.least().max((*most).min(given[*top]))));
        &self.shares
    }

    fn prepare(&mut self, claims: &[Claim]) {
        self.tops.clear();
        self.most.clear();
        for place in 0..claims.len() {
            let (mut top, mut most) = (place, Amount::UNLIMITED);
            for above in line(claims, place) {
                top = above;
                most = most.min(claims[above].most());
            }
            self.tops.push(top);
            self.most.push(most);
        }
        self.given.clear();
        self.given.extend(claims.iter().map(Claim::least));
    }

    /// Raises the level of a priority as far as `left` goes. What is left then, or `None` when somebody
    /// would have wanted more.
    fn serve(&mut self, claims: &[Claim], priority: Priority, left: u128) -> Option<u128> {
        let members = claims.iter().zip(&self.most);
        let members = members.filter(|(claim, _)| claim.entitlement.priority == priority);
        let levels = members.map(|(claim, most)| claim.level_of(*most));
        let mut over = levels.max().unwrap_or(0);
        if let Some(taken) = self.raise(claims, priority, over, left) {
            self.given.clone_from(&self.tried);
            return Some(left - taken);
        }
        // The highest level for which there is enough lies between these, or is none.
        let mut within = 0;
        while over - within > 1 {
            let level = within + (over - within) / 2;
            if self.raise(claims, priority, level, left).is_some() {
                within = level;
            } else {
                over = level;
            }
        }
        if self.raise(claims, priority, within, left).is_some() {
            self.given.clone_from(&self.tried);
        }
        None
    }

    /// Tries a level for everybody of a priority: what it takes, or `None` when that is more than is
    /// left.
    fn raise(
        &mut self,
        claims: &[Claim],
        priority: Priority,
        level: u128,
        left: u128,
    ) -> Option<u128> {
        self.tried.clone_from(&self.given);
        let mut taken = 0;
        for (place, claim) in claims.iter().enumerate() {
            if claim.entitlement.priority != priority {
                continue;
            }
            let wanted = claim.at(level).min(self.most[place]);
            let top = &mut self.tried[self.tops[place]];
            if wanted > *top {
                taken += u128::from(wanted.0 - top.0);
                *top = wanted;
                if taken > left {
                    return None;
                }
            }
        }
        Some(taken)
    }
}

/// A claim and those above it, from below, by their places. It ends even where parents go round.
fn line(claims: &[Claim], place: usize) -> impl Iterator<Item = usize> + '_ {
    let above = |place: &usize| {
        let parent = claims[*place].parent;
        parent.filter(|parent| *parent < claims.len())
    };
    std::iter::successors(Some(place), above).take(claims.len())
}
