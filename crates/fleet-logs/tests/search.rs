//! Looking for lines by what they say.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::json;
use support::{Fleet, Log};

/// Ten lines, of which the third and the eighth are of stderr.
fn ten(fleet: &Fleet, id: &str) -> Log {
    let log = fleet.ended(id);
    for n in 1..=10 {
        let stream = if [3, 8].contains(&n) { "stderr F" } else { "stdout F" };
        log.write(n, stream, format!("line {n} of ten"));
    }
    log
}

fn text(fleet: &Fleet, args: &[&str]) -> String {
    fleet.text(&[&["-o", "table", "--no-id"], args].concat())
}

#[test]
fn lines_are_found_by_any_of_several_patterns() {
    let fleet = Fleet::new();
    ten(&fleet, "a");
    assert_eq!(
        text(&fleet, &["-g", "line 2 ", "-g", "^line 1 .*n$"]),
        "line 1 of ten\nline 2 of ten\n"
    );
    assert_eq!(text(&fleet, &["-g", "[1-8]|10", "-v"]), "line 9 of ten\n");
    assert_eq!(text(&fleet, &["-ig", "LINE 4"]), "line 4 of ten\n");
    assert_eq!(text(&fleet, &["--stream", "stderr", "-g", "8"]), "line 8 of ten\n");
    assert_eq!(text(&fleet, &["-Fg", "4 of"]), "line 4 of ten\n");
    assert_eq!(fleet.messages(&["-g", "7"]), ["line 7 of ten"]);
}

#[test]
fn only_what_the_process_wrote_is_searched() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    log.out(1, "dos\r")
        .out(2, "stdout F")
        .write(3, "stdout P", "in pie")
        .write(4, "stdout F", "ces");
    assert_eq!(fleet.messages(&["-g", "stdout"]), ["stdout F"]);
    assert_eq!(fleet.messages(&["-g", "s$", "-g", "^in p"]), ["dos", "in pieces"]);
    fleet.run(&["-g", "2026", "-g", "Z stdout", "-g", "F d"]).code(1).stdout("").stderr("");
    log.append(b"strange line\n");
    fleet.run(&["-o", "table", "--no-id", "-g", "strange"]).success().stdout("strange line\n");
}

#[test]
fn lines_around_are_shown_in_groups() {
    let fleet = Fleet::new();
    ten(&fleet, "a");
    let wanted = "line 1 of ten\nline 2 of ten\nline 3 of ten\n--\nline 7 of ten\nline 8 of ten\n";
    assert_eq!(
        text(&fleet, &["-g", "2|8", "-C", "1", "--max-count", "1"]),
        "line 1 of ten\nline 2 of ten\nline 3 of ten\n"
    );
    assert_eq!(text(&fleet, &["-g", "[38] ", "-B", "1"]), wanted.split_once('\n').unwrap().1);
    assert_eq!(
        text(&fleet, &["-g", "line [16]", "-A", "1"]),
        "line 1 of ten\nline 2 of ten\n--\nline 6 of ten\nline 7 of ten\n--\nline 10 of ten\n"
    );
    // Groups that touch are one.
    assert_eq!(text(&fleet, &["-g", "line [24]", "-C", "1"]).lines().count(), 5);
    let records = fleet.records(&["-g", "line 5", "-A", "1"]);
    assert_eq!((records[0].get("context"), &records[1]["context"]), (None, &json!(true)));
}

#[test]
fn lines_are_counted_for_each_run() {
    let fleet = Fleet::new();
    ten(&fleet, "a");
    ten(&fleet, "bee");
    let counted = fleet.text(&["-o", "table", "--count", "-g", "line [1-3] "]);
    assert_eq!(counted, "ID   LINES\na        3\nbee      3\n");
    let records = fleet.records(&["a", "--count", "-g", "1"]);
    assert_eq!(records[0]["kind"], "sample");
    assert_eq!(records[0]["subject"], "log");
    assert_eq!((&records[0]["id"], &records[0]["run"]), (&json!("a"), &json!(1)));
    assert_eq!(records[0]["lines"], 2);
    assert_eq!(fleet.records(&["a", "--count"])[0]["lines"], 10);
    assert_eq!(fleet.records(&["a", "--count", "-g", "[1-5]", "--max-count", "4"])[0]["lines"], 4);
    fleet
        .run(&["a", "--count", "-g", "none", "-o", "table"])
        .code(1)
        .stdout("ID  LINES\na       0\n");
    fleet.run(&["a", "--count", "-f"]).code(2).stdout("");
}

#[test]
fn a_bad_pattern_is_shown_with_its_place() {
    let fleet = Fleet::new();
    ten(&fleet, "a");
    let said = "fleet-logs: 'a(b' is no regular expression: unclosed group, at character 2\n    \
                a(b\n     ^\n  hint: with -F it is taken as plain text\n";
    fleet.run(&["-g", "a(b"]).code(2).stdout("").stderr(said);
}

#[test]
fn a_search_goes_through_all_lines_or_the_last() {
    let fleet = Fleet::new();
    ten(&fleet, "a");
    assert_eq!(
        fleet.messages(&["-g", "line [1-9] ", "-n", "3"]),
        ["line 8 of ten", "line 9 of ten"]
    );
}

#[test]
fn what_is_followed_is_searched_too() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let mut following = fleet.follow(&["-f", "-g", "wanted", "-A", "1", "a"]);
    log.out(1, "a").out(2, "wanted 1").out(3, "around").out(4, "b");
    following.until_line("around");
    log.write(5, "stdout P", "wan").write(5, "stdout F", "ted 2").out(6, "end");
    following.until_line("end");
    assert_eq!(following.messages(), ["wanted 1", "around", "wanted 2", "end"]);
}
