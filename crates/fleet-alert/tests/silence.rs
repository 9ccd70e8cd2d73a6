//! `fleet-alert silence` as it is typed.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A home and a rules file of its own.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let rules = "[[rule]]\nname = \"gpu_idle\"\non = \"sample\"\nwhen = \"x > 1\"\n\
                     [[rule]]\nname = \"gpu_lost\"\non = \"sample\"\nwhen = \"x > 1\"\nimmediate = true\n";
        fs::write(dir.path().join("alerts.toml"), rules).unwrap();
        Bench { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("home/alerts/silences.jsonl")
    }

    /// What `fleet-alert silence` does with these words.
    fn silence(&self, words: &[&str]) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.arg("silence").args(words).env("USER", "anna").env_remove("SUDO_USER");
        command.env("FLEET_HOME", self.dir.path().join("home"));
        command.env("XDG_CONFIG_HOME", self.dir.path().join("none"));
        command.output().unwrap()
    }

    fn rules(&self) -> String {
        self.dir.path().join("alerts.toml").display().to_string()
    }

    /// The name of a new silence of these words.
    fn add(&self, words: &[&str]) -> String {
        let output = self.silence(&[words, &["--for", "2h", "--why", "planned reboot"]].concat());
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        let name = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert!(name.len() == 8 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        name
    }

    fn list(&self) -> Vec<Value> {
        let output = self.silence(&["list"]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that it ended so and said this.
fn ends(output: &Output, code: i32, said: &str) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(said), "{stderr}");
}

#[test]
fn a_silence_is_made_listed_and_ended() {
    let bench = Bench::new();
    assert!(bench.list().is_empty());
    let one = bench.add(&["--rule", "gpu_*", "--id", "train-7", "-l", "team=vis*"]);
    let other = bench.add(&["--all", "--by", "cron"]);
    let listed = bench.list();
    let found = listed.iter().find(|silence| silence["id"] == one.as_str()).unwrap();
    assert_eq!((&found["kind"], &found["by"]), (&"silence".into(), &"anna".into()));
    assert_eq!((&found["rule"], &found["process"]), (&"gpu_*".into(), &"train-7".into()));
    assert_eq!(found["labels"], serde_json::json!({"team": "vis*"}));
    assert_eq!(found["why"], "planned reboot");
    ends(&bench.silence(&["expire", &one[..7]]), 0, "");
    let left = bench.list();
    assert_eq!((left.len(), &left[0]["id"], &left[0]["by"]), (1, &other.into(), &"cron".into()));
    ends(&bench.silence(&["expire", &one, "nope"]), 1, "there is no silence 'nope'");
}

#[test]
fn a_table_is_for_people() {
    let bench = Bench::new();
    let name = bench.add(&["--rule", "gpu_idle"]);
    let output = bench.silence(&["list", "-o", "table"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("SILENCE   RULE      ID  LABELS  FROM  UNTIL"), "{text}");
    assert!(text.contains(&name) && text.contains("anna  planned reboot\n"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn what_was_asked_for_as_a_record_is_one() {
    let bench = Bench::new();
    let words = ["--rule", "a", "--why", "w", "--starts", "2199-01-01T00:00:00Z", "--for", "1d"];
    let output = bench.silence(&[&words[..], &["-o", "jsonl"]].concat());
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["from"], "2199-01-01T00:00:00.000000Z");
    assert_eq!(record["until"], "2199-01-02T00:00:00.000000Z");
    assert_eq!(bench.list()[0], record);
}

#[test]
fn what_is_not_said_whole_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    for (words, said) in [
        (&["--for", "2h", "--why", "w"][..], "would hold back every alert\n  hint: say which"),
        (&["--rule", "r", "--why", "w"], "how long the silence lasts\n  hint: say --for"),
        (&["--rule", "r", "--for", "2h"], "it is not said why"),
        (&["--rule", "r", "--for", "2h", "--why", " "], "it is not said why"),
        (&["--rule", "a[", "--for", "2h", "--why", "w"], "is no glob"),
        (&["--rule", "r", "--for", "0s", "--why", "w"], "ends before it begins"),
        (
            &["--rule", "r", "--until", "2020-01-01T00:00:00Z", "--why", "w"],
            "ends before it begins",
        ),
        (&["--rule", "r", "--for", "soon", "--why", "w"], "soon"),
        (&["--rule", "r", "--until", "soon", "--why", "w"], "\"soon\" is no time"),
        (&["-l", "team", "--for", "2h", "--why", "w"], "a label is written key=value"),
        (&["--all", "--rule", "r", "--for", "2h", "--why", "w"], "cannot be used with"),
        (&["expire"], "required"),
    ] {
        ends(&bench.silence(words), 2, said);
    }
    assert!(!bench.file().exists());
}

#[test]
fn a_rule_that_is_told_anyway_or_is_not_there_is_said() {
    let bench = Bench::new();
    let silence = |rule: &str| {
        bench.silence(&["--rule", rule, "--for", "2h", "--why", "w", "--rules", &bench.rules()])
    };
    ends(&silence("gpu_*"), 0, "rule 'gpu_lost' is immediate: it is told in spite of silences\n");
    ends(
        &silence("gpu_ilde"),
        0,
        "no rule is called 'gpu_ilde', so that this holds nothing back; did you mean 'gpu_idle'?",
    );
    assert_eq!(stderr(&silence("gpu_idle")), "");
    assert_eq!(bench.list().len(), 3);
}

#[test]
fn many_at_once_lose_none() {
    let bench = Bench::new();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let bench = &bench;
            scope.spawn(move || bench.add(&["--rule", &format!("r{n}")]));
        }
    });
    assert_eq!(bench.list().len(), 8);
}

#[test]
fn a_torn_line_is_said_and_costs_no_other() {
    let bench = Bench::new();
    let name = bench.add(&["--rule", "r"]);
    let text = fs::read_to_string(bench.file()).unwrap();
    fs::write(bench.file(), format!("{text}{{\"kind\":\"sil")).unwrap();
    let output = bench.silence(&["list"]);
    ends(&output, 0, "passed over what is no silence in 'silences.jsonl', line 2");
    assert!(String::from_utf8_lossy(&output.stdout).contains(&name));
    bench.add(&["--rule", "s"]);
    let output = bench.silence(&["list"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

#[test]
fn a_silence_that_cannot_be_kept_is_no_silence() {
    let bench = Bench::new();
    bench.add(&["--rule", "r"]);
    let shell = format!(
        "trap '' XFSZ; ulimit -f 0; exec {} silence --rule s --for 2h --why w",
        assert_cmd::cargo::cargo_bin!("fleet-alert").display()
    );
    let home = bench.dir.path().join("home");
    let output =
        Command::new("bash").args(["-c", &shell]).env("FLEET_HOME", home).output().unwrap();
    ends(&output, 2, "cannot write");
    assert!(output.stdout.is_empty());
}

/// A stream that tells a file of its alerts.
struct Stream {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Bench {
    /// Tells the file `told` of alerts.
    fn stream(&self) -> Stream {
        let rules = format!(
            "[[rule]]\nname = \"hot\"\non = \"sample\"\nwhen = \"x > 1\"\n\
             [[rule]]\nname = \"lost\"\non = \"sample\"\nwhen = \"x > 1\"\nimmediate = true\n\
             [notify]\ngroup_by = [\"alert\", \"id\"]\ngroup_window = \"1ms\"\n\
             [channel.file]\ntype = \"file\"\npath = \"{}\"\n",
            self.dir.path().join("told").display()
        );
        fs::write(self.rules(), rules).unwrap();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.arg("--rules").arg(self.rules()).env("FLEET_HOME", self.dir.path().join("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Stream { child, lines }
    }

    /// `rule id state` of all that the channel was told, in order.
    fn told(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("told")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let alert: Value = serde_json::from_str(line).unwrap();
                ["alert", "id", "state"].map(|name| alert[name].as_str().unwrap()).join(" ")
            })
            .collect()
    }

    /// Waits until the channel was told all of this and nothing else, in any order.
    fn until_told(&self, expected: &[&str]) {
        let start = Instant::now();
        loop {
            let mut told = self.told();
            told.sort();
            if told == expected || start.elapsed() > Duration::from_secs(20) {
                assert_eq!(told, expected);
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Stream {
    /// Gives it a sample and waits until it prints both of its alerts.
    fn feed(&mut self, id: &str, x: f64) {
        let now = fleet_core::Timestamp::now();
        let line = serde_json::json!({"kind": "sample", "ts": now, "id": id, "x": x});
        self.child.stdin.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        for _ in 0..2 {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            assert!(line.contains(id), "{line}");
        }
    }

    /// Ends it as the kernel would when there is no memory left.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_stream_that_runs_already_is_silenced_and_told_of_what_fires_still_afterwards() {
    let bench = Bench::new();
    let mut stream = bench.stream();
    stream.feed("before", 2.0);
    bench.until_told(&["hot before firing", "lost before firing"]);
    let name = bench.add(&["--all"]);
    stream.feed("train-7", 2.0);
    // What is immediate is told in spite of it, and so is the end of what was told before.
    stream.feed("before", 0.0);
    let mut told = vec![
        "hot before firing",
        "hot before resolved",
        "lost before firing",
        "lost before resolved",
        "lost train-7 firing",
    ];
    bench.until_told(&told);
    ends(&bench.silence(&["expire", &name]), 0, "");
    // No record has to come for that.
    told.push("hot train-7 firing");
    told.sort_unstable();
    bench.until_told(&told);
    stream.end();
}

#[test]
fn a_silence_outlives_a_kill_of_all_that_run() {
    let bench = Bench::new();
    let mut stream = bench.stream();
    bench.add(&["--rule", "hot", "--id", "train-*"]);
    stream.kill();
    stream = bench.stream();
    stream.feed("train-7", 2.0);
    stream.feed("web-1", 2.0);
    bench.until_told(&["hot web-1 firing", "lost train-7 firing", "lost web-1 firing"]);
    stream.end();
    assert_eq!(bench.list().len(), 1);
}

#[test]
fn a_silence_that_begins_later_holds_nothing_back_now() {
    let bench = Bench::new();
    let mut stream = bench.stream();
    bench.add(&["--rule", "hot", "--starts", "1h"]);
    stream.feed("train-7", 2.0);
    bench.until_told(&["hot train-7 firing", "lost train-7 firing"]);
    stream.end();
}
