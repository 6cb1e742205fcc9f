//! containerd, CRI-O and every other runtime of Kubernetes, by the container runtime interface
//! (`k8s.io/cri-api`, version 1): gRPC on the runtime's socket.

use std::{
    collections::HashMap,
    error::Error as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use tokio::net::UnixStream;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};
use trimtab_core::signal::Amount;

use super::{
    Failure, Group, Source, answered,
    cri_proto::{
        Container, ContainerStatusRequest, ImageSpec, LinuxContainerResources,
        ListContainersRequest, ListPodSandboxRequest, PodSandbox, VersionRequest,
        runtime_service_client::RuntimeServiceClient,
    },
};
use crate::{
    grpc,
    identity::known::{self, Declared, Known, Pod, bounded, bounded_labels},
    sense::cgroup::Ids,
};

/// The longest list that is taken, in bytes: as much as the kubelet takes.
const LONGEST_ANSWER: usize = 16 << 20;
/// The key of `info` under which runtimes put JSON.
const INFO: &str = "info";
/// What the cgroup of a static pod is named by, instead of its UID.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// The kernel's default period of a quota, in us; what a period of 0 means.
const PERIOD: u64 = 100_000;
/// The least weight there is, which is what a container without a request gets.
const LEAST_SHARES: u64 = 2;

type Client = RuntimeServiceClient<Channel>;

/// One runtime's socket.
#[derive(Debug)]
pub struct Cri {
    socket: PathBuf,
    name: Arc<str>,
    client: Option<Client>,
}

impl Cri {
    /// The runtime behind a socket, which need not be there (yet).
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            name: socket.display().to_string().into(),
            client: None,
        }
    }

    async fn client(&mut self) -> Result<Client, Failure> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let stream = answered(UnixStream::connect(&self.socket)).await?;
        let endpoint = Endpoint::from_static("http://runtime");
        let connect = async {
            let channel = grpc::channel(stream, endpoint).await;
            channel.map_err(|error| Failure::from_error(&error))
        };
        let channel = answered(connect).await?;
        let client = Client::new(channel).max_decoding_message_size(LONGEST_ANSWER);
        Ok(self.client.insert(client).clone())
    }

    /// What a container was declared to need, and the name of its image.
    async fn status(
        client: &mut Client,
        id: &str,
    ) -> Result<(Declared, Option<ImageSpec>), Failure> {
        let request = ContainerStatusRequest {
            container_id: id.to_owned(),
            verbose: true,
        };
        let call = client.container_status(request);
        let answer = match answered(async { Ok::<_, Failure>(call.await) }).await? {
            Ok(answer) => answer.into_inner(),
            // What the runtime itself says is about this container, which may have ended since.
            Err(status) if status.source().is_none() => return Ok((Declared::default(), None)),
            Err(status) => return Err(failure(&status)),
        };
        let status = answer.status.unwrap_or_default();
        let told = status.resources.and_then(|resources| resources.linux);
        let resources = told.or_else(|| answer.info.get(INFO).and_then(|json| from_info(json)));
        let declared = resources.map_or_else(Declared::default, |told| declared(&told));
        Ok((declared, status.image))
    }

    async fn ask(&mut self, groups: &[Group]) -> Result<Vec<(Ids, Known)>, Failure> {
        let mut client = self.client().await?;
        let sandboxes = answered(async {
            let list = client.list_pod_sandbox(ListPodSandboxRequest {}).await;
            list.map_err(|status| failure(&status))
        });
        let sandboxes = sandboxes.await?.into_inner().items;
        let containers = answered(async {
            let list = client.list_containers(ListContainersRequest {}).await;
            list.map_err(|status| failure(&status))
        });
        let containers = containers.await?.into_inner().containers;
        let listed = Listed::new(&sandboxes, &containers);
        let mut found = Vec::new();
        for group in groups {
            let Some(mut known) = listed.find(group, &self.name) else {
                continue;
            };
            if let Some(container) = known.container.as_mut().filter(|one| !one.sandbox)
                && let Some(id) = &group.container
            {
                let (declared, image) = Self::status(&mut client, id).await?;
                container.declared = declared;
                if let Some(image) = image.filter(|_| container.image.is_empty()) {
                    container.image = bounded(image.image);
                }
            }
            found.push((group.ids, known));
        }
        Ok(found)
    }
}

impl Source for Cri {
    fn concerns(group: &Group) -> bool {
        group.container.is_some() || group.pod.is_some()
    }

    async fn greet(&mut self) -> Result<String, Failure> {
        let mut client = self.client().await?;
        let version = answered(async {
            let answer = client.version(VersionRequest {}).await;
            answer.map_err(|status| failure(&status))
        });
        let version = version.await.inspect_err(|_| self.client = None)?;
        let version = version.into_inner();
        let text = format!("{} {}", version.runtime_name, version.runtime_version);
        Ok(bounded(text.trim().to_owned()))
    }

    async fn look_up(&mut self, groups: &[Group]) -> Result<Vec<(Ids, Known)>, Failure> {
        let answer = self.ask(groups).await;
        if answer.is_err() {
            self.client = None;
        }
        answer
    }
}

/// What a runtime has listed, to be looked up.
struct Listed<'a> {
    containers: HashMap<&'a str, &'a Container>,
    sandboxes: HashMap<&'a str, &'a PodSandbox>,
    /// By UID and by hash of the configuration; of several sandboxes of a pod the newest.
    pods: HashMap<&'a str, &'a PodSandbox>,
}

impl<'a> Listed<'a> {
    fn new(sandboxes: &'a [PodSandbox], containers: &'a [Container]) -> Self {
        let mut pods: HashMap<&str, &PodSandbox> = HashMap::new();
        for sandbox in sandboxes {
            let uid = sandbox.metadata.as_ref().map(|pod| pod.uid.as_str());
            let hash = sandbox.annotations.get(CONFIG_HASH).map(String::as_str);
            for key in uid.into_iter().chain(hash) {
                let newest = pods.entry(key).or_insert(sandbox);
                if newest.created_at < sandbox.created_at {
                    *newest = sandbox;
                }
            }
        }
        Self {
            containers: containers.iter().map(|one| (&*one.id, one)).collect(),
            sandboxes: sandboxes.iter().map(|one| (&*one.id, one)).collect(),
            pods,
        }
    }

    fn find(&self, group: &Group, source: &Arc<str>) -> Option<Known> {
        if let Some(uid) = &group.pod {
            return Some(Known {
                pod: Some(pod_of(self.pods.get(uid.as_str())?, source)),
                ..Known::default()
            });
        }
        let id = group.container.as_deref()?;
        if let Some(sandbox) = self.sandboxes.get(id) {
            return Some(Known {
                container: Some(known::Container {
                    source: Arc::clone(source),
                    sandbox: true,
                    ..known::Container::default()
                }),
                pod: Some(pod_of(sandbox, source)),
                ..Known::default()
            });
        }
        let container = self.containers.get(id)?;
        let pod = self.sandboxes.get(container.pod_sandbox_id.as_str());
        let pod = pod.map(|sandbox| pod_of(sandbox, source));
        let name = container.metadata.clone().unwrap_or_default().name;
        let inherited = pod.iter().flat_map(|pod| pod.labels.clone());
        let own = container.labels.clone();
        Some(Known {
            container: Some(known::Container {
                source: Arc::clone(source),
                name: bounded(name),
                image: image(container.image.as_ref()),
                labels: bounded_labels(inherited.chain(own)).0,
                ..known::Container::default()
            }),
            pod,
            ..Known::default()
        })
    }
}

fn pod_of(sandbox: &PodSandbox, source: &Arc<str>) -> Pod {
    let metadata = sandbox.metadata.clone().unwrap_or_default();
    Pod {
        source: Arc::clone(source),
        namespace: bounded(metadata.namespace),
        name: bounded(metadata.name),
        labels: bounded_labels(sandbox.labels.clone()).0,
    }
}

/// What the pod calls the image, if the runtime has been told. The kubelet passes on a digest.
fn image(image: Option<&ImageSpec>) -> String {
    let Some(image) = image else {
        return String::new();
    };
    let digits = image.image.trim_start_matches("sha256:");
    let digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = match (image.user_specified_image.as_str(), digest) {
        ("", false) => &image.image,
        // The runtime's status names it.
        ("", true) => return String::new(),
        (name, _) => name,
    };
    bounded(name.to_owned())
}

/// The kubelet's arithmetic (`pkg/kubelet/cm/helpers_linux.go`), backwards.
fn declared(told: &LinuxContainerResources) -> Declared {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let period = positive(told.cpu_period).unwrap_or(PERIOD);
    let limit =
        positive(told.cpu_quota).map(|quota| Amount(quota.saturating_mul(Amount::CPU.0) / period));
    let request = positive(told.cpu_shares)
        .filter(|shares| *shares > LEAST_SHARES)
        // Thousandths of a CPU, which it has rounded down.
        .map(|shares| {
            Amount(
                shares
                    .saturating_mul(1000)
                    .div_ceil(1024)
                    .saturating_mul(1000),
            )
        });
    Declared {
        cpu_request: request,
        cpu_limit: limit,
        memory_request: None,
        memory_limit: positive(told.memory_limit_in_bytes).map(Amount),
    }
}

/// The part of the JSON that we read.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Info {
    runtime_spec: Spec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    linux: Linux,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Linux {
    resources: Resources,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    cpu: Cpu,
    memory: Memory,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu {
    shares: i64,
    quota: i64,
    period: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    limit: i64,
}

/// Runtimes from before 2023 tell the container's OCI specification only.
fn from_info(json: &str) -> Option<LinuxContainerResources> {
    let Resources { cpu, memory } = serde_json::from_str::<Info>(json)
        .ok()?
        .runtime_spec
        .linux
        .resources;
    Some(LinuxContainerResources {
        cpu_period: cpu.period,
        cpu_quota: cpu.quota,
        cpu_shares: cpu.shares,
        memory_limit_in_bytes: memory.limit,
    })
}

fn failure(status: &tonic::Status) -> Failure {
    match Failure::from_error(status) {
        Failure::Wrong(_) if status.code() == Code::Unimplemented => {
            Failure::wrong("its container runtime interface of version 1 is switched off")
        }
        failure => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::source::cri_proto::{ContainerMetadata, PodSandboxMetadata};

    const ID: &str = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";
    const UID: &str = "8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77";
    const HASH: &str = "0123456789abcdef0123456789abcdef";

    fn sandbox(id: &str, uid: &str, name: &str, created_at: i64) -> PodSandbox {
        PodSandbox {
            id: id.into(),
            metadata: Some(PodSandboxMetadata {
                name: name.into(),
                uid: uid.into(),
                namespace: "shop".into(),
            }),
            created_at,
            labels: [("app", "pod"), ("tier", "web")]
                .map(|(key, value)| (key.into(), value.into()))
                .into(),
            ..PodSandbox::default()
        }
    }

    fn find(listed: &Listed<'_>, path: &str) -> Option<Known> {
        let group = Group::at(&path.into(), Ids::default()).expect("of interest");
        listed.find(&group, &"here".into())
    }

    #[test]
    fn groups_are_found_by_the_ids_in_their_paths() {
        let static_pod = PodSandbox {
            annotations: [(CONFIG_HASH.to_owned(), HASH.to_owned())].into(),
            ..sandbox("s3", "other", "static", 1)
        };
        let sandboxes = [
            sandbox(&"a".repeat(64), UID, "new", 2),
            sandbox("s1", UID, "old", 1),
            static_pod,
        ];
        let containers = [Container {
            id: ID.into(),
            pod_sandbox_id: "a".repeat(64),
            metadata: Some(ContainerMetadata { name: "web".into() }),
            labels: [("app".to_owned(), "own".to_owned())].into(),
            ..Container::default()
        }];
        let listed = Listed::new(&sandboxes, &containers);
        let name = |path: &str| find(&listed, path).and_then(|known| known.name());
        let pod = format!("kubepods/burstable/pod{UID}");
        assert_eq!(name(&pod).as_deref(), Some("shop/new"));
        assert_eq!(
            name(&format!("kubepods/pod{HASH}")).as_deref(),
            Some("shop/static")
        );
        assert_eq!(
            name(&format!("{pod}/{}", "a".repeat(64))).as_deref(),
            Some("shop/new sandbox")
        );
        let known = find(&listed, &format!("{pod}/{ID}")).unwrap();
        assert_eq!(known.name().as_deref(), Some("shop/new/web"));
        let labels = known.labels().unwrap();
        assert_eq!((&*labels["app"], &*labels["tier"]), ("own", "web"));
        assert_eq!(find(&listed, &format!("docker/{}", "b".repeat(64))), None);
    }

    #[test]
    fn an_image_has_the_name_that_people_gave() {
        let spec = |image: &str, said: &str| ImageSpec {
            image: image.into(),
            user_specified_image: said.into(),
        };
        for (image_spec, expected) in [
            (spec("shop/web:1", ""), "shop/web:1"),
            (spec("busybox", ""), "busybox"),
            (spec(&format!("sha256:{ID}"), "shop/web:1"), "shop/web:1"),
            (spec(&format!("sha256:{ID}"), ""), ""),
            (spec(ID, ""), ""),
        ] {
            assert_eq!(image(Some(&image_spec)), expected);
        }
        assert_eq!(image(None), "");
    }

    #[test]
    fn what_is_declared_is_the_kubelets_arithmetic_backwards() {
        let told = |cpu_shares, cpu_quota, memory_limit_in_bytes| LinuxContainerResources {
            cpu_period: 100_000,
            cpu_quota,
            cpu_shares,
            memory_limit_in_bytes,
        };
        // milliCPU * 1024 / 1000, rounded down, at least 2.
        for milli in [3, 10, 100, 250, 1000, 1500, 63_999] {
            let declared = declared(&told(milli * 1024 / 1000, milli * 100, 0));
            let amount = u64::try_from(milli).map(|milli| Amount(milli * 1000)).ok();
            assert_eq!(
                (declared.cpu_request, declared.cpu_limit),
                (amount, amount),
                "{milli}"
            );
        }
        assert_eq!(declared(&told(2, -1, 0)), Declared::default());
        assert_eq!(
            declared(&told(0, 0, 64 << 20)).memory_limit,
            Some(Amount(64 << 20))
        );
        assert_eq!(
            declared(&told(i64::MAX, i64::MAX, i64::MAX)).memory_limit,
            Some(Amount(i64::MAX.cast_unsigned()))
        );
        let info = r#"{"pid": 1, "runtimeSpec": {"linux": {"resources": {
            "cpu": {"shares": 102, "quota": 50000, "period": 100000}, "memory": {"limit": 67108864}, "pids": {}}}}}"#;
        assert_eq!(from_info(info), Some(told(102, 50_000, 64 << 20)));
        assert_eq!(
            from_info("{}"),
            Some(LinuxContainerResources::default()),
            "nothing is said"
        );
        assert_eq!(from_info("text"), None);
    }
}
