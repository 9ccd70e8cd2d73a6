//! What a driver answers, held against what is known of drivers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use fleet_gpu::{Answer, Gpu, Use};
use fleet_testkit::{StandIn, TestFleet};
use support::{Server, TWO, gpu};

fn holders(gpu: &Gpu) -> Vec<(i32, Option<u64>, Option<f64>)> {
    let all = gpu.holders.as_ref().unwrap();
    all.iter().map(|holder| (holder.pid, holder.memory_bytes, holder.percent)).collect()
}

const MIB: u64 = 1 << 20;

#[test]
fn all_that_a_gpu_tells_is_in_its_unit() {
    let gpus = StandIn::new(TWO);
    let answer = Server::start(&gpus).ask();
    let first = gpu(&answer, 0);
    assert_eq!(first.uuid, StandIn::uuid(0));
    assert_eq!(first.product.as_deref(), Some("NVIDIA H100 80GB HBM3"));
    assert_eq!(first.pci.as_deref(), Some("0000:01:00.0"));
    assert_eq!(first.driver.as_deref(), Some("550.54.15"));
    assert_eq!((first.total_bytes(), first.free_bytes()), (Some(81920 * MIB), Some(61440 * MIB)));
    let measures = &first.measures;
    assert_eq!(measures.gpu_memory_percent, Some(25.0));
    assert_eq!(
        (measures.gpu_power_watts, measures.gpu_power_limit_watts),
        (Some(412.0), Some(700.0))
    );
    assert_eq!(measures.gpu_energy_joules_total, Some(1234.567));
    assert_eq!(measures.gpu_clock_hertz, Some(1_410_000_000));
    assert_eq!(measures.gpu_memory_clock_hertz, Some(2_619_000_000));
    assert_eq!(
        (measures.gpu_ecc_corrected_total, measures.gpu_ecc_uncorrected_total),
        (Some(5), Some(1))
    );
    assert_eq!(first.throttle_reasons.as_deref(), Some(&["sw_power_cap".to_owned()][..]));
    assert_eq!((measures.gpu_throttled_power, measures.gpu_throttled_thermal), (Some(1), Some(0)));
    // What the other one does not tell is absent, and an idle GPU has explicitly nobody on it.
    let second = gpu(&answer, 1);
    assert_eq!(second.measures.gpu_energy_joules_total, None);
    assert_eq!(second.throttle_reasons, None);
    assert_eq!((holders(second), second.measures.gpu_processes), (Vec::new(), Some(0)));
    assert!(answer.problems.is_empty(), "{:?}", answer.problems);
}

#[test]
fn numbers_that_stand_for_none_are_left_out() {
    let gpus = StandIn::new(
        "gpu 0 4294967295 101 0 0 4294967295 4294967295 X\nset 0 energy_mj 18446744073709551615\n\
         set 0 sm_mhz 4294967295\nset 0 ecc_corrected 18446744073709551615\nproc 0 7 -1 10\n",
    );
    let answer = Server::start(&gpus).ask();
    let measures = &gpu(&answer, 0).measures;
    let told: Vec<&str> = measures.values().map(|(measure, _)| measure.name).collect();
    let expected = [
        "gpu_memory_bytes",
        "gpu_memory_free_bytes",
        "gpu_memory_total_bytes",
        "gpu_processes",
        "gpu_lost",
    ];
    assert_eq!(told, expected);
    assert_eq!(holders(gpu(&answer, 0)), [(7, None, Some(10.0))]);
}

#[test]
fn a_process_that_computes_and_draws_is_one_and_both_lists_and_mps_count() {
    let gpus = StandIn::new(
        "gpu 0 9 9 1000 500 40 70000 X\nproc 0 7 100 30 c\nproc 0 7 100 0 g\nproc 0 8 5 0 g\n\
         proc 0 9 6 0 m\n",
    );
    let answer = Server::start(&gpus).ask();
    let expected = [
        (7, Some(100 * MIB), Some(30.0)),
        (8, Some(5 * MIB), Some(0.0)),
        (9, Some(6 * MIB), Some(0.0)),
    ];
    assert_eq!(holders(gpu(&answer, 0)), expected);
    let uses: Vec<Use> = gpu(&answer, 0).holders.iter().flatten().map(|h| h.how).collect();
    assert_eq!(uses, [Use::Compute, Use::Graphics, Use::Mps]);
}

#[test]
fn stale_and_bogus_samples_of_utilisation_count_for_nothing() {
    let gpu_and_processes = "gpu 0 9 9 1000 500 40 70000 X\nproc 0 7 100 0\nproc 0 8 5 0\n";
    let gpus = StandIn::new(&format!(
        "{gpu_and_processes}sample 0 7 40 200\nsample 0 7 60 100\nsample 0 7 99 600000\n\
         sample 0 8 250 50\nsample 0 8 70 -3600000\nsample 0 4711 80 100\n"
    ));
    let mut server = Server::start(&gpus);
    let shares =
        |answer: &Answer| holders(gpu(answer, 0)).into_iter().map(|h| h.2).collect::<Vec<_>>();
    // The newest sample of the last second; nothing older, above 100, from the future or of others.
    assert_eq!(shares(&server.ask()), [Some(60.0), Some(0.0)]);
    // When nobody was active, the driver finds nothing, and that is 0.
    gpus.says(gpu_and_processes);
    assert_eq!(shares(&server.ask()), [Some(0.0), Some(0.0)]);
}

const MIG: &str = "\
gpu 0 0 0 81920 3072 40 90000 NVIDIA A100-SXM4-80GB
set 0 mig 1
instance 0 0 40960 2048 NVIDIA A100-SXM4-80GB MIG 3g.40gb
instance 0 3 20480 1024 NVIDIA A100-SXM4-80GB MIG 2g.20gb
proc 0 7 2000 0 c 0
proc 0 8 1000 0 c 3
";

#[test]
fn mig_instances_are_gpus_of_their_own() {
    let gpus = StandIn::new(MIG);
    let mut server = Server::start(&gpus);
    let answer = server.ask();
    assert_eq!(answer.gpus.len(), 3);
    let [whole, first, second] = &answer.gpus[..] else { panic!("{answer:#?}") };
    assert!(whole.divided && !whole.takes_work() && first.takes_work() && !first.divided);
    assert_eq!(first.parent.as_ref(), Some(&whole.uuid));
    assert_eq!((first.index, second.index), (0, 3));
    assert!(first.uuid.starts_with("MIG-") && first.uuid != second.uuid);
    assert_eq!(second.total_bytes(), Some(20480 * MIB));
    // MIG has no utilization of processes: unknown, and not 0.
    assert_eq!(holders(first), [(7, Some(2000 * MIB), None)]);
    assert_eq!(holders(second), [(8, Some(1000 * MIB), None)]);
    assert_eq!(holders(whole).len(), 2);
    // Without the privilege to list those of the whole GPU, those of its instances make it up.
    gpus.says(&format!("{MIG}fault nvmlDeviceGetComputeRunningProcesses_v3 0 4\n"));
    let answer = server.ask();
    assert_eq!(holders(&answer.gpus[0]), holders(whole));
    // Nor is anything made up when one of the instances does not tell.
    gpus.says(&format!("{MIG}fault nvmlDeviceGetComputeRunningProcesses_v3 -1 4\n"));
    let answer = server.ask();
    assert!(answer.gpus.iter().all(|gpu| gpu.holders.is_none()), "{answer:#?}");
    // A board that knows of MIG and has it off is not divided.
    gpus.says(&MIG.replace("mig 1", "mig 0"));
    let answer = server.ask();
    assert_eq!((answer.gpus.len(), answer.gpus[0].divided), (1, false));
}

#[test]
fn errors_of_the_driver_are_counted_while_somebody_listens() {
    let gpus = StandIn::new(TWO);
    let mut server = Server::start(&gpus);
    let xids = |answer: &Answer| {
        let measures = &gpu(answer, 0).measures;
        (measures.gpu_xid_errors_total, measures.gpu_xid)
    };
    assert_eq!(xids(&server.ask()), (None, None));
    assert_eq!(xids(&server.ask()), (Some(0), None));
    gpus.says(&TWO.replace("xid_count 0", "xid_count 2"));
    assert_eq!(xids(&server.ask()), (Some(2), Some(79)));
    assert_eq!(xids(&server.ask()), (Some(2), Some(79)));
    // A driver that cannot tell has no such measure.
    assert_eq!(gpu(&server.ask(), 1).measures.gpu_xid_errors_total, None);
}

#[test]
fn gpus_are_listed_with_the_runs_that_use_them() {
    let fleet = TestFleet::new();
    // The main process is a shell; a child of it is on the GPU.
    let train = fleet.spawn("train", "sleep 600 & echo child $!; wait");
    let log = fleet.until_log(&train, |log| log.text().contains("child "));
    let child = log.text().trim().replace("child ", "");
    let gpus =
        StandIn::new(&format!("{TWO}proc 1 {child} 300 3\nproc 1 {} 300 3\n", std::process::id()));
    let samples = fleet.run("fleet-gpus").with_gpus(&gpus).succeeds().records();
    assert_eq!(samples.len(), 2);
    assert_eq!(samples[0]["subject"], "gpu");
    assert_eq!(samples[0]["name"], StandIn::uuid(0).as_str());
    assert_eq!(samples[0]["used_by"].as_array().unwrap().len(), 0);
    assert_eq!(samples[1]["used_by"][0], "train#1");
    let ours: Vec<_> = samples[1]["holders"].as_array().unwrap().iter().map(|h| &h["id"]).collect();
    assert!(ours.iter().any(|id| **id == "train") && ours.iter().any(|id| id.is_null()));
    let table = fleet.run("fleet-gpus").args(["-o", "table"]).with_gpus(&gpus).succeeds();
    assert!(table.stdout().contains("train#1,1 other"), "{table}");
    assert!(table.stdout().contains("412/700W"), "{table}");
}

#[test]
fn a_machine_without_a_driver_has_no_gpus_and_says_so() {
    if fleet_gpu::may_have_gpus() {
        eprintln!("passed over: this machine has a GPU");
        return;
    }
    let fleet = TestFleet::new();
    fleet.run("fleet-gpus").fails_with(1).stderr_has("no driver of a GPU is loaded here");
}

#[test]
fn in_a_pid_namespace_nobody_is_taken_for_another() {
    let fleet = TestFleet::new();
    let gpus = StandIn::new(TWO);
    let [(nvml, library), (state, file)] = gpus.variables();
    let within = |command: &str| {
        fleet.shell(&format!(
            "export {nvml}='{}' {state}='{}'; unshare --pid --fork --mount-proc {command}",
            library.display(),
            file.display()
        ))
    };
    if within("true").ends().code() != Some(0) {
        eprintln!("passed over: no PID namespace can be made here");
        return;
    }
    let ran = within("fleet-gpus").succeeds_and_says("who is on a GPU cannot be told from here");
    let samples = ran.records();
    assert_eq!(samples.len(), 2);
    assert!(samples.iter().all(|sample| sample.get("holders").is_none()), "{samples:#?}");
    assert!(samples.iter().all(|sample| sample.get("used_by").is_none()), "{samples:#?}");
}
