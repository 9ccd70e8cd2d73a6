//! Shim and keeper, killed at every moment: the process lives on, and nothing that it printed is
//! lost, doubled or moved.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::thread;
use std::time::Duration;

use fleet_testkit::{ProcessRecord, Signal, State, TestFleet, is_living, kill, until};

/// Which of the two to kill.
#[derive(Clone, Copy)]
enum Who {
    Shim,
    Keeper,
    InTurns,
}

impl Who {
    fn pid(self, round: u32, record: &ProcessRecord) -> i32 {
        let shim = record.shim.unwrap();
        let is_keeper = match self {
            Who::Shim => false,
            Who::Keeper => true,
            Who::InTurns => round.is_multiple_of(2),
        };
        if is_keeper { shim.keeper.unwrap() } else { shim.who.pid }
    }
}

/// Prints numbered lines until it is told to end, then how many they were.
const FLOOD: &str = "my ($n, $end) = (0, 0); $SIG{USR1} = sub { $end = 1 }; $| = 1;     until ($end) { my $text = join '', map { 'line ' . $n++ . \" xxxxxxxxxxxxxxxxxxxx\n\" } 1..100;     print $text } print \"total $n\n\"; exit 7";

fn flood(fleet: &TestFleet, options: &[&str]) {
    let options = [&["--name", "job", "--log-keep", "100000"], options].concat();
    let run = fleet.run("fleet-spawn").args(options).args(["--", "perl", "-e", FLOOD]);
    run.succeeds();
}

/// Ends the flood and looks at all that it printed.
fn until_flood_is_whole(fleet: &TestFleet) {
    kill(fleet.pid("job"), Signal::from_number(10).unwrap());
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.exit.unwrap().code), (State::Failed, Some(7)));
    let text = fleet.log("job").text();
    let mut count = 0;
    for (at, line) in text.lines().enumerate() {
        if let Some(total) = line.strip_prefix("total ") {
            assert_eq!((total.parse(), text.lines().count()), (Ok(at), at + 1));
            return;
        }
        assert_eq!(line, format!("line {at} xxxxxxxxxxxxxxxxxxxx"), "after {count} good lines");
        count += 1;
    }
    panic!("the last line is missing after {count}");
}

/// Kills so often, each time after the one before was replaced and at another moment of its work.
fn kill_under_flood(kills: u32, who: Who, options: &[&str]) {
    let fleet = TestFleet::new();
    flood(&fleet, options);
    for round in 0..kills {
        let before = fleet.record("job");
        assert_eq!(before.state, State::Running);
        kill(who.pid(round, &before), Signal::KILL);
        fleet.until("job", |record| record.shim != before.shim);
        // The moment in the work of the next one, spread over some milliseconds.
        thread::sleep(Duration::from_micros(u64::from(round) * 7919 % 15_000));
    }
    until_flood_is_whole(&fleet);
}

#[test]
fn fifty_kills_of_the_shim_under_flood_lose_nothing() {
    kill_under_flood(50, Who::Shim, &["--log-max-size", "4M"]);
}

#[test]
fn twenty_kills_of_the_keeper_under_flood_lose_nothing() {
    kill_under_flood(20, Who::Keeper, &[]);
}

#[test]
fn thirty_kills_of_shim_and_keeper_in_turns_lose_nothing() {
    kill_under_flood(30, Who::InTurns, &["--log-max-size", "1M"]);
}

#[test]
fn kills_while_files_are_set_aside_lose_nothing() {
    kill_under_flood(30, Who::Shim, &["--log-max-size", "16K"]);
}

#[test]
fn kills_while_files_are_set_aside_by_age_and_packed_lose_nothing() {
    let options = ["--log-max-size", "256K", "--log-rotate", "20ms", "--log-compress", "zstd"];
    kill_under_flood(30, Who::InTurns, &options);
}

#[test]
fn slow_five_hundred_kills_lose_nothing() {
    kill_under_flood(500, Who::InTurns, &["--log-max-size", "256K"]);
}

#[test]
fn a_shim_killed_while_it_starts_the_command_is_replaced() {
    // The kill comes at another moment each time: before the fork, before the exec, after it. (A
    // child that has not executed its command yet has the name of a shim: then that is killed.)
    for round in 0..24_u64 {
        let fleet = TestFleet::new();
        let spawn = fleet.run("fleet-spawn").args(["--name", "job", "--", "bash", "-c"]);
        let spawn = spawn.arg("echo $FLEET_ATTEMPT; exec sleep 600").starts();
        let mut shim = 0;
        until("a shim is there", || {
            let is_shim = |pid: &i32| {
                std::fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"fleet-shim\n")
            };
            shim = fleet.living().into_iter().find(is_shim).unwrap_or_default();
            shim != 0
        });
        thread::sleep(Duration::from_micros(round * 150));
        kill(shim, Signal::KILL);
        let output = spawn.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let record = fleet.until("job", |record| record.state == State::Running);
        let pid = record.pid.unwrap();
        fleet.until_log("job", |log| !log.stdout().is_empty());
        assert!(is_living(pid));
        // It was executed once.
        assert_eq!(fleet.log("job").text(), "1\n");
        // (While it is being executed anew it has no environment to be known by.)
        until("one process is all", || fleet.workload() == [pid]);
    }
}

#[test]
fn a_shim_killed_in_the_middle_of_a_stop_is_replaced_and_the_stop_goes_on() {
    let fleet = TestFleet::new();
    let script = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    fleet.spawn("job", script);
    fleet.until_log("job", |log| log.text() == "up\n");
    let stop = fleet.run("fleet-stop").args(["job", "--grace", "500ms"]).starts();
    fleet.until("job", |record| record.state == State::Stopping);
    kill(fleet.supervisors("job").0, Signal::KILL);
    let output = stop.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let record = fleet.record("job");
    assert_eq!((record.state, record.exit.unwrap().signal), (State::Stopped, Some(Signal::KILL)));
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_stop_whose_shim_dies_at_once_is_not_forgotten() {
    for _ in 0..8 {
        let fleet = TestFleet::new();
        fleet.spawn("job", "exec sleep 600");
        let (shim, _) = fleet.supervisors("job");
        let stop = fleet.run("fleet-stop").arg("job").starts();
        kill(shim, Signal::KILL);
        let output = stop.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fleet.record("job").state, State::Stopped);
    }
}

#[test]
fn a_shim_killed_during_a_pause_is_replaced_and_the_pause_goes_on() {
    let fleet = TestFleet::new();
    let options = ["--restart", "on-failure", "--backoff", "1s-1s"];
    fleet.spawn_with("job", &options, "[ $FLEET_ATTEMPT = 2 ] || exit 1");
    let paused = fleet.until("job", |record| record.state == State::Backoff);
    kill(fleet.supervisors("job").0, Signal::KILL);
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.attempt), (State::Completed, 2));
    assert!(
        record.started_at.unwrap() >= paused.retry_at.unwrap().minus(Duration::from_millis(50))
    );
}

#[test]
fn kills_between_attempts_neither_repeat_nor_skip_one() {
    let fleet = TestFleet::new();
    let options = ["--restart", "always", "--backoff", "1ms-2ms", "--crash-limit", "32/1ms"];
    fleet.spawn_with("job", &options, "echo $FLEET_ATTEMPT");
    for round in 0..40_u64 {
        let before = fleet.record("job");
        kill(before.shim.unwrap().who.pid, Signal::KILL);
        fleet.until("job", |r| r.shim != before.shim && r.attempt > before.attempt);
        thread::sleep(Duration::from_micros(round * 7919 % 9_000));
    }
    fleet.run("fleet-stop").arg("job").succeeds();
    let record = fleet.record("job");
    assert_eq!((record.state, record.restarts + 1), (State::Stopped, record.attempt));
    let text = fleet.log("job").text();
    // The last one may have been stopped before it said anything.
    let attempts: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(attempts.windows(2).all(|pair| pair[1] == pair[0] + 1), "{attempts:?}");
    assert!(record.attempt - attempts.last().unwrap() <= 1, "{attempts:?}");
    let refused: Vec<_> =
        fleet.events().into_iter().filter(|event| event["type"] == "refused").collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn the_exit_code_is_true_when_the_shim_dies_with_the_process() {
    for round in 0..10 {
        let fleet = TestFleet::new();
        fleet.spawn("job", "trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done");
        fleet.until_log("job", |log| log.text() == "up\n");
        let (shim, _) = fleet.supervisors("job");
        kill(fleet.pid("job"), Signal::from_number(10).unwrap());
        thread::sleep(Duration::from_millis(round * 2));
        kill(shim, Signal::KILL);
        let record = fleet.until_ended("job");
        assert_eq!((record.state, record.exit.unwrap().code), (State::Failed, Some(9)));
    }
}

#[test]
fn who_is_replaced_says_so_and_is_no_restart() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let before = fleet.record("job");
    kill(before.shim.unwrap().who.pid, Signal::KILL);
    let after = fleet.until("job", |record| record.shim != before.shim);
    fleet.until_event("job", "shim_replaced");
    assert_eq!((after.pid, after.restarts, after.attempt), (before.pid, 0, 1));
    assert_eq!(fleet.ps("job")["state"], "running");
}

#[test]
fn signals_that_are_meant_for_others_do_not_end_shim_or_keeper() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let (shim, keeper) = fleet.supervisors("job");
    // INT, QUIT, PIPE, ALRM, USR2, and to the keeper HUP and TERM as well.
    for number in [2, 3, 13, 14, 12] {
        kill(shim, Signal::from_number(number).unwrap());
    }
    for number in [1, 2, 3, 10, 13, 14, 15] {
        kill(keeper, Signal::from_number(number).unwrap());
    }
    // The shim answers, and so it has seen all of them.
    kill(shim, Signal::from_number(10).unwrap());
    fleet.until_event("job", "status");
    assert_eq!(fleet.supervisors("job"), (shim, keeper));
    assert!(is_living(shim) && is_living(keeper));
    assert_eq!(fleet.record("job").state, State::Running);
}
