//! The tool as it is used: on processes, on files, and following.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use fleet_testkit::{Run, TestFleet, Value, until};

fn curves(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-curves").args(args)
}

fn real(name: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fleet-curve/tests/data");
    data.join(name).to_string_lossy().into_owned()
}

/// Steps and values of one curve.
fn of(records: &[Value], name: &str) -> Vec<(Option<i64>, String)> {
    let with = records.iter().filter(|record| !record[name].is_null());
    with.map(|record| (record["step"].as_i64(), record[name].to_string())).collect()
}

#[test]
fn a_process_has_the_curves_of_its_log_its_folder_and_what_it_emits() {
    let fleet = TestFleet::new();
    let script = format!(
        "echo listening on port: 8080; echo step=1 loss=0.5; fleet-emit metric reward=7 step=3; \
         mkdir -p $FLEET_DIR/runs/a; cp {}/events* $FLEET_DIR/runs/a; \
         cp {} $FLEET_DIR; echo step=2 loss=nan",
        real("tensor"),
        real("lightning/metrics.csv"),
    );
    fleet.spawn_with("job", &["-l", "team=vision"], &script);
    fleet.until_ended("job");
    let records = curves(&fleet, &["job"]).succeeds().records();
    assert_eq!(of(&records, "loss"), [(Some(1), "0.5".into()), (Some(2), "\"NaN\"".into())]);
    assert_eq!(of(&records, "reward"), [(Some(3), "7".into())]);
    assert_eq!(of(&records, "epoch_loss").len(), 5);
    assert_eq!(of(&records, "val_loss").len(), 3);
    assert!(of(&records, "port").is_empty());
    for record in &records {
        assert_eq!((&record["id"], &record["run"]), (&"job".into(), &1.into()), "{record}");
        assert_eq!(record["labels"]["team"], "vision");
        assert_eq!((&record["kind"], &record["subject"]), (&"sample".into(), &"custom".into()));
    }
    let only = curves(&fleet, &["--source", "tfevents", "--metric", "epoch_loss"]).succeeds();
    assert_eq!(only.records().len(), 5);
    let last = curves(&fleet, &["--last", "--metric", "loss,reward", "-o", "table"]).succeeds();
    let lines: Vec<Vec<&str>> =
        last.stdout().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "METRIC", "VALUE", "STEP", "AGE", "SOURCE"]);
    assert_eq!((lines[1][..4].to_vec(), lines.len()), (vec!["job", "reward", "7", "3"], 3));
}

#[test]
fn a_spawn_says_where_its_curves_are() {
    let fleet = TestFleet::new();
    let folder = fleet.scratch().join("out/run-1");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(real("numpy/train.log"), folder.join("train.log")).unwrap();
    let cwd = fleet.scratch().to_string_lossy().into_owned();
    let options = ["--cwd", cwd.as_str(), "--curves", "out/*/train.log", "--curves", "late"];
    fleet.spawn_with("job", &options, "echo step=1 ignored_loss=0.5");
    fleet.until_ended("job");
    let records = curves(&fleet, &["job"]).succeeds().records();
    assert_eq!((of(&records, "loss").len(), of(&records, "ignored_loss").len()), (60, 0));
    assert_eq!(fleet.record("job").curves.len(), 2);
    let bad = fleet.run("fleet-spawn").args(["--curves", "a[", "--", "true"]).fails_with(2);
    bad.stderr_has("--curves \"a[\" is no path and no glob");
}

#[test]
fn a_fleet_file_says_it_too() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("fleet.toml");
    let text = "[process.job]\ncommand = 'true'\ncurves = ['{dir}/x.csv', 'logs']\n";
    fs::write(&file, text).unwrap();
    fleet.run("fleet-spawn").arg("--file").arg(&file).succeeds();
    let curves = fleet.until_ended("job").curves;
    let data: PathBuf = fleet.home().join("processes/job/data/x.csv");
    let logs = fleet.scratch().join("logs");
    assert_eq!(curves, [data.to_string_lossy(), logs.to_string_lossy()]);
}

#[test]
fn files_of_any_program_are_read() {
    let fleet = TestFleet::new();
    let text = fs::read(real("numpy/train.log")).unwrap();
    let stdin = curves(&fleet, &["--file", "-"]).stdin(text).succeeds().records();
    let file = curves(&fleet, &["--file", &real("numpy/train.log")]).succeeds().records();
    assert_eq!(of(&stdin, "loss"), of(&file, "loss"));
    let csv = curves(&fleet, &["--file", &real("trainer-5"), "-o", "csv"]).succeeds();
    let mut lines = csv.stdout().lines();
    assert!(lines.next().unwrap().starts_with("ts,id,source,step,train/loss,train/grad_norm,"));
    assert!(lines.all(|line| line.matches(',').count()
        == csv.stdout().lines().next().unwrap().matches(',').count()));
    let table = curves(&fleet, &["--file", &real("numpy"), "-o", "table", "-n", "2"]).succeeds();
    table.stdout_is(
        "STEP      loss           lr\n  58  0.272615   0.00166667\n  59  0.193035  0.000833333\n",
    );
    let array = curves(&fleet, &["--file", &real("tensor"), "-o", "json"]).succeeds();
    assert_eq!(
        serde_json::from_str::<Value>(array.stdout()).unwrap().as_array().unwrap().len(),
        10
    );
}

#[test]
fn patterns_of_the_user() {
    let fleet = TestFleet::new();
    let log = "at 7: L 0.5\nat 8: L nan\n";
    let pattern = "mine=at (?<step>\\d+): L (?<loss>\\S+)";
    let typed = curves(&fleet, &["--file", "-", "--pattern", pattern]).stdin(log).succeeds();
    assert_eq!(
        of(&typed.records(), "loss"),
        [(Some(7), "0.5".into()), (Some(8), "\"NaN\"".into())]
    );
    let config = fleet.scratch().join("fleet/curves.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[pattern.mine]\nregex = 'at (?<step>\\d+): L (?<loss>\\S+)'\n").unwrap();
    let read = curves(&fleet, &["--file", "-"]).env("XDG_CONFIG_HOME", fleet.scratch()).stdin(log);
    assert_eq!(read.succeeds().records().len(), 2);
    let bad = curves(&fleet, &["--file", "-", "--pattern", "mine=at (?<step>"]).fails_with(2);
    bad.stderr_has("pattern 'mine': unclosed group at column");
    fs::write(&config, "[pattern.mine]\nregex = '['\n").unwrap();
    let bad = curves(&fleet, &["--file", "-", "--config", &config.to_string_lossy()]).fails_with(2);
    bad.stderr_has("curves.toml' line 2 column 10: pattern 'mine': unclosed character class");
}

#[test]
fn what_is_not_there_is_an_honest_no() {
    let fleet = TestFleet::new();
    fleet.spawn("quiet", "echo listening on 127.0.0.1:8080, version=1.2");
    fleet.until_ended("quiet");
    curves(&fleet, &["quiet"]).fails_with(1).stderr_has("there is no curve");
    curves(&fleet, &["nobody"]).fails_with(1).stderr_has("no process matches 'nobody'");
    curves(&fleet, &["--file", "/nowhere/x"]).fails_with(2).stderr_has("there is no such file");
    curves(&fleet, &["-f", "-o", "csv"]).fails_with(2).stderr_has("--follow has no end");
}

#[test]
fn following_gives_each_point_once_across_rotations_and_new_processes() {
    let fleet = TestFleet::new();
    let script = "for n in $(seq 300); do echo step=$n loss=0.$n; echo {$(seq -s, 30)}; done; \
                  while [ ! -e $FLEET_DIR/go ]; do sleep 0.05; done; \
                  for n in $(seq 301 600); do echo step=$n loss=0.$n; done";
    fleet.spawn_with("job", &["--log-max-size", "8K", "--log-keep", "100"], script);
    let mut child = curves(&fleet, &["-f"]).starts();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut lines = out.lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let first: Vec<Value> = lines.by_ref().take(300).collect();
    fs::write(fleet.file("processes/job/data/go"), "").unwrap();
    let second: Vec<Value> = lines.by_ref().take(300).collect();
    let steps: Vec<i64> =
        first.iter().chain(&second).map(|record| record["step"].as_i64().unwrap()).collect();
    assert_eq!(steps, (1..=600).collect::<Vec<_>>());
    fleet.spawn("other", "echo step=1 loss=7.5");
    assert_eq!(lines.next().unwrap()["id"], "other");
    drop(lines);
    until("it ends when its reader left", || child.try_wait().unwrap().is_some());
}

#[test]
fn a_bar_that_the_shim_folds_is_a_curve() {
    let fleet = TestFleet::new();
    let script = "printf '\\r 10%%|#| 1/10 [00:00<00:09, 1it/s, loss=0.9]' >&2; sleep 1.2; \
                  printf '\\r 20%%|#| 2/10 [00:01<00:08, 1it/s, loss=0.8]' >&2; sleep 1.2; \
                  printf '\\r100%%|#| 10/10 [00:02<00:00, 4it/s, loss=0.1]\\n' >&2; exec sleep 600";
    fleet.spawn("job", script);
    let seen = || {
        let ran = curves(&fleet, &["job"]).ends();
        ran.code() == Some(0) && of(&ran.records(), "loss").len() == 3
    };
    until("all drawings are points", seen);
    let records = curves(&fleet, &["job"]).succeeds().records();
    let steps: Vec<_> = of(&records, "loss").into_iter().map(|(step, _)| step.unwrap()).collect();
    assert_eq!(steps, [1, 2, 10]);
}
