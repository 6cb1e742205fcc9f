//! Who may do what, and which workload is meant.

use super::{
    Refusal,
    auth::{Groups, Peer, Right, authorise},
    view::{Workload, find},
};

fn peer(uid: u32, gids: &[u32]) -> Peer {
    Peer {
        uid,
        user: (uid == 1000).then(|| "ada".to_owned()),
        gids: gids.to_vec(),
    }
}

/// Both groups exist.
const BOTH: Groups = Groups {
    readers: Some(900),
    admins: Some(901),
};

#[test]
fn authorisation_matrix() {
    let nobody = Groups::default();
    // Who, the host's groups, may read, may change.
    let table = [
        ("root", peer(0, &[0]), BOTH, true, true),
        (
            "root where there are no groups",
            peer(0, &[]),
            nobody,
            true,
            true,
        ),
        ("a reader", peer(1000, &[1000, 900]), BOTH, true, false),
        (
            "a reader by primary group",
            peer(1000, &[900]),
            BOTH,
            true,
            false,
        ),
        ("an admin", peer(1000, &[1000, 901]), BOTH, true, true),
        ("both", peer(1000, &[900, 901]), BOTH, true, true),
        ("anybody else", peer(1000, &[1000, 10]), BOTH, false, false),
        (
            "somebody in root's group",
            peer(1000, &[0]),
            BOTH,
            false,
            false,
        ),
        (
            "a reader where there are no groups",
            peer(1000, &[900]),
            nobody,
            false,
            false,
        ),
        (
            "an admin where only readers exist",
            peer(1000, &[901]),
            Groups {
                admins: None,
                ..BOTH
            },
            false,
            false,
        ),
        (
            "somebody without any group",
            peer(1000, &[]),
            BOTH,
            false,
            false,
        ),
    ];
    for (who, peer, groups, read, change) in table {
        assert_eq!(
            authorise(&peer, groups, Right::Read).is_ok(),
            read,
            "{who} reads"
        );
        assert_eq!(
            authorise(&peer, groups, Right::Change).is_ok(),
            change,
            "{who} changes"
        );
    }
}

#[test]
fn refusal_names_the_group_to_join() {
    let refusal = |groups, right, uid| {
        authorise(&peer(uid, &[]), groups, right)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(BOTH, Right::Read, 1000),
        "user `ada` (uid 1000) may not read Trimtab's state; join the group `trimtab` (as root: usermod -aG trimtab \
         ada; then log in again) or be root"
    );
    assert_eq!(
        refusal(Groups::default(), Right::Change, 7),
        "uid 7 may not change Trimtab's behaviour; join the group `trimtab-admin` (as root: groupadd --system \
         trimtab-admin && usermod -aG trimtab-admin USER; then log in again) or be root"
    );
}

#[test]
fn peer_has_the_groups_of_its_user() {
    let root = Peer::resolve(0, 4242);
    assert_eq!(root.user.as_deref(), Some("root"));
    assert!(
        root.gids.contains(&4242) && root.gids.contains(&0),
        "{root:?}"
    );
    let unknown = Peer::resolve(3_999_999_999, 5);
    assert_eq!(
        unknown,
        Peer {
            uid: 3_999_999_999,
            user: None,
            gids: vec![5]
        }
    );
}

#[test]
fn workload_is_found_by_path_name_or_part() {
    let workload = |name: &str, path: &str| Workload {
        name: name.into(),
        path: path.into(),
        ..Workload::default()
    };
    let workloads = [
        workload("nginx", "/system.slice/nginx.service"),
        workload("nginx-exporter", "/system.slice/nginx-exporter.service"),
        workload("web", "/a/web"),
        workload("web", "/b/web"),
        workload("bench/w7", "/bench/w7"),
        workload("bench/w77", "/bench/w77"),
        workload("shop/web-0/w7-proxy", "/kubepods/1/2"),
    ];
    let found = |wanted: &str| find(&workloads, wanted).map(|workload| workload.path.as_str());
    assert_eq!(found("/a/web"), Ok("/a/web"));
    assert_eq!(
        found("nginx"),
        Ok("/system.slice/nginx.service"),
        "a whole name goes before a part"
    );
    assert_eq!(
        found("w7"),
        Ok("/bench/w7"),
        "a whole last part goes before what only begins like it"
    );
    assert_eq!(found("w7-proxy"), Ok("/kubepods/1/2"));
    assert_eq!(found("w77"), Ok("/bench/w77"));
    assert_eq!(
        found("exporter"),
        Ok("/system.slice/nginx-exporter.service")
    );
    assert_eq!(
        found("web"),
        Err(Refusal::Invalid(
            "`web` fits 2 workloads; say which by its path: /a/web, /b/web".into()
        ))
    );
    assert_eq!(
        found("ngnix"),
        Err(Refusal::NotFound(
            "no workload is called `ngnix`; did you mean nginx?".into()
        ))
    );
    assert_eq!(
        found("zzz"),
        Err(Refusal::NotFound(
            "no workload is called `zzz`; `trimtab workloads` lists them".into()
        ))
    );
    assert_eq!(
        found(""),
        Err(Refusal::Invalid("the workload's name is empty".into()))
    );
}
