//! What is read of GPUs, from a library that answers by a script: values, absences, faults.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trimtab::sense::{
    gpu::{Device, DeviceState, Driver, Heard, PATIENCE, Pace, Process, Reading, Role, Watch},
    hierarchy::Hierarchies,
};
use trimtab_tests::{Nvml, Process as Child, eventually};

use crate::trust::SOON;

/// A MiB.
const MIB: u64 = 1 << 20;

fn watch(library: &Path) -> Result<Watch> {
    let pace = Pace {
        every: Duration::from_millis(20),
        reopen: Duration::from_millis(200),
    };
    Ok(Watch::spawn(library, Hierarchies::detect()?, pace)?)
}

/// Waits for a reading of which `right` is true.
fn reading(watch: &Watch, right: impl Fn(&Reading) -> bool) -> Result<Heard> {
    let mut heard = watch.first(SOON);
    let found = eventually(SOON, || {
        heard = watch.heard();
        right(&heard.reading)
    });
    ensure!(found, "last heard: {heard:#?}");
    Ok(heard)
}

/// The only device that a script has.
fn only(script: &Value) -> Result<Device> {
    let nvml = Nvml::new(script)?;
    let watch = watch(&nvml.library())?;
    let heard = reading(&watch, |reading| reading.devices.len() == 1)?;
    Ok(heard.reading.devices[0].clone())
}

/// A device of which nothing but its UUID is supported.
fn bare(number: usize) -> Value {
    json!({ "uuid": format!("GPU-{number}") })
}

#[test]
fn gpu_values_are_the_drivers() -> Result<()> {
    let us = std::process::id();
    let device = only(&json!({ "devices": [{
        "uuid": "GPU-a", "name": "NVIDIA Test", "used_percent": 35, "memory": [3 * MIB, 8 * MIB],
        "power_mw": 310_000, "power_limit_mw": 700_000, "sm_mhz": 1980, "memory_mhz": 2619,
        "celsius": 54, "throttle_bits": 0x45, "ecc_uncorrected": 2, "mig": [],
        "compute": [{ "pid": us, "memory": MIB, "used_percent": 30 }, { "pid": 4_000_000_000u32, "memory": 5 }],
        "graphics": [{ "pid": us, "memory": MIB }],
    }]}))?;
    let group = Hierarchies::detect()?.group_of(us);
    ensure!(group.is_some(), "our own group is not known");
    let process = |pid, group, memory, used_percent| Process {
        pid,
        role: Role::Own,
        group,
        memory: Some(memory),
        used_percent: Some(used_percent),
    };
    let wanted = Device {
        index: 0,
        state: DeviceState::Here,
        name: "NVIDIA Test".into(),
        uuid: "GPU-a".into(),
        used_percent: Some(35),
        memory: Some((3 * MIB, 8 * MIB)),
        power_mw: Some(310_000),
        power_limit_mw: Some(700_000),
        sm_mhz: Some(1980),
        memory_mhz: Some(2619),
        celsius: Some(54),
        throttled_by: vec!["sw-power-cap", "hw-thermal"],
        ecc_uncorrected: Some(2),
        xid: None,
        mig: Some(false),
        instances: Vec::new(),
        // The newest sample counts, and one who has none has not used it.
        processes: Some(vec![
            process(us, group, MIB, 30),
            process(4_000_000_000, None, 5, 0),
        ]),
    };
    assert_eq!(device, wanted);
    Ok(())
}

#[test]
fn gpu_fields_that_are_not_supported_are_absent() -> Result<()> {
    let device = only(&json!({ "devices": [bare(0)] }))?;
    let wanted = Device {
        uuid: "GPU-0".into(),
        processes: Some(Vec::new()),
        ..Device::default()
    };
    assert_eq!(device, wanted);
    // An older library has no such functions at all, another forbids some: both leave the rest.
    let device = only(&json!({ "devices": [{
        "uuid": "GPU-0", "used_percent": 7, "celsius": 40,
        "compute": [{ "pid": 1, "memory": 5, "used_percent": 7 }],
        "fail": {
            "nvmlDeviceGetUtilizationRates": 4,
            "nvmlDeviceGetProcessUtilization": 4,
            "nvmlDeviceGetGraphicsRunningProcesses_v3": 13,
            "nvmlDeviceGetMPSComputeRunningProcesses_v3": 13,
        },
    }]}))?;
    assert_eq!((device.used_percent, device.celsius), (None, Some(40)));
    let processes = device.processes.context("the other list is there")?;
    assert_eq!((processes.len(), processes[0].used_percent), (1, None));
    let device = only(&json!({ "devices": [bare(0)], "fail": {
        "nvmlDeviceGetComputeRunningProcesses_v3": 4,
        "nvmlDeviceGetGraphicsRunningProcesses_v3": 4,
        "nvmlDeviceGetMPSComputeRunningProcesses_v3": 4,
    }}))?;
    assert_eq!(device.processes, None);
    Ok(())
}

#[test]
fn a_gpu_that_may_not_be_opened_or_fails_is_said_to() -> Result<()> {
    for (error, state) in [
        (4, DeviceState::Denied),
        (15, DeviceState::Lost),
        (16, DeviceState::Lost),
        (
            12,
            DeviceState::Unreadable("a shared library couldn't be found or loaded".into()),
        ),
    ] {
        let fault = json!({ "fail": { "nvmlDeviceGetHandleByIndex_v2": error }});
        let nvml = Nvml::new(&json!({ "devices": [fault, bare(1)] }))?;
        let heard = reading(&watch(&nvml.library())?, |reading| {
            reading.devices.len() == 2
        })?;
        let states = heard.reading.devices.iter().map(|device| &device.state);
        assert_eq!(states.collect::<Vec<_>>(), [&state, &DeviceState::Here]);
    }
    Ok(())
}

#[test]
fn a_gpu_lost_in_mid_read_is_lost_and_may_come_back() -> Result<()> {
    let device = |lost_at: Option<&str>| {
        let device = json!({ "uuid": "GPU-0", "name": "a", "used_percent": 3, "power_mw": 5, "lost_at": lost_at });
        json!({ "devices": [device, bare(1)] })
    };
    let nvml = Nvml::new(&device(None))?;
    let watch = watch(&nvml.library())?;
    let stands = |state: DeviceState| {
        move |reading: &Reading| {
            reading
                .devices
                .first()
                .is_some_and(|one| one.state == state)
        }
    };
    let whole = reading(&watch, stands(DeviceState::Here))?.reading;
    for function in ["nvmlDeviceGetPowerUsage", "nvmlDeviceGetHandleByIndex_v2"] {
        nvml.follow(&device(Some(function)))?;
        let lost = reading(&watch, stands(DeviceState::Lost))?.reading;
        let wanted = Device {
            state: DeviceState::Lost,
            name: "a".into(),
            uuid: "GPU-0".into(),
            ..Device::default()
        };
        assert_eq!(
            lost.devices[0], wanted,
            "its name is remembered, nothing else"
        );
        assert_eq!(lost.devices[1], whole.devices[1]);
        // Longer than until the driver is opened afresh.
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(watch.heard().reading.devices[0], wanted);
        nvml.follow(&device(None))?;
        let back = reading(&watch, stands(DeviceState::Here))?.reading;
        assert_eq!(back.devices, whole.devices);
    }
    Ok(())
}

#[test]
fn gpus_come_and_go_and_are_bounded() -> Result<()> {
    let script = |count| json!({ "devices": (0..count).map(bare).collect::<Vec<_>>() });
    let nvml = Nvml::new(&script(16))?;
    let watch = watch(&nvml.library())?;
    for (there, left_out) in [(16, 0), (17, 0), (2, 0), (0, 0), (70, 6), (1, 0)] {
        nvml.follow(&script(there))?;
        let read = there - left_out;
        let heard = reading(&watch, |reading| {
            reading.driver == Driver::Here && reading.devices.len() == read
        })?;
        assert_eq!(heard.reading.devices_left_out as usize, left_out);
        let uuids = heard.reading.devices.iter().map(|device| &*device.uuid);
        let wanted: Vec<_> = (0..read).map(|number| format!("GPU-{number}")).collect();
        assert_eq!(uuids.collect::<Vec<_>>(), wanted);
    }
    Ok(())
}

#[test]
fn gpu_processes_are_bounded() -> Result<()> {
    // Beyond the kernel's highest pid, so that none of them runs.
    let many = |from: u32, to: u32| {
        let process = |pid| json!({ "pid": 4_000_000_000 + pid, "memory": 1 });
        (from..to).map(process).collect::<Vec<_>>()
    };
    let nvml = Nvml::new(&json!({ "devices": [
        { "uuid": "GPU-0", "compute": many(0, 4000) },
        { "uuid": "GPU-1", "compute": many(4000, 5000) },
    ]}))?;
    let heard = reading(&watch(&nvml.library())?, |reading| {
        reading.devices.len() == 2
    })?;
    let counts = heard.reading.devices.iter();
    let counts = counts.map(|device| device.processes.as_ref().map(Vec::len));
    assert_eq!(counts.collect::<Vec<_>>(), [Some(4000), Some(96)]);
    assert_eq!(heard.reading.processes_left_out, 904);
    Ok(())
}

#[test]
fn a_divided_gpu_has_instances() -> Result<()> {
    let device = only(&json!({ "devices": [{
        "uuid": "GPU-0", "memory": [3 * MIB, 9 * MIB],
        "mig": [{ "uuid": "MIG-0", "memory": [MIB, 4 * MIB] }, null, { "uuid": "MIG-2", "memory": [2 * MIB, 5 * MIB] }],
        // A list names a process once per instance.
        "compute": [{ "pid": 1, "memory": 5, "used_percent": 9 }, { "pid": 1, "memory": 6 }],
    }]}))?;
    assert_eq!(device.mig, Some(true));
    let instances = device.instances.iter();
    let instances = instances.map(|one| (one.index, &*one.uuid, one.memory));
    assert_eq!(
        instances.collect::<Vec<_>>(),
        [
            (0, "MIG-0", Some((MIB, 4 * MIB))),
            (2, "MIG-2", Some((2 * MIB, 5 * MIB)))
        ]
    );
    let processes = device.processes.context("processes")?;
    assert_eq!(processes.len(), 1);
    assert_eq!(
        (processes[0].memory, processes[0].used_percent),
        (Some(11), None)
    );
    Ok(())
}

#[test]
fn an_mps_server_stands_for_its_clients() -> Result<()> {
    // Who is called so is taken for it; the kernel keeps fifteen bytes of a name.
    let script = "printf nvidia-cuda-mps-server > /proc/$$/comm; while :; do sleep 1; done";
    let server = Child::spawn(Command::new("sh").args(["-c", script]))?;
    let called = format!("/proc/{}/comm", server.id());
    let is_called =
        || fs::read_to_string(&called).is_ok_and(|name| name.starts_with("nvidia-cuda-mps"));
    ensure!(eventually(SOON, is_called), "the server does not run");
    let device = only(&json!({ "devices": [{
        "uuid": "GPU-0",
        "compute": [{ "pid": server.id(), "memory": MIB, "used_percent": 80 }],
        "mps_clients": [{ "pid": 1, "memory": 5 * MIB }],
    }]}))?;
    let processes = device.processes.context("processes")?.into_iter();
    let mut roles: Vec<_> = processes
        .map(|one| (one.role, one.memory, one.used_percent))
        .collect();
    roles.sort_by_key(|(_, memory, _)| *memory);
    assert_eq!(
        roles,
        [
            (Role::MpsServer, Some(MIB), Some(80)),
            (Role::MpsClient, Some(5 * MIB), None)
        ]
    );
    Ok(())
}

#[test]
fn critical_gpu_errors_are_remembered() -> Result<()> {
    let script = |xids: &[u64]| json!({ "devices": [bare(0), { "uuid": "GPU-1", "xids": xids }] });
    let nvml = Nvml::new(&script(&[]))?;
    let watch = watch(&nvml.library())?;
    reading(&watch, |reading| reading.devices.len() == 2)?;
    nvml.follow(&script(&[31, 79]))?;
    let heard = reading(&watch, |reading| {
        reading.devices.iter().any(|one| one.xid.is_some())
    })?;
    let xids = heard.reading.devices.iter().map(|device| device.xid);
    assert_eq!(xids.collect::<Vec<_>>(), [None, Some(79)], "the last one");
    Ok(())
}

#[test]
fn a_gpu_driver_that_refuses_or_is_gone_is_asked_again() -> Result<()> {
    let script = |error: Option<i32>| match error {
        Some(error) => json!({ "fail": { "nvmlInit_v2": error, "nvmlDeviceGetCount_v2": error }}),
        None => json!({ "devices": [bare(0)] }),
    };
    let nvml = Nvml::new(&script(Some(18)))?;
    let watch = watch(&nvml.library())?;
    let heard = reading(&watch, |reading| reading.driver != Driver::Unknown)?;
    let mismatch = "RM detects a driver/library version mismatch".to_owned();
    assert_eq!(heard.reading.driver, Driver::Refuses(mismatch));
    nvml.follow(&script(None))?;
    reading(&watch, |reading| reading.driver == Driver::Here)?;
    nvml.follow(&script(Some(9)))?;
    let heard = reading(&watch, |reading| reading.driver != Driver::Here)?;
    assert!(matches!(heard.reading.driver, Driver::None(_)), "{heard:?}");
    assert!(heard.reading.devices.is_empty());
    nvml.follow(&script(None))?;
    reading(&watch, |reading| reading.devices.len() == 1)?;
    Ok(())
}

#[test]
fn a_gpu_driver_that_hangs_is_silent_and_nobody_waits_for_it() -> Result<()> {
    let script = |hang_ms: u64| json!({ "devices": [bare(0)], "hang_ms": { "nvmlDeviceGetTemperature": hang_ms }});
    let nvml = Nvml::new(&script(0))?;
    let watch = watch(&nvml.library())?;
    reading(&watch, |reading| reading.devices.len() == 1)?;
    nvml.follow(&script(6000))?;
    let (mut longest, mut silent) = (Duration::ZERO, Duration::ZERO);
    let end = Instant::now() + Duration::from_secs(12);
    let over = loop {
        let start = Instant::now();
        let heard = watch.heard();
        longest = longest.max(start.elapsed());
        assert_eq!(heard.reading.devices.len(), 1, "the last answer stays");
        match heard.silent {
            Some(time) => silent = silent.max(time),
            None if silent > Duration::ZERO => break true,
            None => {}
        }
        nvml.follow(&script(if silent > Duration::ZERO { 0 } else { 6000 }))?;
        if Instant::now() > end {
            break false;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(over, "the driver came back, and is silent still");
    assert!(silent >= PATIENCE, "{silent:?}");
    assert!(
        longest < Duration::from_millis(500),
        "looking took {longest:?}"
    );
    Ok(())
}
