//! GPUs that are reserved: no two processes get one, and what cannot be had is refused with words.
//! The GPUs are those of a stand-in for the driver's library.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashSet;
use std::fs;
use std::thread;

use fleet_testkit::{ProcessRecord, Run, StandIn, State, TestFleet, is_living, until};

/// Tells what it finds of its GPUs, and stays.
const TELLS: &str = "echo $FLEET_GPUS $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER ${ROCR_VISIBLE_DEVICES-none}; exec sleep 600";

/// So many GPUs with 80 GiB of memory, of which this is used.
fn machine(used_mib: &[u32]) -> String {
    let line =
        |(index, used): (usize, &u32)| format!("gpu {index} 0 0 81920 {used} 30 60000 A100\n");
    used_mib.iter().enumerate().map(line).collect()
}

fn spawn(fleet: &TestFleet, gpus: &StandIn, name: &str, options: &[&str]) -> Run {
    let run = fleet.run("fleet-spawn").with_gpus(gpus).args(["--name", name]).args(options);
    run.args(["--", "bash", "-c", TELLS])
}

fn uuids(record: &ProcessRecord) -> Vec<String> {
    record.gpus.iter().map(|gpu| gpu.uuid.clone()).collect()
}

#[test]
fn a_gpu_is_told_by_its_uuid_and_held_to_the_end() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0, 0])));
    spawn(&fleet, &gpus, "train", &["--gpus", "2"]).succeeds();
    let both = [StandIn::uuid(0), StandIn::uuid(1)];
    assert_eq!(uuids(&fleet.record("train")), both);
    let list = both.join(",");
    let told = format!("{list} {list} PCI_BUS_ID none\n");
    fleet.until_log("train", |log| log.text() == told);
    assert_eq!(fleet.ps("train")["gpus"][1]["uuid"], both[1]);
    fleet.run("fleet-ps").args(["-o", "wide"]).succeeds().stdout_has(&list);
    let words = format!(
        "wants 1 GPU, and 0 of 2 are free: '{}' is held by 'train', '{}'",
        both[0], both[1]
    );
    let ran = spawn(&fleet, &gpus, "late", &["--gpus", "1"]).fails_with(2).stderr_has(&words);
    ran.stderr_has("--queue");
    assert!(!fleet.file("processes/late").exists(), "nothing is left of what was refused");
    fleet.run("fleet-stop").with_gpus(&gpus).arg("train").succeeds();
    spawn(&fleet, &gpus, "late", &["--gpus", "1"]).succeeds();
    // Who ends gives its GPUs back, and what it had stays in its record.
    assert_eq!(fleet.record("train").gpus.len(), 2);
}

#[test]
fn twenty_at_once_never_get_one_gpu_twice() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0; 4])));
    let codes: Vec<Option<i32>> = thread::scope(|scope| {
        let started: Vec<_> = (0..20)
            .map(|number| {
                let run = spawn(&fleet, &gpus, &format!("p{number}"), &["--gpus", "1"]);
                scope.spawn(move || run.ends().code())
            })
            .collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 4, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(2)).count(), 16, "{codes:?}");
    let winners = (0..20).filter(|number| codes[*number] == Some(0));
    let held: HashSet<String> =
        winners.flat_map(|number| uuids(&fleet.record(&format!("p{number}")))).collect();
    assert_eq!(held.len(), 4);
}

#[test]
fn shared_ones_are_spread_and_never_beside_a_whole_one() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0, 0])));
    spawn(&fleet, &gpus, "whole", &["--gpus", &StandIn::uuid(1)]).succeeds();
    for name in ["a", "b"] {
        spawn(&fleet, &gpus, name, &["--gpus", "shared:1"]).succeeds();
        assert_eq!(uuids(&fleet.record(name)), [StandIn::uuid(0)]);
    }
    let ran = spawn(&fleet, &gpus, "second", &["--gpus", "1"]).fails_with(2);
    ran.stderr_has("is held by 'a' and 1 more").stderr_has("is held by 'whole'");
    fleet.run("fleet-stop").with_gpus(&gpus).arg("whole").succeeds();
    spawn(&fleet, &gpus, "c", &["--gpus", "shared:1"]).succeeds();
    assert_eq!(uuids(&fleet.record("c")), [StandIn::uuid(1)]);
    fleet.run("fleet-ps").args(["c", "-o", "wide"]).succeeds().stdout_has(" (shared)");
}

#[test]
fn memory_only_filters_and_strangers_are_told() {
    let me = std::process::id();
    let state = machine(&[70_000, 10, 500]) + &format!("proc 1 {me} 10 50\nproc 2 {me} 500 50\n");
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&state));
    let ran = spawn(&fleet, &gpus, "large", &["--gpus", "1", "--gpu-memory", "20G"]);
    let ran = ran.succeeds_and_says("is used without a reservation by pid");
    assert!(ran.stderr().contains(&me.to_string()), "{ran}");
    assert_eq!(uuids(&fleet.record("large")), [StandIn::uuid(1)]);
    let ran = spawn(&fleet, &gpus, "two", &["--gpus", "2", "--gpu-memory", "20G"]).fails_with(2);
    ran.stderr_has("has only 12G free").stderr_has("is held by 'large'");
    let ran = spawn(&fleet, &gpus, "huge", &["--gpus", "1", "--gpu-memory", "100G"]).fails_with(2);
    ran.stderr_has("wants 1 GPU with 100G free, and only 0 are so large; the largest has 80G");
    // Without the filter one that nobody computes on comes first.
    spawn(&fleet, &gpus, "any", &["--gpus", "1"]).succeeds();
    assert_eq!(uuids(&fleet.record("any")), [StandIn::uuid(0)]);
}

#[test]
fn what_is_not_there_is_refused_before_anything_starts() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0, 0])));
    let refused = |options: &[&str]| spawn(&fleet, &gpus, "x", options).fails_with(2);
    refused(&["--gpus", "3"]).stderr_has("wants 3 GPUs, and this machine has 2");
    refused(&["--gpus", "3", "--queue"]).stderr_has("wants 3 GPUs, and this machine has 2");
    refused(&["--gpus", "GPU-5"])
        .stderr_has("there is no GPU 'GPU-5' here")
        .stderr_has(&StandIn::uuid(1));
    refused(&["--gpus", "GPU-fa"]).stderr_has("the UUIDs of 2 GPUs begin with 'GPU-fa'");
    refused(&["--gpus", "0,1"]).stderr_has("write their UUIDs");
    refused(&["--gpu-memory", "1G"]).stderr_has("and --gpus is missing");
    let visible = "CUDA_VISIBLE_DEVICES=0";
    refused(&["--gpus", "1", "--env", visible]).stderr_has("CUDA_VISIBLE_DEVICES is set");
    gpus.says("");
    refused(&["--gpus", "1"]).stderr_has("no GPU can be reserved");
    let run = fleet.run("fleet-spawn").env("FLEET_NVML", "/no/such/library.so");
    let ran = run.args(["--gpus", "1", "--", "true"]).fails_with(2);
    ran.stderr_has("no GPU can be reserved");
    assert!(!fleet.file("processes/x").exists());
}

#[test]
fn a_gpu_that_does_not_answer_is_told_where_it_is_missed() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0, 0])));
    spawn(&fleet, &gpus, "a", &["--gpus", &StandIn::uuid(0)]).succeeds();
    let hangs = "block nvmlDeviceGetMemoryInfo_v2 1\nblock nvmlDeviceGetMemoryInfo 1\n";
    gpus.says(&(machine(&[0, 0]) + hangs));
    let ran = spawn(&fleet, &gpus, "b", &["--gpus", "1"]).fails_with(2);
    ran.stderr_has("is held by 'a' (GPU 1 of nvidia does not answer)");
    let ran = spawn(&fleet, &gpus, "c", &["--gpus", "2", "--queue"]).fails_with(2);
    ran.stderr_has("this machine has 1 that take work (GPU 1 of nvidia does not answer)");
}

#[test]
fn a_variable_of_the_caller_gives_way_with_a_word() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0])));
    let run = spawn(&fleet, &gpus, "train", &["--gpus", "1"]).env("CUDA_VISIBLE_DEVICES", "7");
    run.succeeds_and_says("CUDA_VISIBLE_DEVICES=7 of this environment gives way");
    let uuid = StandIn::uuid(0);
    fleet.until_log("train", |log| log.text() == format!("{uuid} {uuid} PCI_BUS_ID none\n"));
}

#[test]
fn restarts_keep_their_gpus() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0, 0])));
    let run = fleet.run("fleet-spawn").with_gpus(&gpus).args(["--name", "flaky", "--gpus", "1"]);
    let run = run.args(["--restart", "on-failure", "--backoff", "10ms-10ms", "--", "bash", "-c"]);
    run.arg("echo $CUDA_VISIBLE_DEVICES; [ $FLEET_ATTEMPT = 3 ] && exec sleep 600; exit 1")
        .succeeds();
    let told = format!("{0}\n{0}\n{0}\n", StandIn::uuid(0));
    fleet.until_log("flaky", |log| log.text() == told);
    assert_eq!(uuids(&fleet.record("flaky")), [StandIn::uuid(0)]);
}

#[test]
fn who_loses_its_supervisors_keeps_its_gpu() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0])));
    spawn(&fleet, &gpus, "train", &["--gpus", "1"]).succeeds();
    fleet.kill_supervisors("train");
    let ran = spawn(&fleet, &gpus, "late", &["--gpus", "1"]).fails_with(2);
    ran.stderr_has("is held by 'train'");
    fleet.run("fleet-ps").with_gpus(&gpus).succeeds_and_says("a new one took over");
    let (shim, _) = fleet.supervisors("train");
    fleet_testkit::kill(shim, fleet_testkit::Signal::KILL);
    until("another shim looks after it", || fleet.supervisors("train").0 != shim);
    spawn(&fleet, &gpus, "late", &["--gpus", "1"]).fails_with(2).stderr_has("is held by 'train'");
    assert!(is_living(fleet.pid("train")));
}

#[test]
fn a_file_gives_each_of_its_processes_its_own() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0; 3])));
    let path = fleet.scratch().join("fleet.toml");
    let text = "[process.train]\ncommand = 'sleep 600'\ngpus = 1\nreplicas = 2\n\
                [process.share]\ncommand = 'sleep 600'\ngpus = 'shared:1'\ngpu_memory = '1G'\n";
    fs::write(&path, text).unwrap();
    let file = || fleet.run("fleet-spawn").arg("--file").arg(&path);
    file().arg("--check").succeeds();
    file()
        .env("FLEET_NVML", "/no/such/library.so")
        .fails_with(2)
        .stderr_has("no GPU can be reserved");
    assert!(!fleet.file("registry.jsonl").exists(), "nothing was started");
    file().with_gpus(&gpus).succeeds();
    let names = ["train-0", "train-1", "share"];
    let held: HashSet<String> = names.iter().flat_map(|name| uuids(&fleet.record(name))).collect();
    assert_eq!(held.len(), 3);
    fs::write(&path, text.replace("gpus = 1", "gpus = 2")).unwrap();
    file().arg("--diff").fails_with(1).stdout_has("\"key\":\"gpus\"");
    assert_eq!(fleet.record("share").state, State::Running);
}

#[test]
fn a_gpu_that_vanishes_while_it_is_reserved_is_told() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(&[0, 0])));
    spawn(&fleet, &gpus, "train", &["--gpus", "2"]).succeeds();
    let list = fleet.run("fleet-gpus").with_gpus(&gpus).succeeds().records();
    assert_eq!(list[1]["reserved_by"][0], "train#1");
    gpus.says(&machine(&[0]));
    let words = format!("GPU '{}', which 'train#1' has reserved, is gone", StandIn::uuid(1));
    for tool in ["fleet-gpus", "fleet-metrics"] {
        let samples = fleet.run(tool).with_gpus(&gpus).succeeds_and_says(&words).records();
        let gone =
            samples.iter().find(|sample| sample["name"] == StandIn::uuid(1).as_str()).unwrap();
        assert_eq!((&gone["gpu_lost"], &gone["reserved_by"][0]), (&1.into(), &"train#1".into()));
    }
    assert_eq!(fleet.record("train").state, State::Running);
}
