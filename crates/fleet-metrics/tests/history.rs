//! Samples that are stored, and questions about them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A home with a history.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    /// A home in which `a` and `b` were sampled, once a minute with a pause of an hour.
    fn with_history() -> Home {
        let home = Home::new();
        let folder = home.0.path().join("metrics");
        fs::create_dir(&folder).unwrap();
        let mut lines = String::new();
        for minute in (0..10).chain(70..72) {
            let ts = format!("2026-01-02T{:02}:{:02}:00.000000Z", 6 + minute / 60, minute % 60);
            for (id, team) in [("a", "vision"), ("b", "speech")] {
                let line = json!({
                    "kind": "sample", "ts": ts, "subject": "process", "id": id, "run": 1,
                    "attempt": 1, "labels": {"team": team}, "state": "running",
                    "cpu_seconds_total": minute * 30, "cpu_percent": minute as f64 / 2.0,
                    "memory_bytes": 1 << 20, "loss": "NaN",
                });
                lines += &format!("{line}\n");
            }
            let host =
                json!({"kind": "sample", "ts": ts, "subject": "host", "host": "h", "cpus": 4});
            lines += &format!("{host}\n");
        }
        fs::write(folder.join("2026-01-02.jsonl"), lines).unwrap();
        home
    }

    fn run(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-metrics"));
        command.env_remove("FLEET_HOME").arg("--home").arg(self.0.path());
        command.args(line.split_whitespace()).stdin(Stdio::null()).output().unwrap()
    }

    /// What a run prints that succeeds and is silent.
    fn text(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)), "{line}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn records(&self, line: &str) -> Vec<Value> {
        self.text(line).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What a run says that ends so.
    fn says(&self, line: &str, code: i32) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(code), "{line}: {}", err(&output));
        err(&output)
    }
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

const SINCE: &str = "--since 2026-01-02T06:00:00Z";

#[test]
fn what_is_recorded_is_what_would_be_printed() {
    let home = Home::new();
    assert_eq!(home.text("--count 2 --interval 100ms --record"), "");
    let printed = home.text("--count 2 --interval 100ms --record -o jsonl");
    let stored = home.text("--since -1h");
    let hosts = |text: &str| text.lines().filter(|l| l.contains(r#""subject":"host""#)).count();
    assert_eq!((hosts(&printed), hosts(&stored)), (2, 4));
    assert!(stored.ends_with(&printed), "{stored}\n{printed}");
    assert!(home.says("--since -1h --until -30m", 1).contains("holds no sample"));
}

#[test]
fn what_is_not_stored_is_no_success() {
    let home = Home::new();
    let folder = home.0.path().join("metrics");
    fs::create_dir(&folder).unwrap();
    let lock = fs::File::create(folder.join("recorder.lock")).unwrap();
    lock.lock().unwrap();
    let said = home.says("--record --count 1", 2);
    assert!(said.contains("records this fleet already"), "{said}");
    assert!(said.contains("samples were not stored"), "{said}");
    drop(lock);
    home.says("--record --count 1", 0);
}

#[test]
fn a_window_is_one_flat_record() {
    let home = Home::with_history();
    let records = home.records(&format!("{SINCE} --window 1h --agg avg,max,p95,rate,last a"));
    let rising = |count: u64, values: [f64; 4], rate: f64, begin: &str| {
        json!({
            "kind": "sample", "ts": format!("2026-01-02T{begin}:00:00.000000Z"), "subject": "process",
            "id": "a", "window_seconds": 3600, "count": count, "cpu_percent_avg": values[0],
            "cpu_percent_max": values[1], "cpu_percent_p95": values[2], "cpu_percent_last": values[3],
            "cpu_seconds_total_last": values[3] * 60.0, "cpu_seconds_total_rate": rate,
            "memory_bytes_avg": 1 << 20, "memory_bytes_last": 1 << 20, "memory_bytes_max": 1 << 20,
            "memory_bytes_p95": 1 << 20,
        })
    };
    let expected = [
        rising(10, [2.25, 4.5, 4.5, 4.5], 0.5, "06"),
        rising(2, [35.25, 35.5, 35.5, 35.5], 0.5, "07"),
    ];
    // Whole numbers are written without a point.
    let plain = |record: &Value| record.to_string().replace(".0,", ",").replace(".0}", "}");
    let shown: Vec<String> = records.iter().map(plain).collect();
    assert_eq!(shown, expected.iter().map(plain).collect::<Vec<_>>());
}

#[test]
fn gaps_are_seen_and_groups_are_made() {
    let home = Home::with_history();
    let table = home.text(&format!("{SINCE} --window 30m --metric cpu_percent -o table a"));
    let rows: Vec<String> =
        table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        rows,
        [
            "TIME ID COUNT CPU_PERCENT_AVG CPU_PERCENT_MAX",
            "2026-01-02T06:00:00Z a 10 2.2 4.5",
            "2026-01-02T06:30:00Z a 0 - -",
            "2026-01-02T07:00:00Z a 2 35.2 35.5",
        ]
    );
    let by = |by: &str| home.records(&format!("{SINCE} --window 1d --by {by} --agg rate,last"));
    let teams = by("labels.team");
    assert_eq!((&teams[1]["labels"]["team"], &teams[1]["count"]), (&json!("speech"), &json!(12)));
    let all = by("subject");
    assert_eq!((&all[0]["subject"], &all[0]["count"]), (&json!("host"), &json!(12)));
    assert_eq!((&all[1]["count"], &all[1]["id"]), (&json!(24), &Value::Null));
    // Two processes that use half a core each.
    assert_eq!(all[1]["cpu_seconds_total_rate"], 1);
    let csv = home.text(&format!("{SINCE} --window 1d --metric c* --agg max -o csv --no-host"));
    let head = "ts,window_seconds,subject,host,name,id,run,labels,count,cpu_percent_max,cpu_seconds_total_max";
    let row = "2026-01-02T00:00:00.000000Z,86400,process,,,a,,,12,35.5,2130";
    assert_eq!(csv.lines().take(2).collect::<Vec<_>>(), [head, row]);
    let json = home.text(&format!("{SINCE} --window 1d -o json"));
    assert_eq!(serde_json::from_str::<Vec<Value>>(&json).unwrap().len(), 3);
}

#[test]
fn samples_of_a_time_are_printed_in_every_form() {
    let home = Home::with_history();
    let until = "--until 2026-01-02T06:02:00Z";
    assert_eq!(home.records(&format!("{SINCE} {until}")).len(), 6);
    let of_a = home.records(&format!("{SINCE} {until} -l team=vision"));
    assert_eq!((of_a.len(), &of_a[0]["loss"]), (2, &json!("NaN")));
    assert_eq!(home.records(&format!("{SINCE} {until} --host-only"))[0]["cpus"], 4);
    let table = home.text(&format!("{SINCE} {until} a#1 -o table"));
    assert!(table.starts_with("TIME ") && table.lines().count() == 3, "{table}");
    let csv = home.text(&format!("{SINCE} {until} a b -o csv"));
    assert_eq!(csv.lines().count(), 5);
    let json = home.text(&format!("{SINCE} {until} -o json"));
    assert_eq!(serde_json::from_str::<Vec<Value>>(&json).unwrap().len(), 6);
}

#[test]
fn what_was_not_found_is_an_honest_no() {
    let home = Home::with_history();
    for window in ["", "--window 1h"] {
        let said = home.says(&format!("{SINCE} {window} a nobody"), 1);
        assert!(said.contains("no sample of 'nobody' is stored since 2026-01-02"), "{said}");
        let said = home.says(&format!("--since -1h {window}"), 1);
        assert!(said.contains("holds no sample since"), "{said}");
    }
    assert!(Home::new().says("--since -1h", 1).contains("holds no sample since"));
    let said = home.says(&format!("{SINCE} --window 1h --metric memory_byte"), 1);
    assert!(said.contains("has a measure 'memory_byte'"), "{said}");
    assert!(said.contains("did you mean 'memory_bytes'?"), "{said}");
    let said = home.says("--since -1h --until -2h", 2);
    assert!(said.contains("is not after --since"), "{said}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let home = Home::with_history();
    for (line, why) in [
        ("--record", "--follow"),
        ("--since -1h --follow", "cannot be used with"),
        ("--since yesterday", "is no time"),
        ("--window 1h", "--since"),
        ("--since -1h --window 0", "the least is 1s"),
        ("--since -1h --window 1h --agg mean", "is none of avg"),
        ("--since -1h --window 1h --by team", "labels.KEY"),
        ("--since -1h --window 1h --metric [", "is no pattern"),
        ("--since -1h --window 1h --agg rate --metric cpu_percent", "goes up and down"),
        ("--since -1h :9555", "stored by name"),
        ("--keep 1d", "--record"),
    ] {
        let said = home.says(line, 2);
        assert!(said.contains(why), "{line}: {said}");
    }
}

#[test]
fn a_bad_line_is_told_and_costs_itself_alone() {
    let home = Home::with_history();
    let path = home.0.path().join("metrics/2026-01-02.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    text.insert_str(0, "{\"kind\":\"sam\n");
    fs::write(&path, text).unwrap();
    let output = home.run(&format!("{SINCE} --window 1d a"));
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("line 1 is no sample of that day"), "{}", err(&output));
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"count\":12"));
}
