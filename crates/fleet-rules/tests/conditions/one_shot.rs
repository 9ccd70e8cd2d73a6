//! A stream and one-shot runs give the same alerts for the same data; nothing that comes panics;
//! a torn state file costs what is torn.

use std::collections::BTreeSet;
use std::fs;

use crate::bench::{Bench, at, rule};
use fleet_rules::{AlertState, Engine};
use proptest::prelude::*;
use proptest::sample::select;

/// Every kind of condition, and what may stand on top of it.
const CONDITIONS: [&str; 12] = [
    "when = 'x > 2'",
    "when = 'x > 2'\nclear = 'x < 1'",
    "when = 'x > 2'\ncrossed = true",
    "when = 'x > 2'\nno_data = '3m'",
    "levels = [{ severity = 'info', when = 'x > 1' }, { severity = 'high', when = 'x > 3', clear = 'x < 2' }]",
    "rate = { field = 'x', over = '5m', above = 3 }",
    "rate = { field = 'x', over = '5m', below = 2 }",
    "change = { field = 'x', over = '5m', above = '20%' }",
    "plateau = { field = 'x', steps = 3 }",
    "stale = { field = 'x', time = '90s' }",
    "trend = { field = 'x', over = '4m', rises = '5%', fit = 0.1 }",
    "absent = '2m'",
];

const TIMINGS: [&str; 5] =
    ["", "for = '100s'", "times = 3", "keep_firing_for = '100s'", "for = '1m'\nrepeat = '3m'"];

fn rules(at: usize, timing: usize) -> String {
    let condition = CONDITIONS[at];
    let mut timing = TIMINGS[timing];
    if condition.starts_with("absent") && timing.contains("for = '1") || timing.contains("times") {
        timing = "keep_firing_for = '100s'\nrepeat = '5m'";
    }
    let counts = "[[rule]]\nname = 'c'\non = 'sample'\nwhen = 'x > 2'\ncount = 2\nwithin = '3m'\n";
    format!("{}{counts}", rule(&format!("{condition}\n{timing}")))
}

/// Seconds after the one before, records of whom with which value and how late, and whether the
/// run ends after it.
type Step = (i64, Vec<(&'static str, &'static str, i64)>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value =
        select(vec!["0", "1", "2.5", "3", "4", "0.1", "\"NaN\"", "\"+Inf\"", "\"t\"", "null"]);
    let late = prop_oneof![8 => Just(0), 2 => 1i64..90, 1 => Just(3600)];
    let record = (select(vec!["a", "b", "c"]), value, late);
    let step = (0i64..120, prop::collection::vec(record, 1..3), any::<bool>());
    prop::collection::vec(step, 1..25)
}

type Alert = (i64, String, String, AlertState, String, String);

/// What is told of these steps, cut into runs or in one.
fn told(rules: &str, steps: &[Step], cut: bool) -> Vec<Alert> {
    let mut bench = Bench::new(rules);
    for (pause, records, ends) in steps {
        let now = bench.now + pause;
        if cut && *ends {
            bench.run_again(now);
        }
        bench.now = now;
        for (id, value, late) in records {
            let ts = at(now - late);
            bench.line(&format!(r#"{{"kind":"sample","ts":"{ts}","id":"{id}","x":{value}}}"#));
        }
        bench.clock(now);
    }
    let base = at(0).nanos();
    let alerts = bench.told.into_iter().map(|alert| {
        let second = (alert.ts.nanos() - base) / 1_000_000_000;
        let id = alert.id.unwrap_or_default();
        (second, alert.alert, id, alert.state, alert.severity, alert.reason)
    });
    let mut alerts: Vec<Alert> = alerts.collect();
    alerts.sort_by(|a, b| (a.0, &a.1, &a.2).cmp(&(b.0, &b.1, &b.2)));
    alerts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn runs_cut_anywhere_give_the_alerts_of_a_stream(
        condition in 0..CONDITIONS.len(),
        timing in 0..TIMINGS.len(),
        steps in steps(),
    ) {
        let rules = rules(condition, timing);
        prop_assert_eq!(told(&rules, &steps, false), told(&rules, &steps, true), "{}", rules);
    }

    /// Whatever comes, at whatever time: no panic, and what is remembered can be written and read.
    #[test]
    fn nothing_that_comes_panics(
        condition in 0..CONDITIONS.len(),
        timing in 0..TIMINGS.len(),
        lines in prop::collection::vec(
            (any::<i64>(), "[-0-9.eE+a-zNI\"\\[\\]{}:]{0,12}", any::<f64>(), any::<i64>()), 0..12),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bench = Bench::new(&rules(condition, timing));
        let mut outcomes = Vec::new();
        for (ts, raw, number, now) in lines {
            let now = fleet_core::Timestamp::from_nanos(now);
            let ts = fleet_core::Timestamp::from_nanos(ts);
            for value in [raw, number.to_string()] {
                let line = format!(
                    r#"{{"kind":"sample","ts":"{ts}","id":"a","run":1,"step":{value},"x":{value}}}"#
                );
                bench.engine.feed(line.as_bytes(), now, &mut outcomes);
            }
            bench.engine.feed(&bytes, now, &mut outcomes);
            bench.engine.next_tick(now);
            bench.engine.tick(now, &mut outcomes);
        }
        let kept: Vec<_> = bench.engine.instances().cloned().collect();
        let lines: Vec<String> =
            kept.iter().map(|instance| serde_json::to_string(instance).unwrap()).collect();
        let back = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        bench.engine.restore(back);
        bench.engine.end(at(0), &mut outcomes);
    }

    /// A state file that ends anywhere, or has a wrong byte anywhere: no panic, and every instance
    /// whose line is whole is there.
    #[test]
    fn a_torn_state_file_costs_what_is_torn(
        condition in 0..CONDITIONS.len(),
        cut in any::<prop::sample::Index>(),
        wrong in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bench = Bench::new(&rules(condition, 1));
        for (second, id) in [(0, "a"), (30, "b"), (60, "c"), (90, "a"), (120, "b")] {
            bench.now = second;
            bench.sample(&format!(r#""id":"{id}","x":{}"#, second / 30));
        }
        bench.end();
        let path = bench.dir.path().join("state.jsonl");
        let whole = fs::read(&path).unwrap();
        let cut = cut.index(whole.len() + 1);
        fs::write(&path, &whole[..cut]).unwrap();
        bench.begin();
        prop_assert_eq!(names(&bench.engine), expected(&whole[..cut]));
        let mut bent = whole.clone();
        bent[wrong.index(whole.len())] = byte;
        fs::write(&path, &bent).unwrap();
        bench.begin();
        bench.end();
    }
}

fn names(engine: &Engine) -> BTreeSet<(String, String)> {
    engine
        .instances()
        .filter(|it| !it.rule.is_empty())
        .map(|it| (it.rule.clone(), it.name()))
        .collect()
}

/// The instances that these lines leave.
fn expected(lines: &[u8]) -> BTreeSet<(String, String)> {
    let mut names = BTreeSet::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<fleet_rules::Instance>(line) else { continue };
        let name = (line.rule.clone(), line.name());
        if line.is_over() || line.rule.is_empty() {
            names.remove(&name);
        } else {
            names.insert(name);
        }
    }
    names
}
