//! What users read about who workloads are, from fixed views.

use super::{
    goldens::{a_status, a_workload, both, golden},
    show, status,
};
use crate::{api::view::*, identity::container::Qos};

fn of(identity: Identity) -> Detail {
    Detail {
        workload: Workload {
            identity,
            ..a_workload()
        },
        ..Detail::default()
    }
}

#[test]
fn show_has_what_is_known_and_who_said_it() {
    let labels = [("app", "shop"), ("tier", "web")].map(|(key, value)| (key.into(), value.into()));
    let container = Identity {
        sources: vec!["systemd".into(), "/run/containerd/containerd.sock".into()],
        unit: Some("cri-containerd-0a.scope".into()),
        description: Some("libcontainer container 0a".into()),
        container: Some("web".into()),
        image: Some("registry.example/shop/web:1.2".into()),
        namespace: Some("shop".into()),
        pod: Some("web-0".into()),
        qos: Some(Qos::Burstable),
        labels: labels.into(),
        cpu_request: Some(Quantity::MicroCpus(100_000)),
        cpu_limit: Some(Quantity::MicroCpus(500_000)),
        memory_limit: Some(Quantity::Bytes(64 << 20)),
        ..Identity::default()
    };
    both("show_container", &of(container.clone()), show::render);
    let sandbox = Identity {
        container: Some(String::new()),
        image: Some(String::new()),
        sandbox: true,
        cpu_request: None,
        cpu_limit: None,
        memory_limit: None,
        ..container
    };
    golden("show_sandbox", &show::render(&of(sandbox)));
    let unit = Identity {
        sources: vec!["systemd".into()],
        unit: Some("nginx.service".into()),
        description: Some("A web server".into()),
        ..Identity::default()
    };
    golden("show_unit", &show::render(&of(unit)));
}

#[test]
fn status_has_who_answers_and_who_does_not() {
    let source = |name: &str, state, why: &str| Finding {
        area: "identity".into(),
        name: name.into(),
        state,
        why: why.into(),
        remedy: String::new(),
    };
    let status = Status {
        identity: vec![
            source("systemd", FindingState::On, "systemd 252"),
            source("/run/a.sock", FindingState::On, "containerd 1.6.20"),
            source("/run/b.sock", FindingState::None, "no socket"),
            source("/run/c.sock", FindingState::Off, "does not answer"),
            source(
                "/run/d.sock",
                FindingState::Degraded,
                "has not answered yet",
            ),
        ],
        ..Status::default()
    };
    both("status_identity", &status, status::render);
    let absent = Status {
        identity: vec![source("/run/b.sock", FindingState::None, "no socket")],
        ..a_status()
    };
    assert_eq!(status::render(&absent), status::render(&a_status()));
}
