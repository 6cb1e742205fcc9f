//! Docker, and Podman where its service runs, by the Docker Engine API: HTTP and JSON on the
//! engine's socket.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::net::UnixStream;
use trimtab_core::signal::Amount;

use super::{Failure, Group, Source, answered};
use crate::{
    identity::known::{self, Declared, Known, bounded, bounded_labels},
    sense::cgroup::Ids,
};

/// The longest answer that is taken, in bytes.
const LONGEST_ANSWER: usize = 16 << 20;
/// The default period of a quota, in us.
const PERIOD: u64 = 100_000;

/// One engine's socket. Every question is a connection of its own: few are asked.
#[derive(Debug)]
pub struct Engine {
    socket: PathBuf,
    name: Arc<str>,
}

impl Engine {
    /// The engine behind a socket, which need not be there (yet).
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            name: socket.display().to_string().into(),
        }
    }

    /// Asks for a resource; `None` where there is none.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let stream = answered(UnixStream::connect(&self.socket)).await?;
        let exchange = exchange(stream, path);
        let (status, body) = answered(exchange).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if !status.is_success() => Err(Failure::wrong(&format!("answers {status}"))),
            _ => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| Failure::wrong(&format!("an answer makes no sense: {error}"))),
        }
    }

    async fn declared(&self, id: &str) -> Result<Declared, Failure> {
        let details: Option<Details> = match self.get(&format!("/containers/{id}/json")).await {
            // What is wrong with one container does not keep the others from being known.
            Err(Failure::Wrong(_)) => None,
            other => other?,
        };
        Ok(details.map_or_else(Declared::default, |details| declared(&details.host_config)))
    }
}

impl Source for Engine {
    fn concerns(group: &Group) -> bool {
        group.container.is_some()
    }

    async fn greet(&mut self) -> Result<String, Failure> {
        let version: Option<Version> = self.get("/version").await?;
        let version = version.ok_or_else(|| Failure::wrong("is no Docker engine"))?;
        // Podman calls itself so in its list of components only.
        let podman = |one: &&Component| one.name.contains("Podman");
        let name = match version.components.iter().flatten().find(podman) {
            Some(_) => "podman",
            None => "docker",
        };
        Ok(bounded(format!("{name} {}", version.version)))
    }

    async fn look_up(&mut self, groups: &[Group]) -> Result<Vec<(Ids, Known)>, Failure> {
        let list: Vec<Listed> = self.get("/containers/json").await?.unwrap_or_default();
        let mut listed: HashMap<_, _> = list
            .into_iter()
            .map(|container| (container.id.clone(), container))
            .collect();
        let mut found = Vec::new();
        for group in groups {
            let id = group.container.as_deref().unwrap_or_default();
            let Some(container) = listed.remove(id) else {
                continue;
            };
            let declared = self.declared(id).await?;
            found.push((group.ids, known(container, declared, &self.name)));
        }
        Ok(found)
    }
}

/// One question and its answer.
async fn exchange(stream: UnixStream, path: &str) -> Result<(StatusCode, Bytes), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::from_error(&error))?;
    let request = Request::get(path)
        .header("Host", "engine")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::from_error(&error))?;
    let answer = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| Failure::from_error(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect();
        let body = body
            .await
            .map_err(|error| Failure::from_error(error.as_ref()))?;
        Ok((status, body.to_bytes()))
    };
    // The connection has to be driven while the answer is waited for, and ends with it.
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => return answer,
        _ = connection => {}
    }
    answer.await
}

/// `GET /version`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    version: String,
    components: Option<Vec<Component>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: String,
}

/// One of `GET /containers/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// `GET /containers/ID/json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Details {
    #[serde(default)]
    host_config: HostConfig,
}

/// 0 where it is not said.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct HostConfig {
    /// Thousand-millionths of a CPU.
    nano_cpus: i64,
    cpu_quota: i64,
    cpu_period: i64,
    memory: i64,
    memory_reservation: i64,
}

fn known(container: Listed, declared: Declared, source: &Arc<str>) -> Known {
    let name = container.names.into_iter().flatten().next();
    let name = name.unwrap_or_default();
    Known {
        container: Some(known::Container {
            source: Arc::clone(source),
            name: bounded(name.trim_start_matches('/').to_owned()),
            image: bounded(container.image),
            labels: bounded_labels(container.labels.unwrap_or_default()).0,
            declared,
            sandbox: false,
        }),
        ..Known::default()
    }
}

fn declared(host: &HostConfig) -> Declared {
    let positive = |value: i64| u64::try_from(value).ok().filter(|value| *value > 0);
    let cpus = positive(host.nano_cpus).map(|nano| nano / 1000);
    let period = positive(host.cpu_period).unwrap_or(PERIOD);
    let quota = positive(host.cpu_quota).map(|quota| quota.saturating_mul(Amount::CPU.0) / period);
    Declared {
        cpu_request: None,
        cpu_limit: cpus.or(quota).map(Amount),
        memory_request: positive(host.memory_reservation).map(Amount),
        memory_limit: positive(host.memory).map(Amount),
    }
}
