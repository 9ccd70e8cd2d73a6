//! `fleet-alert` as it is typed and piped.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A home and a rules file of its own.
struct Bench {
    dir: TempDir,
}

const RULE: &str =
    "[[rule]]\nname = \"r\"\non = \"sample\"\nwhen = \"x > 1\"\nsummary = \"{{id}} has {{x}}\"\n";

impl Bench {
    fn new(rules: &str) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("alerts.toml"), rules).unwrap();
        Bench { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("home/alerts/state.jsonl")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.arg("--rules").arg(self.path("alerts.toml")).args(args);
        command.env("FLEET_HOME", self.path("home")).env("DIR", self.dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn start(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    fn run(&self, input: &str, args: &[&str]) -> Output {
        let mut child = self.start(args);
        // It may refuse its rules before it reads.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn alerts(&self, input: &str) -> Vec<String> {
        states(&self.run(input, &[]))
    }
}

fn sample(minute: u32, id: &str, x: f64) -> String {
    format!(
        "{{\"kind\":\"sample\",\"ts\":\"2026-11-22T06:{minute:02}:00Z\",\"id\":\"{id}\",\"x\":{x}}}\n"
    )
}

/// `id state` of each alert that was printed.
fn states(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| {
            let alert: Value = serde_json::from_str(line).unwrap();
            assert_eq!(alert["kind"], "alert");
            format!("{} {}", alert["id"].as_str().unwrap_or("-"), alert["state"].as_str().unwrap())
        })
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn lines_of(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn for_is_remembered_between_runs() {
    let bench = Bench::new(&format!("{RULE}for = \"5m\"\n"));
    for minute in 0..5 {
        assert_eq!(bench.alerts(&sample(minute, "a", 2.0)), [""; 0], "minute {minute}");
    }
    assert_eq!(bench.alerts(&sample(5, "a", 2.0)), ["a firing"]);
    assert_eq!(bench.alerts(&sample(6, "a", 2.0)), [""; 0], "it was told already");
    assert_eq!(bench.alerts(&sample(7, "a", 0.0)), ["a resolved"]);
    assert_eq!(lines_of(&bench.state()), 1, "nothing is left but when it was at work");
}

#[test]
fn an_alert_is_printed_and_said() {
    let bench = Bench::new(RULE);
    let output = bench.run(&sample(0, "a", 2.5), &[]);
    let alert: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&alert["alert"], &alert["value"]), (&"r".into(), &2.5.into()));
    assert_eq!(alert["summary"], "a has 2.5");
    assert_eq!(stderr(&output), "fleet-alert: firing warning r a: a has 2.5 (x is 2.5)\n");
    assert!(output.status.success());
}

#[test]
fn a_stream_is_never_waited_for() {
    let bench = Bench::new(RULE);
    let mut child = bench.start(&[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for (x, state) in [(2.0, "firing"), (0.0, "resolved")] {
        stdin.write_all(sample(0, "a", x).as_bytes()).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains(state), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_clock_resolves_while_nothing_comes() {
    let bench = Bench::new(&format!("{RULE}keep_firing_for = \"200ms\"\n"));
    let mut child = bench.start(&[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdin.write_all(format!("{}{}", sample(0, "a", 2.0), sample(0, "a", 0.0)).as_bytes()).unwrap();
    let mut lines = String::new();
    stdout.read_line(&mut lines).unwrap();
    stdout.read_line(&mut lines).unwrap();
    assert!(lines.contains("firing") && lines.contains("resolved"), "{lines}");
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn exit_code_says_whether_something_fires() {
    let bench = Bench::new(RULE);
    let code = |input: &str, args: &[&str]| bench.run(input, args).status.code();
    assert_eq!(code(&sample(0, "a", 2.0), &[]), Some(0));
    assert_eq!(code("", &["--exit-code"]), Some(1), "it fires since the run before");
    assert_eq!(code(&sample(1, "a", 0.0), &["--exit-code"]), Some(0));
}

#[test]
fn a_closed_input_is_an_empty_one() {
    let bench = Bench::new(RULE);
    let shell = format!(
        "exec {} --rules {} <&-",
        assert_cmd::cargo::cargo_bin!("fleet-alert").display(),
        bench.path("alerts.toml").display()
    );
    let mut command = Command::new("sh");
    let output =
        command.args(["-c", &shell]).env("FLEET_HOME", bench.path("home")).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let bench = Bench::new(RULE);
    let mut input = String::new();
    for process in 0..2000 {
        input.push_str(&sample(0, &format!("p{process}"), 2.0));
    }
    fs::write(bench.path("input"), input).unwrap();
    let shell = format!(
        "{} --no-notify --rules {} < {} | head -1; echo ${{PIPESTATUS[0]}}",
        assert_cmd::cargo::cargo_bin!("fleet-alert").display(),
        bench.path("alerts.toml").display(),
        bench.path("input").display(),
    );
    let mut command = Command::new("bash");
    let output =
        command.args(["-c", &shell]).env("FLEET_HOME", bench.path("home")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("p0") && text.ends_with("\n0\n"), "{text}");
    assert_eq!(stderr(&output), "");
}

#[test]
fn what_is_no_record_is_said_once() {
    let bench = Bench::new(RULE);
    let input = format!("nonsense\n\n{}[1]\n{{\"kind\":\"novel\"}}\n", sample(0, "a", 2.0));
    let output = bench.run(&input, &["--no-notify"]);
    assert_eq!(states(&output), ["a firing"]);
    let said = stderr(&output);
    assert!(
        said.contains("passed over 2 lines that are no records; the first is line 1"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_broken_rules_file_is_refused_with_its_place() {
    for (rules, place, hint) in [
        (RULE.replace("when =", "wen ="), "alerts.toml' line 4 column 1: unknown field", "'when'"),
        (RULE.replace("x > 1", "x > 1 and y"), "line 4 column 15: this is no CEL", "&&"),
        (RULE.replace("x > 1", "x > size('1G'"), "line 4 column", ""),
        (format!("{RULE}for = \"soon\"\n"), "line 6 column 7: \"soon\" is no duration", "90s"),
        (format!("{RULE}{RULE}"), "line 7 column 8: there is already a rule named 'r'", "its own"),
    ] {
        let bench = Bench::new(&rules);
        for args in [&[][..], &["--check"]] {
            let output = bench.run(&sample(0, "a", 2.0), args);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(place) && said.contains(hint), "{said}");
            // A check tells programs what it finds.
            assert_eq!(output.stdout.is_empty(), args.is_empty());
        }
    }
}

#[test]
fn rules_that_are_not_there_are_an_error_with_a_hint() {
    let bench = Bench::new(RULE);
    fs::remove_file(bench.path("alerts.toml")).unwrap();
    let output = bench.run("", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("hint: name a file with --rules"), "{}", stderr(&output));
}

#[test]
fn rules_that_are_no_text_are_refused_as_such() {
    let bench = Bench::new(RULE);
    fs::write(bench.path("alerts.toml"), b"\xff\xfe").unwrap();
    let output = bench.run("", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("alerts.toml': it is not UTF-8 text"), "{output:?}");
}

#[test]
fn the_user_s_own_rules_are_found() {
    let bench = Bench::new("");
    fs::create_dir_all(bench.path("config/fleet")).unwrap();
    fs::write(bench.path("config/fleet/alerts.toml"), RULE).unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
    command.arg("--check").env("XDG_CONFIG_HOME", bench.path("config"));
    let output = command.output().unwrap();
    assert!(stderr(&output).contains("rules: 1"), "{}", stderr(&output));
    assert!(output.status.success());
}

#[test]
fn explain_names_each_reason() {
    let bench = Bench::new(&format!("{RULE}for = \"5m\"\n"));
    let input = sample(0, "a", 2.0) + &sample(2, "a", 2.0) + &sample(5, "a", 2.0);
    let output = bench.run(&input, &["--explain", "--no-notify"]);
    assert_eq!(states(&output), ["a pending", "a firing"]);
    let said = stderr(&output);
    for reason in ["pending_began", "needs 5m00s, has 2m00s (pending_waits)", "(fired)"] {
        assert!(said.contains(reason), "{reason} not in {said}");
    }
}

#[test]
fn a_table_ends_with_all_that_fires() {
    let bench = Bench::new(RULE);
    bench.run(&sample(0, "a", 2.0), &[]);
    let output = bench.run(&sample(1, "b", 2.0), &["-o", "table"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("firing warning r b"), "{text}");
    assert!(lines[1].starts_with("FIRING") && lines.len() == 4, "{text}");
}

#[test]
fn json_is_one_array() {
    let bench = Bench::new(RULE);
    let input = sample(0, "a", 2.0) + &sample(0, "b", 2.0);
    let output = bench.run(&input, &["-o", "json"]);
    let array: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(array.len(), 2);
}

fn channel(name: &str, script: &str, rest: &str) -> String {
    format!(
        "[channel.{name}]\ntype = \"exec\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n{rest}\n"
    )
}

#[test]
fn a_command_gets_the_alert() {
    let script = "cat >> \"$DIR/got\"; echo \"$FLEET_ALERT $FLEET_SEVERITY $FLEET_STATE $FLEET_ID\" >> \"$DIR/env\"; echo noise";
    let rules = format!("{RULE}{}", channel("file", script, ""));
    let rules = rules + &channel("other", "touch \"$DIR/wrong\"", "severity = ['critical']");
    let bench = Bench::new(&rules);
    let output = bench.run(&sample(0, "a", 2.0), &[]);
    assert_eq!(fs::read(bench.path("got")).unwrap(), output.stdout);
    assert_eq!(fs::read_to_string(bench.path("env")).unwrap(), "r warning firing a\n");
    assert!(!bench.path("wrong").exists(), "it takes only critical alerts");
    bench.run(&sample(1, "a", 0.0), &["--no-notify"]);
    assert_eq!(lines_of(&bench.path("got")), 1);
}

#[test]
fn a_failing_command_is_said() {
    let rules = format!(
        "{RULE}{}[channel.gone]\ntype = 'exec'\ncommand = ['/no/such']\n",
        channel("bad", "exit 3", "")
    );
    let bench = Bench::new(&rules);
    let output = bench.run(&sample(0, "a", 2.0), &["--linger", "1s"]);
    let said = stderr(&output);
    assert!(said.contains("channel 'bad' failed: exit status: 3"), "{said}");
    assert!(said.contains("channel 'gone' could not be started: No such file"), "{said}");
    assert!(output.status.success());
}

#[test]
fn a_command_that_hangs_is_killed_with_its_group() {
    let script = "sleep 1000 & echo $! > \"$DIR/pid\"; wait";
    let bench = Bench::new(&format!("{RULE}{}", channel("slow", script, "timeout = '300ms'")));
    let start = Instant::now();
    let output = bench.run(&sample(0, "a", 2.0), &["--linger", "1s"]);
    assert!(start.elapsed() < Duration::from_secs(15));
    assert!(
        stderr(&output).contains("took longer than 300ms and was killed"),
        "{}",
        stderr(&output)
    );
    let pid = fs::read_to_string(bench.path("pid")).unwrap();
    let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    // A zombie that its new parent has not buried yet is dead too.
    let dead = || fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "));
    until("the grandchild is dead", dead);
}

#[test]
fn a_kill_between_deliveries_repeats_at_most_one_a_channel() {
    let second = "echo x >> \"$DIR/second\"; test -e \"$DIR/again\" || { touch \"$DIR/again\"; kill -9 $PPID; }";
    let rules = [
        RULE.to_owned(),
        channel("a", "echo x >> \"$DIR/first\"", ""),
        channel("b", second, ""),
        channel("c", "echo x >> \"$DIR/third\"", ""),
    ];
    let bench = Bench::new(&rules.concat());
    let output = bench.run(&sample(0, "a", 2.0), &[]);
    assert_eq!(output.status.code(), None, "it was killed while the second was being told");
    assert_eq!(states(&output), ["a firing"]);
    let output = bench.run("", &[]);
    assert_eq!(states(&output), [""; 0], "what it still owed is told without being printed again");
    assert_eq!(lines_of(&bench.path("second")), 2, "nobody can know that it was told");
    for name in ["first", "third"] {
        assert!((1..=2).contains(&lines_of(&bench.path(name))), "{name}");
    }
    bench.run(&sample(1, "a", 2.0), &[]);
    assert_eq!(lines_of(&bench.path("second")), 2);
}

#[test]
fn what_is_owed_waits_while_nobody_is_to_be_told() {
    let bench = Bench::new(&format!("{RULE}{}", channel("file", "echo x >> \"$DIR/got\"", "")));
    assert_eq!(states(&bench.run(&sample(0, "a", 2.0), &["--no-notify"])), ["a firing"]);
    assert!(!bench.path("got").exists());
    assert_eq!(states(&bench.run("", &[])), [""; 0]);
    assert_eq!(lines_of(&bench.path("got")), 1);
}

#[test]
fn a_full_disk_silences_nothing() {
    let bench = Bench::new(RULE);
    fs::write(bench.path("input"), sample(0, "a", 2.0) + &sample(1, "a", 2.0)).unwrap();
    let shell = format!(
        "trap '' XFSZ; ulimit -f 0; exec {} --rules {} < {}",
        assert_cmd::cargo::cargo_bin!("fleet-alert").display(),
        bench.path("alerts.toml").display(),
        bench.path("input").display(),
    );
    let mut command = Command::new("bash");
    let output =
        command.args(["-c", &shell]).env("FLEET_HOME", bench.path("home")).output().unwrap();
    let said = stderr(&output);
    assert_eq!(states(&output), ["a firing"], "{said}");
    assert!(said.contains("cannot write the alerts' memory") && said.contains("goes on"), "{said}");
    assert!(said.contains("firing warning r a"), "{said}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_memory_that_cannot_be_kept_is_said_once_not_in_each_turn() {
    let bench = Bench::new(RULE);
    fs::create_dir(bench.path("home")).unwrap();
    fs::write(bench.path("home/alerts"), "no folder").unwrap();
    let mut child = bench.start(&[]);
    let mut printed = BufReader::new(child.stdout.take().unwrap());
    for id in ["a", "b", "c", "d"] {
        child.stdin.as_mut().unwrap().write_all(sample(0, id, 2.0).as_bytes()).unwrap();
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        assert!(line.contains("firing"), "{line}");
    }
    let output = child.wait_with_output().unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    // Its reading and its writing are two troubles.
    assert_eq!(said.matches("ledger.jsonl").count(), 2, "{said}");
    assert_eq!(said.matches("goes on without").count(), 5, "{said}");
}

#[test]
fn two_at_once_tell_once() {
    let rules = format!("{RULE}{}", channel("file", "echo x >> \"$DIR/got\"; sleep 0.2", ""));
    let bench = Bench::new(&rules);
    let mut children: Vec<Child> = (0..4).map(|_| bench.start(&["--no-notify"])).collect();
    children.push(bench.start(&[]));
    let mut alerts = 0;
    for child in &mut children {
        child.stdin.take().unwrap().write_all(sample(0, "a", 2.0).as_bytes()).unwrap();
    }
    for child in children {
        alerts += states(&child.wait_with_output().unwrap()).len();
    }
    assert_eq!(alerts, 1);
    assert!(lines_of(&bench.path("got")) <= 1);
}

#[test]
fn a_long_lived_one_takes_over_what_another_told() {
    let bench = Bench::new(RULE);
    let mut child = bench.start(&[]);
    until("it has begun", || bench.path("home/alerts/state.lock").exists());
    assert_eq!(bench.alerts(&sample(0, "a", 2.0)), ["a firing"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(sample(1, "a", 2.0).as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(states(&child.wait_with_output().unwrap()), [""; 0]);
}

#[test]
fn a_damaged_memory_costs_its_bad_lines_alone() {
    let bench = Bench::new(&format!("{RULE}for = \"5m\"\n"));
    bench.run(&sample(0, "a", 2.0), &[]);
    let newer = "{\"kind\":\"alert_state\",\"v\":7,\"rule\":\"r\",\"key\":{\"id\":\"z\"}}";
    let good = fs::read_to_string(bench.state()).unwrap();
    fs::write(bench.state(), format!("\u{0}garbage\n{newer}\n{good}{{\"kind\":\"alert_st"))
        .unwrap();
    let output = bench.run(&sample(5, "a", 2.0), &["--no-notify"]);
    assert_eq!(states(&output), ["a firing"]);
    assert!(
        stderr(&output).contains("cannot be read in the alerts' memory of rules: line 1, 5"),
        "{}",
        stderr(&output)
    );
    let after = fs::read_to_string(bench.state()).unwrap();
    assert!(after.contains(newer) && !after.contains("garbage"), "{after}");
}
