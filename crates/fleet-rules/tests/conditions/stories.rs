//! Every kind of condition, in stories with a virtual clock.

use crate::bench::{Bench, at, rule};
use fleet_rules::AlertState::{Error, Firing, NoData, Resolved};

#[test]
fn levels_tell_how_bad_it_is() {
    let mut bench = Bench::of(
        "levels = [{ severity = 'warning', when = 'x > 0.7' }, \
         { severity = 'critical', when = 'x > 0.9', clear = 'x < 0.85' }]",
    );
    for (second, x, told) in [
        (0, 0.8, Some((Firing, "warning"))),
        (1, 0.95, Some((Firing, "critical"))),
        (2, 0.87, None),
        (3, 0.8, Some((Firing, "warning"))),
        (4, 0.5, Some((Resolved, "warning"))),
    ] {
        bench.now = second;
        bench.sample(&format!(r#""id":"a","x":{x}"#));
        let news = bench.news();
        let said = news.first().map(|(_, _, state, severity)| (*state, severity.as_str()));
        assert_eq!(said, told, "second {second}");
    }
}

#[test]
fn a_change_of_level_is_the_same_alert_and_says_so() {
    let mut bench = Bench::of(
        "levels = [{ severity = 'info', when = 'x > 1' }, { severity = 'high', when = 'x > 2' }]",
    );
    bench.sample(r#""id":"a","x":1.5"#);
    bench.run_again(60);
    bench.sample(r#""id":"a","x":2.5"#);
    assert_eq!(bench.told[0].fingerprint, bench.told[1].fingerprint);
    assert_eq!(bench.told[1].reason, "x is 2.5, high now");
    assert_eq!(bench.told[1].since, at(0));
}

#[test]
fn what_crosses_a_bound_was_on_the_other_side() {
    let mut bench = Bench::of("when = 'x > 0.05'\ncrossed = true");
    bench.sample(r#""id":"a","x":0.5"#);
    assert_eq!(bench.states(), [], "it was so from the beginning");
    bench.sample(r#""id":"a","y":1"#);
    bench.sample(r#""id":"a","x":0.5"#);
    assert_eq!(bench.states(), [], "that nothing is known is no other side");
    bench.sample(r#""id":"a","x":0.01"#);
    bench.run_again(60);
    bench.sample(r#""id":"a","x":0.5"#);
    assert_eq!(bench.states(), [Firing]);
    bench.sample(r#""id":"a","x":0.01"#);
    bench.sample(r#""id":"a","x":0.5"#);
    assert_eq!(bench.states(), [Resolved, Firing]);
}

#[test]
fn a_counter_that_rises_fast_fires_until_its_rises_are_long_ago() {
    let mut bench = Bench::of("rate = { field = 'restarts', over = '10m', above = 3 }");
    for (second, restarts) in [(0, 2), (60, 3), (120, 5)] {
        bench.now = second;
        bench.sample(&format!(r#""id":"a","restarts":{restarts}"#));
    }
    assert_eq!(bench.states(), []);
    bench.run_again(180);
    bench.sample(r#""id":"a","restarts":6"#);
    assert_eq!(bench.told[0].reason, "restarts rose by 4 within 10m00s");
    assert_eq!(bench.states(), [Firing]);
    // Nothing comes any more: the clock ends it.
    bench.clock(600);
    assert_eq!(bench.states(), []);
    bench.clock(800);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn a_value_far_from_its_average_fires() {
    let mut bench = Bench::of("change = { field = 'loss', over = '1h', above = '50%' }");
    for minute in 0..=60 {
        bench.now = minute * 60;
        bench.sample(r#""id":"a","loss":2.0"#);
    }
    bench.sample(r#""id":"a","loss":"NaN""#);
    assert_eq!(bench.states(), []);
    bench.run_again(3660);
    bench.sample(r#""id":"a","loss":3.5"#);
    let reason = "loss is 3.5, 75% above its average of 2 over 1h00m";
    assert_eq!(bench.told[0].reason, reason);
    bench.sample(r#""id":"a","loss":2"#);
    assert_eq!(bench.states(), [Firing, Resolved]);
}

#[test]
fn a_loss_that_gets_no_lower_fires_and_a_nan_does_not_help() {
    let mut bench = Bench::of("plateau = { field = 'loss', steps = 1000 }");
    for (second, step, loss) in [(0, 0, "2.0"), (1, 100, "1.0"), (2, 600, "\"NaN\"")] {
        bench.now = second;
        bench.sample(&format!(r#""id":"a","step":{step},"loss":{loss}"#));
    }
    bench.run_again(60);
    bench.sample(r#""id":"a","lr":0.1"#);
    assert_eq!(bench.states(), []);
    bench.sample(r#""id":"a","step":1100,"loss":1.5"#);
    assert_eq!(bench.told[0].reason, "loss got no lower than 1 for 1000 steps");
    bench.sample(r#""id":"a","step":1101,"loss":"NaN""#);
    assert_eq!(bench.states(), [Firing]);
    bench.sample(r#""id":"a","step":1102,"loss":0.9"#);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn a_new_run_begins_anew() {
    let mut bench = Bench::of("plateau = { field = 'loss', steps = 2 }");
    for _ in 0..3 {
        bench.sample(r#""id":"a","run":1,"loss":1.0"#);
    }
    assert_eq!(bench.states(), [Firing]);
    bench.sample(r#""id":"a","run":2,"loss":5.0"#);
    assert_eq!(bench.states(), [Resolved]);
    bench.sample(r#""id":"a","run":2,"loss":5.0"#);
    assert_eq!(bench.states(), []);
}

#[test]
fn a_champion_that_stays_fires() {
    let rule = "stale = { field = 'champion', steps = 20, step_field = 'generation' }";
    let mut bench = Bench::of(rule);
    for generation in 0..=20 {
        bench.now = generation;
        bench.sample(&format!(r#""id":"a","generation":{generation},"champion":"c1""#));
    }
    assert_eq!(bench.told[0].reason, "champion stays c1 for 20 steps of generation");
    assert_eq!(bench.states(), [Firing]);
    bench.sample(r#""id":"a","generation":21,"champion":"c2""#);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn a_heartbeat_that_stays_fires_by_the_clock_too() {
    let mut bench = Bench::of("stale = { field = 'beat', time = '30s' }");
    bench.sample(r#""id":"a","beat":1"#);
    bench.now = 10;
    bench.sample(r#""id":"a","beat":1"#);
    bench.clock(29);
    assert_eq!(bench.states(), []);
    bench.clock(30);
    assert_eq!(bench.states(), [Firing]);
    bench.sample(r#""id":"a","beat":2"#);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn a_disk_that_will_be_full_fires_before_it_is() {
    let rule = "trend = { field = 'free', over = '30m', reaches = 0, within = '4h' }";
    let mut bench = Bench::of(rule);
    for minute in 0..30 {
        bench.now = minute * 60;
        bench.sample(&format!(r#""id":"d","free":{}"#, 10_000 - minute * 100));
    }
    assert_eq!(bench.states(), [], "too early to tell");
    bench.run_again(1800);
    bench.sample(r#""id":"d","free":7000"#);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn what_is_never_seen_is_absent() {
    let mut bench = Bench::new(
        "[[rule]]\nname = 'r'\non = 'event'\nabsent = '30s'\nby = []\nwhen = \"type == 'beat'\"",
    );
    assert_eq!(bench.engine.next_tick(at(0)).map(|d| d.as_secs()), Some(0));
    bench.clock(0);
    assert_eq!(bench.engine.next_tick(at(0)).map(|d| d.as_secs()), Some(30));
    bench.clock(29);
    assert_eq!(bench.states(), []);
    bench.clock(30);
    assert_eq!(bench.told[0].reason, "nothing was seen for 30s");
    assert_eq!(bench.states(), [Firing]);
    bench.line(&format!(r#"{{"kind":"event","type":"other","ts":"{}"}}"#, at(30)));
    assert_eq!(bench.states(), []);
    bench.line(&format!(r#"{{"kind":"event","type":"beat","ts":"{}"}}"#, at(30)));
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn absence_is_noticed_by_runs_from_cron() {
    let mut bench = Bench::of("absent = '90s'\nby = []");
    bench.run_again(60);
    bench.clock(60);
    assert_eq!(bench.states(), []);
    bench.run_again(120);
    bench.clock(120);
    assert_eq!(bench.states(), [], "a run that begins has not missed what it will read");
    bench.end();
    assert_eq!(bench.states(), [Firing], "the first run was 120 seconds ago");
    bench.run_again(180);
    bench.sample(r#""id":"a""#);
    assert_eq!(bench.states(), [Resolved]);
}

#[test]
fn each_that_was_seen_is_missed() {
    let mut bench = Bench::of("absent = '30s'");
    bench.clock(100);
    assert_eq!(bench.states(), [], "nobody is known");
    bench.sample(r#""id":"a""#);
    bench.sample(r#""id":"b""#);
    bench.now = 120;
    bench.sample(r#""id":"b""#);
    bench.clock(130);
    let news = bench.news();
    assert_eq!(news, [(130, "a".to_owned(), Firing, "warning".to_owned())]);
}

#[test]
fn silence_is_told_and_its_end() {
    let mut bench = Bench::of("when = 'x > 1'\nno_data = '10m'");
    bench.sample(r#""id":"a","x":2"#);
    bench.sample(r#""id":"b","x":0"#);
    assert_eq!(bench.states(), [Firing]);
    bench.now = 300;
    bench.sample(r#""id":"b","y":0"#);
    bench.clock(599);
    assert_eq!(bench.states(), []);
    bench.clock(600);
    assert_eq!(bench.states(), [NoData, NoData]);
    bench.run_again(660);
    bench.clock(661);
    assert_eq!(bench.states(), [], "it is told once");
    bench.sample(r#""id":"a","x":2"#);
    bench.sample(r#""id":"b","x":0"#);
    let news: Vec<_> = bench.news().into_iter().map(|told| (told.1, told.2)).collect();
    assert_eq!(news, [("a".to_owned(), Firing), ("b".to_owned(), Resolved)]);
}

#[test]
fn too_many_instances_are_told_once() {
    let mut bench = Bench::of("when = 'x > 1'\nlimit = 10");
    for id in 0..100_000 {
        bench.engine.feed(
            format!(r#"{{"kind":"sample","ts":"{}","id":"{id}","x":2}}"#, at(0)).as_bytes(),
            at(0),
            &mut Vec::new(),
        );
    }
    assert_eq!(bench.engine.firing().len(), 11);
    let untold = bench.engine.untold();
    let errors: Vec<_> = untold.iter().filter(|alert| alert.state == Error).collect();
    assert_eq!((untold.len(), errors.len()), (11, 1));
    assert_eq!(
        errors[0].summary,
        "the rule watches 10 instances, its limit, and looks at no others"
    );
    bench.sample(r#""id":"0","x":2"#);
    bench.run_again(300);
    bench.clock(599);
    assert_eq!(bench.states(), []);
    bench.clock(600);
    let told: Vec<_> = bench.told.drain(..).map(|a| (a.fingerprint, a.state)).collect();
    assert_eq!(told, [(errors[0].fingerprint.clone(), Resolved)]);
}

#[test]
fn a_rule_that_reads_otherwise_starts_afresh() {
    let mut bench = Bench::of("when = 'x > 1'\nfor = '60s'");
    bench.sample(r#""id":"fires","x":2"#);
    bench.now = 30;
    bench.sample(r#""id":"pends","x":2"#);
    bench.now = 60;
    bench.sample(r#""id":"fires","x":2"#);
    assert_eq!(bench.states(), [Firing]);
    bench.change_rules(&rule("when = 'x > 1.5'\nfor = '60s'"));
    assert_eq!(bench.told[0].reason, "the rule was changed and starts afresh");
    assert_eq!(bench.states(), [Resolved]);
    bench.now = 90;
    bench.sample(r#""id":"pends","x":2"#);
    bench.sample(r#""id":"fires","x":2"#);
    assert_eq!(bench.states(), [], "nothing that was held counts");
    bench.now = 150;
    bench.sample(r#""id":"pends","x":2"#);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn what_a_rule_says_may_change_without_that() {
    let mut bench = Bench::of("when = 'x > 1'");
    bench.sample(r#""id":"a","x":2"#);
    let other = rule("when = 'x > 1'").replace("summary = '", "summary = 'now ");
    bench.change_rules(&other);
    bench.sample(r#""id":"a","x":2"#);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn a_rule_that_is_gone_leaves_no_alert() {
    let mut bench = Bench::of("when = 'x > 1'");
    bench.sample(r#""id":"a","x":2"#);
    bench.change_rules("");
    assert_eq!(bench.told[1].reason, "the rule is gone from the rules file, or switched off");
    assert_eq!(bench.states(), [Firing, Resolved]);
    bench.run_again(60);
    assert_eq!(bench.states(), []);
    let mut bench = Bench::of("when = 'x > 1'");
    bench.sample(r#""id":"a","x":2"#);
    bench.change_rules(&rule("when = 'x > 1'\nenabled = false"));
    assert_eq!(bench.states(), [Firing, Resolved]);
}

#[test]
fn a_rule_of_another_file_is_left_alone() {
    let mut bench = Bench::of("when = 'x > 1'");
    bench.sample(r#""id":"a","x":2"#);
    bench.end();
    let other = crate::bench::parse("").from_file("other.toml".as_ref());
    let mut engine = fleet_rules::Engine::new(other, false);
    let mut store = fleet_rules::Store::open(bench.dir.path()).unwrap();
    let locked = store.lock().unwrap();
    let remembered = store.reload(&locked, |rule| engine.knows(rule)).unwrap().unwrap();
    engine.restore(remembered.instances);
    assert_eq!((engine.untold(), engine.changed().count()), (vec![], 0));
}

#[test]
fn down_time_does_not_count() {
    // The machine is off for eight hours between two of the runs.
    for (name, conditions, fields) in [
        ("for", "when = 'x > 1'\nfor = '30m'", r#""id":"a","x":2"#),
        ("stale", "stale = { field = 'x', time = '30m' }", r#""id":"a","x":2"#),
        ("plateau", "plateau = { field = 'x', time = '30m' }", r#""id":"a","x":2"#),
    ] {
        let mut bench = Bench::of(conditions);
        let off = 8 * 3600;
        for minute in (0..20).chain([off / 60 + 20, off / 60 + 28]) {
            bench.run_again(minute * 60);
            bench.sample(fields);
        }
        bench.end();
        assert_eq!(bench.states(), [], "{name}: 19 minutes and 8 minutes");
        for minute in 29..33 {
            bench.run_again(off + minute * 60);
            bench.sample(fields);
        }
        assert_eq!(bench.states(), [Firing], "{name}");
    }
}

#[test]
fn when_tools_were_at_work_survives_a_rewriting() {
    let mut bench = Bench::of("when = 'x > 1'\nfor = '30m'");
    for minute in [0, 8 * 60, 8 * 60 + 20] {
        bench.run_again(minute * 60);
        bench.sample(r#""id":"a","x":2"#);
        bench.rewrite();
    }
    assert_eq!(bench.states(), []);
}

#[test]
fn down_time_is_not_absence() {
    let mut bench = Bench::of("absent = '30m'");
    bench.sample(r#""id":"a""#);
    bench.run_again(600);
    bench.run_again(8 * 3600);
    bench.end();
    assert_eq!(bench.states(), []);
    for minute in 1..21 {
        bench.run_again(8 * 3600 + minute * 60);
    }
    bench.end();
    assert_eq!(bench.states(), [Firing], "ten minutes before and twenty after");
}

#[test]
fn an_hourly_job_is_no_outage() {
    let mut bench = Bench::of("when = 'x > 1'\nfor = '90m'");
    for hour in 0..3 {
        bench.run_again(hour * 3600);
        bench.sample(r#""id":"a","x":2"#);
        assert_eq!(bench.states(), [], "the first hour is not known to be usual");
    }
    bench.run_again(3 * 3600);
    bench.sample(r#""id":"a","x":2"#);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn a_clock_that_is_set_back_delays_nothing() {
    let mut bench = Bench::of("absent = '30s'");
    bench.sample(r#""id":"a""#);
    bench.clock(-3600);
    bench.clock(-3571);
    assert_eq!(bench.states(), []);
    bench.clock(-3570);
    assert_eq!(bench.states(), [Firing]);
}

#[test]
fn a_field_that_changes_its_type_breaks_nothing() {
    for condition in [
        "rate = { field = 'x', over = '1m', above = 1 }",
        "change = { field = 'x', over = '1m', above = '1%' }",
        "plateau = { field = 'x', steps = 2 }",
        "trend = { field = 'x', over = '1m', rises = '1%' }",
    ] {
        let mut bench = Bench::of(condition);
        for value in ["1", "\"text\"", "true", "null", "[1]", "{}", "\"NaN\"", "1e308", "-1e308"] {
            bench.now += 20;
            bench.sample(&format!(r#""id":"a","x":{value}"#));
        }
        bench.run_again(bench.now + 60);
    }
}
