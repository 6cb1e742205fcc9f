//! Who may do what: decided per call from the peer's credentials, never from what it claims.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// Members may read.
pub const READERS: &str = "trimtab";

/// Members may read and change.
pub const ADMINS: &str = "trimtab-admin";

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To see what the agent sees.
    Read,
    /// To change what the agent does.
    Change,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user id that the kernel vouches for.
    pub uid: u32,
    /// Its name, where it has one.
    pub user: Option<String>,
    /// The group that the kernel vouches for and those that the user database gives the user.
    pub gids: Vec<u32>,
}

impl Peer {
    /// Completes what the kernel says about a peer (`SO_PEERCRED`: effective ids at connect) by the
    /// supplementary groups of its user. May ask the user database, so it may block.
    #[must_use]
    pub fn resolve(uid: u32, gid: u32) -> Self {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        let mut gids = vec![gid];
        if let Some(user) = &user
            && let Ok(name) = CString::new(user.name.as_bytes())
            && let Ok(groups) = getgrouplist(&name, user.gid)
        {
            gids.extend(
                groups
                    .into_iter()
                    .map(Gid::as_raw)
                    .filter(|&group| group != gid),
            );
        }
        Self {
            uid,
            user: user.map(|user| user.name),
            gids,
        }
    }
}

/// The ids of the two groups; `None` where the host has no such group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// [`READERS`].
    pub readers: Option<u32>,
    /// [`ADMINS`].
    pub admins: Option<u32>,
}

impl Groups {
    /// Asks the group database, so it may block.
    #[must_use]
    pub fn resolve() -> Self {
        Self {
            readers: gid_of(READERS),
            admins: gid_of(ADMINS),
        }
    }
}

/// The id of a group; `None` when there is no such group.
pub(super) fn gid_of(name: &str) -> Option<u32> {
    Group::from_name(name)
        .ok()
        .flatten()
        .map(|group| group.gid.as_raw())
}

/// A peer that lacks the right, and which group would give it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{who} may not {} Trimtab's {}; {remedy}", verb(*.right), object(*.right))]
pub struct Denied {
    who: String,
    right: Right,
    remedy: String,
}

fn verb(right: Right) -> &'static str {
    match right {
        Right::Read => "read",
        Right::Change => "change",
    }
}

fn object(right: Right) -> &'static str {
    match right {
        Right::Read => "state",
        Right::Change => "behaviour",
    }
}

/// Whether a peer has a right: root has every right, [`ADMINS`] too, [`READERS`] may read.
///
/// # Errors
/// [`Denied`], whose text names the group to join.
pub fn authorise(peer: &Peer, groups: Groups, right: Right) -> Result<(), Denied> {
    let in_group = |group: Option<u32>| group.is_some_and(|gid| peer.gids.contains(&gid));
    let allowed = peer.uid == 0
        || in_group(groups.admins)
        || (right == Right::Read && in_group(groups.readers));
    if allowed {
        return Ok(());
    }
    let (group, exists) = match right {
        Right::Read => (READERS, groups.readers.is_some()),
        Right::Change => (ADMINS, groups.admins.is_some()),
    };
    Err(Denied {
        who: peer.user.as_ref().map_or_else(
            || format!("uid {}", peer.uid),
            |user| format!("user `{user}` (uid {})", peer.uid),
        ),
        right,
        remedy: how_to_join(group, exists, peer.user.as_deref()),
    })
}

/// The commands that make a user a member of a group.
pub(super) fn how_to_join(group: &str, exists: bool, user: Option<&str>) -> String {
    let create = if exists {
        String::new()
    } else {
        format!("groupadd --system {group} && ")
    };
    let user = user.unwrap_or("USER");
    format!(
        "join the group `{group}` (as root: {create}usermod -aG {group} {user}; then log in again) or be root"
    )
}
