//! Who workloads are: a real containerd with runc, a real systemd, and sources that are not what they should be.

use std::{
    fs,
    io::Write as _,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trimtab_tests::{Agent, Containerd, Group, Pod, Podman, Systemd, eventually};

use crate::{
    ready::Ready,
    trust::{SOON, group, promised, show},
};

/// A UID, as the API server gives them.
const UID: &str = "8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77";

/// Policies: one that asks for more than a path, and one for the rest.
fn policies(root: &Group, asks: &str) -> String {
    let select = format!("select = [\"{}/**\"]", root.path());
    format!(
        "[[policy]]\nname = \"known\"\n{select}\n{asks}\n[[policy]]\nname = \"rest\"\n{select}\nmode = \"observe\"\n"
    )
}

/// An agent that asks one source only.
fn agent(identity: &str, policies: &str) -> Result<Agent> {
    Agent::start(&format!(
        "[agent]\ntick = \"200ms\"\n[identity]\n{identity}\n{policies}"
    ))
}

/// What `show` says of the workload at a path, once this holds of it.
fn becomes(agent: &Agent, path: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let found = eventually(promised(SOON), || {
        last = agent
            .cli(&["show", path])
            .map_or(Value::Null, |shown| shown["workload"].clone());
        holds(&last)
    });
    ensure!(found, "{path}: {last:#}\n{}", agent.log());
    Ok(last)
}

/// The finding of `doctor` about one source.
fn finding(agent: &Agent, name: &str) -> Result<Value> {
    let findings = agent.cli(&["doctor"])?;
    let findings = findings.as_array().context("findings")?;
    let of = |one: &&Value| one["area"] == "identity" && one["name"] == name;
    Ok(findings.iter().find(of).context("no such source")?.clone())
}

#[test]
fn containers_of_containerd_are_selected_by_their_labels() -> Result<()> {
    let Some(root) = group("identity-cri") else {
        return Ok(());
    };
    let Some(mut containerd) = Containerd::start(&root)? else {
        return Ok(());
    };
    let socket = containerd.socket().display().to_string();
    let identity = format!("systemd = false\ndocker = []\ncri = [\"{socket}\"]");
    let asks = "match.labels = { app = \"shop\", tier = \"fro*\" }";
    let agent = agent(&identity, &policies(&root, asks))?;
    let pod = Pod {
        namespace: "shop",
        name: "web-0",
        uid: UID,
        labels: &[("app", "shop")],
        container: "web",
        container_labels: &[("tier", "front")],
        declared: (102, 50_000, 64 << 20),
    };
    let running = containerd.run(&pod)?;
    let shown = becomes(&agent, &running.container, |one| one["policy"] == "known")?;
    assert_eq!(shown["name"], "shop/web-0/web");
    assert_eq!(shown["mode"], "recommend");
    let known = &shown["identity"];
    for (key, wanted) in [
        ("sources", json!([socket])),
        ("container", json!("web")),
        ("image", json!(Containerd::IMAGE)),
        ("namespace", json!("shop")),
        ("pod", json!("web-0")),
        ("pod_uid", json!(UID)),
        ("qos", json!("burstable")),
        ("labels", json!({ "app": "shop", "tier": "front" })),
        ("cpu_request", json!({ "micro_cpus": 100_000 })),
        ("cpu_limit", json!({ "micro_cpus": 500_000 })),
        ("memory_limit", json!({ "bytes": 64 << 20 })),
        ("memory_request", Value::Null),
        ("sandbox", json!(false)),
        ("unit", Value::Null),
    ] {
        assert_eq!(known[key], wanted, "{key}: {known:#}");
    }
    // The pod has one of the labels only, and its sandbox does no work.
    let shown = becomes(&agent, &running.pod, |one| one["name"] == "shop/web-0")?;
    assert_eq!(
        (&shown["policy"], &shown["identity"]["pod"]),
        (&json!("rest"), &json!("web-0"))
    );
    let shown = becomes(&agent, &running.sandbox, |one| {
        one["identity"]["sandbox"] == true
    })?;
    assert_eq!(shown["policy"], "rest");
    let source = finding(&agent, &socket)?;
    assert_eq!(source["state"], "on");
    let name = source["why"].as_str().unwrap_or_default();
    assert!(name.starts_with("containerd "), "{source}");
    // A new configuration selects by what is known by now.
    agent.configure(&format!(
        "[identity]\n{identity}\n{}",
        policies(&root, "match = { namespace = \"shop\", pod = \"web-*\" }")
    ))?;
    agent.signal(rustix::process::Signal::HUP)?;
    becomes(&agent, &running.pod, |one| one["policy"] == "known")?;
    let shown = becomes(&agent, &running.sandbox, |one| one["policy"] == "rest")?;
    assert_eq!(shown["identity"]["sandbox"], true);
    // What is gone is no workload any more.
    containerd.remove_container(&running)?;
    let gone = eventually(promised(SOON), || {
        agent.cli(&["show", &running.container]).is_err()
    });
    assert!(gone, "{}", agent.log());
    Ok(())
}

#[test]
fn containers_of_podman_are_selected_by_their_image() -> Result<()> {
    let Some(root) = group("identity-podman") else {
        return Ok(());
    };
    let Some(podman) = Podman::start(&root)? else {
        return Ok(());
    };
    let socket = podman.socket().display().to_string();
    let identity = format!("systemd = false\ncri = []\ndocker = [\"{socket}\"]");
    let asks = "match = { image = \"*/trimtab-test:*\", container = \"web\" }";
    let agent = agent(&identity, &policies(&root, asks))?;
    let declared = ["--memory", "64m", "--cpus", "0.5", "--label", "app=shop"];
    let web = podman.run("web", &declared)?;
    let other = podman.run("other", &[])?;
    let shown = becomes(&agent, &web, |one| one["policy"] == "known")?;
    assert_eq!(shown["name"], "web");
    let known = &shown["identity"];
    for (key, wanted) in [
        ("sources", json!([socket])),
        ("container", json!("web")),
        ("image", json!(Podman::IMAGE)),
        ("cpu_limit", json!({ "micro_cpus": 500_000 })),
        ("memory_limit", json!({ "bytes": 64 << 20 })),
        ("pod", Value::Null),
        ("qos", Value::Null),
    ] {
        assert_eq!(known[key], wanted, "{key}: {known:#}");
    }
    assert_eq!(known["labels"]["app"], "shop");
    let shown = becomes(&agent, &other, |one| one["name"] == "other")?;
    assert_eq!(shown["policy"], "rest");
    let source = finding(&agent, &socket)?;
    assert_eq!(source["state"], "on");
    let name = source["why"].as_str().unwrap_or_default();
    assert!(name.starts_with("podman "), "{source}");
    Ok(())
}

#[test]
fn a_policy_by_label_never_has_what_is_not_known() -> Result<()> {
    let Some(root) = group("identity-unknown") else {
        return Ok(());
    };
    // Nobody will ever say who these are: nobody is there to be asked.
    let container = root.child(&"a".repeat(64))?;
    let asks = "match.labels = { app = \"*\" }";
    let identity = "systemd = false\ndocker = [\"/nowhere/docker.sock\"]\ncri = []";
    let agent = agent(identity, &policies(&root, asks))?;
    let shown = becomes(&agent, container.path(), |one| one["policy"] == "rest")?;
    assert_eq!(shown["identity"]["sources"], json!([]));
    assert_eq!(shown["identity"]["container_id"], "a".repeat(64));
    let source = finding(&agent, "/nowhere/docker.sock")?;
    assert_eq!(
        (&source["state"], &source["why"]),
        (&json!("none"), &json!("no socket"))
    );
    let shown = becomes(&agent, container.path(), |one| {
        one["age_ns"].as_u64() > Some(2_000_000_000)
    })?;
    assert_eq!(shown["policy"], "rest");
    Ok(())
}

#[test]
fn units_of_systemd_are_known_as_it_knows_them() -> Result<()> {
    let Some(root) = group("identity-systemd") else {
        return Ok(());
    };
    let unit = "[Unit]\nDescription=A web server\n[Service]\nExecStart=sleep 600\nDelegate=yes\n";
    let Some(systemd) = Systemd::start(&root, &[("web.service", unit)])? else {
        return Ok(());
    };
    // Inside the unit lies what only looks like another.
    let path = format!("{}/app.slice/web.service", root.path());
    let tree = root.unified_dir().unwrap_or_else(|| root.cpu_dir());
    let inside = tree.join("app.slice/web.service/other.service");
    fs::create_dir(&inside)?;
    let identity = format!(
        "bus = \"{}\"\ncri = []\ndocker = []",
        systemd.bus().display()
    );
    let agent = agent(
        &identity,
        &policies(&root, "match.unit = \"{web,other}.service\""),
    )?;
    let told = |one: &Value| one["identity"]["sources"] == json!(["systemd"]);
    let shown = becomes(&agent, &path, told)?;
    assert_eq!(shown["policy"], "known");
    let known = &shown["identity"];
    assert_eq!(known["unit"], "web.service");
    assert_eq!(known["description"], "A web server");
    assert_eq!(known["slice"], "app.slice");
    let invocation = known["invocation_id"]
        .as_str()
        .context("no invocation id")?;
    assert_eq!(invocation.len(), 32, "{invocation}");
    let shown = becomes(&agent, &format!("{path}/other.service"), |one| {
        one["policy"] == "rest"
    })?;
    assert_eq!(shown["identity"]["unit"], Value::Null);
    let source = finding(&agent, "systemd")?;
    assert_eq!(source["state"], "on", "{source}");
    let name = source["why"].as_str().unwrap_or_default();
    assert!(name.starts_with("systemd 2"), "{source}");
    drop(agent);
    fs::remove_dir(inside)?;
    Ok(())
}

/// A socket whose peer says this and then waits, or hangs up at once.
fn peer(directory: &Path, name: &str, says: &'static [u8], waits: Duration) -> Result<PathBuf> {
    let path = directory.join(name);
    let listener = UnixListener::bind(&path)?;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // Whoever listens may hang up.
                let _ = stream.write_all(says);
                thread::sleep(waits);
            });
        }
    });
    Ok(path)
}

#[test]
fn sources_that_hang_or_talk_rubbish_hold_up_nothing() -> Result<()> {
    let Some(root) = group("identity-hangs") else {
        return Ok(());
    };
    let leaf = root.child(&"b".repeat(64))?;
    let mut spinner = Ready::spinner(&leaf)?;
    let directory = tempfile::Builder::new().prefix("trimtab-test-").tempdir()?;
    let peer =
        |name: &str, says, waits| peer(directory.path(), name, says, Duration::from_secs(waits));
    let hangs = peer("hangs", b"", 10)?;
    let half = peer("half", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", 0)?;
    let rubbish = peer(
        "rubbish",
        b"\x00\x01lorem ipsum dolor sit amet, consectetur\r\n\r\n",
        1,
    )?;
    let silent_bus = peer("bus", b"", 10)?;
    let identity =
        format!("bus = {silent_bus:?}\ncri = [{hangs:?}, {rubbish:?}]\ndocker = [{half:?}]");
    let mut agent = agent(
        &identity,
        &policies(&root, "match.labels = { app = \"*\" }"),
    )?;
    let name = |path: &Path| path.display().to_string();
    let start = Instant::now();
    let used = || -> Result<u64> {
        let shown = show(&agent, &leaf)?;
        Ok(shown["workload"]["cpu"]["used"]["micro_cpus"]
            .as_u64()
            .unwrap_or(0))
    };
    spinner.go()?;
    let ticked = eventually(promised(Duration::from_secs(2)), || {
        used().is_ok_and(|used| used > 300_000)
    });
    assert!(ticked, "no tick while the sources hang\n{}", agent.log());
    // A status is answered between two ticks, and so no sooner than a tick ends.
    let mut longest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(5) {
        let asked = Instant::now();
        agent.cli(&["status"])?;
        longest = longest.max(asked.elapsed());
    }
    assert!(longest < promised(Duration::from_secs(1)), "{longest:?}");
    for (source, why) in [
        (name(&hangs), "does not answer"),
        ("systemd".into(), "does not answer"),
        (name(&rubbish), ""),
        (name(&half), ""),
    ] {
        let found = finding(&agent, &source)?;
        assert_eq!(found["state"], "off", "{found}");
        assert!(
            found["why"]
                .as_str()
                .is_some_and(|said| said.contains(why) && !said.is_empty()),
            "{found}"
        );
        assert_ne!(found["remedy"], "", "{found}");
    }
    let shown = becomes(&agent, leaf.path(), |one| one["policy"] == "rest")?;
    assert_eq!(shown["identity"]["sources"], json!([]));
    let stopping = Instant::now();
    agent.stop()?;
    let took = stopping.elapsed();
    assert!(took < promised(Duration::from_secs(2)), "{took:?}");
    Ok(())
}
