//! Blocks give what lines give.

use std::fs;
use std::path::Path;

use clap::Parser;
use fleet_core::{ProcessRecord, Timestamp};
use fleet_registry::Home;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::args::Args;
use crate::filter::Filter;
use crate::sink::Tracebacks;

/// Keeps what it gets, in short.
#[derive(Default)]
struct Kept(Vec<String>);

impl Sink for Kept {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        self.0.push(short(entry));
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }

    fn is_stdout(&self) -> bool {
        false
    }

    fn tracebacks(&self) -> Tracebacks {
        Tracebacks::Records
    }
}

fn short(entry: &Entry) -> String {
    let said = &entry.message;
    let text = match said.text.len() {
        0..200 => String::from_utf8_lossy(&said.text).into_owned(),
        len => format!("{len} bytes"),
    };
    format!(
        "{} {} {} {} {text:?}{}{}{}{}{}",
        entry.face.key.id,
        entry.attempt,
        said.stamp_nanos,
        said.stream.word(),
        if said.notice { " notice" } else { "" },
        if said.partial { " partial" } else { "" },
        if entry.around { " around" } else { "" },
        if entry.gap { " gap" } else { "" },
        if entry.traceback.is_some() { " traceback" } else { "" },
    )
}

/// A line of a log file, or the end of one.
#[derive(Clone, Debug)]
enum Written {
    Piece(i64, &'static str, String),
    Garbage(String),
    Rotated,
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let head = prop_oneof![
        6 => Just("stdout F"), 3 => Just("stderr F"), 1 => Just("stdout P"), 1 => Just("stderr P"),
        1 => Just("stdout F:fleet"),
    ];
    let text = prop_oneof![
        8 => "[abc ]{0,12}\r?",
        1 => "(INFO|ERROR|stdout P|2026|Z stdout F) [ab]{0,3}",
        1 => Just("Traceback (most recent call last):".to_owned()),
        1 => Just("  File \"x.py\", line 1, in f".to_owned()),
        1 => Just("ValueError: a".to_owned()),
    ];
    let piece =
        (-2i64..9, head, text).prop_map(|(step, head, text)| Written::Piece(step, head, text));
    let one = prop_oneof![
        20 => piece, 1 => "[ab2 ]{0,9}".prop_map(Written::Garbage), 1 => Just(Written::Rotated),
    ];
    proptest::collection::vec(one, 0..60)
}

const BASE: i64 = 1_795_327_200;

fn stamp(second: i64) -> String {
    stamp_of_line(second, second)
}

/// No two lines have the same: a file is known by its first.
fn stamp_of_line(second: i64, number: i64) -> String {
    Timestamp::from_nanos((BASE + second) * 1_000_000_000 + number).to_nanos_text()
}

fn write(log: &Path, written: &[Written], torn: bool, back: bool) {
    fs::create_dir_all(log).unwrap();
    let (mut now, mut first, mut bytes) = (0, None, Vec::new());
    for (number, one) in (0..).zip(written) {
        match one {
            Written::Piece(step, head, text) => {
                // Where a clock was set back, lines near that point can be missed by times, or
                // counted to the attempt before.
                now += if back { *step } else { step.abs() };
                let stamp = stamp_of_line(now, number);
                bytes.extend(format!("{stamp} {head} {text}\n").bytes());
                first.get_or_insert(stamp);
            }
            Written::Garbage(text) => bytes.extend(format!("{text}\n").bytes()),
            Written::Rotated => {
                let Some(first) = first.take() else { continue };
                let aside = log.join(format!("{first}.log"));
                fs::write(aside, std::mem::take(&mut bytes)).unwrap();
            }
        }
    }
    if torn {
        bytes.extend(format!("{} stdout F torn a", stamp(now + 1)).bytes());
    }
    fs::write(log.join("current"), bytes).unwrap();
}

fn record(id: &str) -> ProcessRecord {
    serde_json::from_value(json!({
        "kind": "process", "ts": stamp(0), "id": id, "run": 1, "attempt": 1, "state": "completed",
        "boot": "b", "host": "h", "command": ["true"], "cwd": "/", "restarts": 0,
        "spawned_at": stamp(0),
    }))
    .unwrap()
}

fn logs(home: &Home, ids: &[&str], plan: &Plan, by_lines: bool) -> Vec<Opened> {
    let open = |id: &&str| match by_lines {
        false => Opened::open(home, &record(id), plan, false, true).unwrap(),
        true => {
            let mut run = Run::open(home, &record(id), plan, false).unwrap();
            run.close();
            Opened::Lines(Box::new(run))
        }
    };
    ids.iter().map(open).collect()
}

const SEARCHES: &[&str] = &[
    "-g a",
    "-g ^a",
    "-g b$ -g ^c",
    "-g (a|b)+c -v",
    "-F -g stdout",
    "-i -g A -C 2",
    "-g a -B 3",
    "-g c -A 2 --max-count 2",
    "-v -g a -C 1",
    "--stream stderr",
    "--raw -g b -C 1",
    "",
    "--level error",
    "--level unknown -C 1",
    "--stream stdout -g P",
    "-g a*",
];

proptest! {
    #[test]
    fn blocks_give_what_lines_give(
        written in proptest::collection::vec(written(), 2),
        search in proptest::sample::select(SEARCHES),
        since in proptest::option::of(0i64..200),
        until in proptest::option::of(0i64..300),
        attempts: bool,
        torn: bool,
        chunk in 1u64..3000,
        chunks in 1u64..5,
        regions in 1usize..4,
        records: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let ids = ["a", "b"];
        for (id, written) in ids.iter().zip(&written) {
            let run = home.run_of(&record(id).key());
            write(&run.log(), written, torn, since.is_none() && until.is_none() && !attempts);
            if attempts {
                let begun = format!("{{\"attempt\":2,\"ts\":\"{}\"}}\n", stamp(100));
                fs::write(run.attempts(), begun).unwrap();
            }
        }
        let mut typed: Vec<String> = vec!["fleet-logs".into()];
        typed.extend(search.split_whitespace().map(String::from));
        typed.extend(since.map(|s| format!("--since={}", stamp(s))));
        typed.extend(until.map(|s| format!("--until={}", stamp(s))));
        let args = Args::parse_from(typed);
        let filter = Arc::new(Filter::read(&args.search).unwrap());
        let mut plan = Plan::new(&args, filter, &Kept::default(), 2);
        plan.grouped &= records;

        let mut by_lines = Kept::default();
        let mut shown = Bulk::new(logs(&home, &ids, &plan, true), &plan, false);
        let found = shown.show(&mut by_lines).unwrap().any;
        let mut by_blocks = Kept::default();
        let opened = logs(&home, &ids, &plan, false);
        let ahead = Ahead { regions, region: chunk * chunks, chunk };
        let by = |opened, counted| Bulk::reading(opened, &plan, Scanner::new(&plan, counted), ahead);
        let shown = by(opened, false).show(&mut by_blocks).unwrap();
        prop_assert_eq!(shown.any, found);
        prop_assert_eq!(&by_blocks.0, &by_lines.0);

        let mut count = 0;
        let opened = logs(&home, &ids, &plan, false);
        by(opened, true).count(|_, lines| count += lines);
        let lines = by_lines.0.iter().filter(|line| !line.contains(" around")).count() as u64;
        prop_assert_eq!(count, lines);
    }
}
