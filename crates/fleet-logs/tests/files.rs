//! Files of other programs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use support::{Fleet, Following};

/// A folder of logs and the tool that reads them.
struct Logs(Fleet);

impl Logs {
    fn new() -> Logs {
        let logs = Logs(Fleet::new());
        fs::create_dir(logs.path("")).unwrap();
        logs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.home().join("logs").join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.name(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn text(&self, args: &[&str]) -> String {
        self.0.text(&[&["-o", "table", "--no-id"], args].concat())
    }

    fn follow(&self, args: &[&str]) -> Following {
        self.0.follow(&[&["-o", "jsonl", "-f", "-n", "all"], args].concat())
    }
}

#[test]
fn a_plain_file_is_read_with_its_own_times_and_levels() {
    let logs = Logs::new();
    let text = "2026-11-22T06:00:00.5Z INFO begins\r\n\
                2026-11-22T06:00:01Z ERROR fails\n  a line without a time\nno end";
    let app = logs.write("app.log", text);
    let records = logs.0.records(&["--file", &app]);
    let first = json!({
        "kind": "log", "ts": "2026-11-22T06:00:00.500000000Z", "id": "app", "file": app,
        "level": "info", "message": "2026-11-22T06:00:00.5Z INFO begins",
    });
    assert_eq!(records[0], first);
    assert_eq!(records[1]["level"], "error");
    assert_eq!(records[2]["ts"], "2026-11-22T06:00:01.000000000Z");
    assert_eq!((&records[3]["message"], &records[3]["partial"]), (&json!("no end"), &json!(true)));
    assert_eq!(
        logs.0.run(&["--raw", "--file", &app]).success().get_output().stdout,
        text.as_bytes()
    );
    assert_eq!(logs.text(&["--level", "error..", "--file", &app]).lines().count(), 1);
    assert_eq!(logs.text(&["-n", "1", "--file", &app]), "no end\n");
    assert_eq!(
        logs.text(&["--until", "2026-11-22T06:00:00.9Z", "--file", &app]).lines().count(),
        1
    );
    assert_eq!(logs.text(&["-g", "without", "--file", &app]), "  a line without a time\n");
    logs.0.run(&["-g", "nowhere", "--file", &app]).code(1).stdout("");
    let counted = &logs.0.records(&["--count", "-g", "begins|no end", "--file", &app])[0];
    assert_eq!((&counted["id"], &counted["lines"]), (&json!("app"), &json!(2)));
    assert!(counted.get("run").is_none(), "{counted}");
}

#[test]
fn forms_of_containers_are_told_by_their_first_lines() {
    let logs = Logs::new();
    let docker = |text: &str, stream: &str, second: u32| {
        let time = format!("2026-11-22T06:00:0{second}.000000001Z");
        format!("{}\n", json!({"log": text, "stream": stream, "time": time}))
    };
    let lines = [
        docker("half ", "stdout", 1),
        docker("err\n", "stderr", 2),
        docker("whole\n", "stdout", 3),
        "torn {\n".to_owned(),
    ];
    let docker = logs.write("docker.json", lines.concat());
    let conmon = logs.write(
        "conmon.log",
        "2026-11-22T07:00:00.000000000+01:00 stdout P one\n\
         2026-11-22T07:00:00.000000000+01:00 stdout F  line\n\
         2026-11-22T06:00:02.5Z stderr F other\n",
    );
    let shown = logs.0.records(&["--file", &docker, &conmon]);
    let said: Vec<(&Value, &Value)> = shown.iter().map(|r| (&r["stream"], &r["message"])).collect();
    let expected = [
        ("stdout", "one line"),
        ("stderr", "err"),
        ("stderr", "other"),
        ("stdout", "half whole"),
        ("stdout", "torn {"),
    ];
    let mut said: Vec<_> =
        said.iter().map(|(s, m)| (s.as_str().unwrap(), m.as_str().unwrap())).collect();
    // The joined line has the time of its first piece, and comes when its last is there.
    said.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(said, expected);
    assert_eq!(logs.text(&["--stream", "stderr", "--file", &docker]), "err\n");
}

#[test]
fn packed_files_and_folders_are_read_and_merged_by_time() {
    let logs = Logs::new();
    logs.write("a.log", "2026-11-22T06:00:00Z a\n2026-11-22T06:00:03Z a\n");
    let mut gz = GzEncoder::new(File::create(logs.path("b.log.gz")).unwrap(), Compression::fast());
    gz.write_all(b"2026-11-22T06:00:01Z b\n").unwrap();
    gz.finish().unwrap();
    let packed = zstd::encode_all(&b"2026-11-22T06:00:02Z c\n"[..], 1).unwrap();
    logs.write("c.log.zst", [packed.clone(), packed].concat());
    logs.write(".hidden", "hidden\n");
    let folder = logs.name("");
    let records = logs.0.records(&["--file", &folder]);
    let ids: Vec<_> = records.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c", "c", "a"]);
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_shown() {
    let logs = Logs::new();
    let good = logs.write("good.log", "fine\n");
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(b"first line\nsecond line\n").unwrap();
    let whole = gz.finish().unwrap();
    let cut = logs.write("cut.log.gz", &whole[..whole.len() - 4]);
    let none = logs.name("none.log");
    let run = logs.0.run(&["-o", "table", "--no-id", "--file", &none, &good]);
    let said =
        format!("fleet-logs: cannot read '{none}': No such file or directory (os error 2)\n");
    run.code(2).stdout("fine\n").stderr(said);
    let output = logs.0.run(&["-o", "table", "--no-id", "--file", &cut]).code(2);
    let output = output.get_output();
    assert_eq!(output.stdout, b"first line\nsecond line\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut.log.gz"));
    let empty = logs.write("empty.log", "");
    assert_eq!(logs.text(&["--file", &empty]), "");
}

#[test]
fn strange_bytes_come_through() {
    let logs = Logs::new();
    let long = "x".repeat(3 << 20);
    let odd = logs.write(
        "odd.log",
        [b"nul \0 byte\n\xff\xfe\n".as_slice(), long.as_bytes(), b"\nend\n"].concat(),
    );
    let records = logs.0.records(&["--file", &odd]);
    assert_eq!(records[0]["message"], "nul \0 byte");
    assert_eq!(records[1]["message_base64"], "//4=");
    let joined: String = records[2..].iter().map(|r| r["message"].as_str().unwrap()).collect();
    assert_eq!(joined, long + "end");
    let csv = logs.0.text(&["-o", "csv", "--file", &odd]);
    let mut rows = csv.lines();
    assert!(rows.next().unwrap().starts_with("ts,id,run,attempt,stream,level,"));
    assert!(rows.next().unwrap().contains(",bnVsIAAgYnl0ZQ==,"), "a NUL is said in base64");
}

#[test]
fn what_is_piped_in_is_shown_as_it_comes() {
    let logs = Logs::new();
    let mut command = logs.0.command(&["-o", "jsonl", "--file", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for text in ["first", "second"] {
        writeln!(input, "{text}").unwrap();
        line.clear();
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let record: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&record["id"], &record["message"]), (&json!("stdin"), &json!(text)));
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_is_followed_when_it_is_renamed_and_truncated() {
    let logs = Logs::new();
    logs.append("app.log", "one\n");
    let mut following = logs.follow(&["--file", &logs.name("app.log")]);
    following.until_line("one");
    logs.append("app.log", "tw");
    logs.append("app.log", "o\n");
    following.until_line("two");
    // Its writer goes on with the old file for a while.
    fs::rename(logs.path("app.log"), logs.path("app.log.1")).unwrap();
    logs.append("app.log.1", "three\n");
    following.until_line("three");
    logs.append("app.log.1", "four\n");
    logs.append("app.log", "five\n");
    following.until_line("five");
    fs::write(logs.path("app.log"), "six\n").unwrap();
    following.until_line("six");
    let said = following.messages();
    assert_eq!(said, ["one", "two", "three", "four", "five", "six"]);
}

#[test]
fn files_that_are_new_in_a_folder_join() {
    let logs = Logs::new();
    logs.append("a.log", "one\n");
    let mut following = logs.follow(&["--file", &logs.name("")]);
    following.until_line("one");
    fs::rename(logs.path("a.log"), logs.path("a.log.1")).unwrap();
    logs.append("a.log", "two\n");
    logs.append("b.log", "three\n");
    following.until_line("two");
    following.until_line("three");
    let mut said = following.messages();
    said.sort_unstable();
    assert_eq!(said, ["one", "three", "two"]);
}

#[test]
fn the_end_of_a_large_file_is_found_without_reading_it() {
    let logs = Logs::new();
    let mut text = String::new();
    for second in 0..40_000 {
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let (second, rest) = (second % 60, "x".repeat(80));
        text += &format!("2026-11-22T{hour:02}:{minute:02}:{second:02}Z {rest}\n");
    }
    let big = logs.write("big.log", text);
    let shown = |args: &[&str]| logs.text(&[args, &["--file", &big]].concat()).lines().count();
    assert_eq!(shown(&["-n", "3"]), 3);
    assert_eq!(shown(&["--since", "2026-11-22T11:06:30Z"]), 10);
    assert_eq!(shown(&["--since", "2026-11-22T05:00:00Z", "--until", "2026-11-22T05:00:09Z"]), 10);
    assert_eq!(shown(&["--since", "2026-11-23T00:00:00Z"]), 0);
}
