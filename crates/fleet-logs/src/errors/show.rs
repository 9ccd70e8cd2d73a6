//! Errors for people and for programs.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use fleet_cli::{Format, Out, Records};
use fleet_core::{Id, Timestamp};
use fleet_logline::Level;
use fleet_traceback::{Frame, Language};
use serde::Serialize;

use super::group::Group;
use crate::print::clean;

/// Where errors go.
pub(super) enum Shown {
    /// For people: a head and the traceback, indented.
    Blocks(Out),
    /// A record a line.
    Lines(Out),
    /// One array of records.
    Array(Records<Out>),
    /// A row each.
    Csv(Box<csv::Writer<Out>>),
}

/// Errors that are the same, as programs get them.
#[derive(Serialize)]
struct ErrorRecord<'a> {
    kind: &'static str,
    /// Of the latest.
    ts: Timestamp,
    fingerprint: &'a str,
    count: u64,
    first_at: Timestamp,
    last_at: Timestamp,
    ids: Vec<&'a Id>,
    /// More processes have it than are named.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more_ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    message: &'a str,
    /// What was logged right before the traceback.
    #[serde(skip_serializing_if = "Option::is_none")]
    logged: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    frames: &'a [Frame],
    /// The whole of the latest.
    text: &'a str,
}

impl<'a> ErrorRecord<'a> {
    fn new(group: &'a Group) -> ErrorRecord<'a> {
        let latest = &group.latest;
        let traceback = latest.traceback.as_ref();
        let said = traceback.map_or(Some(latest.text.as_str()), |t| t.message.as_deref());
        let at = Timestamp::from_nanos(latest.at_nanos);
        ErrorRecord {
            kind: "log_error",
            ts: at,
            fingerprint: &latest.fingerprint,
            count: group.count,
            first_at: Timestamp::from_nanos(group.first_nanos),
            last_at: at,
            ids: group.ids.iter().collect(),
            more_ids: group.more_ids,
            level: group.level,
            language: traceback.map(|t| t.language),
            error: traceback.and_then(|t| t.kind.as_deref()),
            message: said.unwrap_or_default(),
            logged: latest.logged.as_deref(),
            frames: traceback.map(|t| t.frames.as_slice()).unwrap_or_default(),
            text: &latest.text,
        }
    }

    /// `ValueError: bad step`
    fn title(&self) -> String {
        let message = self.message.lines().next().unwrap_or_default();
        match self.error {
            Some(error) if message.is_empty() => error.to_owned(),
            Some(error) => format!("{error}: {message}"),
            None => message.to_owned(),
        }
    }

    fn names(&self, between: &str) -> String {
        let mut names: Vec<&str> = self.ids.iter().map(|id| id.as_str()).collect();
        names.extend(self.more_ids.then_some("…"));
        names.join(between)
    }
}

impl Shown {
    pub(super) fn new(out: Out, format: Format) -> io::Result<Shown> {
        Ok(match format {
            Format::Jsonl => Shown::Lines(out),
            Format::Json => Shown::Array(Records::array(out)),
            Format::Csv => {
                let mut rows = csv::Writer::from_writer(out);
                rows.write_record(HEAD)?;
                Shown::Csv(Box::new(rows))
            }
            _ => Shown::Blocks(out),
        })
    }

    /// Shows errors that are the same.
    pub(super) fn write(&mut self, group: &Group) -> io::Result<()> {
        let record = ErrorRecord::new(group);
        match self {
            Shown::Blocks(out) => block(out, &record, group.latest.traceback.is_some()),
            Shown::Lines(out) => {
                let mut json = serde_json::to_vec(&record)?;
                json.push(b'\n');
                out.write_all(&json)
            }
            Shown::Array(records) => records.write(&record),
            Shown::Csv(rows) => Ok(rows.write_record(row(&record))?),
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Shown::Blocks(out) | Shown::Lines(out) => out.flush(),
            Shown::Array(_) => Ok(()),
            Shown::Csv(rows) => rows.flush(),
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Shown::Blocks(out) | Shown::Lines(out) => out.finish(),
            Shown::Array(records) => records.finish()?.finish(),
            Shown::Csv(rows) => rows.into_inner().map_err(|e| e.into_error())?.finish(),
        }
    }

    pub(super) fn is_stdout(&self) -> bool {
        match self {
            Shown::Blocks(out) | Shown::Lines(out) => out.is_stdout(),
            Shown::Csv(rows) => rows.get_ref().is_stdout(),
            // Its reader gets all of it at the end or nothing.
            Shown::Array(_) => false,
        }
    }
}

const HEAD: [&str; 10] = [
    "fingerprint",
    "count",
    "first_at",
    "last_at",
    "level",
    "language",
    "type",
    "message",
    "ids",
    "text",
];

fn row(record: &ErrorRecord<'_>) -> [String; HEAD.len()] {
    [
        record.fingerprint.to_owned(),
        record.count.to_string(),
        record.first_at.to_string(),
        record.last_at.to_string(),
        record.level.map_or(String::new(), |level| level.word().to_owned()),
        record.language.map_or(String::new(), |language| language.word().to_owned()),
        record.error.unwrap_or_default().to_owned(),
        record.message.to_owned(),
        record.names(" "),
        record.text.to_owned(),
    ]
}

/// How often and what, then of whom and when, then the traceback.
fn block(out: &mut Out, record: &ErrorRecord<'_>, traced: bool) -> io::Result<()> {
    let paint = out.paint();
    let bold = AnsiColor::Red.on_default().bold();
    let head = paint.apply(bold, &format!("{:>6}x", record.count));
    let mut text = format!("{head}  {}\n", clean(&record.title(), false));
    let times = match record.count {
        1 => record.last_at.to_string(),
        _ => format!("{} to {}", record.first_at, record.last_at),
    };
    let about = format!("{} · {times} · {}", record.names(", "), record.fingerprint);
    text += &format!("         {}\n", paint.apply(Style::new().dimmed(), &about));
    for line in record.logged.into_iter().chain(record.text.lines().filter(|_| traced)) {
        text += &format!("         {}\n", clean(line, false));
    }
    out.write_all(text.as_bytes())
}
