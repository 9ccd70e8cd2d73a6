//! Standing in line for a slot: who is next, never too many at once, and no death of a supervisor
//! stops a line.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::Duration;

use fleet_testkit::{
    Cause, ProcessRecord, Signal, State, TestFleet, Value, cpu_ticks, kill, status_field, until,
};

/// Stays until it is stopped.
const STAYS: &str = "exec sleep 600";

/// A script that tells in a file when it begins and when it ends.
fn tells(fleet: &TestFleet, between: &str) -> String {
    let file = fleet.scratch().join("told").display().to_string();
    format!("echo \"+ $FLEET_ID\" >>{file}; {between}; echo \"- $FLEET_ID\" >>{file}")
}

/// What they told: the largest number that lived at once, and who ran, in order.
fn told(fleet: &TestFleet) -> (usize, Vec<String>) {
    let text = fs::read_to_string(fleet.scratch().join("told")).unwrap_or_default();
    let (mut living, mut most, mut ran) = (0_usize, 0, Vec::new());
    for line in text.lines() {
        match line.split_once(' ').unwrap() {
            ("+", id) => {
                living += 1;
                ran.push(id.to_owned());
            }
            (_, _) => living -= 1,
        }
        most = most.max(living);
    }
    assert_eq!(living, 0, "who began has ended: {text}");
    (most, ran)
}

/// Who took its turn, in the order in which the registry, under its lock, was told.
fn turns(fleet: &TestFleet) -> Vec<String> {
    let text = fs::read_to_string(fleet.file("registry.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let starting = lines.filter(|line| line["state"] == "starting");
    starting.map(|line| line["id"].as_str().unwrap().to_owned()).collect()
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{prefix}{number}")).collect()
}

fn is_waiting(record: &ProcessRecord) -> bool {
    record.state == State::Queued && record.waiting.is_some()
}

/// A group with one slot that is taken, and so many that wait for it.
fn line_behind_holder(count: usize) -> (TestFleet, Vec<String>) {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue=gpu"], STAYS);
    let queued = names("q", count);
    for name in &queued {
        fleet.spawn_with(name, &["--queue=gpu"], &tells(&fleet, "true"));
        assert_eq!(fleet.record(name).state, State::Queued);
    }
    (fleet, queued)
}

fn stop(fleet: &TestFleet, name: &str) {
    fleet.run("fleet-stop").arg(name).succeeds();
}

#[test]
fn twenty_go_two_at_a_time_in_the_order_in_which_they_came() {
    let fleet = TestFleet::new();
    let all = names("q", 20);
    for name in &all {
        let script = tells(&fleet, "sleep 0.05");
        fleet.spawn_with(name, &["--queue=gpu", "--slots", "2"], &script);
    }
    for name in &all {
        assert_eq!(fleet.until_ended(name).state, State::Completed);
    }
    assert_eq!(turns(&fleet), all);
    let (most, mut ran) = told(&fleet);
    assert_eq!(most, 2);
    ran.sort();
    let mut sorted = all;
    sorted.sort();
    assert_eq!(ran, sorted);
}

#[test]
fn higher_priorities_go_first_and_among_equals_who_came_first() {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue=gpu"], STAYS);
    for (name, priority) in
        [("low", "-5"), ("a", "0"), ("b", "0"), ("urgent", "7"), ("also-urgent", "7")]
    {
        fleet.spawn_with(name, &["--queue=gpu", "--priority", priority], "sleep 0.01");
    }
    stop(&fleet, "holder");
    fleet.until_ended("low");
    assert_eq!(turns(&fleet), ["holder", "urgent", "also-urgent", "a", "b", "low"]);
}

#[test]
fn slots_or_a_priority_alone_mean_the_line_without_another_name() {
    let fleet = TestFleet::new();
    fleet.spawn_with("one", &["--slots", "1"], STAYS);
    fleet.spawn_with("two", &["--priority", "3"], STAYS);
    fleet.spawn_with("three", &["--queue"], STAYS);
    for name in ["two", "three"] {
        let waiting = fleet.until(name, is_waiting).waiting;
        assert_eq!(waiting.as_deref(), Some("stands in line for the slot of 'default'"));
    }
}

#[test]
fn a_queued_process_is_told_with_its_place() {
    let (fleet, _) = line_behind_holder(3);
    let line = ["--queue=gpu", "--slots", "3", "--priority", "-1"];
    fleet.spawn_with("last", &line, STAYS);
    let record = fleet.ps("q2");
    assert_eq!((&record["state"], &record["place"]), (&"queued".into(), &2.into()));
    assert_eq!(record["queue"]["group"], "gpu");
    assert_eq!(record["waiting"], "stands in line for the slot of 'gpu'");
    let ran = fleet.run("fleet-ps").args(["-o", "table"]).succeeds();
    let ran = ran.stdout_has("place 1 of 4 for a slot of 'gpu' (1 slot, 1 taken)");
    ran.stdout_has("place 4 of 4 for a slot of 'gpu' (3 slots, 1 taken)");
    let wide = fleet.run("fleet-ps").args(["q3", "-o", "wide"]).succeeds();
    wide.stdout_has("place 3 of 4 for a slot of 'gpu' (1 slot, 1 taken)");
    let health = fleet.run("fleet-ps").args(["q3", "--health", "-o", "table"]).succeeds();
    health.stdout_has("place 3 of 4");
    assert_eq!(fleet.run("fleet-ps").args(["--state", "queued"]).succeeds().records().len(), 4);
    assert_eq!(fleet.ps("holder").get("place"), None);
}

#[test]
fn groups_do_not_know_of_each_other() {
    let fleet = TestFleet::new();
    let groups = names("group", 8);
    for group in &groups {
        let line = format!("--queue={group}");
        fleet.spawn_with(&format!("{group}-holder"), &[&line], STAYS);
        fleet.spawn_with(&format!("{group}-next"), &[&line], STAYS);
    }
    for group in &groups[..4] {
        stop(&fleet, &format!("{group}-holder"));
    }
    for (at, group) in groups.iter().enumerate() {
        let next = format!("{group}-next");
        if at < 4 {
            fleet.until(&next, |record| record.state == State::Running);
        } else {
            assert_eq!(fleet.record(&next).state, State::Queued);
        }
    }
}

#[test]
fn fifty_at_once_go_one_by_one_and_each_runs_once() {
    let fleet = TestFleet::new();
    let all = names("q", 50);
    let script = tells(&fleet, "true");
    let spawns: Vec<_> = all
        .iter()
        .map(|name| {
            let run = fleet.run("fleet-spawn").args(["--queue=gpu", "--name", name]);
            run.args(["--", "bash", "-c", &script]).starts()
        })
        .collect();
    for spawn in spawns {
        let output = spawn.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    for name in &all {
        assert_eq!(fleet.until_ended(name).state, State::Completed);
    }
    let (most, ran) = told(&fleet);
    assert_eq!(most, 1);
    let mut times: HashMap<&str, u32> = HashMap::new();
    ran.iter().for_each(|id| *times.entry(id).or_default() += 1);
    assert!(times.len() == 50 && times.values().all(|&times| times == 1), "{times:?}");
}

fn drain(count: usize, slots: usize) {
    let fleet = TestFleet::new();
    let line = ["--queue=gpu", "--slots", &slots.to_string()];
    let holders = names("holder", slots);
    for name in &holders {
        fleet.spawn_with(name, &line, STAYS);
    }
    let all = names("q", count);
    for name in &all {
        fleet.spawn_with(name, &line, &tells(&fleet, "true"));
    }
    holders.iter().for_each(|name| stop(&fleet, name));
    for name in &all {
        assert_eq!(fleet.until_ended(name).state, State::Completed);
    }
    assert_eq!(turns(&fleet), [holders, all].concat());
    assert!(told(&fleet).0 <= slots);
    fleet.until_deserted();
    assert!(!fleet.file("queue/slots/gpu").exists(), "a ticket is left");
}

#[test]
fn a_group_drains_completely() {
    drain(60, 4);
}

#[test]
fn slow_a_large_group_drains_completely() {
    drain(400, 7);
}

#[test]
fn a_stop_in_the_middle_closes_the_gap() {
    let (fleet, queued) = line_behind_holder(4);
    let record = fleet.run("fleet-stop").arg("q2").succeeds().record();
    assert_eq!(
        (&record["state"], &record["exit"]["cause"]),
        (&"stopped".into(), &"stopped".into())
    );
    let reason = "stopped while it waited for its turn; it was never started";
    assert_eq!(record["exit"]["reason"], reason);
    assert_eq!((record.get("waiting"), record.get("started_at")), (None, None));
    assert_eq!(fleet.ps("q3")["place"], 2);
    stop(&fleet, "holder");
    fleet.until_ended("q4");
    assert_eq!(turns(&fleet), ["holder", "q1", "q3", "q4"]);
    assert_eq!(queued.len(), 4);
}

#[test]
fn the_head_that_is_stopped_lets_the_next_one_go() {
    let (fleet, _) = line_behind_holder(2);
    stop(&fleet, "q1");
    stop(&fleet, "holder");
    assert_eq!(fleet.until_ended("q2").state, State::Completed);
}

#[test]
fn a_restart_asked_of_a_queued_process_leaves_it_where_it_is_and_a_report_is_written() {
    let (fleet, _) = line_behind_holder(1);
    let shim = fleet.supervisors("q1").0;
    kill(shim, Signal::from_number(1).unwrap());
    kill(shim, Signal::from_number(10).unwrap());
    let report = fleet.until_event("q1", "status");
    assert_eq!(report["data"]["process"]["state"], "queued");
    let record = fleet.record("q1");
    assert_eq!((record.state, record.attempt), (State::Queued, 1));
    stop(&fleet, "holder");
    assert_eq!(fleet.until_ended("q1").state, State::Completed);
}

#[test]
fn a_restart_a_pause_before_it_and_a_suspension_keep_the_slot() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("second");
    let script = format!("[ -e {0} ] && exec sleep 600; touch {0}; exit 3", file.display());
    let options = ["--queue=gpu", "--restart", "on-failure", "--backoff", "300ms-300ms"];
    fleet.spawn_with("holder", &options, &script);
    fleet.spawn_with("next", &["--queue=gpu"], "true");
    fleet.until("holder", |record| record.state == State::Backoff);
    assert_eq!(fleet.ps("next")["state"], "queued");
    let record = fleet.until("holder", |record| record.state == State::Running);
    assert_eq!(record.attempt, 2);
    kill(fleet.supervisors("holder").0, Signal::from_number(1).unwrap());
    fleet.until("holder", |record| record.attempt == 3 && record.state == State::Running);
    kill(fleet.pid("holder"), Signal::from_number(19).unwrap());
    fleet.until("holder", |record| record.state == State::Paused);
    assert_eq!(fleet.record("next").state, State::Queued);
    stop(&fleet, "holder");
    assert_eq!(fleet.until_ended("next").state, State::Completed);
}

#[test]
fn the_time_in_line_does_not_count_as_runtime() {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue=gpu"], STAYS);
    fleet.spawn_with("next", &["--queue=gpu", "--max-runtime", "200ms"], STAYS);
    thread::sleep(Duration::from_millis(400));
    assert_eq!(fleet.record("next").state, State::Queued);
    stop(&fleet, "holder");
    let record = fleet.until_ended("next");
    let exit = record.exit.unwrap();
    assert_eq!(exit.cause, Cause::TimedOut);
    assert!((0.2..5.0).contains(&exit.duration_seconds.unwrap()), "{exit:?}");
}

// Deaths of supervisors.

#[test]
fn a_killed_shim_of_a_queued_process_keeps_its_place() {
    let (fleet, queued) = line_behind_holder(4);
    // The head, one in the middle, and the last one; then each of them again.
    for name in ["q1", "q2", "q4", "q1", "q2", "q4"] {
        let before = fleet.record(name);
        kill(before.shim.unwrap().who.pid, Signal::KILL);
        let after = fleet.until(name, |record| record.shim != before.shim);
        assert_eq!((after.state, after.in_line), (State::Queued, true));
    }
    assert_eq!(fleet.ps("q2")["place"], 2);
    stop(&fleet, "holder");
    fleet.until_ended("q4");
    assert_eq!(turns(&fleet), [vec!["holder".to_owned()], queued].concat());
    assert_eq!(told(&fleet).0, 1);
}

#[test]
fn a_killed_keeper_of_a_queued_process_is_replaced() {
    let (fleet, queued) = line_behind_holder(3);
    for name in ["q1", "q3"] {
        let before = fleet.record(name);
        kill(before.shim.unwrap().keeper.unwrap(), Signal::KILL);
        fleet.until(name, |record| record.shim != before.shim);
    }
    stop(&fleet, "holder");
    fleet.until_ended("q3");
    assert_eq!(turns(&fleet), [vec!["holder".to_owned()], queued].concat());
}

#[test]
fn the_holder_may_lose_its_shim_and_its_keeper_and_holds_its_slot() {
    let (fleet, _) = line_behind_holder(2);
    let pid = fleet.pid("holder");
    kill(fleet.supervisors("holder").0, Signal::KILL);
    fleet.until("holder", |record| record.shim.unwrap().who.pid != pid);
    fleet.kill_supervisors("holder");
    // Nobody heals it, and its process ends: the line goes on without anybody's word.
    let listed = fleet.run("fleet-ps").args(["--no-heal", "q1"]).succeeds().record();
    assert_eq!((&listed["state"], &listed["place"]), (&"queued".into(), &1.into()));
    kill(pid, Signal::KILL);
    fleet.until_ended("q2");
    assert_eq!(turns(&fleet), ["holder", "q1", "q2"]);
}

#[test]
fn the_holder_that_dies_with_its_supervisors_frees_its_slot() {
    let (fleet, _) = line_behind_holder(1);
    fleet.kill_with_supervisors("holder");
    assert_eq!(fleet.until_ended("q1").state, State::Completed);
}

#[test]
fn a_holder_that_was_adopted_gives_its_slot_on_when_it_ends() {
    let (fleet, _) = line_behind_holder(1);
    fleet.kill_supervisors("holder");
    fleet.run("fleet-ps").succeeds_and_says("had lost its shim");
    fleet.until_event("holder", "adopted");
    assert_eq!(fleet.record("q1").state, State::Queued);
    stop(&fleet, "holder");
    assert_eq!(fleet.until_ended("q1").state, State::Completed);
}

#[test]
fn a_queued_process_without_supervisors_holds_nobody_up_and_is_healed_to_its_place() {
    let (fleet, _) = line_behind_holder(4);
    for name in ["q1", "q2"] {
        fleet.kill_supervisors(name);
    }
    let listed = fleet.run("fleet-ps").args(["--no-heal", "q1"]).succeeds().record();
    let states = (&listed["state"], &listed["recorded_state"]);
    assert_eq!(states, (&"orphaned".into(), &"queued".into()));
    // Its name is not free meanwhile.
    let again = fleet.run("fleet-spawn").args(["--name", "q1", "--", "true"]);
    again.fails_with(3).stderr_has("taken");
    fleet.run("fleet-ps").arg("q1").succeeds_and_says("'q1#1' had lost its shim");
    fleet.until_event("q1", "adopted");
    fleet.until_event("q2", "adopted");
    assert_eq!(fleet.ps("q2")["place"], 2);
    stop(&fleet, "holder");
    fleet.until_ended("q4");
    assert_eq!(turns(&fleet), ["holder", "q1", "q2", "q3", "q4"]);
}

#[test]
fn a_queued_process_without_supervisors_can_be_stopped() {
    let (fleet, _) = line_behind_holder(2);
    fleet.kill_supervisors("q1");
    let ran = fleet.run("fleet-stop").arg("q1").succeeds_and_says("'q1#1' had lost its shim");
    let reason = "stopped while it waited for its turn; it was never started";
    assert_eq!(ran.record()["exit"]["reason"], reason);
    stop(&fleet, "holder");
    fleet.until_ended("q2");
    assert_eq!(turns(&fleet), ["holder", "q2"]);
}

#[test]
fn a_line_goes_on_past_those_who_lost_their_supervisors() {
    let (fleet, _) = line_behind_holder(3);
    fleet.kill_supervisors("q1");
    let stop = fleet.record("holder").shim.unwrap().who.pid;
    // No tool looks: the shim is asked directly.
    kill(stop, Signal::TERM);
    fleet.until_ended("q3");
    assert_eq!(turns(&fleet), ["holder", "q2", "q3"]);
    fleet.run("fleet-ps").succeeds_and_says("'q1#1' had lost its shim");
    assert_eq!(fleet.until_ended("q1").state, State::Completed);
}

#[test]
fn a_queued_process_does_not_survive_the_machine() {
    let (fleet, _) = line_behind_holder(2);
    fleet.kill_supervisors("q1");
    fleet.forge("q1", |record| record.boot = "another".to_owned());
    let said = "'q1#1' is lost: the machine was started anew while it waited for its turn";
    fleet.run("fleet-ps").succeeds_and_says(said);
    assert_eq!(fleet.record("q1").exit.unwrap().cause, Cause::Reboot);
    stop(&fleet, "holder");
    fleet.until_ended("q2");
    assert!(!fleet.file("queue/slots/gpu").exists(), "its ticket is left");
}

// What a person may do.

#[test]
fn tickets_that_somebody_removed_cost_no_place_and_stop_no_line() {
    let (fleet, queued) = line_behind_holder(5);
    fs::remove_dir_all(fleet.file("queue")).unwrap();
    stop(&fleet, "holder");
    for name in &queued {
        assert_eq!(fleet.until_ended(name).state, State::Completed);
    }
    assert_eq!(told(&fleet).0, 1);
}

#[test]
fn a_folder_of_a_run_that_somebody_removed_stops_no_line() {
    let (fleet, _) = line_behind_holder(3);
    fs::remove_dir_all(fleet.file("processes/q2")).unwrap();
    stop(&fleet, "holder");
    fleet.until_ended("q3");
    assert_eq!(turns(&fleet), ["holder", "q1", "q2", "q3"]);
}

#[test]
fn a_registry_that_somebody_removed_lets_nobody_too_many_go() {
    let (fleet, _) = line_behind_holder(3);
    fs::remove_file(fleet.file("registry.jsonl")).unwrap();
    // Wakes the head, which finds the slot taken.
    kill(fleet.supervisors("q1").0, Signal::KILL);
    fleet.until_event("q1", "shim_replaced");
    assert_eq!(fleet.record("q1").state, State::Queued);
    stop(&fleet, "holder");
    fleet.until_ended("q3");
    assert_eq!(told(&fleet).0, 1);
}

#[test]
fn a_ticket_that_is_left_over_is_passed_by() {
    let (fleet, _) = line_behind_holder(1);
    let folder = fleet.file("queue/slots/gpu");
    let left = ["00000000-00000000000000000000-gone#1", "00000000-00000000000000000001-holder#1"];
    for name in left {
        fs::write(folder.join(name), "{\"boot\":\"b\",\"pid\":1,\"start\":1}").unwrap();
    }
    fs::write(folder.join("not a ticket#"), "").unwrap();
    stop(&fleet, "holder");
    assert_eq!(fleet.until_ended("q1").state, State::Completed);
    assert!(left.iter().all(|name| !folder.join(name).exists()));
}

// The price.

fn switches(pid: i32) -> u64 {
    status_field(pid, "voluntary_ctxt_switches").parse().unwrap()
}

fn wait_without_cost(count: usize, watched: Duration) {
    let (fleet, queued) = line_behind_holder(count);
    let pids: Vec<i32> = queued
        .iter()
        .flat_map(|name| {
            let (shim, keeper) = fleet.supervisors(name);
            [shim, keeper]
        })
        .collect();
    let work = |pids: &[i32]| -> u64 { pids.iter().map(|&pid| switches(pid)).sum() };
    let ticks = |pids: &[i32]| -> u64 { pids.iter().map(|&pid| cpu_ticks(pid)).sum() };
    // What they had to do when they came is done once nothing is done for a while.
    until("all are asleep", || {
        let before = work(&pids);
        thread::sleep(Duration::from_millis(300));
        work(&pids) == before
    });
    let before = (work(&pids), ticks(&pids));
    thread::sleep(watched);
    assert_eq!((work(&pids), ticks(&pids)), before);
    assert_eq!(fleet.run("fleet-ps").args(["--state", "queued"]).succeeds().records().len(), count);
}

#[test]
fn who_waits_is_not_woken() {
    wait_without_cost(20, Duration::from_secs(1));
}

#[test]
fn slow_five_hundred_wait_without_any_cost() {
    wait_without_cost(500, Duration::from_secs(10));
}
