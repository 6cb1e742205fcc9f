//! nginx, Redis, `PostgreSQL` and the lab's server in a group, each with its own load tool.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use trimtab_lab::answer::Manner;
use trimtab_tests::{Answer, Group, Process, eventually, lab_bin};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(20);
/// Requests a second that redis-benchmark is taken to make: it counts requests, not time.
const REDIS_RATE: [u64; 2] = [20_000, 60_000];
/// Whom `PostgreSQL` runs as: it refuses root.
const POSTGRES: &str = "postgres";
/// Bytes of the page that nginx serves.
const PAGE: usize = 4096;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Redis,
    Postgres,
    /// One thread that answers at once.
    Lab,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Nginx, Self::Redis, Self::Postgres, Self::Lab];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Redis => "Redis",
            Self::Postgres => "PostgreSQL",
            Self::Lab => "lab",
        }
    }

    /// Connections with which it has more to do than two CPUs can.
    pub(super) const fn saturated(self) -> usize {
        match self {
            Self::Nginx => 64,
            Self::Redis => 50,
            Self::Postgres | Self::Lab => 16,
        }
    }
}

/// A server that listens on loopback until it is dropped.
pub(super) struct Server<'a> {
    pub(super) kind: Kind,
    pub(super) port: u16,
    group: &'a Group,
    directory: TempDir,
    _running: Running,
}

/// Its process, which ends with this.
#[expect(dead_code, reason = "they are held to be dropped")]
enum Running {
    Server(Process),
    Lab(Answer),
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // PostgreSQL's children outlive their parent's being killed for a moment.
        let _ = self.group.kill_all();
    }
}

/// Starts a server with nothing but defaults, as far as it lets itself be moved elsewhere.
pub(super) fn start(kind: Kind, group: &Group) -> Result<Server<'_>> {
    let directory = TempDir::new()?;
    let path = directory.path();
    let (port, running) = match kind {
        Kind::Nginx => spawn(|port| nginx(group, path, port))?,
        Kind::Redis => spawn(|port| redis(group, path, port))?,
        Kind::Postgres => spawn(|port| postgres(group, path, port))?,
        Kind::Lab => {
            let answer = Answer::start(group, Manner::default())?;
            (answer.address.port(), Running::Lab(answer))
        }
    };
    let listens = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    ensure!(eventually(START, listens), "it does not listen");
    let server = Server {
        kind,
        port,
        group,
        directory,
        _running: running,
    };
    if kind == Kind::Postgres {
        // The database may say that it is starting up for a while after it listens.
        let filled = || succeeded(&mut pgbench(port, &["-i", "-q"])).is_ok();
        ensure!(eventually(START, filled), "pgbench cannot fill its tables");
    }
    Ok(server)
}

/// Starts a server at a port that is free.
fn spawn(command: impl FnOnce(u16) -> Result<Command>) -> Result<(u16, Running)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let process = Process::spawn(command(port)?.stderr(Stdio::null()))
        .context("`cargo xtask setup --for bench` installs the servers")?;
    Ok((port, Running::Server(process)))
}

impl Server<'_> {
    /// Asks over so many connections for about so many seconds.
    pub(super) fn load(&self, connections: usize, seconds: u64) -> Result<()> {
        let Self { port, .. } = self;
        let (clients, threads) = (connections.to_string(), connections.min(2).to_string());
        let mut command = match self.kind {
            Kind::Nginx => {
                let mut wrk = Command::new("wrk");
                wrk.args(["-c", &clients, "-t", &threads, "-d"])
                    .arg(format!("{seconds}s"))
                    .arg(format!("http://127.0.0.1:{port}/page"));
                wrk
            }
            Kind::Redis => {
                let requests = seconds * REDIS_RATE[usize::from(connections > 1)];
                let mut benchmark = Command::new("redis-benchmark");
                benchmark
                    .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q"])
                    .args(["-t", "get", "-c", &clients, "-n", &requests.to_string()]);
                benchmark
            }
            Kind::Postgres => pgbench(
                *port,
                &[
                    "-S",
                    "-n",
                    "-c",
                    &clients,
                    "-j",
                    &threads,
                    "-T",
                    &seconds.to_string(),
                ],
            ),
            Kind::Lab => {
                let mut ask = Command::new(lab_bin()?);
                ask.args(["ask", "--target", &format!("127.0.0.1:{port}")])
                    .args(["--connections", &clients, "--for", &format!("{seconds}s")]);
                ask
            }
        };
        succeeded(command.current_dir(self.directory.path())).map(|_| ())
    }
}

fn nginx(group: &Group, directory: &Path, port: u16) -> Result<Command> {
    fs::write(directory.join("page"), [b'x'; PAGE])?;
    // Its worker gives up root.
    readable(directory)?;
    let path = directory.display();
    let configuration = format!(
        "daemon off; worker_processes 1; pid {path}/pid; error_log {path}/error.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n\
         access_log off; sendfile on; root {path}; keepalive_requests 1000000000;\n\
         client_body_temp_path {path}; proxy_temp_path {path}; fastcgi_temp_path {path};\n\
         uwsgi_temp_path {path}; scgi_temp_path {path};\n\
         server {{ listen 127.0.0.1:{port}; }}\n\
         }}\n"
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration)?;
    let mut command = group.command("nginx")?;
    command.arg("-c").arg(file);
    Ok(command)
}

fn redis(group: &Group, directory: &Path, port: u16) -> Result<Command> {
    let mut command = group.command("redis-server")?;
    command
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(directory);
    Ok(command)
}

fn postgres(group: &Group, directory: &Path, port: u16) -> Result<Command> {
    let data = directory.join("data");
    fs::create_dir(&data)?;
    readable(directory)?;
    let user = fs::read_to_string("/etc/passwd")?;
    let user = user
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .context("no user postgres")?;
    let mut fields = user.split(':').skip(2).map(str::parse::<u32>);
    let (uid, gid) = (fields.next(), fields.next());
    chown(&data, uid.transpose()?, gid.transpose()?)?;
    let programs = newest_postgres()?;
    let mut initdb = Command::new("runuser");
    initdb
        .args(["-u", POSTGRES, "--"])
        .arg(programs.join("initdb"))
        .args(["-A", "trust", "-D"])
        .arg(&data);
    succeeded(initdb.current_dir(directory))?;
    let mut command = group.command("runuser")?;
    command
        .args(["-u", POSTGRES, "--"])
        .arg(programs.join("postgres"))
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k", ""])
        .current_dir(directory);
    Ok(command)
}

/// Debian keeps several versions beside each other.
fn newest_postgres() -> Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .context("no PostgreSQL; `cargo xtask setup --for bench` installs it")?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    Ok(versions.pop().context("no version of PostgreSQL")?.1)
}

fn pgbench(port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new("pgbench");
    command
        .args(arguments)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-U", POSTGRES, "postgres"]);
    command
}

/// Lets other users look into a directory.
fn readable(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    Ok(fs::set_permissions(
        directory,
        fs::Permissions::from_mode(0o755),
    )?)
}

fn succeeded(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().with_context(|| {
        format!("cannot start {command:?}; `cargo xtask setup --for bench` installs it")
    })?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}
