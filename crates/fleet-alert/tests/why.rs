//! `fleet-alert --why` and `--list`: why somebody was not told, whatever the reason.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use fleet_core::Timestamp;
use serde_json::json;
use tempfile::TempDir;

const CHANNELS: &str = r#"
[notify]
group_window = "0s"

[route]
high = ["busy", "deaf", "good"]
info = []

[[route.match]]
alert = "nobodys"
channels = []

[channel.good]
type = "exec"
command = ["true"]

[channel.busy]
type = "exec"
command = ["sh", "-c", "exit 1"]

[channel.deaf]
type = "exec"
command = ["sh", "-c", "exit 65"]
"#;

const RULES: &str = r#"
[[rule]]
name = "hot"
on = "sample"
when = "x > 1"
severity = "high"

[[rule]]
name = "follows"
on = "sample"
when = "y > 1"
severity = "high"
inhibited_by = ["hot"]

[[rule]]
name = "slow"
on = "sample"
when = "z > 1"
for = "5m"

[[rule]]
name = "nobodys"
on = "sample"
when = "n > 1"
severity = "high"

[[rule]]
name = "unrouted"
on = "sample"
when = "u > 1"
severity = "info"

[[rule]]
name = "off"
on = "sample"
when = "x > 1"
enabled = false

[[rule]]
name = "words"
on = "log"
when = "level == 'error'"
count = 3
within = "5m"
"#;

struct Bench(TempDir);

impl Bench {
    fn new(channels: &str) -> Bench {
        let bench = Bench(TempDir::new().unwrap());
        bench.rules(&format!("{channels}{RULES}"));
        bench
    }

    fn rules(&self, text: &str) {
        fs::write(self.0.path().join("alerts.toml"), text).unwrap();
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.args(args).args(["--rules", "alerts.toml"]).current_dir(self.0.path());
        command.arg("--home").arg(self.0.path().join("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// One run over one record about the process `a`.
    fn feed(&self, fields: serde_json::Value) {
        let mut record = json!({"kind": "sample", "ts": Timestamp::now(), "id": "a"});
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let output = self.run(&["--linger", "2s"], &format!("{record}\n"));
        assert!(output.status.success(), "{}", said(&output));
    }

    /// What is said of it now, and how the tool ended.
    fn why(&self, question: &str) -> (Option<i32>, String) {
        let output = self.run(&["-o", "table", "--why", question], "");
        (output.status.code(), said(&output))
    }

    #[track_caller]
    fn says(&self, question: &str, parts: &[&str]) {
        let (_, said) = self.why(question);
        for part in parts {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap()
}

#[test]
fn what_did_not_arrive_was_not_told() {
    let bench = Bench::new(CHANNELS);
    bench.feed(json!({"x": 5}));
    let (status, said) = bench.why("hot");
    assert_eq!(status, Some(0), "{said}");
    for part in [
        "busy, deaf, good: hot a: a notification is on its way: firing (first)",
        "good: delivered",
        "now  good: hot a: was told at ",
        "now  busy: hot a: firing: not delivered yet, made at ",
        "failed: exit status: 1 (waiting)",
        "now  deaf: hot a: firing: was given up, made at ",
        "failed: exit status: 65 (dead_letter)",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert_eq!(said.matches("(told_already)").count(), 1, "{said}");
    let output = bench.run(&["--list", "-o", "jsonl"], "");
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed["told"].as_object().unwrap().keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(listed["held"]["busy"]["reason"], "waiting", "{listed}");
    assert_eq!(listed["held"]["deaf"]["reason"], "dead_letter", "{listed}");
}

#[test]
fn what_holds_an_alert_back_is_said() {
    let bench = Bench::new(CHANNELS);
    let silence = ["silence", "--id", "b", "--for", "1h", "--why", "moves", "--by", "anna"];
    let output = bench.run(&silence, "");
    assert!(output.status.success(), "{}", said(&output));
    bench.feed(json!({"x": 5, "y": 5, "z": 5, "n": 5, "u": 5}));
    bench.feed(json!({"x": 5, "y": 5, "z": 5, "n": 5, "u": 5, "id": "b"}));
    bench.says("b", &["by anna until ", ": moves (silenced)"]);
    bench.says("follows", &["busy, deaf, good: follows a: held back while 'hot' of a fires"]);
    bench.says("slow", &["now  slow of a: pending, not told yet, met for ", " of 5m00s; its last"]);
    bench
        .says("nobodys", &["  nobodys a: a [[route.match]] with channels = [] sends it to nobody"]);
    bench.says("unrouted", &["  unrouted a: no channel is told of severity 'info' (not_routed)"]);
    bench.says("off", &["the rule 'off' is not enabled"]);
    bench.says("words", &["no log came that met it, or not for 3 records within 5m00s"]);
    assert_eq!(bench.why("words").0, Some(1));
}

#[test]
fn a_rule_that_is_gone_or_switched_off_is_said_to_be() {
    let bench = Bench::new(CHANNELS);
    bench.feed(json!({"x": 5}));
    let gone = RULES.replace("\"hot\"", "\"warm\"");
    bench.rules(&format!("{CHANNELS}{gone}"));
    bench.says("hot", &["now  no rule is called 'hot' any more"]);
    let off = RULES.replacen("severity = \"high\"", "enabled = false", 1);
    bench.rules(&format!("{CHANNELS}{off}"));
    bench.says("hot", &["now  the rule 'hot' is not enabled"]);
}

#[test]
fn without_a_channel_nobody_can_be_told() {
    let bench = Bench::new("");
    bench.feed(json!({"x": 5}));
    let text = "  hot a: the rules file has no channel: nobody is told but who reads the output";
    bench.says("a", &[&format!("now{text}"), text]);
    let record = json!({"kind": "sample", "ts": Timestamp::now(), "id": "b", "x": 5});
    let output = bench.run(&["--explain"], &format!("{record}\n"));
    assert!(said(&output).contains("fleet-alert: hot b: the rules file has no"), "{output:?}");
}
