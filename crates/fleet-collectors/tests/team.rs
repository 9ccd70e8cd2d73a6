//! Collectors that really ask, and all that can go wrong with them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fleet_collectors::{CollectorFile, Team};
use fleet_core::{Sample, Subject, Timestamp};
use fleet_os::{Proc, marked};
use serde_json::{Value, json};

/// A folder for a test's file of collectors and what they look at.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn team(&self, text: &str) -> Team {
        let file = CollectorFile::parse("c.toml".as_ref(), self.path(), text).unwrap();
        let memory = self.path().join("metrics/collectors.json");
        let (team, problem) = Team::new(file.collectors, "boot".to_owned(), &memory).unwrap();
        assert!(problem.is_none(), "{problem:?}");
        team
    }

    /// The samples of one one-shot, and what is said of it.
    fn once(&self, text: &str) -> (Vec<Sample>, Vec<String>) {
        let mut team = self.team(text);
        team.ask_once();
        let told = (team.samples(Timestamp::now()), team.problems());
        team.keep().unwrap();
        told
    }

    /// The only sample of values of a one-shot in which all goes well.
    fn values(&self, text: &str) -> Value {
        let (samples, problems) = self.once(text);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(samples.len(), 2, "{samples:?}");
        assert_eq!(
            (samples[0].subject, samples[0].measures.success),
            (Subject::Collector, Some(1))
        );
        serde_json::to_value(&samples[1]).unwrap()
    }

    /// Why the only collector failed.
    fn failure(&self, text: &str) -> String {
        let (samples, problems) = self.once(text);
        let own = &samples[0];
        assert_eq!((own.subject, own.measures.success), (Subject::Collector, Some(0)));
        let error = own.more["error"].as_str().unwrap().to_owned();
        assert_eq!(problems, [format!("collector '{}': {error}", own.name.as_ref().unwrap())]);
        self.forget();
        error
    }

    /// Sees to it that the next one-shot asks.
    fn forget(&self) {
        fs::remove_dir_all(self.path().join("metrics")).unwrap();
    }
}

fn json_of(samples: &[Sample]) -> Vec<Value> {
    samples.iter().map(|sample| serde_json::to_value(sample).unwrap()).collect()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: it did not come to that");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What lives of all that a collector of this name started.
fn started_by(name: &str) -> Vec<i32> {
    marked(&Proc::default(), &[format!("FLEET_COLLECTOR={name}")])
}

/// A server that answers every request so; its address.
fn server(answer: impl Fn(&[String], &mut TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> =
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            answer(&head, &mut stream);
        }
    });
    format!("http://{address}/metrics")
}

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[test]
fn a_command_says_a_number() {
    let values = Place::new().values(
        "[collector.queue_depth]\ncommand = 'echo 7'\nlabels = { queue = 'mail' }\nid = 'worker'\n",
    );
    assert_eq!(
        (&values["subject"], &values["name"], &values["id"], &values["queue_depth"]),
        (&json!("custom"), &json!("queue_depth"), &json!("worker"), &json!(7))
    );
    assert_eq!(values["labels"], json!({"queue": "mail"}));
    assert!(values["age_seconds"].as_f64().unwrap() < 10.0);
}

#[test]
fn a_command_runs_beside_its_file_and_says_lines_of_json() {
    let place = Place::new();
    let lines =
        "{\"queue\":\"mail\",\"depth\":7,\"threads\":2}\n{\"queue\":\"sms\",\"depth\":\"NaN\"}\n";
    place.write("data.jsonl", lines);
    let (samples, _) =
        place.once("[collector.q]\ncommand = ['cat', 'data.jsonl']\nlabels = { queue = 'all' }\n");
    let told = json_of(&samples[1..]);
    assert_eq!(told[0]["labels"], json!({"queue": "all", "exported_queue": "mail"}));
    // What a sample has already is not overwritten.
    assert_eq!((&told[0]["depth"], &told[0]["custom_threads"]), (&json!(7), &json!(2)));
    assert_eq!(told[1]["depth"], "NaN");
}

#[test]
fn series_of_prometheus_are_a_sample_for_each_set_of_labels() {
    let place = Place::new();
    place.write("m.prom", "# TYPE a counter\na_total{x=\"1\"} 3\nb{x=\"1\"} +Inf\nc 1\nc 2\n");
    let (samples, problems) = place.once("[collector.p]\nfiles = 'm.prom'\n");
    assert_eq!(samples.len(), 3);
    let told = json_of(&samples[1..]);
    assert_eq!((&told[0]["c"], told[0].get("labels")), (&json!(1), None));
    assert_eq!((&told[1]["a_total"], &told[1]["b"]), (&json!(3), &json!("+Inf")));
    assert_eq!(problems, ["collector 'p': line 5: 'c' is there with the same labels before"]);
}

#[test]
fn a_pattern_finds_values_in_files() {
    let place = Place::new();
    place.write("a.log", "step 1 loss 0.5\nstep 2 loss 0.4\n");
    let text =
        "[collector.log]\nfiles = '*.log'\npattern = 'step (?<step>\\d+) loss (?<loss>\\S+)'\n";
    let values = place.values(text);
    assert_eq!((&values["custom_step"], &values["loss"]), (&json!(2), &json!(0.4)));
    assert!(values["labels"]["file"].as_str().unwrap().ends_with("/a.log"));
}

#[test]
fn a_server_is_asked_with_secrets_that_nobody_sees() {
    let place = Place::new();
    place.write("token", "hunter2\n");
    let url = server(|head, stream| {
        let knows = |line: &String| line.eq_ignore_ascii_case("authorization: Bearer hunter2");
        let good = head.iter().any(knows);
        let text = if good { answer("200 OK", "up 1\n") } else { answer("403 Forbidden", "") };
        stream.write_all(text.as_bytes()).unwrap();
    });
    let collector =
        |secret: &str| format!("[collector.s]\nhttp = '{url}'\nheaders.Authorization = {secret}\n");
    let from_file = collector("{ file = 'token', prefix = 'Bearer ' }");
    assert_eq!(place.values(&from_file)["up"], 1);
    let memory = fs::read_to_string(place.path().join("metrics/collectors.json")).unwrap();
    assert!(!memory.contains("hunter2"));
    place.forget();
    place.write("token", "wrong");
    assert_eq!(place.failure(&from_file), "it answered with status 403");
    place.write("token", "hun\nter2");
    assert_eq!(place.failure(&from_file), "a header holds what no header can");
    assert_eq!(
        place.failure(&collector("{ env = 'NO_SUCH_TOKEN' }")),
        "the environment has no variable 'NO_SUCH_TOKEN', a text"
    );
}

#[test]
fn a_server_that_fails_is_said_to() {
    let place = Place::new();
    let failing = server(|_, stream| {
        stream.write_all(answer("500 Internal Server Error", "up 1").as_bytes()).unwrap();
    });
    let http = |url: &str| format!("[collector.s]\nhttp = '{url}'\ntimeout = '300ms'\n");
    assert_eq!(place.failure(&http(&failing)), "it answered with status 500");
    let silent = server(|_, _| thread::sleep(Duration::from_secs(600)));
    assert_eq!(place.failure(&http(&silent)), "no answer within 300ms");
    let endless = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[b'1'; 4096]).is_ok() {}
    });
    let flood = http(&endless).replace("300ms", "20s");
    assert_eq!(place.failure(&flood), "it answered more than 1048576 bytes");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(place.failure(&http(&format!("http://{closed}/"))).contains("refused"));
    let garbage = server(|_, stream| stream.write_all(b"SSH-2.0-x\r\n").unwrap());
    assert!(!place.failure(&http(&garbage)).is_empty());
}

#[test]
fn a_command_that_fails_is_said_to() {
    let place = Place::new();
    let failure = |command: &str| {
        place.failure(&format!("[collector.f]\ncommand = {command}\ntimeout = '20s'\n"))
    };
    assert_eq!(failure("'echo 7; echo no way >&2; exit 3'"), "it exited with code 3: no way");
    assert_eq!(failure("'kill -9 $$'"), "it was ended by SIGKILL");
    assert!(failure("['/no/such/program']").contains("it does not start: No such file"));
    assert_eq!(failure("'true'"), "it said nothing");
    assert!(failure("'head -c 5000 /dev/urandom'").starts_with("it said "));
    assert_eq!(failure("'cat /dev/zero'"), "it printed more than 1048576 bytes and was killed");
    let complaining = failure("'while :; do echo complaint; done >&2 & sleep 0.2; exit 1'");
    assert!(complaining.starts_with("it exited with code 1: "), "{complaining}");
    assert!(complaining.len() < 300, "{complaining}");
}

#[test]
fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let place = Place::new();
    let name = format!("hang-{}", std::process::id());
    let script = "trap \"\" TERM INT HUP; setsid sleep 600 & (sleep 600 &) ; sleep 600; echo 1";
    let text = format!("[collector.{name}]\ncommand = '{script}'\ntimeout = '300ms'\n");
    let since = Instant::now();
    assert_eq!(place.failure(&text), "it took longer than 300ms and was killed");
    assert!(since.elapsed() < Duration::from_secs(10));
    until("nothing of it lives", || started_by(&name).is_empty());
}

#[test]
fn what_a_command_leaves_behind_neither_holds_us_nor_stays() {
    let place = Place::new();
    let name = format!("left-{}", std::process::id());
    let text = format!("[collector.{name}]\ncommand = 'sleep 600 & echo 5'\ntimeout = '20s'\n");
    let since = Instant::now();
    assert_eq!(place.values(&text)[&name], 5);
    assert!(since.elapsed() < Duration::from_secs(10));
    until("nothing of it lives", || started_by(&name).is_empty());
}

#[test]
fn one_that_hangs_costs_the_others_nothing() {
    let text = "[collector.bad]\ncommand = 'sleep 600'\ntimeout = '300ms'\n\
                [collector.good]\ncommand = 'echo 1'\n[collector.garbage]\ncommand = 'echo {'\n";
    let (samples, problems) = Place::new().once(text);
    let success = |name: &str| {
        let own = |s: &&Sample| s.subject == Subject::Collector && s.name.as_deref() == Some(name);
        samples.iter().find(own).unwrap().measures.success
    };
    assert_eq!(["bad", "good", "garbage"].map(success), [Some(0), Some(1), Some(0)]);
    assert_eq!(problems.len(), 2);
}

#[test]
fn one_shots_ask_no_more_often_than_the_interval() {
    let place = Place::new();
    let text = "[collector.n]\ncommand = 'echo x >> asked; wc -l < asked'\ninterval = '1h'\n";
    assert_eq!(place.values(text)["n"], 1);
    assert_eq!(place.values(text)["n"], 1, "it was asked a moment ago");
    // Another question is asked at once.
    let other = text.replace("wc -l", "wc  -l");
    assert_eq!(place.values(&other)["n"], 2);
    // And so is the same one once the interval is over, or nearly so.
    let path = place.path().join("metrics/collectors.json");
    let mut memory: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let asked = memory["collectors"]["n"]["asked"].as_f64().unwrap();
    memory["collectors"]["n"]["asked"] = (asked - 3500.0).into();
    fs::write(&path, memory.to_string()).unwrap();
    assert_eq!(place.values(&other)["n"], 3, "cron may come a little early");
}

#[test]
fn after_a_failure_the_last_good_values_go_on_with_their_age() {
    let place = Place::new();
    place.write("value", "5");
    let text = "[collector.depth]\nfiles = 'value'\ninterval = '1s'\n";
    let team = place.team(text);
    team.follow();
    let samples = || team.samples(Timestamp::now());
    until("the first answer came", || samples().len() == 2);
    fs::remove_file(place.path().join("value")).unwrap();
    until("a failure was noted", || samples()[0].measures.success == Some(0));
    let told = samples();
    assert!(told[0].more["error"].as_str().unwrap().contains("there is no file"));
    assert_eq!((told.len(), told[1].value("depth")), (2, Some(5.0)));
    let age = told[1].measures.age_seconds;
    assert!(age > Some(0.0) && age == told[0].measures.age_seconds, "{age:?}");
    until("it grows older", || samples()[1].measures.age_seconds > age);
    place.write("value", "6");
    until("the next good answer came", || samples().last().unwrap().value("depth") == Some(6.0));
}

#[test]
fn what_is_too_old_to_keep_is_left_out() {
    let place = Place::new();
    place.write("value", "5");
    let text = "[collector.depth]\nfiles = 'value'\ninterval = '1s'\nkeep = '0s'\n";
    let team = place.team(text);
    team.ask_once();
    until("the value is too old", || team.samples(Timestamp::now()).len() == 1);
    let own = &team.samples(Timestamp::now())[0];
    assert_eq!((own.measures.success, own.measures.age_seconds), (Some(1), None));
}

#[test]
fn a_round_never_waits_for_those_who_hang() {
    let place = Place::new();
    let name = format!("slow-{}", std::process::id());
    let command = "command = 'sleep 600'\ninterval = '1h'\ntimeout = '1h'";
    let team = place.team(&format!("[collector.{name}]\n{command}\n"));
    team.follow();
    until("it is asked", || !started_by(&name).is_empty());
    let since = Instant::now();
    assert!(team.samples(Timestamp::now()).is_empty());
    assert!(since.elapsed() < Duration::from_secs(1));
    drop(team);
    until("nothing of it lives", || started_by(&name).is_empty());
}
