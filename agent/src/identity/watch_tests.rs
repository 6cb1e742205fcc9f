//! Sources that are away, slow, or something else than they should be.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    source::{Failure, Group},
    watch::{Address, Standing, Watch},
};
use crate::sense::cgroup::Ids;

const ID: &str = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";
/// Longer than any source is waited for, shorter than anybody would wait for a test.
const SOON: Duration = Duration::from_secs(8);

/// A socket on which every connection is handed to a function, in a thread of its own.
struct Peer {
    directory: tempfile::TempDir,
}

impl Peer {
    fn new(serve: impl Fn(UnixStream) + Send + Clone + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serve = serve.clone();
                thread::spawn(move || serve(stream));
            }
        });
        Self { directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// How each kind of source finds it.
    fn standings(&self) -> [Standing; 3] {
        standings(self.socket())
    }
}

fn standings(socket: PathBuf) -> [Standing; 3] {
    let addresses = vec![
        Address::Systemd(socket.clone()),
        Address::Cri(socket.clone()),
        Address::Engine(socket),
    ];
    let heard = Watch::spawn(addresses).unwrap().first(SOON);
    let mut standings = heard.into_iter().map(|heard| heard.standing);
    std::array::from_fn(|_| standings.next().unwrap())
}

fn group() -> Group {
    Group::at(&format!("docker/{ID}").as_str().into(), Ids::default()).unwrap()
}

/// Answers an engine's question with an answer of HTTP.
fn answer(mut stream: UnixStream, reply: impl Fn(&str) -> String) {
    let mut question = [0; 1024];
    let length = stream.read(&mut question).unwrap_or(0);
    let question = String::from_utf8_lossy(&question[..length]);
    let path = question.split(' ').nth(1).unwrap_or_default();
    // Whoever asked may have hung up.
    let _ = stream.write_all(reply(path).as_bytes());
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn version() -> String {
    ok(r#"{"Version":"20.10.24","Components":[{"Name":"Engine"}]}"#)
}

#[test]
fn who_is_not_there_is_absent() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let absent = |standings: [Standing; 3], why: &str| {
        let failure = Failure::Absent(why.into());
        assert_eq!(standings, [0; 3].map(|_| Standing::Fails(failure.clone())));
    };
    absent(standings(socket.clone()), "no socket");
    drop(UnixListener::bind(&socket).unwrap());
    absent(standings(socket.clone()), "nobody listens on the socket");
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "text").unwrap();
    absent(standings(socket), "nobody listens on the socket");
}

#[test]
fn who_hangs_is_silent_and_holds_up_nobody() {
    let peer = Peer::new(|_stream| thread::sleep(Duration::from_mins(1)));
    let quick = Peer::new(|stream| answer(stream, |_| version()));
    let start = Instant::now();
    let watch = Watch::spawn(vec![
        Address::Systemd(peer.socket()),
        Address::Cri(peer.socket()),
        Address::Engine(peer.socket()),
        Address::Engine(quick.socket()),
    ])
    .unwrap();
    let here = Standing::Here("docker 20.10.24".into());
    while watch.heard()[3].standing != here {
        assert!(start.elapsed() < SOON, "{:?}", watch.heard());
        thread::sleep(Duration::from_millis(5));
    }
    // Who hangs is waited for meanwhile.
    let heard = watch.heard();
    assert!(
        heard[..3]
            .iter()
            .all(|one| one.standing == Standing::Starting),
        "{heard:?}"
    );
    let heard = watch.first(SOON);
    let silent = Standing::Fails(Failure::Silent);
    assert!(
        heard[..3].iter().all(|one| one.standing == silent),
        "{heard:?}"
    );
}

#[test]
fn who_talks_rubbish_or_hangs_up_is_said_to() {
    let rubbish = Peer::new(|mut stream| {
        // Whoever asked hangs up at the first of it.
        let _ = stream.write_all(&b"\x00\xff\r\nlorem ipsum\n".repeat(100));
        thread::sleep(Duration::from_secs(1));
    });
    let hangs_up = Peer::new(|mut stream| {
        let _ = stream.read(&mut [0; 16]);
    });
    let half = Peer::new(|stream| {
        answer(stream, |_| {
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Vers".into()
        });
    });
    for peer in [rubbish, hangs_up, half] {
        for standing in peer.standings() {
            assert!(
                matches!(&standing, Standing::Fails(Failure::Wrong(why)) if !why.is_empty()),
                "{standing:?}"
            );
        }
    }
    for body in ["", "[]", "lorem", r#"{"Version":7}"#] {
        let peer = Peer::new(move |stream| answer(stream, |_| ok(body)));
        let [.., standing] = peer.standings();
        assert!(
            matches!(&standing, Standing::Fails(Failure::Wrong(why)) if why.contains("makes no sense")),
            "{standing:?}"
        );
    }
}

#[test]
fn a_container_is_known_once_its_engine_lists_it() {
    let (asked, questions) = mpsc::channel();
    let listed = AtomicUsize::new(0);
    let serve = Arc::new(move |stream: UnixStream| {
        answer(stream, |path| {
            let _ = asked.send(path.to_owned());
            match path {
                "/version" => version(),
                // Not at once: the group is there before.
                "/containers/json" if listed.fetch_add(1, Relaxed) < 2 => ok("[]"),
                "/containers/json" => ok(&format!(
                    r#"[{{"Id":"{ID}","Names":["/web"],"Image":"shop/web:1","Labels":{{"app":"shop"}}}}]"#
                )),
                _ => ok(
                    r#"{"HostConfig":{"NanoCpus":500000000,"Memory":67108864,"MemoryReservation":0}}"#,
                ),
            }
        });
    });
    let peer = Peer::new(move |stream| serve(stream));
    let watch = Watch::spawn(vec![Address::Engine(peer.socket())]).unwrap();
    let group = group();
    watch.ask(&group);
    let start = Instant::now();
    let found = loop {
        let found = watch.found();
        if !found.is_empty() {
            break found;
        }
        assert!(start.elapsed() < SOON, "{:?}", watch.heard());
        thread::sleep(Duration::from_millis(5));
    };
    let [(ids, known)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(*ids, group.ids);
    let container = known.container.as_ref().unwrap();
    assert_eq!(
        (container.name.as_str(), container.image.as_str()),
        ("web", "shop/web:1")
    );
    assert_eq!(container.labels["app"], "shop");
    let declared = container.declared;
    assert_eq!(declared.cpu_limit.map(|limit| limit.0), Some(500_000));
    assert_eq!(declared.memory_limit.map(|limit| limit.0), Some(64 << 20));
    assert_eq!(declared.memory_request, None);
    let lists = questions
        .try_iter()
        .filter(|path| path == "/containers/json");
    assert_eq!(lists.count(), 3);
}

#[test]
fn what_is_forgotten_is_not_told() {
    let peer = Peer::new(|stream| {
        thread::sleep(Duration::from_millis(50));
        answer(stream, |path| match path {
            "/version" => version(),
            _ => ok(&format!(r#"[{{"Id":"{ID}"}}]"#)),
        });
    });
    let watch = Watch::spawn(vec![Address::Engine(peer.socket())]).unwrap();
    let group = group();
    watch.ask(&group);
    watch.forget(group.ids);
    assert!(matches!(watch.first(SOON)[0].standing, Standing::Here(_)));
    thread::sleep(Duration::from_millis(200));
    assert_eq!(watch.found(), []);
}
