//! How many lines there are of each sort, as a whole or for each window of time.

mod key;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

use fleet_cli::{Exit, Failure, Format, talk};
use fleet_core::{Labels, Timestamp};
use serde_json::Value;

use crate::args::Args;
use crate::entry::Entry;
use crate::sink::{Sink, Tracebacks};
pub(crate) use key::Key;
use write::Writer;

/// So many sorts are told apart in a window; the rest is counted as one.
const MAX_SORTS: usize = 10_000;

/// Lines of several processes come a little out of order: so long a window is kept open.
const GRACE: i64 = 1_000_000_000;

/// What stands for all sorts that are not told apart.
const OTHERS: &str = "(others)";

/// Counts lines by what they are.
pub(crate) struct CountBy {
    keys: Vec<Key>,
    /// Nanoseconds of a window; without it there is one window for all.
    every: Option<i64>,
    follows: bool,
    windows: BTreeMap<i64, Counts>,
    /// Up to this moment all that there was is told.
    told: Option<i64>,
    /// Labels of the processes, where they are counted apart.
    labels: HashMap<String, Labels>,
    others_said: bool,
    writer: Writer,
}

/// The lines of one window.
struct Counts {
    since: i64,
    until: i64,
    sorts: HashMap<Vec<Value>, u64>,
}

/// Lines of one sort in one window, as they are written.
struct Row {
    values: Vec<Value>,
    lines: u64,
    since: i64,
    until: i64,
    /// Whether the lines are those of a window.
    timed: bool,
}

impl CountBy {
    /// As the arguments want it.
    ///
    /// # Errors
    /// The format is none of ours, the output cannot be opened, or there is no end to count to.
    pub(crate) fn open(args: &Args) -> anyhow::Result<CountBy> {
        let count = &args.count;
        let endless = args.follow && !args.until_ended;
        let every = count.rate.and_then(|every| i64::try_from(every.as_nanos()).ok());
        if endless && every.is_none() {
            let message = "--count-by says its numbers at the end, which --follow does not have";
            let failure = Failure::new(Exit::CouldNot, message);
            return Err(failure
                .hint("add --rate 1m for numbers every minute, or --until-ended")
                .into());
        }
        let keys: Vec<Key> = count.count_by.iter().map(|text| Key::read(text)).collect();
        let known = [Format::Table, Format::Jsonl, Format::Json, Format::Csv];
        let format = args.output.format(&known)?;
        if endless && format == Format::Json {
            let message = "'-o json' is an array, which has no end while following";
            return Err(Failure::new(Exit::CouldNot, message).hint("use -o jsonl").into());
        }
        let writer = Writer::new(args.output.open(false)?, format, &keys, every.is_some())?;
        Ok(CountBy {
            keys,
            every,
            follows: args.follow || args.until_ended,
            windows: BTreeMap::new(),
            told: None,
            labels: HashMap::new(),
            others_said: false,
            writer,
        })
    }

    fn add(&mut self, entry: &Entry) {
        let stamp = entry.message.stamp_nanos;
        let values: Vec<Value> = self.keys.iter().map(|key| key.of(entry)).collect();
        let id = entry.face.key.id.as_str();
        if self.keys.contains(&Key::Id) && !self.labels.contains_key(id) {
            self.labels.insert(id.to_owned(), entry.face.labels.clone());
        }
        let start = self.every.map_or(0, |every| start_of(stamp, every));
        let until = self.every.map_or(stamp, |every| start.saturating_add(every));
        let since = if self.every.is_some() { start } else { stamp };
        let counts = self.windows.entry(start).or_insert_with(|| Counts::new(since, until));
        counts.since = counts.since.min(since);
        counts.until = counts.until.max(until);
        if !counts.add(values) && !std::mem::replace(&mut self.others_said, true) {
            talk(format_args!(
                "more than {MAX_SORTS} sorts of lines: the rest is counted as '{OTHERS}'"
            ));
        }
    }

    /// Writes the windows that ended before this moment.
    fn close(&mut self, before: i64) -> io::Result<()> {
        while let Some(window) = self.windows.first_entry()
            && window.get().until <= before
        {
            let counts = window.remove();
            self.told = self.told.max(Some(counts.until));
            self.writer.write(&self.keys, counts.rows(self.every.is_some()), &self.labels)?;
        }
        Ok(())
    }

    /// Says that there was nothing in the newest window, where there was nothing to tell apart:
    /// silence is worth knowing.
    fn silence(&mut self, now: i64) -> io::Result<()> {
        let Some(every) = self.every.filter(|_| self.keys.is_empty()) else { return Ok(()) };
        let until = start_of(now.saturating_sub(GRACE), every);
        let told = *self.told.get_or_insert(until);
        if until > told && self.windows.is_empty() {
            self.told = Some(until);
            let since = until - every;
            let row = Row { values: Vec::new(), lines: 0, since, until, timed: true };
            self.writer.write(&self.keys, vec![row], &self.labels)?;
        }
        Ok(())
    }
}

/// The beginning of the window of a moment: windows are counted from 1970, so that those of a
/// minute begin with the minute.
fn start_of(stamp: i64, every: i64) -> i64 {
    stamp.div_euclid(every).saturating_mul(every)
}

impl Counts {
    fn new(since: i64, until: i64) -> Counts {
        Counts { since, until, sorts: HashMap::new() }
    }

    /// Adds a line; whether its sort is told apart.
    fn add(&mut self, values: Vec<Value>) -> bool {
        let told_apart = self.sorts.len() < MAX_SORTS || self.sorts.contains_key(&values);
        let others = || vec![Value::from(OTHERS); values.len()];
        let sort = if told_apart { values } else { others() };
        *self.sorts.entry(sort).or_default() += 1;
        told_apart
    }

    /// The most first.
    fn rows(self, timed: bool) -> Vec<Row> {
        let (since, until) = (self.since, self.until);
        let row = |(values, lines)| Row { values, lines, since, until, timed };
        let mut rows: Vec<Row> = self.sorts.into_iter().map(row).collect();
        rows.sort_by_cached_key(|row| (u64::MAX - row.lines, texts(&row.values)));
        rows
    }
}

/// Values as people read them.
fn texts(values: &[Value]) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    values.iter().map(text).collect()
}

impl Sink for CountBy {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        self.add(entry);
        if self.every.is_some() {
            self.close(entry.message.stamp_nanos.saturating_sub(GRACE))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.follows && self.every.is_some() {
            let now = Timestamp::now().nanos();
            self.close(now.saturating_sub(GRACE))?;
            self.silence(now)?;
            self.writer.flush(&self.keys)?;
        }
        Ok(())
    }

    fn due(&self) -> Option<Duration> {
        let every = self.every?;
        let next =
            self.told.filter(|_| self.keys.is_empty()).map(|told| told.saturating_add(every));
        let open = self.windows.values().next().map(|counts| counts.until);
        let at = open.or(next)?.saturating_add(GRACE);
        let left = at.saturating_sub(Timestamp::now().nanos()).max(0);
        Some(Duration::from_nanos(left.unsigned_abs()))
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.close(i64::MAX)?;
        self.writer.finish(&self.keys)
    }

    fn tracebacks(&self) -> Tracebacks {
        let whole = |key: &Key| matches!(key, Key::Level | Key::Category | Key::Fingerprint);
        if self.keys.iter().any(whole) { Tracebacks::Records } else { Tracebacks::Lines }
    }

    fn is_stdout(&self) -> bool {
        self.writer.is_stdout()
    }
}
