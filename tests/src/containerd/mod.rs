//! A containerd of one's own, with runc beneath: the real programs, on a socket, in directories and in groups of a test's.

mod cri;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::{
    group::Group,
    image::{self, BUSYBOX},
    process::Process,
    skip::skip,
    tree::{kill_below, remove},
    wait::eventually,
};
use cri::call;

/// How long it may take to start, and how long to run a container.
const PATIENCE: Duration = Duration::from_secs(20);
/// What it cannot do without.
const PROGRAMS: [&str; 4] = ["containerd", "containerd-shim-runc-v2", "runc", "ctr"];

/// A pod with one container.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its UID, by which its group is named.
    pub uid: &'a str,
    /// Its labels.
    pub labels: &'a [(&'a str, &'a str)],
    /// The name of its container.
    pub container: &'a str,
    /// The container's labels.
    pub container_labels: &'a [(&'a str, &'a str)],
    /// What the container is declared to need: shares, quota in us of 100 ms, bytes.
    pub declared: (i64, i64, i64),
}

/// Where a pod runs: paths of groups below the hierarchies' roots.
#[derive(Clone, Debug)]
pub struct Running {
    /// The pod's.
    pub pod: String,
    /// That of its sandbox.
    pub sandbox: String,
    /// That of its container.
    pub container: String,
    id: String,
}

/// A running containerd; dropping it ends its containers and what else it has made.
#[derive(Debug)]
pub struct Containerd {
    directory: TempDir,
    daemon: Option<Process>,
    runtime: tokio::runtime::Runtime,
    channel: Channel,
    /// Below which all its groups lie.
    root: String,
    pods: Vec<String>,
}

impl Containerd {
    /// The image that containers run, by name.
    pub const IMAGE: &str = "localhost/trimtab-test:1";

    /// Starts one whose groups lie below this one; `None`, with a loud line, where its programs are missing.
    ///
    /// # Errors
    /// When it does not start; its log is in the error.
    pub fn start(group: &Group) -> Result<Option<Self>> {
        let there = |program: &&&str| find(program).is_some();
        let missing = PROGRAMS.iter().find(|program| !there(program));
        if let Some(missing) = missing
            .copied()
            .or((!Path::new(BUSYBOX).exists()).then_some(BUSYBOX))
        {
            skip(&format!(
                "no {missing} here: `cargo xtask setup --for test` installs containerd, runc and busybox-static"
            ));
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
        let at = |name: &str| directory.path().join(name);
        fs::write(at("config.toml"), config(directory.path()))?;
        let log = File::create(at("log"))?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(at("config.toml"));
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let daemon = Process::from_child(command.spawn()?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let socket = at("socket");
        let mut channel = None;
        let ready = eventually(PATIENCE, || {
            channel = runtime.block_on(cri::connect(&socket)).ok();
            channel.is_some()
        });
        let log = || fs::read_to_string(at("log")).unwrap_or_default();
        ensure!(ready, "containerd does not answer\n{}", log());
        let containerd = Self {
            channel: channel.context("no channel")?,
            directory,
            daemon: Some(daemon),
            runtime,
            root: group.path().to_owned(),
            pods: Vec::new(),
        };
        let archive = image::archive(containerd.directory.path(), Self::IMAGE)?;
        let mut import = Command::new("ctr");
        import.arg("--address").arg(&socket);
        import.args([
            "--namespace",
            "k8s.io",
            "images",
            "import",
            "--snapshotter",
            "native",
        ]);
        image::said(import.arg(archive))?;
        Ok(Some(containerd))
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Runs a burstable pod, laid out as the kubelet's cgroupfs driver does.
    ///
    /// # Errors
    /// What containerd says.
    pub fn run(&mut self, pod: &Pod<'_>) -> Result<Running> {
        let group = format!("{}/kubepods/burstable/pod{}", self.root, pod.uid);
        let config = cri::sandbox(pod, &group);
        let request = cri::RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let channel = self.channel.clone();
        let answer: cri::Id =
            self.runtime
                .block_on(call(channel.clone(), "RunPodSandbox", request))?;
        let sandbox = answer.id;
        self.pods.push(sandbox.clone());
        let request = cri::container(pod, &sandbox, Self::IMAGE, config);
        let answer: cri::Id =
            self.runtime
                .block_on(call(channel.clone(), "CreateContainer", request))?;
        let id = answer.id;
        let request = cri::Id { id: id.clone() };
        let cri::Nothing {} = self
            .runtime
            .block_on(call(channel, "StartContainer", request))?;
        Ok(Running {
            sandbox: format!("{group}/{sandbox}"),
            container: format!("{group}/{id}"),
            pod: group,
            id,
        })
    }

    /// Removes the container of a pod, whose sandbox stays.
    ///
    /// # Errors
    /// What containerd says.
    pub fn remove_container(&self, running: &Running) -> Result<()> {
        let request = cri::Id {
            id: running.id.clone(),
        };
        let answer = call(self.channel.clone(), "RemoveContainer", request);
        let cri::Nothing {} = self.runtime.block_on(answer)?;
        Ok(())
    }

    /// Ends every pod.
    fn remove_pods(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.pods) {
            for method in ["StopPodSandbox", "RemovePodSandbox"] {
                let request = cri::Id { id: id.clone() };
                let answer = call(self.channel.clone(), method, request);
                let cri::Nothing {} = self.runtime.block_on(answer)?;
            }
        }
        Ok(())
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if let Err(error) = self.remove_pods() {
            eprintln!("a pod cannot be removed: {error:#}");
        }
        drop(self.daemon.take());
        // What a failure has left mounted would keep the directory from being removed.
        let directory = self.directory.path().display().to_string();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| point.starts_with(&directory)) {
            let _ = Command::new("umount").args(["--lazy", point]).status();
        }
        remove_everywhere(&self.root);
    }
}

/// Removes what is below a group from every hierarchy of this host: runtimes use them all.
pub(crate) fn remove_everywhere(path: &str) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let roots = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let point = words.next()?;
        words.next()?.starts_with("cgroup").then_some(point)
    });
    for root in roots {
        let group = Path::new(root).join(path.trim_start_matches('/'));
        let inside = fs::read_dir(&group).into_iter().flatten().flatten();
        for child in inside
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
        {
            let removed =
                kill_below(std::slice::from_ref(&child)).and_then(|()| Ok(remove(&child)?));
            if let Err(error) = removed {
                eprintln!("cannot remove {}: {error:#}", child.display());
            }
        }
        // The group's owner does not know all hierarchies; where another group is beside it, the parent stays.
        for directory in group.ancestors().take(2) {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn config(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "version = 2\n\
         root = \"{directory}/root\"\n\
         state = \"{directory}/state\"\n\
         [grpc]\n\
         address = \"{directory}/socket\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n\
         sandbox_image = \"{}\"\n\
         disable_apparmor = true\n\
         restrict_oom_score_adj = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n\
         snapshotter = \"native\"\n",
        Containerd::IMAGE
    )
}

/// A program on the path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
}
