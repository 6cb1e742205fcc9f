//! The layouts of systemd, of container runtimes and of the kubelet.

use super::{
    container::{Qos, Runtime},
    path::{Kind, PodId, identify},
};

const ID: &str = "3f2a9c5d7e8b1a0c4d6e8f0a2b4c6d8e0f1a3b5c7d9e1f2a4b6c8d0e2f4a6b8c";
const UID: &str = "8f14e45f-ceea-467e-a5f2-9d8c1f0b3e77";

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn names_and_kinds() {
    let under = UID.replace('-', "_");
    let short = &ID[..12];
    for (path, kind, name) in [
        ("", Kind::Root, "/".to_owned()),
        ("/", Kind::Root, "/".into()),
        ("system.slice", Kind::Slice, "system.slice".into()),
        (
            "system.slice/nginx.service",
            Kind::Service,
            "nginx.service".into(),
        ),
        (
            "/system.slice/_cpu.service",
            Kind::Service,
            "cpu.service".into(),
        ),
        (
            r"system.slice/my\x2dapp.service/worker",
            Kind::Inside,
            "my-app.service/worker".into(),
        ),
        (
            "system.slice/system-getty.slice/getty@tty1.service",
            Kind::Service,
            "getty@tty1.service".into(),
        ),
        ("init.scope", Kind::Scope, "init.scope".into()),
        (
            "user.slice/user-1000.slice/session-3.scope",
            Kind::Scope,
            "session-3.scope".into(),
        ),
        (
            "system.slice/dbus.socket",
            Kind::OtherUnit,
            "dbus.socket".into(),
        ),
        (
            "trimtab-test/burst",
            Kind::Plain,
            "trimtab-test/burst".into(),
        ),
        ("system.slice/odd", Kind::Plain, "system.slice/odd".into()),
        (
            &format!("system.slice/docker-{ID}.scope"),
            Kind::Container,
            format!("docker:{short}"),
        ),
        (
            &format!("docker/{ID}"),
            Kind::Container,
            format!("docker:{short}"),
        ),
        (
            &format!("docker/{ID}/init"),
            Kind::Inside,
            format!("docker:{short}/init"),
        ),
        (
            &format!("machine.slice/libpod-{ID}.scope/container"),
            Kind::Inside,
            format!("podman:{short}/container"),
        ),
        (
            &format!("machine.slice/libpod-conmon-{ID}.scope"),
            Kind::Monitor,
            format!("podman:{short} monitor"),
        ),
        (
            "kubepods.slice/kubepods-burstable.slice",
            Kind::Pods,
            "kubepods-burstable.slice".into(),
        ),
        ("kubepods/besteffort", Kind::Pods, "besteffort".into()),
        (
            &format!("kubepods/burstable/pod{UID}"),
            Kind::Pod,
            format!("pod:{UID}"),
        ),
        (
            &format!("kubepods/pod{UID}/{ID}"),
            Kind::Container,
            format!("pod:{UID}/{short}"),
        ),
        (
            &format!(
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{ID}.scope"
            ),
            Kind::Container,
            format!("pod:{UID}/{short}"),
        ),
        (
            &format!("kubepods.slice/kubepods-pod{under}.slice/crio-conmon-{ID}.scope"),
            Kind::Monitor,
            format!("cri-o:{short} monitor"),
        ),
        (
            "lxc.payload.web/system.slice/ssh.service",
            Kind::Service,
            "ssh.service".into(),
        ),
    ] {
        let found = identify(path);
        assert_eq!((found.kind, found.name), (kind, name), "{path:?}");
    }
}

#[test]
fn owners_of_nested_things() {
    let under = UID.replace('-', "_");
    let kind = identify(&format!(
        "system.slice/docker-{ID}.scope/kubelet.slice/kubelet-kubepods.slice/\
         kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod{under}.slice/cri-containerd-{ID}.scope"
    ));
    assert_eq!(
        kind.pod,
        Some(PodId {
            uid: UID.into(),
            qos: Qos::BestEffort
        })
    );
    assert_eq!(
        kind.container.map(|container| container.runtime),
        Some(Runtime::Containerd)
    );

    let guaranteed = identify(&format!("kubepods/pod{UID}/{ID}"));
    assert_eq!(guaranteed.pod.map(|pod| pod.qos), Some(Qos::Guaranteed));

    let user =
        identify("user.slice/user-1000.slice/user@1000.service/app.slice/app-editor.service");
    assert_eq!((user.user, user.user_manager), (Some(1000), true));
    assert_eq!(user.unit.as_deref(), Some("app-editor.service"));
    let session = identify("user.slice/user-0.slice/session-c2.scope");
    assert_eq!(
        (session.user, session.session.as_deref()),
        (Some(0), Some("c2"))
    );
    assert!(!session.user_manager);

    let service = identify("system.slice/nginx.service/worker");
    assert_eq!(service.unit.as_deref(), Some("nginx.service"));
    assert_eq!(service.slice.as_deref(), Some("system.slice"));
    assert_eq!(
        identify("pods/podx").pod,
        None,
        "pods live under kubepods only"
    );
}

/// One thing as every runtime, cgroup driver and nesting lays it out.
#[test]
fn every_runtime_and_driver_is_known() {
    use Runtime::{Containerd, Crio, Docker, Podman, Unknown};
    let (id, uid, under) = (ID, UID, UID.replace('-', "_"));
    let docker = "b".repeat(64);
    let pods =
        format!("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice");
    let kind = format!("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{under}.slice");
    let nested = format!("system.slice/docker-{docker}.scope");
    let rootless = "user.slice/user-1000.slice/user@1000.service";
    let (pod, none) = (|qos| Some((uid, qos)), None);
    #[rustfmt::skip]
    let table = [
        // Docker: both drivers, --cgroup-parent with each, and Docker in Docker with each.
        (format!("system.slice/docker-{id}.scope"), Docker, none),
        (format!("docker/{id}"), Docker, none),
        (format!("custom.slice/docker-{id}.scope"), Docker, none),
        (format!("custom/{id}"), Unknown, none),
        (format!("{nested}/docker/{id}"), Docker, none),
        (format!("docker/{docker}/docker/{id}"), Docker, none),
        (format!("docker/{docker}/system.slice/docker-{id}.scope"), Docker, none),
        // Podman: both drivers, without root, in a pod of its own.
        (format!("machine.slice/libpod-{id}.scope"), Podman, none),
        (format!("libpod_parent/libpod-{id}"), Podman, none),
        (format!("{rootless}/user.slice/libpod-{id}.scope"), Podman, none),
        (format!("machine.slice/machine-libpod_pod_{docker}.slice/libpod-{id}.scope"), Podman, none),
        // containerd without a kubelet, as nerdctl lays it out.
        (format!("system.slice/nerdctl-{id}.scope"), Unknown, none),
        (format!("default/{id}"), Unknown, none),
        // The kubelet's systemd driver, in each class.
        (format!("{pods}/cri-containerd-{id}.scope"), Containerd, pod(Qos::Burstable)),
        (format!("{pods}/crio-{id}.scope"), Crio, pod(Qos::Burstable)),
        (format!("{pods}/docker-{id}.scope"), Docker, pod(Qos::Burstable)),
        (format!("kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{under}.slice/crio-{id}.scope"), Crio, pod(Qos::BestEffort)),
        (format!("kubepods.slice/kubepods-pod{under}.slice/cri-containerd-{id}.scope"), Containerd, pod(Qos::Guaranteed)),
        // Its cgroupfs driver.
        (format!("kubepods/burstable/pod{uid}/{id}"), Unknown, pod(Qos::Burstable)),
        (format!("kubepods/besteffort/pod{uid}/crio-{id}"), Crio, pod(Qos::BestEffort)),
        (format!("kubepods/pod{uid}/{id}"), Unknown, pod(Qos::Guaranteed)),
        // The runtime has one driver and the kubelet the other.
        (format!("system.slice/kubepods-burstable-pod{under}.slice:cri-containerd:{id}"), Containerd, none),
        (format!("{pods}/kubepods-burstable-pod{under}.slice:cri-containerd:{id}"), Containerd, pod(Qos::Burstable)),
        // kind: a kubelet in a container of Docker's or Podman's, with each driver.
        (format!("{nested}/{kind}/cri-containerd-{id}.scope"), Containerd, pod(Qos::Guaranteed)),
        (format!("docker/{docker}/kubelet/kubepods/besteffort/pod{uid}/{id}"), Unknown, pod(Qos::BestEffort)),
        (format!("machine.slice/libpod-{docker}.scope/container/{kind}/cri-containerd-{id}.scope"), Containerd, pod(Qos::Guaranteed)),
        // A kubelet with --cgroup-root, with each driver.
        (format!("root.slice/root-kubepods.slice/root-kubepods-burstable.slice/root-kubepods-burstable-pod{under}.slice/crio-{id}.scope"), Crio, pod(Qos::Burstable)),
        (format!("root/kubepods/burstable/pod{uid}/{id}"), Unknown, pod(Qos::Burstable)),
    ];
    for (path, runtime, pod) in table {
        let found = identify(&path);
        assert_eq!(found.kind, Kind::Container, "{path}");
        let container = found.container.expect("a container");
        assert_eq!(
            (container.id.as_str(), container.runtime),
            (id, runtime),
            "{path}"
        );
        let found_pod = found.pod.as_ref().map(|pod| (pod.uid.as_str(), pod.qos));
        assert_eq!(found_pod, pod, "{path}");
        let inside = identify(&format!("{path}/container"));
        assert_eq!(inside.kind, Kind::Inside, "what crun makes in {path}");
    }
}
