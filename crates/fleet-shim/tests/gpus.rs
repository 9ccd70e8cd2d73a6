//! Waiting for GPUs, and giving them back. The GPUs are those of a stand-in for the driver's library.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use fleet_testkit::{
    ProcessRecord, Run, Signal, StandIn, State, TestFleet, Value, is_living, kill, status_field,
    until,
};

/// Stays until it is stopped.
const STAYS: &str = "exec sleep 600";

fn machine(count: u32) -> String {
    (0..count).map(|index| format!("gpu {index} 0 0 81920 0 30 60000 A100\n")).collect()
}

fn asked(fleet: &TestFleet, gpus: &StandIn, name: &str, options: &[&str], script: &str) -> Run {
    let run = fleet.run("fleet-spawn").with_gpus(gpus).args(["--name", name]).args(options);
    run.args(["--", "bash", "-c", script])
}

fn spawn(fleet: &TestFleet, gpus: &StandIn, name: &str, options: &[&str], script: &str) {
    asked(fleet, gpus, name, options, script).succeeds();
}

fn stop(fleet: &TestFleet, name: &str) {
    fleet.run("fleet-stop").arg(name).succeeds();
}

/// Waits until a queued process says this of its waiting.
#[track_caller]
fn until_waits(fleet: &TestFleet, name: &str, words: &str) -> ProcessRecord {
    fleet.until(name, |record| {
        record.state == State::Queued
            && record.waiting.as_ref().is_some_and(|waiting| waiting.contains(words))
    })
}

/// Who had a turn, in the order in which the registry was told, under its lock; it is told of no
/// GPU that two have at the same time.
#[track_caller]
fn turns(fleet: &TestFleet) -> Vec<String> {
    let text = fs::read_to_string(fleet.file("registry.jsonl")).unwrap();
    let mut turns = Vec::new();
    let mut held: Vec<(String, String)> = Vec::new();
    for record in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let id = record["id"].as_str().unwrap().to_owned();
        if record["ended_at"].is_string() {
            held.retain(|(_, by)| *by != id);
        } else if record["state"] == "starting" {
            let gpu = record["gpus"][0]["uuid"].as_str().unwrap().to_owned();
            assert!(held.iter().all(|(other, _)| *other != gpu), "{gpu} is given twice: {held:?}");
            held.push((gpu, id.clone()));
            turns.push(id);
        }
    }
    turns
}

/// A process that has the marks of a run and is no child of it.
struct Escaped(Child);

impl Escaped {
    fn of(fleet: &TestFleet, name: &str) -> Escaped {
        let run = fleet.record(name).run.to_string();
        let mut command = Command::new("sleep");
        command.arg("600").env("FLEET_HOME", fleet.home()).env("FLEET_ID", name);
        Escaped(command.env("FLEET_RUN", run).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Escaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn six_on_two_gpus_go_in_the_order_in_which_they_came() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    let names: Vec<String> = (0..6).map(|number| format!("q{number}")).collect();
    for name in &names {
        spawn(&fleet, &gpus, name, &["--gpus", "1", "--queue"], "sleep 0.2");
    }
    for name in &names {
        assert_eq!(fleet.until_ended(name).state, State::Completed);
    }
    assert_eq!(turns(&fleet), names);
    assert!(!fleet.file("queue/slots/gpus").exists(), "a ticket is left");
}

#[test]
fn many_at_once_with_and_without_lines_share_no_gpu() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    let lines: [&[&str]; 3] =
        [&["--gpus", "1"], &["--gpus", "1", "--queue=a"], &["--gpus", "1", "--queue=b"]];
    thread::scope(|scope| {
        for number in 0..12 {
            let run = asked(&fleet, &gpus, &format!("p{number}"), lines[number % 3], "sleep 0.1");
            scope.spawn(move || run.ends().code());
        }
    });
    let queued = (0..12).filter(|number| number % 3 > 0).map(|number| format!("p{number}"));
    for name in queued {
        assert_eq!(fleet.until_ended(&name).state, State::Completed);
    }
    assert!(turns(&fleet).len() >= 8);
}

#[test]
fn who_waits_says_who_holds_what() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    spawn(&fleet, &gpus, "holder", &["--gpus", "1"], STAYS);
    spawn(&fleet, &gpus, "two", &["--gpus", "2", "--queue"], STAYS);
    let words =
        format!("wants 2 GPUs, and 1 of 2 is free: '{}' is held by 'holder'", StandIn::uuid(0));
    assert!(until_waits(&fleet, "two", &words).gpus.is_empty());
    // Whoever stands behind waits, though one is free.
    spawn(&fleet, &gpus, "one", &["--gpus", "1", "--queue"], STAYS);
    until_waits(&fleet, "one", "stands in line 'gpus' for GPUs");
    let ran = fleet.run("fleet-ps").args(["-o", "table"]).succeeds();
    ran.stdout_has(&format!("place 1 of 2 in line 'gpus': {words}"));
    stop(&fleet, "holder");
    assert_eq!(fleet.until("two", |record| record.state == State::Running).gpus.len(), 2);
    until_waits(&fleet, "one", "is held by 'two'");
    stop(&fleet, "one");
    stop(&fleet, "two");
}

#[test]
fn of_two_lines_that_want_the_last_gpu_one_gets_it() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "holder", &["--gpus", "1"], STAYS);
    let lines = ["a", "b", "c"];
    for name in lines {
        spawn(&fleet, &gpus, name, &["--gpus", "1", &format!("--queue={name}")], STAYS);
        until_waits(&fleet, name, "is held by 'holder'");
    }
    stop(&fleet, "holder");
    let runs = || lines.iter().filter(|name| fleet.record(name).state == State::Running).count();
    until("one has its turn", || runs() == 1);
    let waiting = lines.into_iter().find(|name| fleet.record(name).state == State::Queued).unwrap();
    until("the others see it", || {
        fleet.record(waiting).waiting.is_some_and(|words| !words.contains("'holder'"))
    });
    assert_eq!(runs(), 1);
}

#[test]
fn slots_and_gpus_are_both_waited_for() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    let options = ["--gpus", "1", "--queue=lab", "--slots", "1"];
    spawn(&fleet, &gpus, "first", &options, STAYS);
    spawn(&fleet, &gpus, "second", &options, STAYS);
    until_waits(&fleet, "second", "stands in line for the slot of 'lab'");
    stop(&fleet, "first");
    fleet.until("second", |record| record.state == State::Running && record.gpus.len() == 1);
}

#[test]
fn who_waits_for_others_keeps_no_gpu_idle() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    fleet.spawn("data", STAYS);
    spawn(&fleet, &gpus, "train", &["--gpus", "1", "--after", "data:ended"], STAYS);
    assert_eq!(fleet.record("train").state, State::Queued);
    spawn(&fleet, &gpus, "short", &["--gpus", "1"], STAYS);
    stop(&fleet, "data");
    until_waits(&fleet, "train", "is held by 'short'");
    stop(&fleet, "short");
    fleet.until("train", |record| record.state == State::Running && record.gpus.len() == 1);
}

#[test]
fn memory_that_becomes_free_is_noticed() {
    let gpu = |used: u32| format!("gpu 0 0 0 81920 {used} 30 60000 A100\n");
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&gpu(81_000)));
    spawn(&fleet, &gpus, "train", &["--gpus", "1", "--gpu-memory", "40G", "--queue"], STAYS);
    until_waits(&fleet, "train", "has only 920M free");
    gpus.says(&gpu(100));
    fleet.until("train", |record| record.state == State::Running);
}

#[test]
fn a_gpu_that_vanishes_meanwhile_is_told_and_taken_when_it_is_back() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    let second = StandIn::uuid(1);
    spawn(&fleet, &gpus, "holder", &["--gpus", &second], STAYS);
    spawn(&fleet, &gpus, "train", &["--gpus", &second, "--queue"], STAYS);
    until_waits(&fleet, "train", "is held by 'holder'");
    gpus.says(&machine(1));
    until_waits(&fleet, "train", &format!("there is no GPU '{second}' here"));
    assert!(fleet.until_event("train", "gpus_gone")["message"].as_str().unwrap().contains(&second));
    // Nothing becomes of who has it: only its end may tell that it could not be looked after.
    assert_eq!(fleet.record("holder").state, State::Running);
    gpus.says(&machine(2));
    stop(&fleet, "holder");
    fleet.until("train", |record| record.state == State::Running);
}

#[test]
fn slow_a_gpu_that_does_not_come_back_fails_who_waits_for_it() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    spawn(&fleet, &gpus, "holder", &["--gpus", "2"], STAYS);
    spawn(&fleet, &gpus, "train", &["--gpus", "2", "--queue"], STAYS);
    until_waits(&fleet, "train", "is held by 'holder'");
    gpus.says(&machine(1));
    let deadline = Instant::now() + Duration::from_secs(100);
    while !fleet.record("train").state.has_ended() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(200));
    }
    let record = fleet.record("train");
    assert_eq!(record.state, State::Failed);
    assert_eq!(record.exit.unwrap().reason, "wants 2 GPUs, and this machine has 1 that take work");
}

#[test]
fn a_driver_that_hangs_delays_and_does_not_stop_a_stop() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "holder", &["--gpus", "1"], STAYS);
    spawn(&fleet, &gpus, "train", &["--gpus", "1", "--queue"], STAYS);
    until_waits(&fleet, "train", "is held by 'holder'");
    gpus.says(
        &(machine(1) + "block nvmlDeviceGetMemoryInfo_v2 0\nblock nvmlDeviceGetMemoryInfo 0\n"),
    );
    stop(&fleet, "holder");
    fleet.until_event("holder", "gpus_unchecked");
    stop(&fleet, "train");
    assert_eq!(fleet.record("train").state, State::Stopped);
}

#[test]
fn a_stop_waits_for_one_look_at_a_driver_that_hangs_and_for_no_second() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "holder", &["--gpus", "1"], STAYS);
    spawn(&fleet, &gpus, "train", &["--gpus", "1", "--queue"], STAYS);
    let shim = until_waits(&fleet, "train", "is held by 'holder'").shim.unwrap().who.pid;
    gpus.says(&(machine(1) + "block nvmlDeviceGetCount_v2 -1\n"));
    // Both are there when it looks at its signals; of those that are, the lower number comes first.
    kill(shim, Signal::STOP);
    until("its shim is stopped", || status_field(shim, "State").starts_with('T'));
    kill(shim, Signal::USR2);
    kill(shim, Signal::TERM);
    let begin = Instant::now();
    kill(shim, Signal::CONT);
    assert_eq!(fleet.until_ended("train").state, State::Stopped);
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
}

#[test]
fn no_death_of_a_supervisor_stops_the_line() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "holder", &["--gpus", "1"], STAYS);
    for name in ["a", "b"] {
        spawn(&fleet, &gpus, name, &["--gpus", "1", "--queue"], "sleep 0.1");
        until_waits(&fleet, name, "");
    }
    for name in ["a", "b", "holder"] {
        let (shim, _) = fleet.supervisors(name);
        kill(shim, Signal::KILL);
        until("another shim is there", || fleet.supervisors(name).0 != shim);
    }
    assert_eq!(fleet.record("holder").gpus.len(), 1);
    stop(&fleet, "holder");
    for name in ["a", "b"] {
        assert_eq!(fleet.until_ended(name).state, State::Completed);
    }
}

#[test]
fn what_still_holds_a_gpu_after_a_stop_is_ended_and_told() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "train", &["--gpus", "1"], STAYS);
    let (escaped, me) = (Escaped::of(&fleet, "train"), std::process::id());
    let pid = escaped.pid();
    gpus.says(&(machine(1) + &format!("proc 0 {pid} 500 50\nproc 0 {me} 500 50\n")));
    stop(&fleet, "train");
    let words =
        format!("pid {pid} (sleep) of this run still held '{}' and was killed", StandIn::uuid(0));
    let reason = fleet.record("train").exit.unwrap().reason;
    assert!(reason.contains(&words), "{reason}");
    assert!(!is_living(pid));
    assert_eq!(fleet.until_event("train", "gpu_held")["data"]["pid"], pid);
}

#[test]
fn who_was_adopted_is_looked_after_as_before() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "train", &["--gpus", "1"], STAYS);
    spawn(&fleet, &gpus, "next", &["--gpus", "1", "--queue"], STAYS);
    until_waits(&fleet, "next", "is held by 'train'");
    fleet.kill_supervisors("train");
    fleet.kill_supervisors("next");
    let escaped = Escaped::of(&fleet, "train");
    gpus.says(&(machine(1) + &format!("proc 0 {} 500 50\n", escaped.pid())));
    fleet.run("fleet-ps").with_gpus(&gpus).succeeds_and_says("a new one took over");
    until_waits(&fleet, "next", "is held by 'train'");
    stop(&fleet, "train");
    assert!(!is_living(escaped.pid()));
    gpus.says(&machine(1));
    assert_eq!(fleet.until("next", |record| record.state == State::Running).gpus.len(), 1);
}

#[test]
fn a_gpu_that_is_gone_at_the_end_may_be_the_reason() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    let script = "until [ -e $FLEET_DIR/go ]; do sleep 0.02; done; exit 3";
    spawn(&fleet, &gpus, "train", &["--gpus", "2"], script);
    gpus.says(&machine(1));
    fs::write(fleet.file("processes/train/data/go"), "").unwrap();
    let reason = fleet.until_ended("train").exit.unwrap().reason;
    assert!(reason.ends_with(&format!("; its GPU '{}' is gone", StandIn::uuid(1))), "{reason}");
    fleet.until_event("train", "gpu_gone");
}

#[test]
fn a_gpu_that_does_not_answer_at_the_end_is_told_so() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(2)));
    spawn(&fleet, &gpus, "train", &["--gpus", "2"], STAYS);
    let hangs = "block nvmlDeviceGetMemoryInfo_v2 1\nblock nvmlDeviceGetMemoryInfo 1\n";
    gpus.says(&(machine(2) + hangs));
    stop(&fleet, "train");
    let reason = fleet.record("train").exit.unwrap().reason;
    let words = format!("its GPU '{}' is gone (GPU 1 of nvidia does not answer)", StandIn::uuid(1));
    assert!(reason.ends_with(&words), "{reason}");
}

#[test]
fn who_died_with_its_supervisors_and_is_to_start_again_keeps_its_gpu() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    spawn(&fleet, &gpus, "train", &["--gpus", "1", "--restart", "always"], STAYS);
    fleet.kill_with_supervisors("train");
    asked(&fleet, &gpus, "late", &["--gpus", "1"], STAYS)
        .fails_with(2)
        .stderr_has("held by 'train'");
    spawn(&fleet, &gpus, "next", &["--gpus", "1", "--queue"], STAYS);
    until_waits(&fleet, "next", "is held by 'train'");
    fleet.run("fleet-ps").with_gpus(&gpus).succeeds_and_says("it is started again");
    let record = fleet.until("train", |record| record.state == State::Running);
    assert_eq!(record.gpus[0].uuid, StandIn::uuid(0));
    assert_eq!(fleet.record("next").state, State::Queued);
    stop(&fleet, "train");
    fleet.until("next", |record| record.state == State::Running);
}

#[test]
fn what_an_attempt_left_on_a_gpu_is_gone_before_the_next() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    let script = "[ $FLEET_ATTEMPT = 2 ] && exec sleep 600; until [ -e $FLEET_DIR/go ]; do sleep 0.02; done; exit 3";
    let options = ["--gpus", "1", "--restart", "on-failure", "--backoff", "10ms-10ms"];
    spawn(&fleet, &gpus, "train", &options, script);
    let escaped = Escaped::of(&fleet, "train");
    gpus.says(&(machine(1) + &format!("proc 0 {} 500 50\n", escaped.pid())));
    fs::write(fleet.file("processes/train/data/go"), "").unwrap();
    fleet.until("train", |record| record.state == State::Running && record.attempt == 2);
    assert!(!is_living(escaped.pid()));
}

#[test]
fn what_a_success_leaves_on_a_gpu_is_told_and_lives() {
    let (fleet, gpus) = (TestFleet::new(), StandIn::new(&machine(1)));
    let go = fleet.scratch().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.02; done", go.display());
    spawn(&fleet, &gpus, "train", &["--gpus", "1"], &script);
    let escaped = Escaped::of(&fleet, "train");
    gpus.says(&(machine(1) + &format!("proc 0 {} 500 50\n", escaped.pid())));
    fs::write(go, "").unwrap();
    let record = fleet.until_ended("train");
    assert_eq!(record.state, State::Completed);
    let reason = record.exit.unwrap().reason;
    assert!(reason.ends_with(&format!("still held '{}'", StandIn::uuid(0))), "{reason}");
    assert!(is_living(escaped.pid()));
}
