//! Collectors, KPIs and the fleet as a whole, with real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;

use fleet_testkit::{Run, Signal, TestFleet, Value, json, until};

/// Writes a file beside the home.
fn write(fleet: &TestFleet, name: &str, text: &str) -> PathBuf {
    let path = fleet.scratch().join(name);
    fs::write(&path, text).unwrap();
    path
}

/// `fleet-metrics` with these collectors.
fn with_collectors(fleet: &TestFleet, text: &str) -> Run {
    let path = write(fleet, "collectors.toml", text);
    fleet.run("fleet-metrics").arg("--collectors").arg(path)
}

fn of<'a>(records: &'a [Value], subject: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["subject"] == subject).collect()
}

#[test]
fn a_one_shot_waits_for_collectors_and_says_what_fails() {
    let fleet = TestFleet::new();
    let text = "[collector.depth]\ncommand = 'echo 7'\n\
                [collector.gone]\nfiles = '/no/such/file'\n";
    let ran = with_collectors(&fleet, text)
        .arg("--no-host")
        .succeeds_and_says("collector 'gone': there is no file '/no/such/file'");
    let records = ran.records();
    assert_eq!(of(&records, "custom")[0]["depth"], 7);
    let own = of(&records, "collector");
    assert_eq!((&own[0]["name"], &own[0]["success"]), (&json!("depth"), &json!(1)));
    assert_eq!((&own[1]["name"], &own[1]["success"]), (&json!("gone"), &json!(0)));
    let wide = with_collectors(&fleet, text).args(["-o", "wide"]).ends();
    for cell in ["custom", "depth", "collector", "gone"] {
        assert!(wide.stdout().contains(cell), "{wide}");
    }
}

#[test]
fn the_users_own_file_is_used_unless_it_is_not_wanted() {
    let fleet = TestFleet::new();
    let config = fleet.scratch().join("config/fleet");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("collectors.toml"), "[collector.n]\ncommand = 'echo 1'\n").unwrap();
    let metrics =
        || fleet.run("fleet-metrics").env("XDG_CONFIG_HOME", fleet.scratch().join("config"));
    assert_eq!(of(&metrics().succeeds().records(), "custom").len(), 1);
    let without = metrics().arg("--no-collectors").succeeds().records();
    assert_eq!((of(&without, "custom").len(), of(&without, "collector").len()), (0, 0));
    let host = metrics().arg("--host-only").succeeds().records();
    assert_eq!((of(&host, "custom").len(), of(&host, "host").len()), (0, 1));
}

#[test]
fn a_bad_file_is_refused_whole() {
    let fleet = TestFleet::new();
    let text = "[collector.a]\ncommand = 'touch asked'\n[collector.b]\ncomand = 'x'\n";
    for option in ["--check", "--no-host"] {
        with_collectors(&fleet, text)
            .arg(option)
            .fails_with(2)
            .stdout_is("")
            .stderr_has("collectors.toml' line 4 column 1: unknown field `comand`")
            .stderr_has("did you mean 'command'?");
    }
    assert!(!fleet.scratch().join("asked").exists());
    let gone = fleet.run("fleet-metrics").args(["--collectors", "/no/such.toml"]);
    gone.fails_with(2).stderr_has("cannot read the collectors '/no/such.toml'");
    fleet.run("fleet-metrics").arg("--check").env("HOME", "/nonexistent").fails_with(2);
}

#[test]
fn the_example_is_in_order() {
    let fleet = TestFleet::new();
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs/collectors.toml");
    let check = fleet.run("fleet-metrics").arg("--check").arg("--collectors").arg(example);
    check.succeeds_and_says("is in order").stdout_has("COLLECTOR").stdout_has("command");
}

/// Reads lines of a follower until one is as wanted.
fn until_record(
    lines: &mut impl Iterator<Item = String>,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    for line in lines.take(10_000) {
        let record: Value = serde_json::from_str(&line).unwrap();
        if wanted(&record) {
            return record;
        }
    }
    panic!("it did not come to that");
}

fn lines(tool: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(tool.stdout.take().unwrap()).lines().map_while(Result::ok)
}

#[test]
fn a_follower_goes_on_while_a_collector_hangs() {
    let fleet = TestFleet::new();
    let value = write(&fleet, "value", "1");
    let text = "[collector.good]\nfiles = 'value'\ninterval = '1s'\n\
                [collector.hangs]\ncommand = 'sleep 600'\ninterval = '1h'\ntimeout = '1h'\n";
    let mut tool = with_collectors(&fleet, text)
        .args(["-f", "--interval", "100ms", "--no-host", "--no-fleet"])
        .starts();
    let mut lines = lines(&mut tool);
    until_record(&mut lines, |record| record["good"] == 1);
    fs::write(value, "2").unwrap();
    until_record(&mut lines, |record| record["good"] == 2);
    drop(lines);
    until("it ends", || tool.try_wait().unwrap().is_some());
    assert!(tool.wait().unwrap().success());
    let hangs = "FLEET_COLLECTOR=hangs".to_owned();
    let home = format!("FLEET_HOME={}", fleet.home().display());
    let left = || fleet_os::marked(&fleet_os::Proc::default(), &[hangs.clone(), home.clone()]);
    until("the command that hangs has ended with it", || left().is_empty());
}

#[test]
fn a_signal_ends_what_a_collector_started_too() {
    for options in [&["-f", "--interval", "100ms"][..], &[]] {
        let fleet = TestFleet::new();
        let text = "[collector.hangs]\ncommand = 'sh -c \"sleep 600 & sleep 600\"'\ninterval = '1h'\ntimeout = '1h'\n";
        let mut tool = with_collectors(&fleet, text).args(options).starts();
        let marks =
            ["FLEET_COLLECTOR=hangs".to_owned(), format!("FLEET_HOME={}", fleet.home().display())];
        let sleeps = || {
            let marked = fleet_os::marked(&fleet_os::Proc::default(), &marks);
            marked.into_iter().filter(|pid| fleet_testkit::status_field(*pid, "Name") == "sleep")
        };
        until("the command is at work", || sleeps().count() == 2);
        let left: Vec<i32> = sleeps().collect();
        fleet_testkit::kill(tool.id() as i32, Signal::TERM);
        until("the tool has ended", || tool.try_wait().unwrap().is_some());
        // A one-shot has its answer when the command is killed, and may end before the signal ends it.
        let signal = tool.wait().unwrap().signal();
        assert!(options.is_empty() || signal == Some(Signal::TERM.number()), "{signal:?}");
        until("nothing is left", || !left.iter().any(|pid| fleet_testkit::is_living(*pid)));
    }
}

#[test]
fn kpis_are_judged_by_what_a_collector_measures() {
    let fleet = TestFleet::new();
    let file = write(
        &fleet,
        "fleet.toml",
        "[process.train]\ncommand = 'sleep 600'\n\
         [process.train.kpi.loss]\ntarget = 0.1\nbaseline = 0.5\ndirection = 'down'\n\
         [process.train.kpi.few]\nmetric = 'processes'\ntarget = 1\ndirection = 'down'\n",
    );
    fleet.run("fleet-spawn").arg("--file").arg(file).succeeds();
    let text = "[collector.train]\nfiles = 'loss'\nmetric = 'loss'\nid = 'train'\ninterval = '1s'\n\
                [collector.done]\ncommand = 'echo 25'\nmetric = 'progress_percent'\nid = 'train'\n\
                [collector.other]\ncommand = 'touch asked; echo 1'\n";
    write(&fleet, "loss", "0.4");
    let records = with_collectors(&fleet, text).arg("train").succeeds().records();
    assert!(!fleet.scratch().join("asked").exists(), "it is of no process that was selected");
    let train = of(&records, "process")[0];
    assert_eq!(
        train["kpis"]["loss"],
        json!({"value": 0.4, "target": 0.1, "baseline": 0.5, "change_percent": -20.0, "met": false})
    );
    assert_eq!(
        (&train["kpis"]["few"]["value"], &train["kpis"]["few"]["met"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(train["progress_percent"], 25.0);
    assert!(train["eta_seconds"].as_f64().unwrap() >= 0.0);
    let wide = with_collectors(&fleet, text).args(["train", "-o", "wide"]).succeeds();
    wide.stdout_has("few=1 met, loss=0.4");
    // The next one goes on from there.
    write(&fleet, "loss", "0.05");
    let mut tool = with_collectors(&fleet, text).args(["-f", "--interval", "100ms"]).starts();
    let mut lines = lines(&mut tool);
    let met = |record: &Value| record["kpis"]["loss"]["met"] == true;
    until_record(&mut lines, met);
    until_record(&mut lines, |record| {
        record["subject"] == "fleet" && record["eta_seconds"].is_f64()
    });
    drop(lines);
    until("it ends", || tool.try_wait().unwrap().is_some());
    let rules = write(
        &fleet,
        "rules.toml",
        "[[rule]]\nname = 'reached'\non = 'sample'\nwhen = \"subject == 'process' && kpis.loss.met\"\n",
    );
    let alerts = fleet.shell(&format!(
        "fleet-metrics --no-collectors | fleet-alert -o jsonl --no-notify --rules {}",
        rules.display()
    ));
    let alert = alerts.succeeds().record();
    assert_eq!((&alert["alert"], &alert["id"]), (&json!("reached"), &json!("train")));
}

#[test]
fn the_fleet_says_how_it_is() {
    let fleet = TestFleet::new();
    let whole = || of(&fleet.run("fleet-metrics").succeeds().records(), "fleet")[0].clone();
    assert_eq!((&whole()["health"], &whole()["running"]), (&json!("healthy"), &json!(0)));
    fleet.spawn("good", "sleep 600");
    fleet.spawn("short", "true");
    fleet.spawn("bad", "exit 3");
    fleet.until_ended("bad");
    fleet.until_ended("short");
    let sick = whole();
    assert_eq!(
        (&sick["running"], &sick["failed"], &sick["completed"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!((&sick["runs_ended"], &sick["success_percent"]), (&json!(2), &json!(50.0)));
    assert_eq!(
        (&sick["health"], &sick["reasons"]),
        (&json!("degraded"), &json!(["1 failed: bad"]))
    );
    assert!(sick["memory_bytes"].as_u64().unwrap() > 0 && sick["processes"].as_u64().unwrap() >= 1);
    fleet.run("fleet-stop").arg("good").ends();
    fleet.until_ended("good");
    let dead = whole();
    assert_eq!((&dead["health"], &dead["stopped"]), (&json!("failed"), &json!(1)));
    assert_eq!(dead["success_percent"], 50.0, "a stop says nothing");
}
