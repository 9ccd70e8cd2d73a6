//! What `fleet-logs` shows of logs as they are.

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use serde_json::json;
use support::{Fleet, stamp};

#[test]
fn a_pipe_gets_records_that_stand_alone() {
    let fleet = Fleet::new();
    let log = fleet.log("a", 1);
    let more = json!({"labels": {"team": "x"}, "attempt": 2});
    fleet.record("a", 1, "completed", more);
    fleet.attempt("a", 2, 5);
    log.out(1, "one\r two\t\u{1b}[2J").write(2, "stderr F", b"\xff\xfe");
    log.write(6, "stdout F:fleet", "12 lines dropped").write(7, "stdout P", "no end");
    let base = |at: i64, attempt, stream| {
        json!({
            "kind": "log", "ts": stamp(at), "id": "a", "run": 1, "attempt": attempt,
            "labels": {"team": "x"}, "stream": stream,
        })
    };
    let with = |mut record: serde_json::Value, key: &str, value: serde_json::Value| {
        record[key] = value;
        record
    };
    let expected = [
        with(base(1, 1, "stdout"), "message", json!(" two")),
        with(base(2, 1, "stderr"), "message_base64", json!("//4=")),
        with(base(6, 2, "fleet"), "message", json!("12 lines dropped")),
        with(with(base(7, 2, "stdout"), "message", json!("no end")), "partial", json!(true)),
    ];
    assert_eq!(fleet.records(&["a"]), expected);
    let array: Vec<serde_json::Value> =
        serde_json::from_str(&fleet.text(&["a", "-o", "json"])).unwrap();
    assert_eq!(array, expected);
}

#[test]
fn text_names_the_process_and_cannot_harm_a_terminal() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "10%\r20%\r").write(
        3,
        "stderr F",
        "\u{1b}]0;evil\u{7}\u{1b}[31mred\u{7}",
    );
    fleet.ended("long-name").write(2, "stdout F:fleet", "noted");
    let text = fleet.text(&["-o", "table"]);
    assert_eq!(text, "a         | 20%\nlong-name | fleet: noted\na         | red^G\n");
    let text = fleet.text(&["-o", "table", "-t=utc", "--no-id", "a"]);
    assert_eq!(text, "2026-11-22T06:00:01.000Z 20%\n2026-11-22T06:00:03.000Z red^G\n");
    let text = fleet.text(&["-o", "table", "-t=relative", "--no-id", "a", "-n1"]);
    assert_eq!(text, "      +3.000s red^G\n");
    let text = fleet.text(&["-o", "table", "--color=always", "a", "-n1"]);
    assert!(text.contains("\u{1b}[31mred^G\u{1b}[0m\n"), "{text:?}");
}

#[test]
fn raw_is_what_was_written_to_the_byte() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    log.write(1, "stdout P", b"\xe2\x82")
        .write(1, "stderr F", "err")
        .write(1, "stdout P", b"\xac\r");
    log.write(2, "stdout F:fleet", "noted").out(2, "end\u{1b}[H").out(3, "");
    log.write(4, "stdout P", "no newline");
    let output = fleet.run(&["--raw", "--stream", "stdout", "a"]).success().stderr("");
    assert_eq!(output.get_output().stdout, b"\xe2\x82\xac\rend\x1b[H\n\nno newline");
}

#[test]
fn processes_merge_by_time_and_each_keeps_its_order() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "a1").out(9, "a9").out(2, "a2, clock set back").out(10, "a10");
    fleet.ended("b").out(3, "b3").out(9, "b9").out(11, "b11");
    let expected = ["a1", "b3", "a9", "a2, clock set back", "b9", "a10", "b11"];
    assert_eq!(fleet.messages(&[]), expected);
    assert_eq!(fleet.messages(&["-n", "1"]), ["a10", "b11"]);
    assert_eq!(fleet.messages(&["-n", "0"]), [""; 0]);
}

#[test]
fn time_stream_attempt_and_number_narrow_what_is_shown() {
    let fleet = Fleet::new();
    let log = fleet.log("a", 1);
    fleet.record("a", 1, "completed", json!({"attempt": 2}));
    for at in 0..6 {
        log.write(at, if at % 2 == 0 { "stdout F" } else { "stderr F" }, at.to_string());
        if at == 1 || at == 3 {
            log.rotate(at - 1);
        }
    }
    fleet.attempt("a", 2, 3);
    let shown = |args: &[&str]| fleet.messages(&[&["a"], args].concat()).concat();
    assert_eq!(shown(&[]), "012345");
    assert_eq!(shown(&["--since", &stamp(2)]), "2345");
    assert_eq!(shown(&["--until", &stamp(2)]), "012");
    assert_eq!(shown(&["--since", &stamp(1), "--until", &stamp(4), "-n", "2"]), "34");
    assert_eq!(shown(&["--since", "2100-01-01T00:00:00Z"]), "");
    assert_eq!(shown(&["--since", "2100-01-01T00:00:00Z", "-n", "3"]), "");
    assert_eq!(shown(&["--until", &stamp(-1)]), "");
    assert_eq!(shown(&["--stream", "stderr"]), "135");
    assert_eq!(shown(&["--stream", "stderr", "-n", "2"]), "35");
    assert_eq!(shown(&["--attempt", "1"]), "012");
    assert_eq!(shown(&["--attempt", "2", "-n", "all"]), "345");
    assert_eq!(shown(&["--attempt", "1", "-n", "1"]), "2");
    fleet
        .run(&["a", "--attempt", "7"])
        .code(1)
        .stdout("")
        .stderr("fleet-logs: 'a#1' has no attempt 7, its last is 2\n");
}

#[test]
fn a_selector_that_matches_nothing_is_said() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "x");
    let unknown = "fleet-logs: no process matches 'nope'\n";
    let hint = "  hint: fleet-ps lists the processes\n";
    fleet.run(&["nope"]).code(1).stdout("").stderr(format!("{unknown}{hint}"));
    let both = fleet.run(&["nope", "a", "-o", "table"]).code(1).stderr(unknown);
    assert_eq!(both.get_output().stdout, b"a | x\n");
    let labels = fleet.run(&["-l", "k=v"]).code(1).stdout("");
    assert!(String::from_utf8_lossy(&labels.get_output().stderr).contains("these labels"));
    let bad = fleet.run(&["a b"]).code(2).stdout("");
    assert!(String::from_utf8_lossy(&bad.get_output().stderr).contains("selects nothing"));
    let empty = Fleet::new();
    let nothing = "fleet-logs: nothing to show: no process lives or ended within a day\n";
    empty.run(&[]).success().stdout("").stderr(nothing);
}

#[test]
fn old_runs_are_read_by_number_and_told_apart() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "old");
    fleet.log("a", 2).out(2, "new");
    fleet.record("a", 2, "failed", json!({}));
    assert_eq!(fleet.messages(&["a"]), ["new"]);
    assert_eq!(fleet.messages(&["a#1"]), ["old"]);
    let text = fleet.text(&["a#1", "a#2", "-o", "table"]);
    assert_eq!(text, "a#1 | old\na#2 | new\n");
}

#[test]
fn what_ended_long_ago_must_be_named() {
    let fleet = Fleet::new();
    fleet.log("old", 1).out(1, "x");
    fleet.record("old", 1, "completed", json!({"ended_at": "2020-01-01T00:00:00Z"}));
    fleet.ended("new").out(1, "y");
    assert_eq!(fleet.messages(&[]), ["y"]);
    assert_eq!(fleet.messages(&["old"]), ["x"]);
}

#[test]
fn a_line_of_ten_megabytes_comes_in_parts_that_join() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    log.out(0, "before");
    let long: String = (0..10 << 20).map(|n| char::from(b'a' + (n / 7 % 26) as u8)).collect();
    let mut bytes = Vec::new();
    for piece in long.as_bytes().chunks(16 << 10) {
        bytes.extend(format!("{} stdout P ", stamp(1)).as_bytes());
        bytes.extend(piece);
        bytes.push(b'\n');
    }
    log.append(&bytes);
    log.out(1, "").out(2, "after");
    let records = fleet.records(&["a", "-n", "2"]);
    let (after, parts) = records.split_last().unwrap();
    assert_eq!(after["message"], "after");
    assert!(parts.len() > 5 && parts.iter().rev().skip(1).all(|p| p["partial"] == true));
    assert!(parts.last().unwrap().get("partial").is_none());
    let joined: String = parts.iter().map(|p| p["message"].as_str().unwrap()).collect();
    assert!(joined == long);
    assert!(fleet.text(&["a", "--raw"]) == format!("before\n{long}\nafter\n"));
}

#[test]
fn what_is_no_log_line_is_shown_and_counted() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    log.out(1, "good");
    log.append(b"not a log line\n");
    log.out(2, "good too");
    let output = fleet.run(&["a", "-o", "table"]).success();
    let output = output.get_output();
    assert_eq!(output.stdout, b"a | good\na | not a log line\na | good too\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("shown as they are: 1\n"), "{said}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    for at in 0..3000 {
        log.out(at, &"x".repeat(100));
    }
    let mut child =
        fleet.command(&["a"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, "");
}

#[test]
fn contradictions_are_refused() {
    let fleet = Fleet::new();
    fleet.ended("a");
    for args in [
        ["a", "-f", "-o", "json", ""],
        ["a", "-f", "--until", "1h", ""],
        ["a", "-f", "--output-file", "x", ""],
        ["a", "--raw", "-o", "table", ""],
    ] {
        let args: Vec<&str> = args.into_iter().filter(|a| !a.is_empty()).collect();
        fleet.run(&args).code(2).stdout("");
    }
}

#[test]
fn a_traceback_among_others_is_whole_and_has_its_lines() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.ended("a"), fleet.ended("b"));
    a.write(1, "stderr F", "Traceback (most recent call last):");
    b.out(2, "between");
    a.write(3, "stderr F", "  File \"x.py\", line 1, in f").write(3, "stderr F", "E: no");
    let lines = "a | Traceback (most recent call last):\na |   File \"x.py\", line 1, in f\n\
                 a | E: no\nb | between\n";
    assert_eq!(fleet.text(&["-o", "table", "a", "b"]), lines);
    let found = lines.replace("b | between\n", "");
    assert_eq!(fleet.text(&["-o", "table", "a", "--level", "error.."]), found);
}

#[test]
fn an_order_of_times_that_cannot_be_is_refused() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "x");
    let said = fleet.refused(&["a", "--since", "1m", "--until", "10m"]);
    assert!(said.contains("lies before --since"), "{said}");
    for args in [
        &["--errors", "--count-by", "level"][..],
        &["--progress", "--count"],
        &["--progress", "--raw"],
        &["--raw", "--count"],
        &["--raw", "--rate", "1m"],
    ] {
        assert!(fleet.refused(args).contains("cannot be used with"), "{args:?}");
    }
}
