//! The rules that we ship, each held against what real producers print: processes that fail, grow
//! and hang, trainings that diverge, queues, GPUs.
//!
//! Records come through the pipe that people use. A rule that holds for five minutes is not waited
//! for: a real record is told again at other times ([`story`]).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[path = "stock/case.rs"]
mod case;
#[path = "stock/curves.rs"]
mod curves;
#[path = "stock/day.rs"]
mod day;
#[path = "stock/gpus.rs"]
mod gpus;
#[path = "stock/log_rules.rs"]
mod log_rules;
#[path = "stock/machine.rs"]
mod machine;
#[path = "stock/processes.rs"]
mod processes;
#[path = "stock/queues.rs"]
mod queues;
#[path = "stock/story.rs"]
mod story;

use std::collections::BTreeSet;

use case::judge;
use fleet_rules::{AlertState, Engine, RuleSet};
use fleet_testkit::{TestFleet, Timestamp};
use story::{RULES, about, at, fires, metrics, told};

#[test]
fn processes_that_misbehave_are_told_and_others_are_not() {
    judge(processes::CASES);
}

#[test]
fn a_fleet_that_is_unwell_is_told() {
    judge(machine::OF_FLEET);
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn a_machine_that_runs_out_of_something_is_told() {
    match TestFleet::on_tmpfs("size=1m") {
        Some(_) => judge(machine::OF_MACHINE),
        None => eprintln!("passed over: the size of a machine cannot be played here"),
    }
}

#[test]
fn gpus_that_idle_or_hang_are_told() {
    judge(gpus::CASES);
}

#[test]
fn trainings_that_go_wrong_are_told() {
    judge(curves::CASES);
}

#[test]
fn long_queues_and_containers_of_nobody_are_told() {
    judge(queues::CASES);
}

#[test]
fn a_worker_whose_heartbeat_stops_is_told_by_the_clock_alone() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "fleet-emit metric heartbeat=1; echo beaten; exec sleep 600");
    fleet.until_log("job", |log| log.text() == "beaten\n");
    let heartbeat = about(&metrics(&fleet), "custom").remove(0);
    let start = Timestamp::now();
    let later = |seconds: i64| Timestamp::from_nanos(start.nanos() + seconds * 1_000_000_000);
    let mut engine = Engine::new(RuleSet::load(RULES.as_ref()).unwrap(), false);
    let mut outcomes = Vec::new();
    engine.feed(heartbeat.to_string().as_bytes(), start, &mut outcomes);
    engine.tick(later(28), &mut outcomes);
    assert!(outcomes.is_empty(), "{outcomes:?}");
    engine.tick(later(31), &mut outcomes);
    let alert = outcomes.pop().unwrap().alert.unwrap();
    let who = (alert.alert.as_str(), alert.severity.as_str(), alert.id.as_deref());
    assert_eq!(who, ("worker_heartbeat_missing", "critical", Some("job")));
    let again = at(&heartbeat, 40).to_string();
    engine.feed(again.as_bytes(), later(40), &mut outcomes);
    assert_eq!(outcomes.pop().unwrap().alert.unwrap().state, AlertState::Resolved);
}

#[test]
fn what_cannot_wait_is_held_back_by_nothing() {
    let rules = RuleSet::load(RULES.as_ref()).unwrap().rules;
    let immediate = rules.iter().filter(|rule| rule.immediate);
    let names: Vec<&str> = immediate.map(|rule| rule.name.as_str()).collect();
    let wanted = [
        "process_failed",
        "process_failed_in_list",
        "crash_loop",
        "auth_failures",
        "safety_violation",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn each_rule_has_a_story_that_fires_it_and_one_that_does_not() {
    let all = [
        processes::CASES,
        machine::OF_FLEET,
        machine::OF_MACHINE,
        gpus::CASES,
        curves::CASES,
        queues::CASES,
    ];
    let told = all.into_iter().flatten().map(|case| case.rule);
    // Their lines are printed by real processes, too: log_alerts.rs.
    let logs = log_rules::LINES.iter().map(|line| line.0);
    let tested: BTreeSet<&str> = told.chain(logs).chain(["worker_heartbeat_missing"]).collect();
    let text = std::fs::read_to_string(RULES).unwrap();
    let rules: toml::Table = text.parse().unwrap();
    let rules = rules["rule"].as_array().unwrap();
    let shipped: BTreeSet<&str> = rules.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(tested, shipped);
}

#[test]
fn a_failure_between_two_runs_of_cron_fires_exactly_once_whoever_looked_meanwhile() {
    let fleet = TestFleet::new();
    let cron = || told(&fleet, &metrics(&fleet));
    fleet.spawn("job", "exec sleep 600");
    assert!(fires(&cron(), "process_failed").is_none());
    fleet.run("fleet-stop").arg("job").succeeds();
    fleet.spawn("job", "exit 3");
    fleet.until_ended("job");
    // Somebody else looks, with a rule file of his own, and without one.
    metrics(&fleet);
    let elsewhere = TestFleet::new();
    assert!(fires(&told(&elsewhere, &metrics(&fleet)), "process_failed").is_some());
    let failed = fires(&cron(), "process_failed").unwrap();
    assert_eq!((&failed["id"], &failed["run"]), (&"job".into(), &2.into()));
    for _ in 0..3 {
        metrics(&fleet);
        assert!(fires(&cron(), "process_failed").is_none(), "it was told");
    }
    // It is over when it runs again, and the next failure is another.
    fleet.spawn("job", "exec sleep 600");
    let alerts = cron();
    let over = alerts.iter().find(|alert| alert["alert"] == "process_failed").unwrap();
    assert_eq!(over["state"], "resolved", "{over}");
}

#[test]
fn of_the_alerts_of_a_day_hardly_any_is_false_and_none_is_missing() {
    let (truth, alarms) = (day::truth(), day::alarms());
    let is_missed = |wrong: &&day::Wrong| !alarms.iter().any(|alarm| wrong.explains(alarm));
    let missed: Vec<String> = truth.iter().filter(is_missed).map(ToString::to_string).collect();
    assert!(missed.is_empty(), "nothing was told of {missed:#?}");
    let is_right = |alarm: &day::Alarm| truth.iter().any(|wrong| wrong.explains(alarm));
    let told = |alarm: &&day::Alarm| !is_right(alarm);
    let wrong: Vec<String> = alarms.iter().filter(told).map(ToString::to_string).collect();
    let all = alarms.len();
    assert!(wrong.len() * 20 < all, "of {all} alerts these are false: {wrong:#?}");
}
