//! Each call of NVML with each error in turn, calls that block, and a library that crashes: only
//! the values that the call would have given are missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::time::{Duration, Instant};

use fleet_gpu::{Answer, Gpu, GpuError, Gpus};
use fleet_testkit::{StandIn, TestFleet, until};
use serde_json::{Map, Value};
use support::{Server, TWO, gpu, program, script};

/// Each call that is made to a GPU, with the fields that it gives.
const CALLS: &[(&str, &[&str])] = &[
    ("nvmlDeviceGetName", &["product"]),
    ("nvmlDeviceGetPciInfo_v3", &["pci"]),
    ("nvmlDeviceGetUtilizationRates", &["gpu_percent", "gpu_memory_busy_percent"]),
    (
        "nvmlDeviceGetMemoryInfo_v2",
        &[
            "gpu_memory_bytes",
            "gpu_memory_free_bytes",
            "gpu_memory_total_bytes",
            "gpu_memory_percent",
        ],
    ),
    ("nvmlDeviceGetTemperature", &["temperature_celsius"]),
    ("nvmlDeviceGetPowerUsage", &["gpu_power_watts"]),
    ("nvmlDeviceGetEnforcedPowerLimit", &["gpu_power_limit_watts"]),
    ("nvmlDeviceGetTotalEnergyConsumption", &["gpu_energy_joules_total"]),
    ("nvmlDeviceGetClockInfo", &["gpu_clock_hertz", "gpu_memory_clock_hertz"]),
    ("nvmlDeviceGetMaxClockInfo", &["gpu_clock_max_hertz"]),
    (
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        &[
            "throttle_reasons",
            "gpu_throttled_power",
            "gpu_throttled_thermal",
            "gpu_throttled_hardware",
        ],
    ),
    ("nvmlDeviceGetTotalEccErrors", &["gpu_ecc_corrected_total", "gpu_ecc_uncorrected_total"]),
    ("nvmlDeviceGetFanSpeed_v2", &["gpu_fan_percent"]),
    ("nvmlDeviceGetPcieReplayCounter", &["gpu_pcie_replays_total"]),
    ("nvmlDeviceGetEncoderUtilization", &["gpu_encoder_percent"]),
    ("nvmlDeviceGetDecoderUtilization", &["gpu_decoder_percent"]),
    ("nvmlDeviceGetMigMode", &[]),
    ("nvmlDeviceGetComputeRunningProcesses_v3", &["holders", "gpu_processes"]),
    ("nvmlDeviceRegisterEvents", &["gpu_xid_errors_total"]),
    ("nvmlEventSetCreate", &["gpu_xid_errors_total"]),
];

/// The errors of nvml.h that do not take the GPU away: uninitialized, invalid argument, not
/// supported, no permission, not found, too small, driver not loaded, timeout, interrupt,
/// library and function not found, corrupt, operating system, version mismatch, in use, memory, no
/// data, wrong version, deprecated, not ready, invalid state, unknown and one that nobody knows.
const ERRORS: &[i32] =
    &[1, 2, 3, 4, 6, 7, 9, 10, 11, 12, 13, 14, 17, 18, 19, 20, 21, 25, 26, 27, 29, 999, 12345];

/// The errors that take the GPU away.
const LOST: &[i32] = &[15, 16];

fn fields(gpu: &Gpu) -> Map<String, Value> {
    serde_json::to_value(gpu).unwrap().as_object().unwrap().clone()
}

/// The second answer, which has all that the first one needs.
fn second(server: &mut Server) -> Answer {
    server.ask();
    server.ask()
}

#[test]
fn an_error_of_a_call_costs_its_own_values_alone() {
    let gpus = StandIn::new(TWO);
    let whole = second(&mut Server::start(&gpus));
    let (all, other) = (fields(gpu(&whole, 0)), fields(gpu(&whole, 1)));
    for (call, given) in CALLS {
        for field in *given {
            assert!(all.contains_key(*field), "the test's own table: no {field} in {all:#?}");
        }
        // An event set is of no GPU yet; the other GPU of the test has no events.
        let of = if *call == "nvmlEventSetCreate" { -1 } else { 0 };
        gpus.says(&format!("{TWO}fault {call} {of} 3\n"));
        let mut server = Server::start(&gpus);
        server.ask();
        for error in ERRORS {
            gpus.says(&format!("{TWO}fault {call} {of} {error}\n"));
            let answer = server.ask();
            let mut expected = all.clone();
            given.iter().for_each(|field| drop(expected.remove(*field)));
            assert_eq!(fields(gpu(&answer, 0)), expected, "{call} with {error}");
            assert_eq!(fields(gpu(&answer, 1)), other, "{call} with {error}");
            assert!(!answer.ends);
        }
    }
}

/// These give no field, or fields of the processes.
#[test]
fn an_error_of_a_list_is_told_or_means_that_there_is_nobody() {
    let gpus = StandIn::new(TWO);
    let mut server = Server::start(&gpus);
    for call in
        ["nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetMPSComputeRunningProcesses_v3"]
    {
        for error in ERRORS {
            gpus.says(&format!("{TWO}fault {call} 0 {error}\n"));
            let answer = server.ask();
            // A driver that has no such list is no failure; then compute is all there is.
            let absent = matches!(error, 3 | 4 | 6 | 13);
            assert_eq!(gpu(&answer, 0).holders.is_some(), absent, "{call} with {error}");
            assert_eq!(answer.problems.is_empty(), absent, "{call} with {error}");
            assert!(gpu(&answer, 0).measures.gpu_percent.is_some());
        }
    }
    for error in ERRORS {
        gpus.says(&format!("{TWO}fault nvmlDeviceGetProcessUtilization 0 {error}\n"));
        let answer = server.ask();
        let shares: Vec<_> =
            gpu(&answer, 0).holders.iter().flatten().map(|holder| holder.percent).collect();
        // Not found says that nobody was active; everything else says nothing.
        let expected = if *error == 6 { Some(0.0) } else { None };
        assert_eq!(shares, [expected, expected], "with {error}");
    }
}

#[test]
fn a_lost_gpu_keeps_its_name_and_costs_its_own_values_alone() {
    let gpus = StandIn::new(TWO);
    let whole = second(&mut Server::start(&gpus));
    let other = fields(gpu(&whole, 1));
    let calls = CALLS.iter().map(|(call, _)| *call);
    let first = ["nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"];
    for call in calls.filter(|call| *call != "nvmlEventSetCreate").chain(first) {
        for error in LOST {
            gpus.says(TWO);
            let mut server = Server::start(&gpus);
            let seen_once = ["nvmlDeviceGetName", "nvmlDeviceGetPciInfo_v3"].contains(&call);
            if !seen_once && call != "nvmlDeviceRegisterEvents" {
                second(&mut server);
            }
            gpus.says(&format!("{TWO}fault {call} 0 {error}\n"));
            let answer = server.ask();
            let lost = gpu(&answer, 0);
            assert!(lost.lost.is_some() && !lost.takes_work(), "{call} with {error}: {lost:#?}");
            assert_eq!(lost.uuid, StandIn::uuid(0));
            assert_eq!(lost.measures.values().count(), 1, "{call} with {error}: {lost:#?}");
            assert_eq!(lost.measures.gpu_lost, Some(1));
            let mut other_now = fields(gpu(&answer, 1));
            let mut other = other.clone();
            // Whether this was the first answer makes no difference here.
            for map in [&mut other_now, &mut other] {
                map.remove("gpu_xid_errors_total");
            }
            assert_eq!(other_now, other, "{call} with {error}");
            gpus.says(TWO);
            assert_eq!(gpu(&server.ask(), 0).lost, None, "it came back: {call} with {error}");
        }
    }
}

#[test]
fn a_gpu_that_vanishes_is_told_by_its_name() {
    let gpus = StandIn::new(TWO);
    let mut server = Server::start(&gpus);
    server.ask();
    gpus.says("gpu 1 3 1 81920 512 33 71000 NVIDIA H100 80GB HBM3\n");
    let answer = server.ask();
    let by_uuid = |n| answer.gpus.iter().find(|gpu| gpu.uuid == StandIn::uuid(n)).unwrap();
    assert_eq!(by_uuid(0).lost.as_deref(), Some("it is not there any more"));
    assert_eq!((by_uuid(1).lost.as_deref(), by_uuid(1).index), (None, 0));
}

#[test]
fn a_call_that_blocks_costs_its_gpu_alone() {
    let gpus = StandIn::new(&format!("{TWO}block nvmlDeviceGetPowerUsage 0\n"));
    let mut server = Server::start(&gpus);
    let answer = server.ask_within(1500);
    assert_eq!(answer.gpus.len(), 1, "{answer:#?}");
    assert_eq!(answer.gpus[0].uuid, StandIn::uuid(1));
    assert_eq!(answer.problems, ["GPU 0 of nvidia does not answer"]);
    // It is not asked again, and so nobody waits for it again.
    let began = Instant::now();
    assert_eq!(server.ask_within(600_000).gpus.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_gpu_that_falls_silent_is_told_by_its_name() {
    let gpus = StandIn::new(TWO);
    let mut server = Server::start(&gpus);
    server.ask();
    gpus.says(&format!("{TWO}block nvmlDeviceGetPowerUsage 0\n"));
    let answer = server.ask_within(1500);
    let silent = answer.gpus.iter().find(|gpu| gpu.uuid == StandIn::uuid(0)).unwrap();
    assert!(silent.lost.as_ref().unwrap().starts_with("its driver has not answered for"));
    assert_eq!(answer.gpus.len(), 2);
}

#[test]
fn a_driver_that_is_gone_ends_the_server_with_words() {
    for (fault, words) in [
        ("fault nvmlInit_v2 -1 9", "cannot ask NVIDIA's driver: NVIDIA driver is not loaded"),
        ("fault nvmlInit_v2 -1 18", "driver/library version mismatch"),
        ("fault nvmlDeviceGetCount_v2 -1 999", "NVIDIA's driver does not count its GPUs"),
    ] {
        let gpus = StandIn::new(&format!("{TWO}{fault}\n"));
        let answer = Server::start(&gpus).ask();
        assert!(answer.ends && answer.gpus.is_empty());
        assert!(answer.problems[0].contains(words), "{:?}", answer.problems);
    }
}

/// An asker's answer, or why there is none.
fn ask(gpus: &mut Gpus, within: Duration) -> (usize, Option<GpuError>) {
    gpus.begin(within, &[]);
    let reading = gpus.collect();
    (reading.answer.map_or(0, |answer| answer.gpus.len()), reading.error)
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_library_that_hangs_or_crashes_costs_its_answer_and_no_more() {
    let gpus = StandIn::new(TWO);
    let soon = Duration::from_millis(200);
    let mut asker = Gpus::with_program(&program(&gpus)).hopeless_after(2 * soon);
    assert!(matches!(ask(&mut asker, LONG), (2, None)));
    // The whole library hangs: the last good answer is served, with its age.
    gpus.says(&format!("{TWO}block nvmlDeviceGetCount_v2 -1\n"));
    let (known, error) = ask(&mut asker, soon);
    assert!(matches!(error, Some(GpuError::Silent { after }) if after == soon), "{error:?}");
    assert_eq!(known, 2);
    // An answer that is late is not waited for again; after a while it is given up, and after a pause
    // the next child meets a crash.
    gpus.says(&format!("{TWO}crash nvmlDeviceGetPowerUsage 0\n"));
    let mut met = None;
    until("it is asked anew", || {
        met = ask(&mut asker, LONG).1;
        !matches!(met, Some(GpuError::Silent { .. } | GpuError::Resting { .. }))
    });
    assert!(matches!(&met, Some(GpuError::Died { how }) if how == "signal 6"), "{met:?}");
    // And when the driver is well again, so is the answer.
    gpus.says(TWO);
    until("it answers again", || ask(&mut asker, LONG).1.is_none());
}

#[test]
fn an_answer_that_comes_late_is_not_taken_for_a_new_one() {
    let gpus = StandIn::new(TWO);
    let slow = "read x; until [ -e go ]; do sleep 0.01; done; echo '{}'; read x; echo '{\"problems\":[\"new\"]}'";
    let folder = gpus.folder().display();
    let mut asker = Gpus::with_program(&script(&gpus, &format!("cd '{folder}'; {slow}; read x")));
    let soon = Duration::from_millis(50);
    assert!(matches!(ask(&mut asker, soon), (0, Some(GpuError::Silent { .. }))));
    let began = Instant::now();
    assert!(matches!(ask(&mut asker, LONG), (0, Some(GpuError::Silent { .. }))));
    assert!(began.elapsed() < LONG, "it is waited for once only");
    std::fs::write(gpus.folder().join("go"), "").unwrap();
    let mut answer = None;
    until("the slow child has answered", || {
        asker.begin(LONG, &[]);
        let reading = asker.collect();
        answer = reading.answer.filter(|_| reading.error.is_none());
        answer.is_some()
    });
    assert_eq!(answer.unwrap().problems, ["new"]);
}

#[test]
fn what_is_no_answer_is_refused() {
    let gpus = StandIn::new(TWO);
    let answered = |line: &str| {
        let mut asker = Gpus::with_program(&script(&gpus, line));
        ask(&mut asker, LONG).1.unwrap().to_string()
    };
    assert!(answered("read x; echo nonsense").contains("no valid answer"));
    assert!(answered("read x; exit 3").contains("died while it asked the GPU driver: exit code 3"));
    assert!(answered("read x; head -c 9000000 /dev/zero; sleep 600").contains("cannot speak"));
    let mut missing = Gpus::with_program("/nowhere/fleet-gpus".as_ref());
    let (_, error) = ask(&mut missing, LONG);
    assert!(matches!(error, Some(GpuError::Start { .. })), "{error:?}");
}

#[test]
fn the_tool_says_what_is_wrong_and_fails() {
    let fleet = TestFleet::new();
    let gpus = StandIn::new(&format!("{TWO}crash nvmlDeviceGetCount_v2 -1\n"));
    let run = || fleet.run("fleet-gpus").with_gpus(&gpus);
    run().fails_with(2).stderr_has("'fleet-gpus' died while it asked the GPU driver: signal 6");
    gpus.says(&format!("{TWO}fault nvmlInit_v2 -1 9\n"));
    run().fails_with(2).stderr_has("cannot ask NVIDIA's driver: NVIDIA driver is not loaded");
    gpus.says("");
    run().fails_with(1).stderr_has("the driver is loaded and knows no GPU");
    let missing = fleet.run("fleet-gpus").env("FLEET_NVML", "/nowhere/libnvidia-ml.so.1");
    missing.fails_with(2).stderr_has("/nowhere/libnvidia-ml.so.1");
}
