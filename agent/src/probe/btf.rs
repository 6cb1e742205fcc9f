//! A small reader of the kernel's type information (BTF).
//!
//! aya keeps its own reader of it private, and the crates that offer one either build tables of
//! every type of the kernel or are not free for a permissively licensed binary. What is needed
//! here is little: where a member lies and what it is.

use std::{fs, mem::size_of, path::Path};

use super::Error;

/// Where the kernel keeps it.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;

/// Kinds of types, as numbered by the kernel's `include/uapi/linux/btf.h`.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// The file does not hold what a kernel's type information should.
#[derive(Debug, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Malformed {
    what: &'static str,
    at: usize,
}

/// The kernel's types: the file, and where each type begins in it.
pub(super) struct Btf {
    data: Vec<u8>,
    types: Vec<u32>,
    strings: usize,
}

/// A member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Offset in bytes from the start of the outermost structure.
    pub(super) offset: u32,
    type_id: u32,
}

#[derive(Clone, Copy)]
struct Type {
    at: usize,
    kind: u32,
    /// Members, parameters, values.
    count: u32,
    /// Members carry the size of a bit field.
    flag: bool,
    /// Size or type id, by kind.
    rest: u32,
}

impl Btf {
    /// Reads the running kernel's.
    pub(super) fn of_kernel() -> Result<Self, Error> {
        let path = Path::new(KERNEL_BTF);
        let data = fs::read(path).map_err(|source| Error::NoBtf {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(data)?)
    }

    /// Finds where each type begins.
    pub(super) fn parse(data: Vec<u8>) -> Result<Self, Malformed> {
        let mut btf = Self {
            data,
            types: vec![0],
            strings: 0,
        };
        if btf.half(0)? != MAGIC {
            return Err(Malformed {
                what: "not BTF of this byte order",
                at: 0,
            });
        }
        let header = btf.word(4)? as usize;
        let start = header + btf.word(8)? as usize;
        let end = start + btf.word(12)? as usize;
        btf.strings = header + btf.word(16)? as usize;
        let mut at = start;
        while at < end {
            btf.types.push(u32::try_from(at).map_err(|_| Malformed {
                what: "a type too far away",
                at,
            })?);
            at += 12 + Self::tail(&btf.type_at(at)?)?;
        }
        Ok(btf)
    }

    /// The size of what follows a type's three words.
    fn tail(ty: &Type) -> Result<usize, Malformed> {
        let count = ty.count as usize;
        Ok(match ty.kind {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
            kind::ENUM | kind::FUNC_PROTO => 8 * count,
            kind::PTR..=kind::TYPE_TAG => 0,
            _ => {
                return Err(Malformed {
                    what: "a type of an unknown kind",
                    at: ty.at,
                });
            }
        })
    }

    /// The id of the structure, union or typedef called `name`.
    pub(super) fn find(&self, name: &str, kinds: &[u32]) -> Option<u32> {
        (1..self.types.len()).find_map(|id| {
            let id = u32::try_from(id).ok()?;
            let ty = self.get(id).ok()?;
            (kinds.contains(&ty.kind) && self.name_is(self.word(ty.at).ok()?, name)).then_some(id)
        })
    }

    /// The member at `path` (names joined by dots) of the structure `root`, if it is what `expected` says:
    /// see [`trimtab_ebpf::Layout::FIELDS`]. The error says what is wrong with it.
    pub(super) fn field(&self, root: &str, path: &str, expected: &str) -> Result<u32, String> {
        let id = self
            .find(root, &[kind::STRUCT])
            .ok_or_else(|| format!("no struct {root}"))?;
        let mut member = Member {
            offset: 0,
            type_id: id,
        };
        for name in path.split('.') {
            member = self
                .member(self.resolve(member.type_id), name, member.offset)
                .ok_or_else(|| format!("no {root}.{path}"))?;
        }
        let found = self.describe(member.type_id);
        if found == expected {
            Ok(member.offset)
        } else {
            Err(format!("{root}.{path} is {found}, not {expected}"))
        }
    }

    /// The value of `variant` of the enumeration `name`.
    pub(super) fn enumerator(&self, name: &str, variant: &str) -> Option<u32> {
        let ty = self.get(self.find(name, &[kind::ENUM])?).ok()?;
        (0..ty.count as usize).find_map(|index| {
            let at = ty.at + 12 + 8 * index;
            self.name_is(self.word(at).ok()?, variant)
                .then(|| self.word(at + 4).ok())?
        })
    }

    /// Whether the tracepoint can be hooked.
    pub(super) fn has_tracepoint(&self, name: &str) -> bool {
        self.find(&format!("btf_trace_{name}"), &[kind::TYPEDEF])
            .is_some()
    }

    /// Whether there is a function of that name that can be entered.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.find(name, &[kind::FUNC]).is_some()
    }

    /// Whether the tracepoint's argument `index` is a pointer; `None` when there is none.
    pub(super) fn argument_is_pointer(&self, tracepoint: &str, index: usize) -> Option<bool> {
        let id = self.find(&format!("btf_trace_{tracepoint}"), &[kind::TYPEDEF])?;
        let pointer = self.get(self.resolve(id)).ok()?;
        let proto = self.get(pointer.rest).ok()?;
        // The first parameter is the tracepoint's own.
        let at = proto.at + 12 + 8 * (index + 1);
        (proto.kind == kind::FUNC_PROTO && index + 1 < proto.count as usize)
            .then(|| self.get(self.resolve(self.word(at + 4).ok()?)).ok())?
            .map(|ty| ty.kind == kind::PTR)
    }

    /// Looks in the structure and in the unnamed ones inside it.
    fn member(&self, id: u32, name: &str, base: u32) -> Option<Member> {
        let ty = self.get(id).ok()?;
        if ty.kind != kind::STRUCT && ty.kind != kind::UNION {
            return None;
        }
        (0..ty.count as usize).find_map(|index| {
            let at = ty.at + 12 + 12 * index;
            let (name_at, type_id, position) = (
                self.word(at).ok()?,
                self.word(at + 4).ok()?,
                self.word(at + 8).ok()?,
            );
            let (bits, width) = if ty.flag {
                (position & 0x00ff_ffff, position >> 24)
            } else {
                (position, 0)
            };
            // A bit field has no address of its own.
            if width != 0 || bits % 8 != 0 {
                return None;
            }
            let offset = base + bits / 8;
            if self.name_is(name_at, name) {
                Some(Member { offset, type_id })
            } else if self.name_is(name_at, "") {
                self.member(self.resolve(type_id), name, offset)
            } else {
                None
            }
        })
    }

    /// A type in the words of [`trimtab_ebpf::Layout::FIELDS`].
    fn describe(&self, id: u32) -> String {
        let Ok(ty) = self.get(self.resolve(id)) else {
            return "nothing".to_owned();
        };
        match ty.kind {
            kind::INT | kind::ENUM => ty.rest.to_string(),
            kind::PTR => self.get(self.resolve(ty.rest)).map_or_else(
                |_| "*void".to_owned(),
                |target| {
                    format!(
                        "*{}",
                        self.word(target.at).map_or("", |name| self.string(name))
                    )
                },
            ),
            kind::ARRAY => self.word(ty.at + 12).map_or_else(
                |_| "nothing".to_owned(),
                |item| format!("[{}]", self.describe(item)),
            ),
            _ => format!("{} bytes of kind {}", ty.rest, ty.kind),
        }
    }

    /// Follows typedefs and qualifiers.
    fn resolve(&self, mut id: u32) -> u32 {
        // Chains are short; the bound is for a file that chases its own tail.
        for _ in 0..32 {
            match self.get(id) {
                Ok(ty)
                    if matches!(
                        ty.kind,
                        kind::TYPEDEF
                            | kind::VOLATILE
                            | kind::CONST
                            | kind::RESTRICT
                            | kind::TYPE_TAG
                    ) =>
                {
                    id = ty.rest;
                }
                _ => break,
            }
        }
        id
    }

    fn get(&self, id: u32) -> Result<Type, Malformed> {
        match self.types.get(id as usize) {
            Some(&at) if id != 0 => self.type_at(at as usize),
            _ => Err(Malformed {
                what: "no such type",
                at: id as usize,
            }),
        }
    }

    fn type_at(&self, at: usize) -> Result<Type, Malformed> {
        let info = self.word(at + 4)?;
        Ok(Type {
            at,
            kind: (info >> 24) & 0x1f,
            count: info & 0xffff,
            flag: info >> 31 != 0,
            rest: self.word(at + 8)?,
        })
    }

    fn name_is(&self, name: u32, expected: &str) -> bool {
        let start = self.strings + name as usize;
        let end = start + expected.len();
        self.data.get(start..end) == Some(expected.as_bytes()) && self.data.get(end) == Some(&0)
    }

    fn string(&self, name: u32) -> &str {
        let bytes = self
            .data
            .get(self.strings + name as usize..)
            .unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or_default();
        std::str::from_utf8(&bytes[..end]).unwrap_or_default()
    }

    fn word(&self, at: usize) -> Result<u32, Malformed> {
        self.bytes::<{ size_of::<u32>() }>(at)
            .map(u32::from_ne_bytes)
    }

    fn half(&self, at: usize) -> Result<u16, Malformed> {
        self.bytes::<{ size_of::<u16>() }>(at)
            .map(u16::from_ne_bytes)
    }

    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], Malformed> {
        self.data
            .get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .ok_or(Malformed {
                what: "the end of the file",
                at,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Option<Btf> {
        Btf::of_kernel()
            .inspect_err(|error| println!("SKIP: {error}"))
            .ok()
    }

    #[test]
    fn members_are_found_with_their_type() {
        let Some(btf) = kernel() else { return };
        assert!(
            btf.field("task_struct", "pid", "4")
                .is_ok_and(|offset| offset > 0)
        );
        assert!(
            btf.field("task_struct", "se.cfs_rq", "*cfs_rq")
                .is_ok_and(|offset| offset > 0)
        );
        assert_eq!(
            btf.field("css_set", "subsys", "[*cgroup_subsys_state]"),
            Ok(0)
        );
        assert_eq!(
            btf.field("mem_cgroup", "memory.usage", "8"),
            Err("mem_cgroup.memory.usage is 8 bytes of kind 4, not 8".to_owned())
        );
        // A member of an unnamed union counts as one of the structure around it.
        let dir = btf
            .find("kernfs_node", &[kind::STRUCT])
            .and_then(|id| btf.member(id, "dir", 0));
        assert!(dir.is_some_and(|member| member.offset > 0));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let Some(btf) = kernel() else { return };
        let wrong = [
            (("task_struct", "pid", "8"), "task_struct.pid is 4, not 8"),
            (
                ("task_struct", "cgroups", "*cgroup"),
                "task_struct.cgroups is *css_set, not *cgroup",
            ),
            (
                ("task_struct", "se.nothing", "8"),
                "no task_struct.se.nothing",
            ),
            (
                ("task_struct", "sched_reset_on_fork", "4"),
                "no task_struct.sched_reset_on_fork",
            ),
            (("nothing", "pid", "4"), "no struct nothing"),
        ];
        for ((root, path, expected), message) in wrong {
            assert_eq!(btf.field(root, path, expected), Err(message.to_owned()));
        }
    }

    #[test]
    fn tracepoints_and_enumerations_are_found() {
        let Some(btf) = kernel() else { return };
        assert!(btf.has_tracepoint("sched_switch") && !btf.has_tracepoint("sched_nothing"));
        assert!(btf.has_function("sock_def_readable") && !btf.has_function("sock_nothing"));
        assert_eq!(btf.argument_is_pointer("sched_switch", 0), Some(false));
        assert_eq!(btf.argument_is_pointer("sched_switch", 1), Some(true));
        assert_eq!(btf.argument_is_pointer("sched_switch", 9), None);
        assert!(
            btf.enumerator("cgroup_subsys_id", "memory_cgrp_id")
                .is_some()
        );
        assert_eq!(btf.enumerator("cgroup_subsys_id", "nothing"), None);
    }

    #[test]
    fn damaged_files_are_refused() {
        let Ok(mut data) = fs::read(KERNEL_BTF) else {
            return;
        };
        assert!(Btf::parse(Vec::new()).is_err());
        assert!(Btf::parse(vec![0; 64]).is_err());
        data.truncate(100_000);
        assert!(Btf::parse(data).is_err());
    }
}
