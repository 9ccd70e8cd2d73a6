//! Whatever lines come: none is lost, changed or reordered within its lane, and little is held.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashMap;

use fleet_traceback::{Grouped, Grouper, Said, Traceback};
use proptest::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    lane: usize,
    at: Option<i64>,
    text: Vec<u8>,
}

impl Said for Line {
    fn text(&self) -> &[u8] {
        &self.text
    }

    fn lane(&self) -> usize {
        self.lane
    }

    fn at_nanos(&self) -> Option<i64> {
        self.at
    }
}

/// Pieces of all that a grouper knows, so that random lines reach its inner states.
const PIECES: [&str; 44] = [
    "",
    "Traceback (most recent call last):",
    "  File \"a.py\", line 3, in f",
    "  File \"a.py\", line 3",
    "    x = 1",
    "      ^^^",
    "ValueError: no",
    "The above exception was the direct cause of the following exception:",
    "  + Exception Group Traceback (most recent call last):",
    "  | ExceptionGroup: two (2 sub-exceptions)",
    "  +-+---------------- 1 ----------------",
    "multiprocessing.pool.RemoteTraceback: ",
    "\"\"\"",
    "Exception in thread Thread-1 (f):",
    "Fatal Python error: Aborted",
    "Current thread 0x1 (most recent call first):",
    "---------------------------------------------------------------------------",
    "KeyError                                  Traceback (most recent call last)",
    "thread 'main' panicked at src/x.rs:1:2:",
    "thread 'main' panicked at 'old",
    "', src/x.rs:1:2",
    "stack backtrace:",
    "   0: core::f",
    "             at ./x.rs:1:2",
    "note: run with `RUST_BACKTRACE=1`",
    "panic: boom",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/a.go:3 +0x1",
    "Exception in thread \"main\" java.lang.Error: x",
    "java.io.IOException: x",
    "\tat a.B.c(B.java:1)",
    "Caused by: a.B: x",
    "/a/b.js:3",
    "    at f (/a/b.js:3:1) {",
    "}",
    "Node.js v20.0.0",
    "terminate called after throwing an instance of 'X'",
    "  what():  x",
    "==1==ERROR: AddressSanitizer: SEGV on x",
    "SUMMARY: AddressSanitizer: SEGV",
    "==================",
    "2026-11-22 06:00:00 ERROR x",
    "an ordinary line",
];

fn line() -> impl Strategy<Value = Line> {
    let text = prop_oneof![
        9 => prop::sample::select(PIECES.to_vec()).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>().prop_filter("a newline", |b| *b != b'\n'), 0..40),
    ];
    let prefix = prop::sample::select(vec!["", "", "", "[rank0]: ", "[rank1]: ", "\x1b[31m"]);
    let at = prop::option::of(0..200_000_000i64);
    (0..2usize, at, prefix, text).prop_map(|(lane, at, prefix, text)| Line {
        number: 0,
        lane,
        at,
        text: [prefix.as_bytes(), &text].concat(),
    })
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(line(), 0..80).prop_map(|mut lines| {
        lines.iter_mut().enumerate().for_each(|(at, line)| line.number = at);
        lines
    })
}

/// All that comes out, with a flush wherever a bit is set.
fn grouped(lines: &[Line], flushes: u128, ask: bool) -> Vec<Grouped<Line>> {
    let mut grouper = Grouper::default();
    let mut out = Vec::new();
    for line in lines {
        if ask && grouper.passes(line.lane, &line.text) {
            out.push(Grouped::Line(line.clone()));
        } else {
            grouper.push(line.clone(), &mut |grouped| out.push(grouped));
        }
        if flushes >> (line.number % 128) & 1 == 1 {
            grouper.flush(&mut |grouped| out.push(grouped));
            assert!(!grouper.holds());
        }
    }
    grouper.flush(&mut |grouped| out.push(grouped));
    out
}

/// The lines of each lane and rank in the order in which they came out.
fn order(out: &[Grouped<Line>]) -> HashMap<(usize, Option<Vec<u8>>), Vec<Line>> {
    let mut lanes: HashMap<_, Vec<Line>> = HashMap::new();
    for grouped in out {
        let lines = match grouped {
            Grouped::Line(line) => std::slice::from_ref(line),
            Grouped::Traceback(_, lines) => lines,
        };
        for line in lines {
            let rank = fleet_logline::plain(&line.text).rank.map(<[u8]>::to_vec);
            lanes.entry((line.lane, rank)).or_default().push(line.clone());
        }
    }
    lanes
}

proptest! {
    #[test]
    fn lines_come_back_as_they_were(lines in lines(), flushes: u128) {
        let wanted: Vec<_> = lines.iter().cloned().map(Grouped::Line).collect();
        prop_assert_eq!(order(&grouped(&lines, flushes, false)), order(&wanted));
    }

    /// A line that passes need not be pushed: the groups are the same.
    #[test]
    fn asking_first_changes_no_group(lines in lines(), flushes: u128) {
        let groups = |out: Vec<Grouped<Line>>| -> Vec<(Traceback, Vec<Line>)> {
            let group = |grouped| match grouped {
                Grouped::Traceback(traceback, lines) => Some((*traceback, lines)),
                Grouped::Line(_) => None,
            };
            out.into_iter().filter_map(group).collect()
        };
        let asked = grouped(&lines, flushes, true);
        prop_assert_eq!(order(&asked), order(&grouped(&lines, flushes, false)));
        prop_assert_eq!(groups(asked), groups(grouped(&lines, flushes, false)));
    }

    /// The other stream changes nothing for the first.
    #[test]
    fn lanes_know_nothing_of_each_other(lines in lines()) {
        let of_first = |out: Vec<Grouped<Line>>| -> Vec<Grouped<Line>> {
            let is_first = |grouped: &Grouped<Line>| match grouped {
                Grouped::Line(line) => line.lane == 0,
                Grouped::Traceback(_, lines) => lines[0].lane == 0,
            };
            out.into_iter().filter(is_first).collect()
        };
        let alone: Vec<Line> = lines.iter().filter(|line| line.lane == 0).cloned().collect();
        let sorted = |mut out: Vec<Grouped<Line>>| {
            out.sort_by_key(|grouped| match grouped {
                Grouped::Line(line) => line.number,
                Grouped::Traceback(_, lines) => lines[0].number,
            });
            out
        };
        prop_assert_eq!(
            sorted(of_first(grouped(&lines, 0, false))),
            sorted(grouped(&alone, 0, false))
        );
    }
}

fn of(texts: impl IntoIterator<Item = String>) -> Vec<Line> {
    let line = |(number, text): (usize, String)| Line {
        number,
        lane: 0,
        at: None,
        text: text.into_bytes(),
    };
    texts.into_iter().enumerate().map(line).collect()
}

/// How many lines stand in each group; 0 for a line alone.
fn sizes(lines: &[Line]) -> Vec<usize> {
    let size = |grouped: &Grouped<Line>| match grouped {
        Grouped::Line(_) => 0,
        Grouped::Traceback(_, lines) => lines.len(),
    };
    grouped(lines, 0, true).iter().map(size).collect()
}

#[test]
fn a_group_without_an_end_is_cut() {
    let endless = (0..2500).map(|n| format!("  File \"a.py\", line {n}, in f"));
    let lines = of(std::iter::once("Traceback (most recent call last):".to_owned()).chain(endless));
    assert_eq!(sizes(&lines)[..2], [1000, 0]);
    assert!(sizes(&lines)[1..].iter().all(|size| *size == 0), "what follows stands alone");
    let wide = (0..9).map(|_| format!("    {}", "x".repeat(100 << 10)));
    let lines = of(std::iter::once("Traceback (most recent call last):".to_owned()).chain(wide));
    assert_eq!(sizes(&lines)[..2], [4, 0]);
}

#[test]
fn many_ranks_at_once_are_bounded() {
    let heads = (0..1000).map(|rank| format!("[rank{rank}]: Traceback (most recent call last):"));
    let mut grouper = Grouper::default();
    let mut given = 0;
    for line in of(heads) {
        grouper.push(line, &mut |_| given += 1);
    }
    assert!(given >= 700, "{given}");
}

#[test]
fn a_head_that_comes_to_nothing_is_held_for_a_few_lines_only() {
    for head in ["java.io.IOException: x", "/a/b.js:3", "panic: no", "=================="] {
        let mut grouper = Grouper::default();
        let mut given = Vec::new();
        let texts = std::iter::once(head.to_owned()).chain((0..40).map(|n| format!("line {n}")));
        for line in of(texts) {
            grouper.push(line, &mut |grouped| given.push(grouped));
        }
        assert!(!grouper.holds(), "{head}");
        assert!(given.iter().all(|grouped| matches!(grouped, Grouped::Line(_))), "{head}");
    }
}

#[test]
fn a_pause_ends_a_message() {
    let mut lines = of([
        "Traceback (most recent call last):",
        "  File \"a.py\", line 1, in f",
        "E: a:",
        "  b",
        "  c",
    ]
    .map(str::to_owned));
    for (line, at) in lines.iter_mut().zip([0, 1, 2, 3, 90_000_000]) {
        line.at = Some(at);
    }
    assert_eq!(sizes(&lines), [4, 0]);
}

#[test]
fn what_is_printed_after_a_traceback_is_not_of_it_unless_the_program_ended() {
    let lines = of([
        "Traceback (most recent call last):",
        "  File \"a.py\", line 1, in f",
        "E: a",
        "trying again",
        "still at it",
    ]
    .map(str::to_owned));
    assert_eq!(sizes(&lines), [3, 0, 0]);
    let mut grouper = Grouper::default();
    let mut out = Vec::new();
    lines.into_iter().for_each(|line| grouper.push(line, &mut |grouped| out.push(grouped)));
    grouper.finish(&mut |grouped| out.push(grouped));
    assert!(matches!(&out[..], [Grouped::Traceback(_, lines)] if lines.len() == 5));
}
