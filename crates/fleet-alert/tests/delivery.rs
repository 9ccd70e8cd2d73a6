//! What leaves fleet-alert by a channel, what waits in the spool, and what is said of both.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fleet_testkit::{Answer, Receiver, Request, Signal, Value, kill, until};

const RULE: &str = "[[rule]]\nname = \"r\"\non = \"sample\"\nwhen = \"x > 1\"\n";

/// A home, a rules file with webhooks of these names, and the server that they are.
struct Bench {
    dir: tempfile::TempDir,
    receiver: Receiver,
}

impl Bench {
    /// `more` stands at the end of `[notify]`; URL in it is the server's.
    fn new(channels: &[&str], more: &str) -> Bench {
        let (dir, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
        let hook = |name: &&str| {
            let url = receiver.url(&format!("/{name}"));
            format!("[channel.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\ntimeout = \"1s\"\n")
        };
        let hooks: String = channels.iter().map(hook).collect();
        let more = more.replace("URL", &receiver.url(""));
        let text = format!("[notify]\ngroup_window = \"0s\"\n{more}{RULE}{hooks}");
        fs::write(dir.path().join("alerts.toml"), text).unwrap();
        Bench { dir, receiver }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, args: &[&str]) -> Child {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
        command.arg("--rules").arg(self.path("alerts.toml")).args(args);
        command.env("FLEET_HOME", self.path("home")).env_remove("http_proxy");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn run(&self, input: &str, args: &[&str]) -> Output {
        let mut child = self.start(args);
        // It may have nothing to do with its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The records of a listing.
    fn records(&self, args: &[&str]) -> Vec<Value> {
        let output = self.run("", args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn sample(second: u32, id: &str, x: f64) -> String {
    format!(
        "{{\"kind\":\"sample\",\"ts\":\"2026-11-22T06:00:{second:02}Z\",\"id\":\"{id}\",\"x\":{x}}}\n"
    )
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `path reason id state` of what arrived.
fn told(requests: &[Request]) -> Vec<String> {
    let line = |request: &Request| {
        let body = request.json();
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let alert = &body["alerts"][0];
        format!(
            "{} {} {} {}",
            request.path,
            word(&body["reason"]),
            word(&alert["id"]),
            word(&alert["state"])
        )
    };
    requests.iter().map(line).collect()
}

#[test]
fn what_was_not_taken_waits_and_the_next_run_delivers_it_in_order() {
    let bench = Bench::new(&["hook"], "");
    bench.receiver.answer([Answer::status(429).header("Retry-After", "1")]);
    let output = bench.run(&sample(0, "a", 2.0), &["--linger", "1s"]);
    assert!(said(&output).contains("channel 'hook'"), "{}", said(&output));
    assert!(
        said(&output).contains("1 notification waits in the spool for channel 'hook'"),
        "{}",
        said(&output)
    );
    let waiting = bench.records(&["--spool"]);
    assert_eq!((waiting.len(), &waiting[0]["tries"]), (1, &1.into()));
    assert_eq!(waiting[0]["notification"]["channel"], "hook");
    let output = bench.run(&sample(1, "a", 0.0), &[]);
    assert!(output.status.success());
    let told = told(&bench.receiver.requests());
    assert_eq!(told, ["/hook first a firing", "/hook first a firing", "/hook resolved a resolved"]);
    assert_eq!(bench.records(&["--spool"]), Vec::<Value>::new());
}

#[test]
fn a_dead_letter_is_listed_and_delivered_after_all() {
    let bench = Bench::new(&["hook"], "");
    bench.receiver.answer([Answer::status(400).body("no such field")]);
    let output = bench.run(&sample(0, "a", 2.0), &[]);
    assert!(said(&output).contains("became dead letters"), "{}", said(&output));
    let dead = bench.records(&["--spool"]);
    assert!(dead[0]["buried"]["why"].as_str().unwrap().contains("400"), "{dead:?}");
    let table = bench.run("", &["--spool", "-o", "table"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("dead"), "{table:?}");
    assert!(said(&bench.run("", &["--spool", "--retry"])).contains("1 dead letter back"));
    bench.run("", &[]);
    assert_eq!(bench.receiver.requests().len(), 2);
    assert_eq!(bench.records(&["--spool"]), Vec::<Value>::new());
    let output = bench.run("", &["--retry"]);
    assert_eq!(output.status.code(), Some(2), "--retry is of --spool");
}

#[test]
fn a_dead_channel_is_told_to_the_others() {
    let bench = Bench::new(&["dead", "hook"], "");
    bench.receiver.otherwise(|request| match request.path.as_str() {
        "/dead" => Answer::status(404),
        _ => Answer::status(200),
    });
    let output = bench.run(&sample(0, "a", 2.0), &[]);
    assert!(said(&output).contains("channel 'dead' is dead"), "{}", said(&output));
    let told = told(&bench.receiver.requests());
    assert!(told.contains(&"/hook dead_channel - -".to_owned()), "{told:?}");
}

#[test]
fn a_test_goes_out_at_once_and_says_what_became_of_it() {
    let bench = Bench::new(&["bad", "good"], "");
    bench.receiver.otherwise(|request| match request.path.as_str() {
        "/bad" => Answer::status(500),
        _ => Answer::status(200),
    });
    let output = bench.run("", &["--send-test", "all"]);
    let text = said(&output);
    assert!(text.contains("channel 'good' took the test"), "{text}");
    assert!(text.contains("channel 'bad'") && text.contains("would wait in the spool"), "{text}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(bench.run("", &["--send-test", "good"]).status.code(), Some(0));
    let output = bench.run("", &["--send-test", "goood"]);
    assert!(said(&output).contains("did you mean 'good'?"), "{}", said(&output));
    assert!(!bench.path("home").exists(), "a test leaves nothing behind");
}

#[test]
fn tee_passes_all_of_the_input_on_as_it_is() {
    let bench = Bench::new(&["hook"], "");
    let input = format!("garbage\r\n\n{}{{\"half", sample(0, "a", 2.0));
    let file = bench.path("out.jsonl");
    let output = bench.run(&input, &["--tee"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), input);
    let output =
        bench.run(&sample(1, "a", 0.0), &["--tee", "--output-file", file.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), sample(1, "a", 0.0));
    assert!(fs::read_to_string(file).unwrap().contains("resolved"));
    assert_eq!(bench.receiver.requests().len(), 2);
}

#[test]
fn the_list_says_where_it_was_told_and_what_holds_it_back() {
    let bench = Bench::new(&["hook"], "");
    assert_eq!(bench.records(&["--list"]), Vec::<Value>::new());
    assert!(!bench.path("home").exists(), "looking leaves nothing behind");
    fs::create_dir_all(bench.path("home/alerts")).unwrap();
    let silence = "{\"kind\":\"silence\",\"id\":\"51e9ce00\",\"process\":\"quiet\",\
                   \"until\":\"2099-01-01T00:00:00Z\",\"why\":\"planned\",\"by\":\"anna\"}\n";
    fs::write(bench.path("home/alerts/silences.jsonl"), silence).unwrap();
    let output = bench.run(&(sample(0, "a", 2.0) + &sample(0, "quiet", 2.0)), &["--explain"]);
    assert!(said(&output).contains("by anna"), "{}", said(&output));
    assert_eq!(told(&bench.receiver.requests()), ["/hook first a firing"]);
    let listed = bench.records(&["--list"]);
    assert_eq!((&listed[0]["id"], &listed[0]["state"]), (&"a".into(), &"firing".into()));
    assert!(listed[0]["told"]["hook"].is_string(), "{listed:?}");
    assert_eq!(listed[1]["held"]["hook"]["reason"], "silenced", "{listed:?}");
    let table = bench.run("", &["--list", "-o", "table"]);
    let text = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(text.contains("hook (silenced)"), "{text}");
}

#[test]
fn a_heart_beats_while_it_can_remember_and_tell() {
    let more = "heartbeat = \"check\"\n\
                [channel.check]\ntype = \"healthchecks\"\nurl = \"URL/ping\"\n";
    let bench = Bench::new(&["hook"], more);
    bench.run(&sample(0, "a", 2.0), &[]);
    let paths = |all: &[Request]| all.iter().map(|r| r.path.clone()).collect::<Vec<_>>();
    let beats = paths(&bench.receiver.requests());
    assert!(beats.iter().filter(|path| *path == "/ping").count() >= 1, "{beats:?}");
    assert!(!beats.iter().any(|path| path == "/ping/log"), "alerts do not go there: {beats:?}");
    fs::remove_dir_all(bench.path("home")).unwrap();
    fs::write(bench.path("home"), "a file").unwrap();
    let output = bench.run(&sample(1, "b", 2.0), &[]);
    assert!(said(&output).contains("goes on without"), "{}", said(&output));
    let paths = paths(&bench.receiver.requests());
    assert!(paths.contains(&"/ping/fail".to_owned()), "{paths:?}");
    assert_eq!(paths.iter().filter(|path| *path == "/hook").count(), 2, "{paths:?}");
}

#[test]
fn a_stream_tells_at_once_and_is_never_held_up() {
    let bench = Bench::new(&["slow", "quick"], "");
    bench.receiver.otherwise(|request| match request.path.as_str() {
        "/slow" => Answer::status(200).delay(Duration::from_secs(3600)),
        _ => Answer::status(200),
    });
    let mut child = bench.start(&["--linger", "1s"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for at in 0..10 {
        stdin.write_all(sample(at, &format!("p{at}"), 2.0).as_bytes()).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains(&format!("\"p{at}\"")), "{line}");
    }
    let quick = || bench.receiver.requests().iter().filter(|r| r.path == "/quick").count();
    until("the quick one heard of the first", || quick() >= 1);
    drop(stdin);
    let start = Instant::now();
    assert!(child.wait().unwrap().success());
    assert!(start.elapsed() < Duration::from_secs(15), "it waited for the slow one");
}

#[test]
fn a_signal_ends_a_stream_after_its_turn() {
    let bench = Bench::new(&["hook"], "");
    let mut child = bench.start(&[]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(sample(0, "a", 2.0).as_bytes()).unwrap();
    bench.receiver.until(1);
    kill(child.id() as i32, Signal::TERM);
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(15), "as any other program that is ended so");
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), 1, "it is silent but for the alert: {text}");
    assert_eq!(bench.records(&["--spool"]), Vec::<Value>::new());
}

#[test]
fn twenty_at_once_tell_once() {
    let bench = Bench::new(&["hook"], "");
    let mut children: Vec<Child> = (0..20).map(|_| bench.start(&[])).collect();
    for child in &mut children {
        child.stdin.take().unwrap().write_all(sample(0, "a", 2.0).as_bytes()).unwrap();
    }
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(told(&bench.receiver.requests()), ["/hook first a firing"]);
}

#[test]
fn a_spool_on_a_full_disk_delivers_from_memory() {
    let bench = Bench::new(&["hook"], "");
    fs::create_dir_all(bench.path("home/alerts")).unwrap();
    fs::write(bench.path("home/alerts/spool"), "no folder").unwrap();
    let output = bench.run(&sample(0, "a", 2.0), &[]);
    assert!(said(&output).contains("stands in memory alone"), "{}", said(&output));
    assert_eq!(told(&bench.receiver.requests()), ["/hook first a firing"]);
    assert!(output.status.success());
}

/// What a channel is told of two alerts when the rules, after they began to fire, read otherwise,
/// and long after what was delivered then is forgotten.
fn told_after(change: impl Fn(&str) -> String, silenced: bool) -> Vec<String> {
    let bench = Bench::new(&["hook"], "");
    bench.run(&(sample(1, "a", 2.0) + &sample(1, "b", 2.0)), &[]);
    let file = bench.path("alerts.toml");
    fs::write(&file, change(&fs::read_to_string(&file).unwrap())).unwrap();
    fs::remove_dir_all(bench.path("home/alerts/spool")).unwrap();
    if silenced {
        let silence = "{\"kind\":\"silence\",\"id\":\"51e9ce00\",\"process\":\"*\",\
                       \"until\":\"2099-01-01T00:00:00Z\",\"why\":\"a test\",\"by\":\"anna\"}\n";
        fs::write(bench.path("home/alerts/silences.jsonl"), silence).unwrap();
    }
    let before = bench.receiver.requests().len();
    for _ in 0..2 {
        assert!(bench.run("", &[]).status.success());
    }
    let alerts = bench.receiver.requests().into_iter().skip(before).map(|r| r.json());
    let alerts = alerts.flat_map(|body| body["alerts"].as_array().unwrap().clone());
    let word = |alert: &Value, key: &str| alert[key].as_str().unwrap().to_owned();
    let mut told: Vec<_> =
        alerts.map(|a| format!("{} {}", word(&a, "id"), word(&a, "state"))).collect();
    told.sort();
    told
}

#[test]
fn what_is_left_of_a_rule_that_is_gone_or_reads_otherwise_ends_wherever_it_was_told() {
    let gone = |text: &str| text.replace("name = \"r\"", "name = \"other\"");
    let both = ["a resolved", "b resolved"];
    for (name, change, silenced) in [
        ("gone", &gone as &dyn Fn(&str) -> String, false),
        ("gone, and silenced now", &gone, true),
        ("gone, and routed elsewhere now", &|text| gone(text) + "severity = [\"high\"]\n", false),
        ("gone, with a window", &|text| gone(text).replace("\"0s\"", "\"1h\""), false),
        ("switched off", &|text| text.replace("[[rule]]", "[[rule]]\nenabled = false"), false),
        ("changed", &|text| text.replace("x > 1", "x > 3"), false),
        ("told apart by nothing now", &|text| text.replace("[[rule]]", "[[rule]]\nby = []"), false),
    ] {
        assert_eq!(told_after(change, silenced), both, "{name}");
    }
}

#[test]
fn what_was_told_ends_even_if_the_state_is_lost() {
    for (name, lost) in [("torn", 1), ("gone", 0)] {
        let bench = Bench::new(&["hook"], "");
        bench.run(&(sample(1, "a", 2.0) + &sample(1, "b", 2.0) + &sample(1, "c", 2.0)), &[]);
        let state = bench.path("home/alerts/state.jsonl");
        let whole = fs::read_to_string(&state).unwrap();
        fs::write(&state, whole.split_inclusive('\n').take(lost).collect::<String>()).unwrap();
        let after = sample(2, "a", 0.0) + &sample(2, "b", 0.0) + &sample(2, "c", 2.0);
        for _ in 0..2 {
            assert!(bench.run(&after, &[]).status.success());
        }
        let bodies: Vec<Value> =
            bench.receiver.requests().iter().skip(1).map(|r| r.json()).collect();
        let alerts = bodies.iter().flat_map(|body| body["alerts"].as_array().unwrap());
        let mut told: Vec<String> =
            alerts.map(|alert| format!("{} {}", alert["id"], alert["state"])).collect();
        told.sort();
        assert_eq!(told, ["\"a\" \"resolved\"", "\"b\" \"resolved\""], "{name}");
    }
}
