//! From what a process prints to an alert: `fleet-logs | fleet-alert` with the rules that we ship.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[path = "stock/log_rules.rs"]
mod log_rules;

use fleet_testkit::TestFleet;
use log_rules::LINES;

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/alerts.toml");

/// The alerts that fire for a process, as `name`.
fn fired(fleet: &TestFleet, logs: &str) -> Vec<String> {
    let script = format!("{logs} | fleet-alert --rules '{CONFIGS}' --no-notify -o jsonl");
    let records = fleet.shell(&script).succeeds().records();
    let firing = records.iter().filter(|r| r["state"] == "firing");
    firing.map(|r| r["alert"].as_str().unwrap().to_owned()).collect()
}

/// Starts a process that prints a line so many times among others, and waits for its end.
fn print(fleet: &TestFleet, name: &str, class: &str, line: &str, times: usize) {
    let label = format!("log_class={class}");
    let options: &[&str] = if class.is_empty() { &[] } else { &["--label", &label] };
    let script = format!(
        "for i in $(seq {times}); do echo 'all is well'; cat <<'LINE'\n{line}\nLINE\ndone; echo bye"
    );
    fleet.spawn_with(name, options, &script);
    fleet.until_ended(name);
}

#[test]
fn each_rule_about_logs_has_lines_that_fire_it() {
    let fleet = TestFleet::new();
    for (at, (rule, class, line, times)) in LINES.into_iter().enumerate() {
        let name = format!("p{at}");
        print(&fleet, &name, class, line, times);
        let alerts = fired(&fleet, &format!("fleet-logs {name} -o jsonl"));
        assert!(alerts.contains(&rule.to_owned()), "{rule} must fire of {line:?}: {alerts:?}");
        let few = format!("q{at}");
        print(&fleet, &few, class, line, times - 1);
        let alerts = fired(&fleet, &format!("fleet-logs {few} -o jsonl"));
        assert!(!alerts.contains(&rule.to_owned()), "{rule} must not fire of {} times", times - 1);
    }
}

#[test]
fn calm_lines_fire_nothing() {
    let fleet = TestFleet::new();
    let calm =
        "INFO started with timeout=30 and error_rate=0; no crash, 0 errors, zoom out of memories";
    for class in ["training", "evaluation", "integration", "system", "security"] {
        print(&fleet, class, class, calm, 30);
        assert_eq!(fired(&fleet, &format!("fleet-logs {class} -o jsonl")), [""; 0], "{class}");
    }
}

#[test]
fn a_stream_is_counted_as_it_comes() {
    let fleet = TestFleet::new();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10; do echo \"ERROR $i\"; sleep 0.05; done";
    fleet.spawn("a", script);
    assert_eq!(fired(&fleet, "fleet-logs a --until-ended -n all -o jsonl"), ["log_errors"]);
}

#[test]
fn what_was_counted_lasts_from_one_run_of_cron_to_the_next() {
    let fleet = TestFleet::new();
    fleet.spawn("a", "for i in $(seq 6); do echo \"ERROR $i\"; done");
    fleet.until_ended("a");
    let cron = "fleet-logs a --cursor \"$FLEET_HOME/cursor\" -o jsonl";
    assert_eq!(fired(&fleet, cron), [""; 0]);
    assert_eq!(fired(&fleet, cron), [""; 0], "no line is counted twice");
    fleet.spawn("a", "for i in $(seq 4); do echo \"ERROR $i\"; done");
    fleet.until_ended("a");
    assert_eq!(fired(&fleet, cron), ["log_errors"], "ten of two runs");
}

#[test]
fn counts_of_lines_are_samples_that_rules_can_read() {
    let fleet = TestFleet::new();
    print(&fleet, "a", "", "GET / 500", 30);
    std::fs::write(
        fleet.scratch().join("rates.toml"),
        "[[rule]]\nname = 'many_lines'\non = 'sample'\n\
         when = \"subject == 'log' && lines > 50\"\nsummary = '{{id}} prints {{lines}} lines'\n",
    )
    .unwrap();
    let rules = fleet.scratch().join("rates.toml");
    let script = format!(
        "fleet-logs a --count-by id -o jsonl | fleet-alert --rules '{}' --no-notify -o jsonl",
        rules.display()
    );
    let alert = fleet.shell(&script).succeeds().record();
    assert_eq!((&alert["id"], &alert["summary"]), (&"a".into(), &"a prints 61 lines".into()));
}
