//! Rules held against records with a virtual clock.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::Path;

use fleet_core::Timestamp;
use fleet_rules::{AlertState, Engine, FORGET_AFTER, Fed, Outcome, RuleSet};
use proptest::prelude::*;

/// An engine and a clock that stands still unless it is moved.
struct Bench {
    engine: Engine,
    now: Timestamp,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
}

impl Bench {
    fn new(rules: &str) -> Bench {
        let rules = RuleSet::parse(Path::new("test.toml"), rules).unwrap();
        Bench { engine: Engine::new(rules, false), now: at(0) }
    }

    fn rule(rest: &str) -> Bench {
        Bench::new(&format!(
            "[[rule]]\nname = 'r'\non = 'sample'\nsummary = '{{{{id}}}} {{{{x}}}}'\n{rest}"
        ))
    }

    /// Feeds fields of a sample of this second; returns the states that are told.
    fn sample(&mut self, second: i64, fields: &str) -> Vec<AlertState> {
        self.record(&format!(r#"{{"kind":"sample","ts":"{}",{fields}}}"#, at(second)))
    }

    fn record(&mut self, line: &str) -> Vec<AlertState> {
        states(&self.outcomes(line))
    }

    fn outcomes(&mut self, line: &str) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let fed = self.engine.feed(line.as_bytes(), self.now, &mut outcomes);
        assert!(matches!(fed, Fed::Held), "{line}: {fed:?}");
        self.engine.changed_written();
        outcomes
    }

    fn clock(&mut self, second: i64) -> Vec<AlertState> {
        self.now = at(second);
        let mut outcomes = Vec::new();
        self.engine.tick(self.now, &mut outcomes);
        self.engine.changed_written();
        states(&outcomes)
    }
}

fn states(outcomes: &[Outcome]) -> Vec<AlertState> {
    outcomes.iter().filter_map(|o| o.alert.as_ref()).map(|a| a.state).collect()
}

use AlertState::{Firing, Resolved};

#[test]
fn recorded_lines_are_judged_by_their_own_times() {
    let mut bench = Bench::rule("when = 'x > 1'\nfor = '60s'");
    assert_eq!(bench.sample(0, r#""id":"a","x":2"#), []);
    assert_eq!(bench.sample(59, r#""id":"a","x":2"#), []);
    assert_eq!(bench.sample(60, r#""id":"a","x":2"#), [Firing]);
    assert_eq!(bench.sample(61, r#""id":"a","x":1"#), [Resolved]);
}

#[test]
fn each_process_has_its_own_alert() {
    let mut bench = Bench::rule("when = 'x > 1'");
    assert_eq!(bench.sample(0, r#""id":"a","x":2"#), [Firing]);
    assert_eq!(bench.sample(0, r#""id":"b","x":2"#), [Firing]);
    assert_eq!(bench.sample(1, r#""id":"a","x":1"#), [Resolved]);
    assert_eq!(bench.engine.firing().len(), 1);
}

#[test]
fn a_record_without_the_key_is_an_instance_too() {
    let mut bench = Bench::rule("when = 'x > 1'");
    let outcomes = bench.outcomes(r#"{"kind":"sample","subject":"host","x":2}"#);
    let alert = outcomes[0].alert.as_ref().unwrap();
    assert_eq!((alert.id.as_deref(), alert.state), (None, Firing));
}

#[test]
fn an_alert_says_all_of_it() {
    let mut bench = Bench::rule("when = 'x > 1'\nby = ['id', 'gpu']\nlabels = { team = 'ml' }");
    let line = r#"{"kind":"sample","ts":"2027-01-15T08:00:00Z","id":"a","run":3,"gpu":0,"x":2.5,
        "labels":{"job":"train","team":"x"}}"#;
    let outcomes = bench.outcomes(line);
    let alert = serde_json::to_value(outcomes[0].alert.as_ref().unwrap()).unwrap();
    let expected = serde_json::json!({
        "kind": "alert", "ts": "2027-01-15T08:00:00.000000Z", "alert": "r", "state": "firing",
        "severity": "warning", "id": "a", "run": 3, "since": "2027-01-15T08:00:00.000000Z",
        "labels": {"gpu": "0", "job": "train", "team": "ml"}, "value": 2.5,
        "summary": "a 2.5", "reason": "x is 2.5", "fingerprint": alert["fingerprint"],
    });
    assert_eq!(alert, expected);
    assert_eq!(alert["fingerprint"].as_str().map(str::len), Some(16));
}

#[test]
fn a_huge_text_is_not_remembered_whole() {
    let mut bench = Bench::rule("when = 'x > 1'");
    let huge = "ä".repeat(1 << 20);
    for end in ["1", "2"] {
        let line =
            format!(r#"{{"kind":"sample","id":"{huge}{end}","x":2,"labels":{{"l":"{huge}"}}}}"#);
        let alert = bench.outcomes(&line).pop().unwrap().alert.unwrap();
        let json = serde_json::to_string(&alert).unwrap();
        assert!(json.len() < 100_000 && alert.id.unwrap().starts_with('ä'), "{}", json.len());
    }
    let instances: Vec<_> = bench.engine.instances().map(|i| i.name().len()).collect();
    assert!(matches!(instances[..], [a, b] if a < 2000 && b < 2000), "{instances:?}");
}

#[test]
fn an_alert_on_a_record_with_a_number_beyond_all_says_whose_it_is() {
    let mut bench = Bench::rule("when = 'x > 1'");
    let alert = bench.outcomes(r#"{"kind":"sample","id":"a","x":1e999}"#).pop().unwrap().alert;
    assert_eq!(alert.unwrap().id.as_deref(), Some("a"));
}

#[test]
fn a_record_about_another_subject_changes_nothing() {
    let mut bench = Bench::rule("when = \"subject == 'process' && x > 1\"");
    assert_eq!(bench.sample(0, r#""id":"a","subject":"process","x":2"#), [Firing]);
    assert_eq!(bench.sample(1, r#""id":"a","subject":"custom","loss":2"#), []);
    assert_eq!(bench.sample(2, r#""id":"a","subject":"process","x":1"#), [Resolved]);
}

#[test]
fn a_value_that_is_gone_ends_the_alert_even_with_another_bound() {
    let mut bench = Bench::rule("when = 'x > 90'\nclear = 'x < 80'");
    assert_eq!(bench.sample(0, r#""id":"a","x":95"#), [Firing]);
    assert_eq!(bench.sample(1, r#""id":"a","x":85"#), []);
    assert_eq!(bench.sample(2, r#""id":"a","state":"failed""#), [Resolved]);
}

#[test]
fn a_late_line_and_a_clock_that_was_set_break_nothing() {
    let mut bench = Bench::rule("when = 'x > 1'\nfor = '60s'");
    assert_eq!(bench.sample(0, r#""id":"a","x":2"#), []);
    assert_eq!(bench.sample(-300, r#""id":"a","x":2"#), [], "late");
    assert_eq!(bench.sample(59, r#""id":"a","x":2"#), []);
    assert_eq!(bench.sample(-86_400, r#""id":"a","x":2"#), [], "set back by a day");
    assert_eq!(bench.sample(-86_399, r#""id":"a","x":2"#), [Firing], "what was held stays held");
}

#[test]
fn the_clock_resolves_what_keeps_firing() {
    let mut bench = Bench::rule("when = 'x > 1'\nkeep_firing_for = '60s'");
    assert_eq!(bench.sample(0, r#""id":"a","x":2"#), [Firing]);
    assert_eq!(bench.sample(1, r#""id":"a","x":0"#), []);
    assert_eq!(bench.engine.next_tick(at(10)).map(|d| d.as_secs()), Some(50));
    assert_eq!(bench.clock(59), []);
    assert_eq!(bench.clock(60), [Resolved]);
    assert_eq!(bench.engine.next_tick(at(60)), None);
}

#[test]
fn the_clock_fires_for_kinds_that_report_changes_but_not_for_samples() {
    let mut bench = Bench::rule("when = 'x > 1'\nfor = '60s'");
    bench.sample(0, r#""id":"a","x":2"#);
    assert_eq!(bench.clock(100), []);
    let rules = "[[rule]]\nname = 'r'\non = 'process'\nwhen = \"state == 'backoff'\"\nfor = '60s'";
    let mut bench = Bench::new(rules);
    let line = format!(r#"{{"kind":"process","ts":"{}","id":"a","state":"backoff"}}"#, at(0));
    assert_eq!(bench.record(&line), []);
    assert_eq!(bench.clock(59), []);
    assert_eq!(bench.clock(60), [Firing]);
}

#[test]
fn what_is_not_seen_for_a_day_is_resolved_and_forgotten() {
    let mut bench = Bench::rule("when = 'x > 1'");
    assert_eq!(bench.sample(0, r#""id":"a","x":2"#), [Firing]);
    let day = i64::try_from(FORGET_AFTER.as_secs()).unwrap();
    assert_eq!(bench.clock(day - 1), []);
    assert_eq!(bench.clock(day), [Resolved]);
    assert_eq!(bench.engine.firing().len(), 0);
}

#[test]
fn memory_survives_in_its_written_form() {
    let mut bench = Bench::rule("when = 'x > 1'\nfor = '60s'");
    bench.sample(0, r#""id":"a","x":2"#);
    let written: Vec<String> =
        bench.engine.instances().map(|i| serde_json::to_string(i).unwrap()).collect();
    let mut next = Bench::rule("when = 'x > 1'\nfor = '60s'");
    next.engine.restore(written.iter().map(|l| serde_json::from_str(l).unwrap()).collect());
    assert_eq!(next.sample(60, r#""id":"a","x":2"#), [Firing]);
}

#[test]
fn records_are_counted_within_a_time() {
    let rule = "when = 'x > 1'\ncount = 3\nwithin = '60s'";
    let mut bench = Bench::rule(rule);
    for (second, fields, told) in [
        (0, r#""id":"a","x":2"#, &[][..]),
        (1, r#""id":"a","x":0"#, &[]),
        (2, r#""id":"b","x":2"#, &[]),
        (30, r#""id":"a","x":2"#, &[]),
        (20, r#""id":"a","x":2"#, &[Firing]),
        (59, r#""id":"a","x":0"#, &[]),
        (60, r#""id":"a","x":0"#, &[Resolved]),
        (61, r#""id":"a","x":2"#, &[Firing]),
    ] {
        assert_eq!(bench.sample(second, fields), told, "second {second}");
    }
    let alert = bench.engine.firing()[0].alert.clone().unwrap();
    assert_eq!(alert.reason, "x is 2, 3 records within 1m00s");
    // The clock of the machine stood still so far; from 61 on it goes.
    // It may be looked at earlier, for what has moved since.
    assert!(bench.engine.next_tick(at(0)).is_some_and(|d| d.as_secs() <= 19));
    assert_eq!(bench.clock(10), []);
    assert_eq!(bench.engine.next_tick(at(10)).map(|d| d.as_secs()), Some(9));
    assert_eq!(bench.clock(18), []);
    assert_eq!(bench.clock(19), [Resolved], "twenty and sixty seconds");
}

#[test]
fn what_was_counted_survives_in_its_written_form() {
    let rule = "when = 'x > 1'\ncount = 3\nwithin = '60s'";
    let mut bench = Bench::rule(rule);
    for second in [0, 10] {
        assert_eq!(bench.sample(second, r#""id":"a","x":2"#), []);
    }
    let written: Vec<String> =
        bench.engine.instances().map(|i| serde_json::to_string(i).unwrap()).collect();
    let mut next = Bench::rule(rule);
    next.engine.restore(written.iter().map(|l| serde_json::from_str(l).unwrap()).collect());
    assert_eq!(next.sample(59, r#""id":"a","x":2"#), [Firing]);
}

#[test]
fn a_clock_that_was_set_keeps_what_was_counted() {
    let mut bench = Bench::rule("when = 'x > 1'\ncount = 2\nwithin = '60s'");
    assert_eq!(bench.sample(0, r#""id":"a","x":2"#), []);
    assert_eq!(bench.sample(-86_400, r#""id":"a","x":2"#), [Firing]);
}

#[test]
fn what_is_no_record_is_said_and_other_kinds_are_passed_over() {
    let mut bench = Bench::rule("when = 'x > 1'");
    let mut feed = |line: &str| bench.engine.feed(line.as_bytes(), at(0), &mut Vec::new());
    for line in ["nonsense", "[1]", "{\"x\":1}", "{\"kind\":5}", "{\"kind\":\"sample\",\"x\":"] {
        assert!(matches!(feed(line), Fed::Bad(_)), "{line}");
    }
    for line in [r#"{"kind":"log","x":5}"#, r#"{"x":5,"kind":"novel"}"#] {
        assert!(matches!(feed(line), Fed::Passed), "{line}");
    }
}

/// The rules about logs, each with how many records within how many seconds fire it, and what
/// those say that other records do not.
const COUNTED: [(&str, usize, i64, &str); 12] = [
    ("log_errors", 10, 300, r#""level":"error""#),
    ("log_critical", 1, 300, r#""level":"critical""#),
    ("log_warnings", 20, 300, r#""level":"warning""#),
    ("log_timeouts", 5, 300, r#""category":"timeout""#),
    ("log_crash", 1, 600, r#""category":"crash""#),
    ("log_connection_refused", 1, 600, r#""category":"connection_refused""#),
    ("log_out_of_memory", 1, 600, r#""category":"out_of_memory""#),
    ("log_permission_denied", 1, 600, r#""category":"permission_denied""#),
    ("auth_failures", 6, 300, r#""category":"auth_failure""#),
    ("integration_errors", 1, 600, r#""category":"integration_error""#),
    ("resource_conflict", 1, 600, r#""category":"resource_conflict""#),
    ("safety_violation", 1, 600, r#""category":"safety_violation""#),
];

fn fired(lines: &[(i64, &str)]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/alerts.toml");
    let mut engine = Engine::new(RuleSet::load(&path).unwrap(), false);
    let mut outcomes = Vec::new();
    for (second, fields) in lines {
        let line = format!(r#"{{"ts":"{}",{fields}}}"#, at(*second));
        engine.feed(line.as_bytes(), at(*second), &mut outcomes);
    }
    let alerts = outcomes.into_iter().filter_map(|o| o.alert);
    alerts.filter(|a| a.state == Firing).map(|a| a.alert).collect()
}

#[test]
fn the_rules_about_logs_count_as_they_say() {
    for (name, count, within, says) in COUNTED {
        let bad = format!(r#""kind":"log","id":"a","message":"x",{says}"#);
        let good = r#""kind":"log","id":"a","level":"info","message":"ERROR: timeout, a crash""#;
        let every = |pause: i64| -> Vec<(i64, &str)> {
            (0..count as i64)
                .flat_map(|at| [(at * pause, bad.as_str()), (at * pause, good)])
                .collect()
        };
        let quick = every((within - 1) / count.max(1) as i64);
        assert_eq!(fired(&quick), [name], "{name} must fire, and no other");
        assert_eq!(fired(&quick[2..]), [""; 0], "{name} must not fire of one less");
        if count > 1 {
            assert_eq!(fired(&every(within / (count as i64 - 1) + 1)), [""; 0], "{name}: too slow");
        }
    }
}

proptest! {
    #[test]
    fn no_line_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        value in "[-0-9.eE+a-z\"\\[\\]{}:]{0,12}",
    ) {
        let mut bench = Bench::rule("when = 'x > 1 || x.contains(\"a\")'");
        let mut outcomes = Vec::new();
        bench.engine.feed(&bytes, at(0), &mut outcomes);
        let line = format!(r#"{{"kind":"sample","ts":{value},"id":{value},"x":{value}}}"#);
        bench.engine.feed(line.as_bytes(), at(0), &mut outcomes);
    }
}

#[test]
fn another_run_that_fails_is_another_alert() {
    let mut bench = Bench::rule("when = \"state == 'failed'\"\n");
    let failed = |run| format!(r#""id":"a","run":{run},"state":"failed""#);
    assert_eq!(bench.sample(0, &failed(1)), [AlertState::Firing]);
    assert_eq!(bench.sample(1, &failed(1)), []);
    // The run between the two looks was not seen to run.
    assert_eq!(bench.sample(2, &failed(2)), [AlertState::Firing]);
    assert_eq!(bench.sample(3, &failed(2)), []);
    // What has to hold does so whatever the run.
    let mut held = Bench::rule("when = 'x > 1'\nfor = '1s'\n");
    for (second, run, told) in [(0, 1, 0), (2, 1, 1), (3, 2, 0)] {
        let fields = format!(r#""id":"a","run":{run},"x":2"#);
        assert_eq!(held.sample(second, &fields).len(), told, "{second}");
    }
}

#[test]
fn a_program_speaks_of_one_value_at_a_time() {
    let mut bench = Bench::rule("when = 'x > 1'\ntimes = 2\n");
    let custom = |value: &str| format!(r#""subject":"custom","id":"a",{value}"#);
    assert_eq!(bench.sample(0, &custom(r#""x":2"#)), []);
    assert_eq!(bench.sample(1, &custom(r#""y":0"#)), []);
    assert_eq!(bench.sample(2, &custom(r#""x":2"#)), [AlertState::Firing]);
    assert_eq!(bench.sample(3, &custom(r#""y":0"#)), []);
    assert_eq!(bench.sample(4, &custom(r#""x":1"#)), [AlertState::Resolved]);
}
