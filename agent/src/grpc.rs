//! gRPC over a Unix socket, for whoever is a client of one.

use std::{future::ready, io};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Error};

/// A channel over one connection, which is all there is: when that ends, so does the channel.
///
/// # Errors
/// What the transport says.
pub(crate) async fn channel(stream: UnixStream, endpoint: Endpoint) -> Result<Channel, Error> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take();
        ready(stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset)))
    });
    endpoint.connect_with_connector(connector).await
}
