//! GPUs among the samples, over a stand-in for NVIDIA's library.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{BufRead, BufReader};

use fleet_testkit::{StandIn, TestFleet, Value};

const TWO: &str = "\
gpu 0 87 40 81920 20480 61 412000 NVIDIA H100 80GB HBM3
gpu 1 90 1 81920 512 33 71000 NVIDIA H100 80GB HBM3
";

fn of<'a>(samples: &'a [Value], subject: &str) -> Vec<&'a Value> {
    samples.iter().filter(|sample| sample["subject"] == subject).collect()
}

/// A process with a child, and the child's pid.
fn train(fleet: &TestFleet) -> (String, String) {
    let name = fleet.spawn("train", "sleep 600 & echo child $!; wait");
    let log = fleet.until_log(&name, |log| log.text().contains("child "));
    let child = log.text().trim().replace("child ", "");
    (name, child)
}

#[test]
fn gpus_have_samples_and_a_process_what_its_tree_uses_of_them() {
    let fleet = TestFleet::new();
    let (train, child) = train(&fleet);
    let main = fleet.pid(&train);
    fleet.spawn("other", "sleep 600");
    let me = std::process::id();
    let gpus = StandIn::new(&format!(
        "{TWO}proc 0 {main} 1000 30\nproc 0 {child} 500 20\nproc 1 {child} 250 90\nproc 1 {me} 9 5\n"
    ));
    let samples = fleet.run("fleet-metrics").with_gpus(&gpus).succeeds().records();
    let subjects: Vec<&str> = samples.iter().map(|s| s["subject"].as_str().unwrap()).collect();
    let first_process = subjects.iter().position(|subject| *subject == "process").unwrap();
    // Behind the host, before the processes.
    assert!(subjects[..first_process].ends_with(&["gpu", "gpu", "collector"]), "{subjects:?}");
    let devices = of(&samples, "gpu");
    assert_eq!(devices[1]["name"], StandIn::uuid(1).as_str());
    assert_eq!(
        (&devices[0]["gpu_percent"], &devices[0]["gpu_processes"]),
        (&87.0.into(), &2.into())
    );
    let source = of(&samples, "collector")[0];
    assert_eq!((&source["name"], &source["success"]), (&"gpu".into(), &1.into()));
    let processes = of(&samples, "process");
    let train = processes.iter().find(|s| s["id"] == "train").unwrap();
    assert_eq!(train["gpu_memory_bytes"], 1750_u64 << 20);
    assert_eq!(train["gpu_percent"], 140.0);
    assert_eq!(train["gpu_power_watts"], 412.0 + 71.0);
    assert_eq!(train["gpus"], serde_json::json!([StandIn::uuid(0), StandIn::uuid(1)]));
    let other = processes.iter().find(|s| s["id"] == "other").unwrap();
    let gpu_fields = ["gpu_memory_bytes", "gpu_power_watts", "gpus"];
    assert!(gpu_fields.iter().all(|field| other.get(field).is_none()), "{other}");
    // The narrow table has of GPUs what people look for, the wide one all.
    let table = |form| fleet.run("fleet-metrics").args(["-o", form]).with_gpus(&gpus).succeeds();
    let (narrow, wide) = (table("table"), table("wide"));
    assert!(narrow.stdout().contains("GPU_POWER_WATTS"), "{narrow}");
    assert!(!narrow.stdout().contains("GPU_MEMORY_FREE"), "{narrow}");
    assert!(wide.stdout().contains("GPU_MEMORY_FREE"), "{wide}");
    // Who names processes gets those alone, with their use of GPUs, and who wants none gets none.
    let samples = fleet.run("fleet-metrics").arg("train").with_gpus(&gpus).succeeds().records();
    assert_eq!((samples.len(), &samples[0]["gpu_percent"]), (1, &140.0.into()));
    let samples = fleet.run("fleet-metrics").arg("--no-gpu").with_gpus(&gpus).succeeds().records();
    assert!(of(&samples, "gpu").is_empty() && of(&samples, "collector").is_empty());
    assert!(samples.iter().all(|sample| sample.get("gpu_percent").is_none()));
}

#[test]
fn a_driver_that_hangs_costs_a_round_its_own_values_alone() {
    let fleet = TestFleet::new();
    let (_, child) = train(&fleet);
    let whole = format!("{TWO}proc 0 {child} 500 20\n");
    let gpus = StandIn::new(&whole);
    let follow = fleet.run("fleet-metrics").args(["--count", "3", "--interval", "100ms"]);
    let mut follow = follow.with_gpus(&gpus).starts();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut round = || -> Vec<Value> {
        // The process comes last in each round.
        let mut samples: Vec<Value> = Vec::new();
        while samples.last().is_none_or(|sample| sample["subject"] != "process") {
            samples.push(serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap());
        }
        samples
    };
    let first = round();
    assert_eq!(of(&first, "process")[0]["gpu_percent"], 20.0);
    gpus.says(&format!("{whole}block nvmlDeviceGetCount_v2 -1\n"));
    // At most one more round was on its way already.
    let second = round();
    let third = round();
    let hung = if of(&second, "collector")[0]["success"] == 0 { second } else { third };
    let source = of(&hung, "collector")[0];
    assert_eq!(source["success"], 0, "{source}");
    assert!(source["age_seconds"].as_f64().unwrap() > 0.0);
    let devices = of(&hung, "gpu");
    assert_eq!((devices.len(), &devices[0]["gpu_percent"]), (2, &87.0.into()));
    assert!(devices[0]["age_seconds"].as_f64().unwrap() > 0.0);
    // Whose a pid was is not whose it is.
    let process = of(&hung, "process")[0];
    assert!(process.get("gpu_percent").is_none(), "{process}");
    assert!(process["memory_bytes"].as_u64().unwrap() > 0);
    let output = follow.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "fleet-metrics: the GPU driver did not answer within 2000 ms\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_driver_that_is_broken_is_said_and_nothing_else_is_lost() {
    let fleet = TestFleet::new();
    let gpus = StandIn::new(&format!("{TWO}fault nvmlInit_v2 -1 18\n"));
    let ran = fleet.run("fleet-metrics").with_gpus(&gpus);
    let ran =
        ran.succeeds_and_says("cannot ask NVIDIA's driver: RM detects a driver/library version");
    let samples = ran.records();
    assert_eq!((of(&samples, "host").len(), of(&samples, "gpu").len()), (1, 0));
    assert_eq!(of(&samples, "collector")[0]["success"], 0);
}
