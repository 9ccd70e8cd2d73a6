//! Names: what may be one, who has it, and finding what has it already.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashSet;
use std::process::Child;

use fleet_testkit::{Run, State, TestFleet};

const SLEEPS: &str = "exec sleep 600";

fn spawn(fleet: &TestFleet, options: &[&str], script: &str) -> Run {
    fleet.run("fleet-spawn").args(options).args(["--", "bash", "-c", script])
}

/// Status and output of all, which ran at the same time.
fn answers(children: Vec<Child>) -> Vec<(Option<i32>, String)> {
    let answer = |child: Child| {
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    children.into_iter().map(answer).collect()
}

#[test]
fn prints_the_name_and_nothing_else() {
    let fleet = TestFleet::new();
    spawn(&fleet, &["--name", "web"], SLEEPS).succeeds().stdout_is("web\n");
    assert_eq!(fleet.record("web").state, State::Running);
}

#[test]
fn a_name_is_made_from_the_command_and_numbered() {
    let fleet = TestFleet::new();
    for name in ["sleep", "sleep-2", "sleep-3"] {
        let run = fleet.run("fleet-spawn").args(["--", "sleep", "600"]);
        run.succeeds().stdout_is(&format!("{name}\n"));
    }
}

#[test]
fn a_name_of_the_living_is_taken() {
    let fleet = TestFleet::new();
    fleet.spawn("web", SLEEPS);
    let ran = spawn(&fleet, &["--name", "web"], SLEEPS).fails_with(3);
    ran.stdout_is("").stderr_has("'web' is taken").stderr_has("fleet-stop web");
    assert_eq!(fleet.record("web").run, 1);
}

#[test]
fn a_name_of_the_dead_is_free_and_its_next_run_is_numbered() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "echo first");
    fleet.until_ended("web");
    fleet.spawn("web", SLEEPS);
    assert_eq!(fleet.record("web").run, 2);
    let all = fleet.run("fleet-ps").arg("--all").succeeds().records();
    let runs: Vec<String> = all.iter().map(|r| format!("{}#{}", r["id"], r["run"])).collect();
    assert_eq!(runs, ["\"web\"#1", "\"web\"#2"]);
    assert_eq!(fleet.run("fleet-ps").succeeds().records().len(), 1);
    let old = fleet.run("fleet-ps").arg("web#1").succeeds().record();
    assert_eq!(old["state"], "completed");
}

#[test]
fn hostile_names_are_refused_before_anything_is_made() {
    let fleet = TestFleet::new();
    let long = "x".repeat(300);
    let names =
        ["", "a/b", "../up", "/abs", "a\nb", &long, ".hidden", "a b", "ü", "a*", "#2", "a#2"];
    for name in names {
        let ran = spawn(&fleet, &["--name", name], SLEEPS).fails_with(2);
        ran.stdout_is("").stderr_has("a name ");
    }
    spawn(&fleet, &["--name=-rf"], SLEEPS).fails_with(2).stderr_has("begins with a letter");
    spawn(&fleet, &["--name", "-rf"], SLEEPS).fails_with(2);
    assert!(!fleet.file("processes").exists() && !fleet.file("registry.jsonl").exists());
}

#[test]
fn the_longest_name_works() {
    let fleet = TestFleet::new();
    let name = "n".repeat(100);
    fleet.spawn(&name, "echo fine");
    assert_eq!(fleet.until_ended(&name).state, State::Completed);
    spawn(&fleet, &["--name", &"n".repeat(101)], SLEEPS).fails_with(2).stderr_has("at most 100");
}

#[test]
fn of_fifty_at_once_one_gets_the_name() {
    let fleet = TestFleet::new();
    let all = (0..50).map(|_| spawn(&fleet, &["--name", "one"], SLEEPS).starts()).collect();
    let answers = answers(all);
    let count = |code| answers.iter().filter(|(got, _)| *got == Some(code)).count();
    assert_eq!((count(0), count(3)), (1, 49), "{answers:?}");
    assert_eq!(fleet.record("one").run, 1);
    assert_eq!(fleet.run("fleet-ps").succeeds().records().len(), 1);
}

#[test]
fn reuse_finds_or_makes_one_process_however_many_ask() {
    let fleet = TestFleet::new();
    let options = ["--reuse", "--name", "one"];
    let all = (0..20).map(|_| spawn(&fleet, &options, SLEEPS).starts()).collect();
    for answer in answers(all) {
        assert_eq!(answer, (Some(0), "one\n".to_owned()));
    }
    assert_eq!(fleet.run("fleet-ps").arg("--all").succeeds().records().len(), 1);
}

#[test]
fn reuse_without_a_name_goes_by_command_and_labels() {
    let fleet = TestFleet::new();
    let all = (0..10).map(|_| spawn(&fleet, &["--reuse"], SLEEPS).starts()).collect();
    let names: HashSet<String> = answers(all).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, HashSet::from(["bash\n".to_owned()]));
    let other = spawn(&fleet, &["--reuse", "-l", "team=vision"], SLEEPS).succeeds();
    other.stdout_is("bash-2\n");
}

#[test]
fn reuse_starts_anew_what_has_ended() {
    let fleet = TestFleet::new();
    fleet.spawn("one", "true");
    fleet.until_ended("one");
    spawn(&fleet, &["--reuse", "--name", "one"], SLEEPS).succeeds().stdout_is("one\n");
    assert_eq!(fleet.record("one").run, 2);
}
