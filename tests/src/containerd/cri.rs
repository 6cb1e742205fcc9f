//! What a kubelet says to its runtime to run a pod: the part of the container runtime interface (`k8s.io/cri-api`,
//! version 1) that starts and ends containers. Fields that no test sets are left out.

use std::{collections::HashMap, io, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::UnixStream;
use tonic::{
    Request,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::Pod;

/// How long one call may take: runc and a shim have to be started.
const PATIENCE: Duration = Duration::from_secs(20);
/// A namespace that is the node's own, which needs no network to be set up.
const NODE: i32 = 2;

/// A question or an answer that consists of one id.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Id {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

/// An answer in which nothing is read.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RunPodSandboxRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PodSandboxConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(map = "string, string", tag = "6")]
    labels: HashMap<String, String>,
    #[prost(message, optional, tag = "8")]
    linux: Option<LinuxPodSandboxConfig>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct LinuxPodSandboxConfig {
    #[prost(string, tag = "1")]
    cgroup_parent: String,
    #[prost(message, optional, tag = "2")]
    security_context: Option<SecurityContext>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct SecurityContext {
    #[prost(message, optional, tag = "1")]
    namespace_options: Option<NamespaceOption>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct NamespaceOption {
    #[prost(int32, tag = "1")]
    network: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CreateContainerRequest {
    #[prost(string, tag = "1")]
    pod_sandbox_id: String,
    #[prost(message, optional, tag = "2")]
    config: Option<ContainerConfig>,
    #[prost(message, optional, tag = "3")]
    sandbox_config: Option<PodSandboxConfig>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerConfig {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "2")]
    image: Option<ImageSpec>,
    #[prost(map = "string, string", tag = "9")]
    labels: HashMap<String, String>,
    #[prost(message, optional, tag = "15")]
    linux: Option<LinuxContainerConfig>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct LinuxContainerConfig {
    #[prost(message, optional, tag = "1")]
    resources: Option<LinuxContainerResources>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct LinuxContainerResources {
    #[prost(int64, tag = "1")]
    cpu_period: i64,
    #[prost(int64, tag = "2")]
    cpu_quota: i64,
    #[prost(int64, tag = "3")]
    cpu_shares: i64,
    #[prost(int64, tag = "4")]
    memory_limit_in_bytes: i64,
}

fn labels(labels: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

/// The sandbox of a pod, in the node's own network.
pub(super) fn sandbox(pod: &Pod<'_>, group: &str) -> PodSandboxConfig {
    let namespaces = NamespaceOption { network: NODE };
    PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: pod.name.into(),
            uid: pod.uid.into(),
            namespace: pod.namespace.into(),
        }),
        labels: labels(pod.labels),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: group.into(),
            security_context: Some(SecurityContext {
                namespace_options: Some(namespaces),
            }),
        }),
    }
}

/// The container of a pod.
pub(super) fn container(
    pod: &Pod<'_>,
    sandbox: &str,
    image: &str,
    config: PodSandboxConfig,
) -> CreateContainerRequest {
    let (cpu_shares, cpu_quota, memory_limit_in_bytes) = pod.declared;
    let resources = LinuxContainerResources {
        cpu_period: 100_000,
        cpu_quota,
        cpu_shares,
        memory_limit_in_bytes,
    };
    CreateContainerRequest {
        pod_sandbox_id: sandbox.into(),
        config: Some(ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: pod.container.into(),
            }),
            image: Some(ImageSpec {
                image: image.into(),
            }),
            labels: labels(pod.container_labels),
            linux: Some(LinuxContainerConfig {
                resources: Some(resources),
            }),
        }),
        sandbox_config: Some(config),
    }
}

/// Connects to a runtime that answers.
pub(super) async fn connect(socket: &Path) -> Result<Channel> {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_| {
        let socket = socket.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(socket).await?)) }
    });
    let endpoint = Endpoint::from_static("http://runtime").timeout(PATIENCE);
    let channel = endpoint.connect_with_connector(connector).await?;
    // Its answer has other fields than an id, which are skipped; a runtime that does not serve the interface refuses.
    let Nothing {} = call(channel.clone(), "Version", Nothing {}).await?;
    Ok(channel)
}

/// One call.
pub(super) async fn call<Q, A>(channel: Channel, method: &str, question: Q) -> Result<A>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let path = format!("/runtime.v1.RuntimeService/{method}").parse()?;
    let answer = grpc
        .unary(Request::new(question), path, ProstCodec::<Q, A>::default())
        .await;
    Ok(answer.with_context(|| method.to_owned())?.into_inner())
}
