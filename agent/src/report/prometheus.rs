//! The endpoint that Prometheus scrapes: HTTP/1.1, `GET /metrics`, nothing else.
//!
//! Connections are served one request each, few at a time and for a short time, so that whoever is slow or many only
//! waits for itself. Metrics are made no oftener than they can have changed, on a thread that may block; when
//! nobody asks, nothing is made.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{
    accept::Format,
    sample::{Sample, Source},
    text::text,
};

/// Connections at a time; more wait until one of them ends.
const CONNECTIONS: usize = 8;
/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(2);
/// How long a connection may take from its beginning to its end.
const CONNECTION: Duration = Duration::from_secs(10);
/// The longest request line and headers, in bytes: the least that hyper can be told.
const HEADERS: usize = 8192;
/// How long nothing is accepted after that has failed, which it does for lack of descriptors.
const RESPITE: Duration = Duration::from_millis(100);

/// A bound endpoint, not yet serving.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds the address. Call within a tokio runtime.
    ///
    /// # Errors
    /// What the system says: the address is in use, is none of this host's, or may not be bound.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is dropped. What was made is told for as long as it is `fresh`.
    pub async fn serve(self, source: Arc<dyn Source>, fresh: Duration) {
        let page = Arc::new(Page {
            source,
            fresh,
            last: Mutex::new(None),
        });
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        while let Ok(seat) = Arc::clone(&seats).acquire_owned().await {
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a scraper's connection cannot be accepted");
                    sleep(RESPITE).await;
                    continue;
                }
            };
            let connection = connection(stream, Arc::clone(&page), Arc::new(seat));
            // Whoever is cut off will ask again.
            tokio::spawn(timeout(CONNECTION, connection));
        }
    }
}

/// One connection, one request.
async fn connection(stream: TcpStream, page: Arc<Page>, seat: Arc<OwnedSemaphorePermit>) {
    let service = service_fn(|request| {
        let (page, seat) = (Arc::clone(&page), Arc::clone(&seat));
        async move { Ok::<_, Infallible>(page.answer(&request, seat).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEADERS)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a scraper's request");
    }
}

/// Why there is nothing to tell. A page without metrics would be a host on which all is well.
#[derive(Clone, Copy, Debug)]
enum Untold {
    /// Nothing is counted.
    Uncounted,
    /// Whatever made it has panicked.
    Panicked,
}

/// What is served.
struct Page {
    source: Arc<dyn Source>,
    fresh: Duration,
    /// The last sample and when it was made. Who comes while one is made waits for it.
    last: Mutex<Option<(Instant, Arc<Sample>)>>,
}

impl Page {
    async fn answer(
        self: Arc<Self>,
        request: &Request<Incoming>,
        seat: Arc<OwnedSemaphorePermit>,
    ) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allow = hyper::header::HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(ALLOW, allow);
            return response;
        }
        let accepts = request.headers().get_all(ACCEPT).iter();
        let accepts: Vec<_> = accepts.filter_map(|value| value.to_str().ok()).collect();
        let format = Format::accepted(&accepts.join(","));
        // In a task of its own, with the connection's seat: who hangs up ends neither, and finds what was made
        // when asking again.
        let made = tokio::spawn(async move {
            let made = self.made(format).await;
            drop(seat);
            made
        });
        match made.await.unwrap_or(Err(Untold::Panicked)) {
            Ok(text) => response(StatusCode::OK, format.content_type(), text),
            Err(Untold::Uncounted) => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "nothing is counted\n")
            }
            Err(Untold::Panicked) => plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the agent failed; its log says how\n",
            ),
        }
    }

    /// The text of what is known.
    async fn made(&self, format: Format) -> Result<String, Untold> {
        let sample = self.sample().await?;
        let text = spawn_blocking(move || text(&sample, format)).await;
        text.map_err(|_| Untold::Panicked)
    }

    /// What is known now, or was a moment ago.
    async fn sample(&self) -> Result<Arc<Sample>, Untold> {
        let mut last = self.last.lock().await;
        if let Some((made, sample)) = &*last
            && made.elapsed() < self.fresh
        {
            return Ok(Arc::clone(sample));
        }
        let source = Arc::clone(&self.source);
        let sample = spawn_blocking(move || source.sample()).await;
        let sample = sample.map_err(|_| Untold::Panicked)?;
        let sample = Arc::new(sample.ok_or(Untold::Uncounted)?);
        *last = Some((Instant::now(), Arc::clone(&sample)));
        Ok(sample)
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    response(status, Format::Text.content_type(), text.to_owned())
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
