//! A model of the kernel's rules for limits.

use trimtab_core::signal::{Amount, Resource};

/// Which cgroup version's rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A child's CPU ratio may not exceed its parent's.
    V1,
    /// It may: the parent's simply limits.
    V2,
}

/// A cgroup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) parent: Option<usize>,
    pub(crate) period_us: u64,
    /// Micro-CPUs and bytes.
    pub(crate) limits: [Amount; 2],
    /// What the processes in it would use.
    pub(crate) needs: [Amount; 2],
    /// Somebody else wrote this limit last.
    pub(crate) foreign: [bool; 2],
}

/// The kernel refuses a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Einval;

/// The tree; slots index it.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) version: Version,
    pub(crate) groups: Vec<Option<Group>>,
}

impl Kernel {
    pub(crate) fn group(&self, slot: usize) -> &Group {
        self.groups[slot].as_ref().expect("the group exists")
    }

    pub(crate) fn group_mut(&mut self, slot: usize) -> &mut Group {
        self.groups[slot].as_mut().expect("the group exists")
    }

    pub(crate) fn children(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.groups.len()).filter(move |child| {
            self.groups[*child].is_some_and(|group| group.parent == Some(slot))
        })
    }

    /// Writes a limit, or refuses it and changes nothing.
    pub(crate) fn write(
        &mut self,
        slot: usize,
        resource: Resource,
        amount: Amount,
    ) -> Result<(), Einval> {
        let group = self.group_mut(slot);
        let old = group.limits[resource.index()];
        match resource {
            _ if amount.is_unlimited() => {}
            Resource::Cpu => {
                let product = amount.0 * group.period_us;
                if !product.is_multiple_of(1_000_000) || product / 1_000_000 < 1_000 {
                    return Err(Einval);
                }
            }
            Resource::Memory => {
                if !amount.0.is_multiple_of(4096) || amount.0 == 0 {
                    return Err(Einval);
                }
            }
        }
        group.limits[resource.index()] = amount;
        if resource == Resource::Cpu && self.version == Version::V1 && !self.schedulable() {
            self.group_mut(slot).limits[resource.index()] = old;
            return Err(Einval);
        }
        Ok(())
    }

    /// v1: no group has more than the nearest limited one above it.
    fn schedulable(&self) -> bool {
        self.groups.iter().flatten().all(|group| {
            let own = group.limits[0];
            let mut above = group.parent;
            while let Some(parent) = above {
                let cap = self.group(parent).limits[0];
                if !own.is_unlimited() && !cap.is_unlimited() && own > cap {
                    return false;
                }
                above = self.group(parent).parent;
            }
            true
        })
    }

    /// What a group and its descendants use, each capped by its limit.
    pub(crate) fn used(&self, slot: usize, resource: Resource) -> Amount {
        let group = self.group(slot);
        let children = self.children(slot).fold(Amount::ZERO, |sum, child| {
            sum.plus(self.used(child, resource))
        });
        group.needs[resource.index()]
            .plus(children)
            .min(group.limits[resource.index()])
    }

    /// Whether a group wants more than its limit.
    pub(crate) fn short(&self, slot: usize, resource: Resource) -> bool {
        let group = self.group(slot);
        let children = self.children(slot).fold(Amount::ZERO, |sum, child| {
            sum.plus(self.used(child, resource))
        });
        group.needs[resource.index()].plus(children) > group.limits[resource.index()]
    }
}
