//! The endpoint as a scraper meets it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{a_sample, parser::parse};
use crate::report::{Sample, Serving, Source, accept::Format, prometheus::Server};

/// Longer than any test takes.
const FRESH: Duration = Duration::from_mins(10);

/// Counts how often it is asked.
#[derive(Default)]
struct Fake(AtomicU64);

impl Source for Fake {
    fn sample(&self) -> Option<Sample> {
        self.0.fetch_add(1, Relaxed);
        Some(a_sample())
    }
}

/// Panics when it is first asked, counts nothing when it is asked again, and is whole from then on.
#[derive(Default)]
struct Faulty(AtomicU64);

impl Source for Faulty {
    fn sample(&self) -> Option<Sample> {
        match self.0.fetch_add(1, Relaxed) {
            0 => panic!("a test's source panics"),
            1 => None,
            _ => Some(a_sample()),
        }
    }
}

/// Serves a fake while `test` runs.
fn served<T: Send + 'static>(
    fresh: Duration,
    test: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> (T, u64) {
    let fake = Arc::new(Fake::default());
    let result = served_from(Arc::<Fake>::clone(&fake), fresh, test);
    (result, fake.0.load(Relaxed))
}

/// Serves while `test` runs, as the agent does: on one thread.
fn served_from<T: Send + 'static>(
    source: Arc<dyn Source>,
    fresh: Duration,
    test: impl FnOnce(SocketAddr) -> T + Send + 'static,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = server.address();
        tokio::spawn(server.serve(source, fresh));
        tokio::task::spawn_blocking(move || test(address))
            .await
            .unwrap()
    })
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

/// An empty page would say that all is well: a scraper has to see that it is not.
#[test]
fn what_cannot_be_told_is_an_error_and_what_then_can_is_told() {
    let answers = served_from(Arc::new(Faulty::default()), FRESH, |address| {
        [(); 3].map(|()| get(address, "GET /metrics", ""))
    });
    let [(panicked, said), (uncounted, nothing), (whole, body)] = &answers;
    assert!(panicked.starts_with("http/1.1 500"), "{panicked}");
    assert!(uncounted.starts_with("http/1.1 503"), "{uncounted}");
    for text in [said, nothing] {
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    assert!(whole.starts_with("http/1.1 200"), "{whole}");
    assert!(!parse(body, Format::Text).unwrap().is_empty());
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

/// What came of moving an endpoint.
struct Moved {
    result: std::io::Result<()>,
    before: SocketAddr,
    /// Where it says that it answers.
    at: Option<SocketAddr>,
    /// Whether somebody answers where it was, and where it was to be.
    answers: [bool; 2],
}

/// Moves an endpoint from an address of its own to the one that is made of it.
fn moved(to: impl FnOnce(SocketAddr) -> SocketAddr) -> Moved {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut serving = Serving::new(Arc::new(Fake::default()), FRESH);
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let before = server.address();
        serving.serve(server).await;
        let to = to(before);
        let result = serving.move_to(to).await;
        let answers = [before, to].map(|address| TcpStream::connect(address).is_ok());
        Moved {
            result,
            before,
            at: serving.address(),
            answers,
        }
    })
}

/// The same port at all addresses of this host.
fn everywhere(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], address.port()))
}

#[test]
fn an_endpoint_moves_and_leaves_nothing_behind() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let to = free.local_addr().unwrap();
    drop(free);
    let moved = moved(|_| to);
    moved.result.unwrap();
    assert_eq!((moved.at, moved.answers), (Some(to), [false, true]));
}

#[test]
fn an_endpoint_is_not_in_its_own_way() {
    let moved = moved(everywhere);
    moved.result.unwrap();
    assert_eq!(moved.at, Some(everywhere(moved.before)));
    // All addresses are the one before, too.
    assert_eq!(moved.answers, [true, true]);
}

#[test]
fn an_endpoint_that_cannot_move_stays() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let away = moved(|_| address);
    // It is closed before it is known that somebody else is in its way, too.
    let mut other = None;
    let nearby = moved(|before| {
        other = Some(TcpListener::bind(("127.0.0.2", before.port())).unwrap());
        everywhere(before)
    });
    drop(other);
    for moved in [away, nearby] {
        let error = moved.result.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
        assert_eq!((moved.at, moved.answers[0]), (Some(moved.before), true));
    }
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
