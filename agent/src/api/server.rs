//! The server: authorises each call, resolves the workload, asks the backend.

use std::{path::Path, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    net::{UnixListener, unix::UCred},
    sync::{broadcast::error::RecvError, mpsc, watch},
};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, UnixListenerStream},
};
use tonic::{Code, Request, Response, Status, transport::server::UdsConnectInfo};
use trimtab_core::signal::Mode;

pub use super::socket::SocketError;
use super::{
    auth::{Groups, Peer, Right, authorise},
    backend::{Backend, Refusal},
    convert, proto,
    proto::trimtab_server::{Trimtab, TrimtabServer},
    socket::Socket,
    view,
};

/// The window of `Why` when the caller does not say how long.
const DEFAULT_WINDOW: Duration = Duration::from_secs(10);
/// Entries of `Explain` when the caller does not say how many.
const DEFAULT_ENTRIES: usize = 20;

/// Entries that wait for a slow `watch`er before it misses some.
const WATCH_BACKLOG: usize = 256;

/// How long open calls may take to end once the server is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// A bound server, not yet serving.
pub struct Server {
    socket: Socket,
    listener: UnixListener,
    groups: GroupSource,
}

/// Where the ids of the two groups come from. Asked per call, so that a group that is added later
/// counts without a restart.
type GroupSource = Arc<dyn Fn() -> Groups + Send + Sync>;

impl Server {
    /// Binds the socket: mode 0660, group `trimtab` where it exists. Call within a tokio runtime.
    ///
    /// # Errors
    /// [`SocketError`] when an agent already answers there or a system call fails.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let (socket, listener) = Socket::bind(path)?;
        Ok(Self {
            socket,
            listener,
            groups: Arc::new(Groups::resolve),
        })
    }

    /// Takes the ids of the two groups from elsewhere than the host's group database.
    #[must_use]
    pub fn with_groups(mut self, groups: impl Fn() -> Groups + Send + Sync + 'static) -> Self {
        self.groups = Arc::new(groups);
        self
    }

    /// Serves until `stop` completes; open `Watch` streams end then, and the socket is removed.
    ///
    /// # Errors
    /// What the transport reports.
    pub async fn serve(
        self,
        backend: Arc<dyn Backend>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), tonic::transport::Error> {
        let Self {
            socket,
            listener,
            groups,
        } = self;
        let (stopped, stopping) = watch::channel(false);
        let service = TrimtabServer::new(Service {
            backend,
            groups,
            stopping: stopping.clone(),
        });
        let mut deadline = stopping;
        let serve = tonic::transport::Server::builder().serve_with_incoming_shutdown(
            service,
            UnixListenerStream::new(listener),
            async move {
                stop.await;
                // Nobody listening means that nobody is left to tell.
                let _ = stopped.send(true);
            },
        );
        let result = tokio::select! {
            result = serve => result,
            () = async {
                // An error means that the sender is gone: serving has ended by itself.
                let _ = deadline.wait_for(|stopped| *stopped).await;
                tokio::time::sleep(GRACE).await;
            } => Ok(()),
        };
        drop(socket);
        result
    }
}

/// What tonic calls.
struct Service {
    backend: Arc<dyn Backend>,
    groups: GroupSource,
    stopping: watch::Receiver<bool>,
}

impl Service {
    /// Authorises the caller and runs `work`, on a thread where it may block.
    async fn call<T: Send + 'static, R>(
        &self,
        request: Request<R>,
        right: Right,
        work: impl FnOnce(&dyn Backend, R) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Response<T>, Status>
    where
        R: Send + 'static,
    {
        let credentials = credentials(&request);
        let backend = Arc::clone(&self.backend);
        let groups = Arc::clone(&self.groups);
        let message = request.into_inner();
        tokio::task::spawn_blocking(move || {
            check(credentials, groups.as_ref(), right)?;
            work(backend.as_ref(), message)
                .map(Response::new)
                .map_err(Status::from)
        })
        .await
        .unwrap_or_else(|error| {
            Err(Status::internal(format!(
                "the agent failed to answer: {error}"
            )))
        })
    }
}

/// What the kernel says about the caller.
fn credentials<T>(request: &Request<T>) -> Option<UCred> {
    request
        .extensions()
        .get::<UdsConnectInfo>()
        .and_then(|info| info.peer_cred)
}

/// Resolves and authorises the caller. May block.
fn check(
    credentials: Option<UCred>,
    groups: &dyn Fn() -> Groups,
    right: Right,
) -> Result<(), Status> {
    let Some(credentials) = credentials else {
        return Err(Status::unauthenticated(
            "the kernel does not say who is calling (SO_PEERCRED)",
        ));
    };
    let peer = Peer::resolve(credentials.uid(), credentials.gid());
    authorise(&peer, groups(), right)
        .map_err(|denied| Status::permission_denied(denied.to_string()))
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::Conflict(_) => Code::FailedPrecondition,
            Refusal::Invalid(_) => Code::InvalidArgument,
            Refusal::Failed(_) => Code::Internal,
        };
        Self::new(code, refusal.to_string())
    }
}

/// The path of the one workload that a user means.
fn resolve(backend: &dyn Backend, wanted: &str) -> Result<String, Refusal> {
    let workloads = backend.workloads();
    view::find(&workloads, wanted).map(|workload| workload.path.clone())
}

fn changed(workload: view::Workload) -> proto::ChangeReply {
    proto::ChangeReply {
        workload: Some(workload.into()),
    }
}

/// Passes entries on until the caller hangs up, the agent stops, or there are no more.
async fn forward(
    mut entries: tokio::sync::broadcast::Receiver<Arc<view::Entry>>,
    wanted: String,
    to: mpsc::Sender<Result<proto::Entry, Status>>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let received = tokio::select! {
            received = entries.recv() => received,
            _ = stopping.wait_for(|stopped| *stopped) => return,
            () = to.closed() => return,
        };
        let entry = match received {
            Ok(entry) if wanted.is_empty() || entry.path == wanted => view::Entry::clone(&entry),
            Ok(_) => continue,
            Err(RecvError::Lagged(missed)) => missed_entries(missed),
            Err(RecvError::Closed) => return,
        };
        if to.send(Ok(entry.into())).await.is_err() {
            return;
        }
    }
}

/// What a watcher that is too slow sees instead of the entries that it missed.
fn missed_entries(missed: u64) -> view::Entry {
    view::Entry {
        cause: "watch".to_owned(),
        reason: view::Reason {
            text: format!(
                "{missed} entries were made faster than they were read, and are left out here"
            ),
            ..view::Reason::default()
        },
        ..view::Entry::default()
    }
}

#[tonic::async_trait]
impl Trimtab for Service {
    async fn status(
        &self,
        request: Request<proto::StatusRequest>,
    ) -> Result<Response<proto::StatusReply>, Status> {
        self.call(request, Right::Read, |backend, _| {
            Ok(backend.status().into())
        })
        .await
    }

    async fn list_workloads(
        &self,
        request: Request<proto::ListWorkloadsRequest>,
    ) -> Result<Response<proto::ListWorkloadsReply>, Status> {
        self.call(request, Right::Read, |backend, _| {
            Ok(proto::ListWorkloadsReply {
                workloads: convert::all(backend.workloads()),
            })
        })
        .await
    }

    async fn get_workload(
        &self,
        request: Request<proto::GetWorkloadRequest>,
    ) -> Result<Response<proto::GetWorkloadReply>, Status> {
        self.call(request, Right::Read, |backend, message| {
            let path = resolve(backend, &message.workload)?;
            backend.show(&path).map(Into::into)
        })
        .await
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainReply>, Status> {
        self.call(request, Right::Read, |backend, message| {
            let last = usize::try_from(message.last)
                .ok()
                .filter(|&last| last > 0)
                .unwrap_or(DEFAULT_ENTRIES);
            let resolved = if message.workload.is_empty() {
                Ok(String::new())
            } else {
                resolve(backend, &message.workload)
            };
            let wanted = resolved.as_ref().unwrap_or(&message.workload);
            let entries = backend.explain(wanted, last);
            match resolved {
                // Its entries outlive a workload, so only one that left none is unknown.
                Err(refusal) if entries.is_empty() => Err(refusal),
                _ => Ok(proto::ExplainReply {
                    entries: entries.into_iter().map(Into::into).collect(),
                }),
            }
        })
        .await
    }

    async fn why(
        &self,
        request: Request<proto::WhyRequest>,
    ) -> Result<Response<proto::WhyReply>, Status> {
        self.call(request, Right::Read, |backend, message| {
            let window = match message.window_ns {
                0 => DEFAULT_WINDOW,
                ns => Duration::from_nanos(ns),
            };
            let path = resolve(backend, &message.workload)?;
            backend.why(&path, window).map(Into::into)
        })
        .await
    }

    async fn compare(
        &self,
        request: Request<proto::CompareRequest>,
    ) -> Result<Response<proto::CompareReply>, Status> {
        self.call(request, Right::Read, |backend, message| {
            let path = match message.workload.as_str() {
                "" => None,
                name => Some(resolve(backend, name)?),
            };
            let comparisons = backend.compare(path.as_deref())?;
            Ok(proto::CompareReply {
                comparisons: convert::all(comparisons),
            })
        })
        .await
    }

    async fn processes(
        &self,
        request: Request<proto::ProcessesRequest>,
    ) -> Result<Response<proto::ProcessesReply>, Status> {
        self.call(request, Right::Read, |backend, message| {
            let path = match message.workload.as_str() {
                "" => None,
                name => Some(resolve(backend, name)?),
            };
            backend.processes(path.as_deref()).map(Into::into)
        })
        .await
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<proto::Entry, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<proto::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let stopping = self.stopping.clone();
        let subscribed = self
            .call(request, Right::Read, |backend, message| {
                let wanted = if message.workload.is_empty() {
                    String::new()
                } else {
                    resolve(backend, &message.workload)?
                };
                Ok((backend.subscribe(), wanted))
            })
            .await?;
        let (entries, wanted) = subscribed.into_inner();
        let (to, stream) = mpsc::channel(WATCH_BACKLOG);
        tokio::spawn(forward(entries, wanted, to, stopping));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn doctor(
        &self,
        request: Request<proto::DoctorRequest>,
    ) -> Result<Response<proto::DoctorReply>, Status> {
        self.call(request, Right::Read, |backend, _| {
            Ok(proto::DoctorReply {
                findings: convert::all(backend.doctor()),
            })
        })
        .await
    }

    async fn set_mode(
        &self,
        request: Request<proto::SetModeRequest>,
    ) -> Result<Response<proto::ChangeReply>, Status> {
        self.call(request, Right::Change, |backend, message| {
            let mode = Mode::try_from(message.mode()).map_err(|_| {
                Refusal::Invalid("a mode is one of observe, recommend, enforce".to_owned())
            })?;
            let path = resolve(backend, &message.workload)?;
            backend.set_mode(&path, mode).map(changed)
        })
        .await
    }

    async fn pin(
        &self,
        request: Request<proto::PinRequest>,
    ) -> Result<Response<proto::ChangeReply>, Status> {
        self.call(request, Right::Change, |backend, message| {
            let path = resolve(backend, &message.workload)?;
            backend.pin(&path, true).map(changed)
        })
        .await
    }

    async fn unpin(
        &self,
        request: Request<proto::UnpinRequest>,
    ) -> Result<Response<proto::ChangeReply>, Status> {
        self.call(request, Right::Change, |backend, message| {
            let path = resolve(backend, &message.workload)?;
            backend.pin(&path, false).map(changed)
        })
        .await
    }

    async fn pause(
        &self,
        request: Request<proto::PauseRequest>,
    ) -> Result<Response<proto::PauseReply>, Status> {
        self.call(request, Right::Change, |backend, _| {
            backend.pause(true)?;
            Ok(proto::PauseReply { paused: true })
        })
        .await
    }

    async fn resume(
        &self,
        request: Request<proto::ResumeRequest>,
    ) -> Result<Response<proto::PauseReply>, Status> {
        self.call(request, Right::Change, |backend, _| {
            backend.pause(false)?;
            Ok(proto::PauseReply { paused: false })
        })
        .await
    }

    async fn start_recording(
        &self,
        request: Request<proto::StartRecordingRequest>,
    ) -> Result<Response<proto::RecordingReply>, Status> {
        self.call(request, Right::Change, |backend, _| {
            backend.record(true).map(Into::into)
        })
        .await
    }

    async fn stop_recording(
        &self,
        request: Request<proto::StopRecordingRequest>,
    ) -> Result<Response<proto::RecordingReply>, Status> {
        self.call(request, Right::Change, |backend, _| {
            backend.record(false).map(Into::into)
        })
        .await
    }

    async fn adopt(
        &self,
        request: Request<proto::AdoptRequest>,
    ) -> Result<Response<proto::AdoptReply>, Status> {
        self.call(request, Right::Change, |backend, message| {
            let workload = backend.adopt(&message.into())?;
            Ok(proto::AdoptReply {
                workload: Some(workload.into()),
            })
        })
        .await
    }

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<proto::ReleaseReply>, Status> {
        self.call(request, Right::Change, |backend, message| {
            backend.release(&message.path).map(Into::into)
        })
        .await
    }
}
