//! What the API shows of who workloads are.

use trimtab_core::signal::Resource;

use super::{agent::Agent, workload::Workload};
use crate::{
    api::view::{Finding, FindingState, Identity, Quantity},
    config::{Subject, own_qos, own_unit},
    identity::{
        known::Declared,
        path::identify,
        source::Failure,
        watch::{Heard, Standing},
    },
};

impl Agent {
    /// Who a workload is, as far as is known.
    pub(super) fn identity(&self, workload: &Workload) -> Identity {
        let path = workload.shown_path();
        let (identity, known) = (identify(&path), self.identities.known(&path));
        let subject = Subject {
            path: &path,
            identity: &identity,
            known: &known,
        };
        let (unit, container, pod) = (
            known.unit.as_ref(),
            known.container.as_ref(),
            known.pod.as_ref(),
        );
        let declared = container.map_or_else(Declared::default, |container| container.declared);
        let cpu = |amount| Quantity::new(Resource::Cpu, amount);
        let memory = |amount| Quantity::new(Resource::Memory, amount);
        Identity {
            sources: known.sources().iter().map(ToString::to_string).collect(),
            unit: own_unit(&subject).map(Into::into),
            description: unit.map(|unit| unit.description.clone()),
            slice: unit.and_then(|unit| unit.slice.clone()),
            invocation_id: unit.and_then(|unit| unit.invocation.clone()),
            container: container.map(|container| container.name.clone()),
            container_id: identity.container.as_ref().map(|one| one.id.clone()),
            image: container.map(|container| container.image.clone()),
            sandbox: container.is_some_and(|container| container.sandbox),
            namespace: pod.map(|pod| pod.namespace.clone()),
            pod: pod.map(|pod| pod.name.clone()),
            pod_uid: identity.pod.as_ref().map(|pod| pod.uid.clone()),
            qos: own_qos(&subject),
            labels: known.labels().cloned().unwrap_or_default(),
            cpu_request: declared.cpu_request.map(cpu),
            cpu_limit: declared.cpu_limit.map(cpu),
            memory_request: declared.memory_request.map(memory),
            memory_limit: declared.memory_limit.map(memory),
        }
    }

    /// How those who are asked stand.
    pub(super) fn identity_findings(&self) -> Vec<Finding> {
        let mut findings = identity_findings(self.identities.heard());
        let left_out = self.identities.left_out();
        if left_out > 0 {
            findings.push(Finding {
                state: FindingState::Degraded,
                why: format!("groups left out, since there are too many: {left_out}"),
                remedy: "select fewer of them by `match`".into(),
                ..finding("groups".into())
            });
        }
        findings
    }
}

fn finding(name: String) -> Finding {
    Finding {
        area: "identity".into(),
        name,
        state: FindingState::None,
        why: String::new(),
        remedy: String::new(),
    }
}

/// Who is asked about workloads, for `doctor`; `None` where nobody is.
pub(super) fn identity_findings(heard: Option<Vec<Heard>>) -> Vec<Finding> {
    let Some(heard) = heard else {
        return vec![Finding {
            why: "nobody is asked: [identity] says so".into(),
            ..finding("sources".into())
        }];
    };
    heard.iter().map(source).collect()
}

fn source(heard: &Heard) -> Finding {
    let socket = heard.address.socket().display();
    let (state, why, remedy) = match &heard.standing {
        Standing::Starting => (
            FindingState::Degraded,
            "has not answered yet".into(),
            String::new(),
        ),
        Standing::Here(name) => (FindingState::On, name.clone(), String::new()),
        Standing::Fails(failure) => {
            let (state, remedy) = match failure {
                Failure::Absent(_) => (FindingState::None, String::new()),
                Failure::Denied => (
                    FindingState::Off,
                    format!("run the agent as root, or let it open {socket}"),
                ),
                Failure::Silent => (
                    FindingState::Off,
                    format!("look into the log of whoever listens on {socket}, or restart it"),
                ),
                Failure::Wrong(_) => (
                    FindingState::Off,
                    format!("see that [identity] names {socket} as what it is"),
                ),
            };
            (state, failure.to_string(), remedy)
        }
    };
    Finding {
        state,
        why,
        remedy,
        ..finding(heard.address.name())
    }
}
