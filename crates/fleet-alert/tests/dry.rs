//! `fleet-alert --test` and `--replay`: rules that are tried instead of used.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const RULES: &str = r#"
[channel.slack]
type = "file"
path = "/nowhere/slack.jsonl"
severity = ["critical"]

[channel.log]
type = "file"
path = "/nowhere/log.jsonl"

[[rule]]
name = "memory"
on = "sample"
when = "subject == 'process' && memory_percent > 90.0"
for = "1m"
severity = "critical"
summary = "{{id}} uses {{memory_percent}} %"

[[rule]]
name = "quiet"
on = "sample"
when = "subject == 'process' && x > 1"
severity = "info"
"#;

struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(TempDir::new().unwrap());
        bench.write("alerts.toml", RULES);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.arg("--home").arg(self.path("home")).args(args).current_dir(self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end before it reads.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// What became of the cases of a file, and the whole of what was printed for people.
    fn cases(&self, cases: &str) -> (Option<i32>, String) {
        self.write("cases.toml", &format!("rules = \"alerts.toml\"\n{cases}"));
        let output = self.run(&["--test", "cases.toml", "-o", "table"], "");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    fn replay(&self, args: &[&str], input: &str) -> (Vec<String>, String) {
        let args = [&["--rules", "alerts.toml", "--replay"], args].concat();
        let output = self.run(&args, input);
        let line = |line: &str| {
            let record: Value = serde_json::from_str(line).unwrap();
            let word = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            let what = if record["kind"] == "alert" {
                word("state")
            } else {
                word("word") + " " + &word("channel")
            };
            format!("{} {} {what}", word("alert"), word("id"))
        };
        let text = String::from_utf8(output.stdout).unwrap();
        (text.lines().map(line).collect(), String::from_utf8(output.stderr).unwrap())
    }
}

const HIGH: &str = "{ at = \"0s\", every = \"15s\", until = \"90s\", record = { subject = \"process\", id = \"a\", memory_percent = 95 } }";
const LOW: &str =
    "{ at = \"2m\", record = { subject = \"process\", id = \"a\", memory_percent = 20 } }";
const FIRES: &str = "{ at = \"1m\", rule = \"memory\", id = \"a\", severity = \"critical\", summary = \"^a uses 95 %$\", told = [\"log\", \"slack\"] }";

fn case(steps: &[&str], expect: &str) -> String {
    format!("[[case]]\nname = \"c\"\nsteps = [{}]\n{expect}\n", steps.join(", "))
}

#[test]
fn cases_that_are_as_expected_are_ok() {
    let silence = "{ at = \"30s\", silence = { rule = \"mem*\", for = \"1h\", why = \"reboot\" } }";
    let restart = "{ at = \"40s\", restart = true }";
    let records = "{ records = '''\n{\"subject\":\"process\",\"id\":\"b\",\"x\":5}\n''' }";
    for (steps, expect) in [
        (vec![HIGH], format!("expect = [{FIRES}]")),
        (vec![HIGH, restart], format!("expect = [{FIRES}]")),
        (
            vec![HIGH, LOW],
            format!(
                "expect = [{FIRES}, {{ at = \"2m\", rule = \"memory\", state = \"resolved\" }}]"
            ),
        ),
        (vec![LOW], "none = true".to_owned()),
        (
            vec![HIGH, silence],
            "expect = [{ rule = \"memory\", told = [], held = [\"silenced\"] }]".to_owned(),
        ),
        (
            vec![records],
            "expect = [{ at = \"0s\", rule = \"quiet\", id = \"b\", told = [\"log\"] }]".to_owned(),
        ),
        (vec![records], "rules = [\"memory\"]\nnone = true".to_owned()),
    ] {
        let (status, said) = Bench::new().cases(&case(&steps, &expect));
        assert_eq!(status, Some(0), "{expect}: {said}");
        assert!(said.starts_with("ok     c\n") && said.contains("cases: 1, failed: 0"), "{said}");
    }
}

#[test]
fn a_case_that_fails_says_what_was_seen_instead() {
    for (steps, expect, problem) in [
        (
            HIGH,
            "none = true".to_owned(),
            "not expected, but seen: memory of a firing critical at 1m00s (a uses 95 %)",
        ),
        (
            LOW,
            format!("expect = [{FIRES}]"),
            "expected memory of a firing critical at 1m00s; nothing like it was seen",
        ),
        (
            HIGH,
            "expect = [{ at = \"45s\", rule = \"memory\" }]".to_owned(),
            "it is expected at 45s and was seen at 1m00s",
        ),
        (
            HIGH,
            "expect = [{ rule = \"memory\", severity = \"high\" }]".to_owned(),
            "its severity is not 'high'",
        ),
        (
            HIGH,
            "expect = [{ rule = \"memory\", summary = \"^b\" }]".to_owned(),
            "its summary 'a uses 95 %' does not match '^b'",
        ),
        (
            HIGH,
            "expect = [{ rule = \"memory\", told = [\"log\"] }]".to_owned(),
            "it was told to log, slack, not log",
        ),
        (
            HIGH,
            "expect = [{ rule = \"memory\", held = [\"silenced\"] }]".to_owned(),
            "it was held back by nobody, not silenced",
        ),
        (
            HIGH,
            "expect = [{ rule = \"memory\", id = \"b\" }]".to_owned(),
            "expected memory of b firing; nothing like it was seen",
        ),
    ] {
        let (status, said) = Bench::new().cases(&case(&[steps], &expect));
        assert_eq!(status, Some(1), "{expect}: {said}");
        assert!(said.contains(problem) && said.starts_with("failed c\n"), "{expect}: {said}");
        assert!(said.contains("failed: 1"), "{said}");
    }
    let (_, said) =
        Bench::new().cases(&case(&[HIGH], "expect = [{ at = \"45s\", rule = \"memory\" }]"));
    assert!(said.contains("needs 1m00s") && said.contains("(fired)"), "the rules say why: {said}");
}

#[test]
fn cases_for_programs_are_records() {
    let bench = Bench::new();
    bench.write("cases.toml", &case(&[HIGH], "none = true"));
    let output = bench.run(&["--rules", "alerts.toml", "--test", "cases.toml", "-o", "jsonl"], "");
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&record["case"], &record["ok"]), (&"c".into(), &false.into()));
    assert_eq!(record["problems"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_of_cases_that_is_wrong_is_refused_with_its_place() {
    for (cases, said) in [
        (
            "[[case]]\nname = \"c\"\n".to_owned(),
            "line 3 column 8: a case has alerts that it expects",
        ),
        (case(&[HIGH], "none = true\nrules = [\"memry\"]"), "there is no rule named 'memry'"),
    ] {
        let (status, text) = Bench::new().cases(&cases);
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains(said), "{text}");
    }
}

/// Samples of one process, one in 15 s, of which the memory is high from the tenth to the twentieth.
fn samples() -> String {
    let mut lines = String::new();
    for at in 0..30_u32 {
        let (minute, second) = (at * 15 / 60, at * 15 % 60);
        let memory = if (10..20).contains(&at) { 95 } else { 20 };
        writeln!(
            lines,
            "{{\"kind\":\"sample\",\"ts\":\"2026-11-20T06:{minute:02}:{second:02}Z\",\"subject\":\"process\",\"id\":\"a\",\"run\":1,\"memory_percent\":{memory}}}"
        )
        .unwrap();
    }
    lines
}

#[test]
fn a_replay_shows_what_would_have_been_told_and_remembers_nothing() {
    let bench = Bench::new();
    bench.write("home/metrics/2026-11-20.jsonl", &samples());
    let told = [
        "memory a firing",
        "memory a first slack",
        "memory a first log",
        "memory a resolved",
        "memory a resolved slack",
        "memory a resolved log",
    ];
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let wanted = sorted(told.map(str::to_owned).to_vec());
    let (seen, said) = bench.replay(&["--since", "2026-11-20T00:00:00Z"], "");
    assert_eq!(sorted(seen), wanted);
    assert!(
        said.contains("records: 30") && said.contains("changes of alerts: 2, notifications: 4"),
        "{said}"
    );
    let (piped, _) = bench.replay(&["-"], &samples());
    assert_eq!(sorted(piped), wanted);
    assert!(!bench.path("home/alerts").exists());
    let table = bench.run(&["--rules", "alerts.toml", "-o", "table", "--replay", "-"], &samples());
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.contains("2026-11-20 06:03:30  2026-11-20 06:05:00  critical  memory"),
        "{table}"
    );
}

#[test]
fn a_replay_is_of_the_processes_and_the_time_that_are_asked_for() {
    let bench = Bench::new();
    bench.write("home/metrics/2026-11-20.jsonl", &samples());
    let since = ["--since", "2026-11-20T00:00:00Z"];
    let (seen, _) = bench.replay(&[&["a*"][..], &since].concat(), "");
    assert_eq!(seen.len(), 6);
    for args in
        [vec!["b", since[0], since[1]], vec![since[0], since[1], "--until", "2026-11-20T01:00:00Z"]]
    {
        let args = [vec!["--rules", "alerts.toml", "--replay"], args].concat();
        let output = bench.run(&args, "");
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("holds no record that was asked for"), "{said}");
    }
}

#[test]
fn why_tells_what_earlier_runs_wrote_down() {
    let bench = Bench::new();
    let log = bench.path("log.jsonl");
    bench.write("alerts.toml", &RULES.replace("/nowhere/log.jsonl", log.to_str().unwrap()));
    let ts = "\"2026-11-20T06:00:00Z\"";
    let high = format!(
        "{{\"kind\":\"sample\",\"ts\":{ts},\"subject\":\"process\",\"id\":\"a\",\"x\":5}}\n"
    );
    bench.run(&["--rules", "alerts.toml"], &high);
    let tried = format!(
        "{{\"kind\":\"alert_delivery\",\"ts\":{ts},\"channel\":\"log\",\"notification\":\"n\",\"fingerprints\":[\"f\"],\"word\":\"again\",\"text\":\"answered 500\"}}\n"
    );
    let decided = format!(
        "{{\"kind\":\"alert_decision\",\"ts\":{ts},\"alert\":\"quiet\",\"id\":\"a\",\"fingerprint\":\"f\",\"channel\":\"log\",\"word\":\"silenced\",\"text\":\"silence 3f by anna\"}}\n"
    );
    let alert = format!(
        "{{\"kind\":\"alert\",\"ts\":{ts},\"alert\":\"quiet\",\"state\":\"firing\",\"severity\":\"info\",\"id\":\"a\",\"since\":{ts},\"summary\":\"\",\"reason\":\"x is 5\",\"fingerprint\":\"f\"}}\n"
    );
    bench.write("home/alerts/history.jsonl", &[alert, decided, tried].concat());
    let why = |question: &str, format: &str| {
        let output = bench.run(&["--rules", "alerts.toml", "-o", format, "--why", question], "");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    for question in ["quiet", "a", "qui*"] {
        let (status, said) = why(question, "table");
        assert_eq!(status, Some(0), "{said}");
        for part in [
            "2026-11-20 06:00:00  firing info quiet a: x is 5",
            "2026-11-20 06:00:00  log: quiet a: silence 3f by anna (silenced)",
            "2026-11-20 06:00:00  log: answered 500 (again)",
            "now  quiet of a: fires, met for",
            "now  slack: quiet a: no route sends this alert of severity 'info' here (not_routed)",
        ] {
            assert!(said.contains(part), "{part} not in {said}");
        }
        assert_eq!(why(question, "jsonl").1.lines().count(), 5, "{}", why(question, "jsonl").1);
    }
    let (status, said) = why("memory", "table");
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("the rule 'memory' has not fired and nothing of it is pending"),
        "{said}"
    );
    let (_, said) = why("memry", "table");
    assert!(
        said.contains("no rule has the name 'memry'") && said.contains("did you mean 'memory'?"),
        "{said}"
    );
}

#[test]
fn the_example_of_the_help_is_a_file_of_cases() {
    let bench = Bench::new();
    let help = String::from_utf8(bench.run(&["--help"], "").stdout).unwrap();
    let lines = help.lines().skip_while(|line| !line.trim().starts_with("rules = "));
    let lines = lines.take_while(|line| !line.trim().starts_with("A record without"));
    bench.write("cases.toml", &lines.collect::<Vec<_>>().join("\n"));
    let rules = RULES.replace("\"memory\"", "\"memory_usage_high\"");
    let only_slack = rules.replace("log.jsonl\"", "log.jsonl\"\nseverity = [\"info\"]");
    bench.write("alerts.toml", &only_slack);
    let output = bench.run(&["-o", "table", "--test", "cases.toml"], "");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}\n{help}");
}

#[test]
fn the_cases_that_come_with_fleet_are_good() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/alerts.test.toml");
    let output = Bench::new().run(&["-o", "table", "--test", cases], "");
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&said));
}
