//! The client: one method per call, in plain types, with errors that say what to do.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::UnixStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};
use trimtab_core::signal::Mode;

pub use super::convert::Malformed;
use super::{
    auth::{self, READERS},
    convert::{each, need},
    proto::{self, trimtab_client::TrimtabClient},
    view,
};
use crate::grpc;

/// How long the agent may take to answer; a slow loop's tick and a margin.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("no agent answers on {}; start one with `trimtab agent`, or name its socket with --socket", .0.display())]
    NotRunning(PathBuf),
    /// The socket may not be opened.
    #[error("may not open {}: {}", .0.display(), auth::how_to_join(READERS, true, None))]
    NoAccess(PathBuf),
    /// The socket cannot be opened for another reason.
    #[error("connect {}: {source}", .path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What `connect` says.
        source: io::Error,
    },
    /// The agent hung up or could not be spoken to.
    #[error("the agent on {} broke off: {reason}", .path.display())]
    Transport {
        /// The socket.
        path: PathBuf,
        /// What the transport says.
        reason: String,
    },
    /// The caller lacks a right; the text says which group to join.
    #[error("{0}")]
    Denied(String),
    /// The agent knows no such workload or group.
    #[error("{0}")]
    NotFound(String),
    /// The agent refused for another reason.
    #[error("{0}")]
    Refused(String),
    /// The agent speaks another version.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The longest answer, in bytes: a thousand for each of 65,536 workloads.
const LONGEST_ANSWER: usize = 64 << 20;

/// A connection to the agent.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
    rpc: TrimtabClient<Channel>,
}

impl Client {
    /// Connects to the agent's socket. Call within a tokio runtime.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] and [`ClientError::NoAccess`] are the usual ones.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    ClientError::NotRunning(path.to_owned())
                }
                io::ErrorKind::PermissionDenied => ClientError::NoAccess(path.to_owned()),
                _ => ClientError::Connect {
                    path: path.to_owned(),
                    source,
                },
            })?;
        // When the agent goes, the command ends too.
        let endpoint = Endpoint::from_static("http://trimtab").timeout(PATIENCE);
        let channel =
            grpc::channel(stream, endpoint)
                .await
                .map_err(|error| ClientError::Transport {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })?;
        Ok(Self {
            path: path.to_owned(),
            rpc: TrimtabClient::new(channel).max_decoding_message_size(LONGEST_ANSWER),
        })
    }

    /// What a gRPC status means to the caller.
    fn error(&self, status: &Status) -> ClientError {
        let text = status.message().to_owned();
        match status.code() {
            Code::PermissionDenied | Code::Unauthenticated => ClientError::Denied(text),
            Code::NotFound => ClientError::NotFound(text),
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
                ClientError::Transport {
                    path: self.path.clone(),
                    reason: text,
                }
            }
            _ => ClientError::Refused(text),
        }
    }

    /// What a call answered.
    fn answer<T>(&self, reply: Result<Response<T>, Status>) -> Result<T, ClientError> {
        reply
            .map(Response::into_inner)
            .map_err(|status| self.error(&status))
    }

    /// The agent as a whole.
    ///
    /// # Errors
    /// Any [`ClientError`], as with every call.
    pub async fn status(&mut self) -> Result<view::Status, ClientError> {
        let reply = self.rpc.status(proto::StatusRequest {}).await;
        Ok(self.answer(reply)?.try_into()?)
    }

    /// Every workload.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn workloads(&mut self) -> Result<Vec<view::Workload>, ClientError> {
        let reply = self
            .rpc
            .list_workloads(proto::ListWorkloadsRequest {})
            .await;
        Ok(each(self.answer(reply)?.workloads)?)
    }

    /// One workload and what belongs to it.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn show(&mut self, workload: &str) -> Result<view::Detail, ClientError> {
        let reply = self
            .rpc
            .get_workload(proto::GetWorkloadRequest {
                workload: workload.to_owned(),
            })
            .await;
        Ok(self.answer(reply)?.try_into()?)
    }

    /// The last entries of one workload, or of all and the node when `workload` is empty, oldest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn explain(
        &mut self,
        workload: &str,
        last: u32,
    ) -> Result<Vec<view::Entry>, ClientError> {
        let reply = self
            .rpc
            .explain(proto::ExplainRequest {
                workload: workload.to_owned(),
                last,
            })
            .await;
        Ok(each(self.answer(reply)?.entries)?)
    }

    /// Why one workload's tasks waited for a CPU in the last so many ns.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn why(&mut self, workload: &str, window_ns: u64) -> Result<view::Why, ClientError> {
        let reply = self
            .rpc
            .why(proto::WhyRequest {
                workload: workload.to_owned(),
                window_ns,
            })
            .await;
        Ok(self.answer(reply)?.try_into()?)
    }

    /// What the shadow of one workload would have done, or those of all when `workload` is empty.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn compare(&mut self, workload: &str) -> Result<Vec<view::Comparison>, ClientError> {
        let reply = self
            .rpc
            .compare(proto::CompareRequest {
                workload: workload.to_owned(),
            })
            .await;
        Ok(each(self.answer(reply)?.comparisons)?)
    }

    /// The processes of one workload, or of all groups when `workload` is empty.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn processes(&mut self, workload: &str) -> Result<view::Processes, ClientError> {
        let reply = self
            .rpc
            .processes(proto::ProcessesRequest {
                workload: workload.to_owned(),
            })
            .await;
        Ok(self.answer(reply)?.into())
    }

    /// Entries as they are made; of one workload, or of all when `workload` is empty.
    ///
    /// # Errors
    /// Any [`ClientError`], also from the stream.
    pub async fn watch(
        &mut self,
        workload: &str,
    ) -> Result<impl Stream<Item = Result<view::Entry, ClientError>> + use<>, ClientError> {
        let reply = self
            .rpc
            .watch(proto::WatchRequest {
                workload: workload.to_owned(),
            })
            .await;
        let client = self.clone();
        Ok(self.answer(reply)?.map(move |entry| match entry {
            Ok(entry) => Ok(view::Entry::try_from(entry)?),
            Err(status) => Err(client.error(&status)),
        }))
    }

    /// Each probe and capability.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn doctor(&mut self) -> Result<Vec<view::Finding>, ClientError> {
        let reply = self.rpc.doctor(proto::DoctorRequest {}).await;
        Ok(each(self.answer(reply)?.findings)?)
    }

    /// Changes a workload's mode.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn set_mode(
        &mut self,
        workload: &str,
        mode: Mode,
    ) -> Result<view::Workload, ClientError> {
        let mode = proto::Mode::from(mode).into();
        let reply = self
            .rpc
            .set_mode(proto::SetModeRequest {
                workload: workload.to_owned(),
                mode,
            })
            .await;
        Ok(need(self.answer(reply)?.workload, "workload")?)
    }

    /// Pins a workload's limits, or unpins them.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn pin(
        &mut self,
        workload: &str,
        pinned: bool,
    ) -> Result<view::Workload, ClientError> {
        let workload = workload.to_owned();
        let reply = if pinned {
            self.rpc.pin(proto::PinRequest { workload }).await
        } else {
            self.rpc.unpin(proto::UnpinRequest { workload }).await
        };
        Ok(need(self.answer(reply)?.workload, "workload")?)
    }

    /// Suspends all writing, or ends that; returns whether it is suspended now.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn pause(&mut self, paused: bool) -> Result<bool, ClientError> {
        let reply = if paused {
            self.rpc.pause(proto::PauseRequest {}).await
        } else {
            self.rpc.resume(proto::ResumeRequest {}).await
        };
        Ok(self.answer(reply)?.paused)
    }

    /// Begins to record, or ends that.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn record(&mut self, on: bool) -> Result<view::Recording, ClientError> {
        let reply = if on {
            let request = proto::StartRecordingRequest {};
            self.rpc.start_recording(request).await
        } else {
            let request = proto::StopRecordingRequest {};
            self.rpc.stop_recording(request).await
        };
        Ok(self.answer(reply)?.into())
    }

    /// Makes one group a workload under the policy `run`.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn adopt(&mut self, adoption: view::Adoption) -> Result<view::Workload, ClientError> {
        let reply = self.rpc.adopt(proto::AdoptRequest::from(adoption)).await;
        Ok(need(self.answer(reply)?.workload, "workload")?)
    }

    /// Ends what [`Client::adopt`] began.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn release(&mut self, path: &str) -> Result<view::Released, ClientError> {
        let reply = self
            .rpc
            .release(proto::ReleaseRequest {
                path: path.to_owned(),
            })
            .await;
        Ok(self.answer(reply)?.try_into()?)
    }
}
