//! Where the records of a replay come from.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use anyhow::Context;
use fleet_cli::{Exit, Failure};
use fleet_core::Timestamp;
use fleet_history::{HistoryError, Series, Wanted, records};
use fleet_registry::Selector;
use memchr::memmem;
use serde::Deserialize;

use crate::args::Args;

/// A line longer than this is no record.
const LONGEST: u64 = 16 << 20;

/// Where the time of a record is looked for first: the tools write it behind the kind.
const HEAD: usize = 64;

pub(super) enum Source {
    /// Standard input.
    Stdin,
    /// The stored samples.
    History {
        folder: PathBuf,
        since: Timestamp,
        until: Option<Timestamp>,
        selectors: Vec<Selector>,
    },
}

/// What fails while the history is read: the history itself, or what is done with a record.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Taking(anyhow::Error),
}

impl Source {
    /// What was typed.
    pub(super) fn of(args: &Args) -> anyhow::Result<Source> {
        let typed = args.dry.replay.as_deref().unwrap_or_default();
        if typed.iter().any(|text| text == "-") {
            let timed = args.dry.since.is_some() || args.dry.until.is_some();
            if typed.len() > 1 || timed {
                let message = "--replay - takes all that comes on standard input";
                return Err(Failure::new(Exit::CouldNot, message)
                    .hint("choose with the tool that prints it")
                    .into());
            }
            return Ok(Source::Stdin);
        }
        let selectors = typed.iter().map(|text| selector(text)).collect::<Result<_, _>>()?;
        let since = args.dry.since.map_or_else(day_ago, Ok)?;
        let (folder, until) = (args.home.locate()?.metrics(), args.dry.until);
        if let Some(until) = until.filter(|until| *until <= since) {
            let what = format!("--until {until} is not after --since {since}");
            return Err(Failure::new(Exit::CouldNot, what).hint("swap them").into());
        }
        Ok(Source::History { folder, since, until, selectors })
    }

    /// What it is called in a sentence.
    pub(super) fn name(&self) -> String {
        match self {
            Source::Stdin => "standard input".to_owned(),
            Source::History { folder, since, .. } => {
                format!("'{}' since {since}", folder.display())
            }
        }
    }

    /// Where other kinds of record can be had.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Source::Stdin => "",
            Source::History { .. } => {
                "; it holds samples alone: fleet-logs -o jsonl --since -1d | fleet-alert --replay -"
            }
        }
    }

    /// Gives each line to `take`, and returns what could not be read, each a sentence.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<String>> {
        match self {
            Source::Stdin => lines(io::stdin().lock(), take).map(|()| Vec::new()),
            Source::History { folder, since, until, selectors } => {
                let takes = |series: &Series| {
                    selectors.is_empty()
                        || series
                            .id
                            .as_ref()
                            .is_some_and(|id| selectors.iter().any(|s| s.names(id, series.run)))
                };
                let wanted = Wanted { since: *since, until: *until, series: &takes };
                let given = records(folder, &wanted, |line| take(line).map_err(Stopped::Taking));
                given.map_err(|stopped| match stopped {
                    Stopped::Taking(error) => error,
                    Stopped::History(error) => error.into(),
                })
            }
        }
    }
}

fn day_ago() -> anyhow::Result<Timestamp> {
    Ok(Timestamp::parse("-1d", Timestamp::now())?)
}

fn selector(text: &str) -> Result<Selector, Failure> {
    let bad =
        |why: String| Failure::new(Exit::CouldNot, format!("{text:?} selects nothing: {why}"));
    let selector: Selector =
        text.parse().map_err(|error: fleet_registry::BadSelector| bad(error.to_string()))?;
    if matches!(selector, Selector::Port(_) | Selector::Pid(_)) {
        return Err(bad("samples are stored by name".to_owned()).hint("say the process's name"));
    }
    Ok(selector)
}

fn lines(
    mut input: impl BufRead,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.context("cannot read standard input")? == 0 {
            return Ok(());
        }
        take(&line)?;
    }
}

/// The part of a record that says when and what it is.
#[derive(Deserialize)]
struct Timed<'l> {
    ts: Option<&'l str>,
    kind: Option<&'l str>,
}

/// The time of a record: found without reading the whole where it stands at the beginning.
pub(super) fn time_of(line: &[u8]) -> Option<Timestamp> {
    let head = &line[..line.len().min(HEAD)];
    let quick = memmem::find(head, b",\"ts\":\"").and_then(|at| {
        let rest = line.get(at + 7..)?;
        let end = memchr::memchr(b'"', rest.get(..HEAD.min(rest.len()))?)?;
        std::str::from_utf8(&rest[..end]).ok()
    });
    let slow = || serde_json::from_slice::<Timed<'_>>(line).ok()?.ts;
    Timestamp::parse(quick.or_else(slow)?, Timestamp::from_nanos(0)).ok()
}

/// The kind of a record: found without reading the whole where it stands first.
pub(super) fn kind_of(line: &[u8]) -> Option<&str> {
    let Some(rest) = line.strip_prefix(b"{\"kind\":\"") else {
        return serde_json::from_slice::<Timed<'_>>(line).ok()?.kind;
    };
    std::str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_time_of_a_record_is_found_wherever_it_stands() {
        let time = Timestamp::parse("2026-11-22T06:00:00Z", Timestamp::from_nanos(0)).ok();
        for line in [
            r#"{"kind":"sample","ts":"2026-11-22T06:00:00Z","x":1}"#,
            r#"{"x":1,"ts":"2026-11-22T06:00:00Z","kind":"sample"}"#,
            r#"{"ts":"2026-11-22T06:00:00Z"}"#,
        ] {
            assert_eq!(time_of(line.as_bytes()), time, "{line}");
        }
        assert_eq!(time_of(br#"{"kind":"sample"}"#), None);
        assert_eq!(kind_of(br#"{"kind":"log","x":1}"#), Some("log"));
        assert_eq!(kind_of(br#"{"x": 1, "kind": "log"}"#), Some("log"));
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "[{}\",:a-z0-9ts]{0,80}") {
            let _ = time_of(line.as_bytes());
            let _ = kind_of(line.as_bytes());
        }
    }
}
