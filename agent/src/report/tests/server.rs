//! The endpoint as a scraper meets it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{a_sample, parser::parse};
use crate::report::{Sample, Source, accept::Format, prometheus::Server};

/// Longer than any test takes.
const FRESH: Duration = Duration::from_mins(10);

/// Counts how often it is asked.
#[derive(Default)]
struct Fake(AtomicU64);

impl Source for Fake {
    fn sample(&self) -> Sample {
        self.0.fetch_add(1, Relaxed);
        a_sample()
    }
}

/// Serves a fake while `test` runs, as the agent does: on one thread.
fn served<T: Send + 'static>(
    fresh: Duration,
    test: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (T, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let fake = Arc::new(Fake::default());
    let result = runtime.block_on(async {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = server.address().unwrap();
        tokio::spawn(server.serve(Arc::<Fake>::clone(&fake), fresh));
        tokio::task::spawn_blocking(move || test(address))
            .await
            .unwrap()
    });
    (result, fake.0.load(Relaxed))
}

/// Sends these bytes and reads until the other side ends.
fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // Whoever is refused early may find the other side gone already.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn get(address: SocketAddr, what: &str, headers: &str) -> (String, String) {
    let answer = send(
        address,
        &format!("{what} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"),
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn scrapers_get_the_format_that_they_want() {
    let (read, asked) = served(FRESH, |address| {
        let open = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.1\r\n";
        [
            get(address, "GET /metrics", open),
            get(address, "GET /metrics?a=b", ""),
        ]
    });
    let formats = [Format::OpenMetrics, Format::Text];
    for ((head, body), format) in read.iter().zip(formats) {
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(
            head.contains(&format!("content-type: {}", format.content_type())),
            "{head}"
        );
        assert!(head.contains("connection: close"), "{head}");
        assert!(parse(body, format).is_ok(), "{body}");
    }
    assert_eq!(asked, 1, "what is fresh is not made again");
}

#[test]
fn what_is_no_longer_fresh_is_made_again() {
    let ((), asked) = served(Duration::ZERO, |address| {
        for _ in 0..3 {
            get(address, "GET /metrics", "");
        }
    });
    assert_eq!(asked, 3);
}

#[test]
fn nothing_else_is_served_and_nothing_made_for_it() {
    let (heads, asked) = served(FRESH, |address| {
        let long = format!("X-Long: {}\r\n", "x".repeat(9000));
        [
            get(address, "GET /", "").0,
            get(address, "GET /metricsx", "").0,
            get(address, "POST /metrics", "Content-Length: 0\r\n").0,
            get(address, "GET /metrics", &long).0,
            send(address, "nonsense\r\n\r\n").to_ascii_lowercase(),
        ]
    });
    for (head, status) in heads.iter().zip(["404", "404", "405", "431", "400"]) {
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{head}");
    }
    assert_eq!(asked, 0);
}

#[test]
fn head_has_no_body() {
    let ((head, body), _) = served(FRESH, |address| get(address, "HEAD /metrics", ""));
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(body.is_empty());
}

/// Who says nothing is cut off, and so makes room for who waits behind.
#[test]
fn idle_connections_do_not_keep_scrapers_out() {
    let (took, _) = served(FRESH, |address| {
        let idle: Vec<_> = (0..20)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let begun = Instant::now();
        let (head, _) = get(address, "GET /metrics", "");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        drop(idle);
        begun.elapsed()
    });
    // Twenty of them are three rounds of eight, of two seconds each at most.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// A scraper that does not read holds its own connection only.
#[test]
fn who_does_not_read_keeps_nobody_waiting() {
    let (took, _) = served(FRESH, |address| {
        let mut deaf = TcpStream::connect(address).unwrap();
        deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let begun = Instant::now();
        assert!(
            get(address, "GET /metrics", "")
                .0
                .starts_with("http/1.1 200")
        );
        drop(deaf);
        begun.elapsed()
    });
    assert!(took < Duration::from_secs(2), "{took:?}");
}
