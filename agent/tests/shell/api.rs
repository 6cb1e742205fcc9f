//! The local API end to end: client, socket, server, over a fake backend.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Output},
    sync::Arc,
    time::Duration,
};

use tokio_stream::StreamExt;
use trimtab::api::{
    Client, Server, auth::Groups, client::ClientError, server::SocketError, view::Adoption,
};
use trimtab_core::signal::Mode;

use crate::{
    fake::{self, Agent},
    views::{comparison, processes, recording},
};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn every_call_comes_back_as_it_went() {
    let agent = Agent::start(Groups::default());
    block_on(async {
        let mut client = Client::connect(&agent.socket).await.unwrap();
        assert_eq!(client.status().await.unwrap(), fake::status());
        assert_eq!(
            client.workloads().await.unwrap(),
            [fake::workload("db"), fake::workload("web")]
        );
        assert_eq!(client.show("web").await.unwrap(), fake::detail("web"));
        assert_eq!(
            client.explain("web", 2).await.unwrap(),
            [fake::entry(0, "web"), fake::entry(1, "web")]
        );
        assert_eq!(
            client.explain("web", 0).await.unwrap().len(),
            20,
            "the default"
        );
        assert_eq!(
            client.explain("gone", 1).await.unwrap(),
            [fake::entry(0, "gone")],
            "the journal remembers"
        );
        assert_eq!(
            client.explain("", 1).await.unwrap(),
            [fake::entry(0, "web")],
            "an empty name stands for all"
        );
        assert_eq!(
            client.why("web", 5).await.unwrap(),
            fake::why("web", Duration::from_nanos(5))
        );
        assert_eq!(
            client.why("web", 0).await.unwrap().window_ns,
            10_000_000_000,
            "the default"
        );
        assert_eq!(client.compare("web").await.unwrap(), [comparison("web")]);
        assert_eq!(client.compare("").await.unwrap().len(), 2);
        assert_eq!(
            client.processes("web").await.unwrap(),
            processes(Some("web"))
        );
        assert_eq!(client.processes("").await.unwrap(), processes(None));
        assert_eq!(client.doctor().await.unwrap(), [fake::finding()]);
        assert_eq!(
            client.set_mode("web", Mode::Observe).await.unwrap().mode,
            Mode::Observe
        );
        assert!(!client.pin("db", false).await.unwrap().pinned);
        assert!(client.pin("db", true).await.unwrap().pinned);
        assert!(client.pause(true).await.unwrap());
        assert_eq!(client.record(true).await.unwrap(), recording());
        let adoption = Adoption {
            path: "/trimtab.run/x-1".into(),
            name: "x".into(),
            cpu_ceiling_micro_cpus: Some(1),
            memory_ceiling_bytes: None,
        };
        assert_eq!(client.adopt(adoption).await.unwrap(), fake::workload("x"));
        assert_eq!(
            client.release("/trimtab.run/x-1").await.unwrap(),
            fake::released()
        );
    });
    assert_eq!(
        agent.backend.take_changes(),
        [
            "mode /demo/web Observe",
            "pin /demo/db false",
            "pin /demo/db true",
            "pause true",
            "record true",
            "adopt x Some(1) None",
            "release"
        ]
    );
}

#[test]
fn refusals_keep_their_words_and_their_kind() {
    let agent = Agent::start(Groups::default());
    block_on(async {
        let mut client = Client::connect(&agent.socket).await.unwrap();
        let error = client.show("wbe").await.unwrap_err();
        assert!(
            matches!(&error, ClientError::NotFound(text) if text.contains("did you mean web?")),
            "{error:?}"
        );
        let error = client.explain("nobody", 5).await.unwrap_err();
        assert!(matches!(error, ClientError::NotFound(_)), "{error:?}");
        let error = client.release("/unknown").await.unwrap_err();
        assert!(matches!(error, ClientError::NotFound(_)), "{error:?}");
        let error = client.pause(false).await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Refused(text) if text == "it is not paused"),
            "{error:?}"
        );
        let error = client.record(false).await.unwrap_err();
        assert!(
            matches!(&error, ClientError::Refused(text) if text == "it does not record"),
            "{error:?}"
        );
    });
}

/// Watches, and waits until the server has subscribed: entries made before that are not seen.
async fn watching(
    client: &mut Client,
    agent: &Agent,
    workload: &str,
) -> impl tokio_stream::Stream<Item = Result<trimtab::api::view::Entry, ClientError>> + use<> {
    let before = agent.backend.journal.receiver_count();
    let stream = client.watch(workload).await.unwrap();
    while agent.backend.journal.receiver_count() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stream
}

#[test]
fn watch_streams_until_the_agent_stops() {
    let mut agent = Agent::start(Groups::default());
    block_on(async {
        let mut client = Client::connect(&agent.socket).await.unwrap();
        let all = watching(&mut client, &agent, "").await;
        let web = watching(&mut client, &agent, "web").await;
        for (seq, name) in [(1, "web"), (2, "db"), (3, "web")] {
            agent
                .backend
                .journal
                .send(Arc::new(fake::entry(seq, name)))
                .unwrap();
        }
        let (mut all, mut web) = (std::pin::pin!(all), std::pin::pin!(web));
        for seq in [1, 2, 3] {
            assert_eq!(all.next().await.unwrap().unwrap().seq, seq);
        }
        for seq in [1, 3] {
            assert_eq!(web.next().await.unwrap().unwrap(), fake::entry(seq, "web"));
        }
        let error = client.watch("nobody").await.err();
        assert!(matches!(error, Some(ClientError::NotFound(_))), "{error:?}");
        agent.stop();
        assert!(
            all.next().await.is_none_or(|end| end.is_err()),
            "the stream ends with the agent"
        );
    });
    assert!(!agent.socket.exists(), "the socket goes with the agent");
}

#[test]
fn a_slow_watcher_is_told_what_it_missed() {
    let agent = Agent::start(Groups::default());
    block_on(async {
        let mut client = Client::connect(&agent.socket).await.unwrap();
        let mut all = std::pin::pin!(watching(&mut client, &agent, "").await);
        // Far more than the channel, the server's backlog and the transport's window hold.
        for seq in 0..20_000 {
            agent
                .backend
                .journal
                .send(Arc::new(fake::entry(seq, "web")))
                .unwrap();
        }
        let mut told = false;
        while let Ok(Some(entry)) = tokio::time::timeout(Duration::from_secs(5), all.next()).await {
            let entry = entry.unwrap();
            told |= entry.reason.text.contains("left out here");
            if entry.seq == 19_999 {
                break;
            }
        }
        assert!(told);
    });
}

#[test]
fn socket_is_private_and_replaced_only_when_stale() {
    let agent = Agent::start(Groups::default());
    let meta = fs::symlink_metadata(&agent.socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o7777, 0o660);
    let error = block_on(async { Server::bind(&agent.socket).err().unwrap() });
    assert!(matches!(&error, SocketError::InUse(_)), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("an agent already answers on "),
        "{error}"
    );

    let directory = tempfile::tempdir().unwrap();
    let stale = directory.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(
        stale.exists(),
        "a socket that nobody listens on stays behind"
    );
    let again = Agent::start_at(tempfile::tempdir().unwrap(), &stale, Groups::default());
    block_on(async {
        Client::connect(&again.socket)
            .await
            .unwrap()
            .status()
            .await
            .unwrap()
    });

    let file = directory.path().join("file");
    fs::write(&file, "precious").unwrap();
    let error = block_on(async { Server::bind(&file).err().unwrap() });
    assert!(matches!(error, SocketError::NotASocket(_)), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn directory_is_made_for_the_group_only() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("run/trimtab/trimtab.sock");
    let agent = Agent::start_at(directory, &socket, Groups::default());
    let mode = fs::metadata(socket.parent().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o750);
    drop(agent);
}

#[test]
fn a_replaced_socket_is_not_removed() {
    let mut agent = Agent::start(Groups::default());
    fs::remove_file(&agent.socket).unwrap();
    fs::write(&agent.socket, "somebody else's").unwrap();
    agent.stop();
    assert_eq!(
        fs::read_to_string(&agent.socket).unwrap(),
        "somebody else's"
    );
}

#[test]
fn nobody_there_is_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("none.sock");
    let error = block_on(Client::connect(&socket)).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = block_on(Client::connect(&socket)).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning(_)), "{error}");
}

/// A user and a group that are nobody's.
const STRANGER: u32 = 65_534;
const READERS: u32 = 3_900_000_001;
const ADMINS: u32 = 3_900_000_002;

/// The command line, as another user, against a fake agent.
struct Stranger {
    agent: Agent,
    binary: std::path::PathBuf,
}

impl Stranger {
    /// `None` where this process may not become another user.
    fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            println!("SKIP: only root may run a command as another user");
            return None;
        }
        let agent = Agent::start(Groups {
            readers: Some(READERS),
            admins: Some(ADMINS),
        });
        // Where the build lies, another user may not be able to go.
        let binary = agent.directory.path().join("trimtab");
        // Not by this process: a descriptor open for writing, inherited by another test's child, would keep
        // the file from being executed.
        let copied = Command::new("cp")
            .arg(fake::binary())
            .arg(&binary)
            .status()
            .unwrap();
        assert!(copied.success());
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(agent.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { agent, binary })
    }

    fn open_to(&self, mode: u32) {
        fs::set_permissions(&self.agent.socket, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn run(&self, gid: u32, args: &[&str]) -> Output {
        Command::new(&self.binary)
            .args(args)
            .env("TRIMTAB_SOCKET", &self.agent.socket)
            .current_dir("/")
            .uid(STRANGER)
            .gid(gid)
            .output()
            .unwrap()
    }
}

/// The caller lacks a right, and is told which group has it.
fn assert_refused(output: &Output, args: &[&str], group: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(77), "{args:?}: {said}");
    assert!(
        said.contains(&format!("join the group `{group}`")),
        "{args:?}: {said}"
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_stranger_is_refused_with_the_group_to_join() {
    let Some(stranger) = Stranger::new() else {
        return;
    };
    // As it is, the file keeps strangers out.
    let output = stranger.run(STRANGER, &["status"]);
    assert_refused(&output, &["status"], "trimtab");
    // And if somebody opens it up, the agent does.
    stranger.open_to(0o666);
    for (args, group) in [
        (["status"].as_slice(), "trimtab"),
        (&["pause"], "trimtab-admin"),
        (&["pin", "web"], "trimtab-admin"),
        (&["record", "start"], "trimtab-admin"),
    ] {
        let output = stranger.run(STRANGER, args);
        assert_refused(&output, args, group);
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(stranger.agent.backend.take_changes(), Vec::<String>::new());
}

#[test]
fn a_reader_reads_and_changes_nothing() {
    let Some(stranger) = Stranger::new() else {
        return;
    };
    stranger.open_to(0o666);
    for args in [
        ["status"].as_slice(),
        &["workloads"],
        &["show", "web"],
        &["explain", "web"],
        &["why", "web"],
        &["compare"],
        &["processes", "web", "--window", "1ms"],
        &["doctor"],
    ] {
        let output = stranger.run(READERS, args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
    for args in [
        ["pause"].as_slice(),
        &["resume"],
        &["mode", "web", "enforce"],
        &["pin", "web"],
        &["unpin", "web"],
        &["record", "start"],
        &["record", "stop"],
    ] {
        let output = stranger.run(READERS, args);
        assert_refused(&output, args, "trimtab-admin");
    }
    assert_eq!(stranger.agent.backend.take_changes(), Vec::<String>::new());
}

#[test]
fn an_admin_changes() {
    let Some(stranger) = Stranger::new() else {
        return;
    };
    stranger.open_to(0o666);
    let output = stranger.run(ADMINS, &["mode", "web", "enforce"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stranger.agent.backend.take_changes(),
        ["mode /demo/web Enforce"]
    );
}

#[test]
fn socket_belongs_to_the_readers_where_there_is_such_a_group() {
    let agent = Agent::start(Groups::default());
    let owner = fs::metadata(&agent.socket).unwrap().gid();
    let database = fs::read_to_string("/etc/group").unwrap();
    let readers = database.lines().find_map(|line| {
        line.strip_prefix("trimtab:")?
            .split(':')
            .nth(1)?
            .parse()
            .ok()
    });
    assert_eq!(
        owner,
        readers.unwrap_or_else(|| rustix::process::getegid().as_raw())
    );
    assert!(Path::new(&agent.socket).exists());
}
