//! `fleet-alert --check`: each thing that is odd, at its place.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

fn check_file(path: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
    command.arg("--rules").arg(path).arg("--check").args(args).env_remove("FLEET_TEST_SECRET");
    command.output().unwrap()
}

fn checked(rules: &str, args: &[&str]) -> Output {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("alerts.toml");
    fs::write(&path, rules).unwrap();
    check_file(&path, args)
}

/// `line:column severity check: message; hint` of each finding.
fn findings(rules: &str) -> Vec<String> {
    let output = checked(rules, &["-o", "jsonl"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(output.status.code(), Some(0..=2)) && !stderr.contains("panicked"),
        "{stderr}"
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let line = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["kind"], "finding");
        let (severity, check) = (text(&record["severity"]), text(&record["check"]));
        let (message, hint) = (text(&record["message"]), text(&record["hint"]));
        format!("{}:{} {severity} {check}: {message}; {hint}", record["line"], record["column"])
    };
    lines.lines().map(line).collect()
}

/// A rule of three lines; what is added begins in the fourth.
fn rule(name: &str, on: &str, more: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\non = \"{on}\"\n{more}\n")
}

#[test]
fn each_thing_that_is_odd_is_found_at_its_place() {
    for (on, more, found) in [
        (
            "sample",
            "when = \"x > 5 && x < 3\"",
            "4:9 error never_met: the condition can never be met, the rule never fires: no value of 'x' meets",
        ),
        (
            "sample",
            "when = \"y > 1 || x > 5 && x < 3\"",
            "4:18 warning never_met: a part of the condition can never be met",
        ),
        (
            "process",
            "when = \"state == 'fialed'\"",
            "4:9 error never_met: the condition can never be met, the rule never fires: 'state' is never 'fialed'; did you mean 'failed'?",
        ),
        (
            "sample",
            "when = \"subject == 'proces' && x > 1\"",
            "4:9 error never_met: the condition can never be met, the rule never fires: 'subject' is never 'proces'; did you mean 'process'?",
        ),
        (
            "sample",
            "when = \"subject == 'process' && exit.cause == 'oom'\"",
            "4:33 error never_met",
        ),
        ("log", "when = \"level == 'fatal'\"", "4:9 error never_met"),
        (
            "sample",
            "when = \"subject == 'host' && memory_percent > '90'\"",
            "4:30 error never_met: the condition can never be met, the rule never fires: 'memory_percent' is a number and is compared with a text; write numbers without quotes",
        ),
        (
            "process",
            "when = \"id == 5\"",
            "4:9 error never_met: the condition can never be met, the rule never fires: 'id' is a text",
        ),
        (
            "sample",
            "when = \"x > 5\"\nclear = \"x < 3 && x > 4\"",
            "5:10 error never_met: 'clear' can never be met, an alert is never over",
        ),
        (
            "process",
            "when = \"state != 'fialed'\"",
            "4:9 warning always_met: the condition is always met where there is 'state': 'state' is never 'fialed'",
        ),
        ("log", "when = \"true\"", "4:9 warning always_met: the condition is always met"),
        (
            "smaple",
            "when = \"x > 1\"",
            "3:6 warning unknown_kind: no tool of fleet prints records of the kind 'smaple'; did you mean 'sample'?",
        ),
        (
            "sample",
            "when = \"subject == 'process' && memory_percnt > 90\"",
            "4:33 warning unknown_field: no sample about a process has 'memory_percnt'; did you mean 'memory_percent'?",
        ),
        (
            "sample",
            "when = \"subject == 'disk' && cpu_percent > 90\"\nfor = \"60s\"",
            "4:30 warning unknown_field: no sample about a disk has 'cpu_percent'",
        ),
        (
            "process",
            "when = \"exit.cod == 1\"",
            "4:9 warning unknown_field: no process has 'exit.cod'; did you mean 'code'?",
        ),
        (
            "sample",
            "when = \"subject == 'process' && cpu_percent > 80\"",
            "4:33 warning missing_for: 'cpu_percent' jumps",
        ),
        (
            "sample",
            "when = \"x > 90\"\nclear = \"x < 95\"",
            "5:10 warning clear_overlaps: 'clear' and the condition 'x > 90' are both met",
        ),
        (
            "process",
            "when = \"state == 'failed'\"\nby = [\"id\", \"nmae\"]",
            "5:13 warning unknown_by: no process has 'nmae'",
        ),
        (
            "process",
            "when = \"state == 'failed'\"\nsummary = \"{{id}}: {{exit.reson}}\"",
            "5:22 warning unknown_in_text: no process has 'exit.reson': it is shown as ?; did you mean 'reason'?",
        ),
        (
            "sample",
            "when = \"x > 1\"\nfor = \"5m\"\nrepeat = \"1m\"",
            "6:10 warning repeat_before_for: it is told again every 1m00s",
        ),
        (
            "sample",
            "when = \"x > 1\"\ninhibited_by = [\"r\"]",
            "5:17 error inhibition_circle: these hold each other back, nobody is told of any: r <- r",
        ),
    ] {
        let all = findings(&rule("r", on, more));
        assert_eq!(all.len(), 1, "{more}: {all:#?}");
        assert!(all[0].starts_with(found), "{more}\n  {}\n  {found}", all[0]);
    }
}

#[test]
fn what_is_as_it_should_be_is_not_found() {
    for (on, more) in [
        ("sample", "when = \"x > 90\"\nclear = \"x < 80\""),
        ("sample", "when = \"subject == 'process' && memory_percent > 90 && state == 'orphaned'\""),
        ("sample", "when = \"subject == 'custom' && loss == 'NaN'\""),
        (
            "sample",
            "when = \"subject == 'process' && kpis.loss.trend == 'worsening'\"\nsummary = \"{{labels.team}} {{kpis.loss.value}}\"",
        ),
        ("sample", "when = \"subject == 'process' && io_read_bytes_per_second > 5\""),
        ("log", "when = \"true\"\ncount = 10\nwithin = \"5m\""),
        ("log", "when = \"fields.user == 'root' && level in ['error', 'critical']\""),
        ("sample", "when = \"subject == 'host' && cpu_percent > 90\"\ntimes = 3\nby = []"),
        ("sample", "when = \"has(x) && (x > 5 || x < 3)\"\nclear = \"x > 3.5 && x < 4.5\""),
        ("sample", "when = \"a.exists(v, v > 5)\""),
        ("event", "when = \"type == 'progress' && data.done > 5\""),
    ] {
        assert_eq!(findings(&rule("r", on, more)), [""; 0], "{more}");
    }
}

#[test]
fn rules_are_held_against_each_other() {
    let failed = "when = \"state == 'failed'\"";
    let other = "when = \"state  ==  'failed' \"\nseverity = \"high\"";
    let all = findings(&(rule("a", "process", failed) + &rule("b", "process", other)));
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(
        all[0].starts_with("6:8 warning same_rule: this rule fires whenever 'a' does"),
        "{}",
        all[0]
    );
    let by = |other: &str| format!("when = \"state == '{other}'\"\ninhibited_by = [\"{other}\"]");
    let circle = rule("failed", "process", &by("lost")) + &rule("lost", "process", &by("failed"));
    let all = findings(&circle);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].contains("told of any: failed <- lost <- failed"), "{}", all[0]);
}

const CHANNELS: &str =
    "[channel.bell]\ntype = \"bell\"\n\n[channel.night]\ntype = \"file\"\npath = \"/x\"\n";

#[test]
fn routes_and_channels_that_lead_nowhere_are_found() {
    let rules = rule("failed", "process", "when = \"state == 'failed'\"\nseverity = \"high\"");
    for (route, found) in [
        (
            "[route]\nhigh = [\"bell\", \"night\"]\nhihg = []",
            "13:1 warning unknown_severity: no rule has the severity 'hihg'; did you mean 'high'?",
        ),
        (
            "[route]\nhigh = [\"bell\"]\ninfo = [\"night\"]",
            "8:10 warning channel_unreached: channel 'night' is never told anything",
        ),
        (
            "[route]\nhigh = []\ninfo = [\"bell\", \"night\"]",
            "2:8 warning nobody_told: no channel is told of this rule's alerts (high)",
        ),
        (
            "[[route.match]]\nalert = \"faild\"\nchannels = [\"bell\"]\n[route]\nhigh = [\"bell\", \"night\"]",
            "12:9 warning match_without_rule",
        ),
        (
            "[[route.match]]\nalert = \"fa*\"\nchannels = [\"bell\", \"night\"]\n[[route.match]]\nalert = \"failed\"\nseverity = \"high\"\nchannels = [\"bell\"]",
            "17:12 error match_shadowed: match 1 takes all that this one is about",
        ),
    ] {
        let head = CHANNELS.replace("\n\n", "\n");
        let all = findings(&format!("{rules}{head}{route}\n"));
        assert!(all.iter().any(|one| one.starts_with(found)), "{route}: {all:#?}");
    }
    let all = findings(&(rules + CHANNELS));
    assert_eq!(all, [""; 0], "channels that no route names are told of all");
}

#[test]
fn a_secret_that_is_not_there_is_a_warning() {
    let slack = "[channel.slack]\ntype = \"slack\"\nurl_env = \"FLEET_TEST_SECRET\"\n";
    let all = findings(&(rule("r", "sample", "when = \"x > 1\"") + slack));
    assert_eq!(all.len(), 1, "{all:#?}");
    let said = "5:10 warning channel_unusable: channel 'slack' cannot be used from here";
    assert!(all[0].starts_with(said) && all[0].contains("FLEET_TEST_SECRET"), "{}", all[0]);
}

#[test]
fn what_a_channel_needs_and_is_not_there_is_said() {
    for (channel, said) in [
        (
            "type = \"exec\"\ncommand = [\"no-such-command\"]",
            "there is no command 'no-such-command'",
        ),
        ("type = \"exec\"\ncommand = [\"/etc/passwd\"]", "there is no command '/etc/passwd'"),
        ("type = \"file\"\npath = \"/no/such/log\"", "there is no folder '/no/such'"),
    ] {
        let all = findings(&(rule("r", "sample", "when = \"x > 1\"") + "[channel.c]\n" + channel));
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(all[0].contains("warning channel_unusable") && all[0].contains(said), "{}", all[0]);
    }
    for channel in ["type = \"exec\"\ncommand = [\"sh\"]", "type = \"file\"\npath = \"/log\""] {
        let all = findings(&(rule("r", "sample", "when = \"x > 1\"") + "[channel.c]\n" + channel));
        assert!(all.is_empty(), "{all:#?}");
    }
}

#[test]
fn words_for_severities_that_nothing_knows_are_said() {
    let with = |severity: &str, rest: &str| {
        let lines = format!("when = \"x > 1\"\nseverity = \"{severity}\"");
        findings(&(rule("r", "sample", &lines) + rest))
    };
    for (word, meant) in [("Critical", "critical"), ("crit", "critical"), ("warn", "warning")] {
        let all = with(word, "");
        let said = format!("did you mean '{meant}'?");
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(all[0].contains("unknown_severity") && all[0].ends_with(&said), "{}", all[0]);
    }
    assert!(with("page", "").is_empty(), "a word of one's own");
    let bell = "[channel.c]\ntype = \"bell\"\n";
    assert!(with("crit", &format!("{bell}severity = [\"crit\"]")).is_empty());
    assert!(with("crit", &format!("{bell}[route]\ncrit = [\"c\"]")).is_empty());
}

#[test]
fn a_file_that_tells_nobody_anything_is_odd() {
    let all = findings("");
    assert_eq!(all, ["1:1 warning no_rule: there is no rule in this file; write a [[rule]]"]);
    let rules = rule("r", "sample", "when = \"x > 1\"") + "[[route.match]]\nchannels = []";
    let all = findings(&rules);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].contains("match_takes_all"), "{}", all[0]);
}

#[test]
fn the_status_says_whether_it_can_be_used() {
    for (rules, status, said) in [
        (rule("r", "sample", "when = \"x > 1\""), 0, "is in order; rules: 1 (0 not enabled)"),
        (rule("r", "novel", "when = \"x > 1\""), 0, "can be used; warnings: 1"),
        (
            rule("r", "sample", "when = \"x > 1 && x < 0\""),
            1,
            "is not in order; errors: 1, warnings: 0",
        ),
        (rule("r", "sample", "wen = \"x > 1\""), 2, "unknown field"),
    ] {
        for format in ["table", "jsonl"] {
            let output = checked(&rules, &["-o", format]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(status), "{stderr}");
            assert!(stderr.contains(said), "{stderr}");
        }
    }
}

#[test]
fn a_refused_file_is_a_finding_too() {
    let all = findings(&rule("r", "sample", "when = \"x > 1 and y\""));
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].starts_with("4:15 error refused: this is no CEL"), "{}", all[0]);
}

#[test]
fn the_rules_that_come_with_fleet_are_in_order() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/alerts.toml");
    let output = check_file(&path, &["-o", "jsonl"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
