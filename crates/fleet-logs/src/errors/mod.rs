//! Errors instead of lines: those that are the same as one.
//!
//! An error is a traceback or a line of level error or graver. What a logger says right before a
//! traceback (`logging.exception`) is said of that traceback and no error of its own.

mod group;
mod show;

use std::collections::{HashMap, HashSet};
use std::io;

use fleet_cli::{Exit, Failure, Format, talk};
use fleet_core::{RunKey, Timestamp};
use fleet_logfile::Stream;
use fleet_logline::Level;

use crate::args::Args;
use crate::entry::Entry;
use crate::sink::{Sink, Tracebacks};
use group::{Found, Group};
use show::Shown;

/// So many different errors are told apart.
const MAX_GROUPS: usize = 10_000;

/// So many bytes of tracebacks are kept for all of them.
const MAX_TEXT: usize = 64 << 20;

/// A traceback comes so soon after what is said of it.
const SOON_NANOS: i64 = 1_000_000_000;

/// Lines that what is said before a traceback may have.
const SAID_LINES: u8 = 8;

/// Gathers errors by fingerprint. While following it shows each that is new at once, and again
/// whenever it has come twice as often; else all at the end.
pub(crate) struct Errors {
    shown: Shown,
    /// It shows errors as they come.
    live: bool,
    /// Each error is shown, not one of each.
    each: bool,
    groups: HashMap<String, Group>,
    /// Came since the last look at what is to be shown.
    touched: HashSet<String>,
    /// Errors beyond those that are told apart.
    others: u64,
    /// Of all tracebacks that are kept.
    bytes: usize,
    /// The last error line of each stream, of which a traceback may follow.
    said: HashMap<(RunKey, Stream), Said>,
}

/// An error line that may turn out to be said of a traceback.
struct Said {
    found: Found,
    lines_left: u8,
}

impl Errors {
    /// As the arguments want it.
    ///
    /// # Errors
    /// The format is none of ours or has no end, or the output cannot be opened.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Errors> {
        let known = [Format::Table, Format::Jsonl, Format::Json, Format::Csv];
        let format = args.output.format(&known)?;
        let endless = args.follow && !args.until_ended;
        if endless && format == Format::Json {
            let message = "'-o json' is an array, which has no end while following";
            return Err(Failure::new(Exit::CouldNot, message).hint("use -o jsonl").into());
        }
        Ok(Errors {
            shown: Shown::new(args.output.open(false)?, format)?,
            live: args.follow || args.until_ended,
            each: args.errors.traceback,
            groups: HashMap::new(),
            touched: HashSet::new(),
            others: 0,
            bytes: 0,
            said: HashMap::new(),
        })
    }

    /// Counts an error.
    fn add(&mut self, found: Found) -> io::Result<()> {
        let known = self.groups.len();
        let Some(group) = self.groups.get_mut(&found.fingerprint) else {
            if known >= MAX_GROUPS {
                self.others += 1;
                return Ok(());
            }
            let (fingerprint, group) = (found.fingerprint.clone(), Group::new(found));
            self.bytes += group.latest.text.len();
            let group = self.groups.entry(fingerprint).or_insert(group);
            return settle(group, self.each, &mut self.bytes, &mut self.touched, &mut self.shown);
        };
        self.bytes -= group.latest.text.len();
        group.add(found);
        self.bytes += group.latest.text.len();
        settle(group, self.each, &mut self.bytes, &mut self.touched, &mut self.shown)
    }

    /// Counts what was said before this moment and no traceback followed.
    fn add_said(&mut self, before_nanos: i64) -> io::Result<()> {
        let is_over = |_: &_, said: &mut Said| said.found.at_nanos < before_nanos;
        let said = self.said.extract_if(is_over);
        let mut found: Vec<Found> = said.map(|(_, said)| said.found).collect();
        found.sort_by_key(|found| found.at_nanos);
        found.into_iter().try_for_each(|found| self.add(found))
    }

    /// Takes a line or a traceback behind a line that may be said of it.
    fn take_behind(&mut self, entry: &Entry, level: Option<Level>) -> io::Result<Option<String>> {
        let key = (entry.face.key.clone(), entry.message.stream);
        let Some(said) = self.said.get_mut(&key) else { return Ok(None) };
        let since = entry.message.stamp_nanos.saturating_sub(said.found.at_nanos);
        let soon = since <= SOON_NANOS;
        if soon && entry.traceback.is_none() && level.is_none() && said.lines_left > 0 {
            said.lines_left -= 1;
            return Ok(None);
        }
        let Some(said) = self.said.remove(&key) else { return Ok(None) };
        if soon && entry.traceback.is_some() {
            return Ok(Some(said.found.text));
        }
        self.add(said.found)?;
        Ok(None)
    }

    /// The groups that came most often first.
    fn sorted(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by(|a, b| {
            (b.count, b.latest.at_nanos, &a.latest.fingerprint).cmp(&(
                a.count,
                a.latest.at_nanos,
                &b.latest.fingerprint,
            ))
        });
        groups
    }
}

/// Keeps within bounds what was just added to, and notes or shows it.
fn settle(
    group: &mut Group,
    each: bool,
    bytes: &mut usize,
    touched: &mut HashSet<String>,
    shown: &mut Shown,
) -> io::Result<()> {
    if each {
        shown.write(group)?;
    }
    if *bytes > MAX_TEXT {
        *bytes -= group.shorten();
    }
    touched.insert(group.latest.fingerprint.clone());
    Ok(())
}

impl Sink for Errors {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        if entry.message.notice || entry.around {
            return Ok(());
        }
        let level = entry.level();
        let logged = if self.said.is_empty() { None } else { self.take_behind(entry, level)? };
        if entry.traceback.is_some() {
            return self.add(Found { logged, ..Found::new(entry, level) });
        }
        if level >= Some(Level::Error) {
            let key = (entry.face.key.clone(), entry.message.stream);
            let said = Said { found: Found::new(entry, level), lines_left: SAID_LINES };
            self.said.insert(key, said);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.live {
            return Ok(());
        }
        self.add_said(Timestamp::now().nanos().saturating_sub(SOON_NANOS))?;
        let mut touched: Vec<String> = self.touched.drain().collect();
        touched.sort();
        for fingerprint in touched.iter().filter(|_| !self.each) {
            if let Some(group) = self.groups.get_mut(fingerprint).filter(|group| group.is_news()) {
                group.told = group.count;
                self.shown.write(group)?;
            }
        }
        self.shown.flush()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.add_said(i64::MAX)?;
        if !self.each {
            let untold = self.sorted().into_iter().filter(|group| group.told < group.count);
            let untold: Vec<Group> = untold.cloned().collect();
            untold.iter().try_for_each(|group| self.shown.write(group))?;
        }
        if self.others > 0 {
            let others = self.others;
            talk(format_args!("{others} errors more, unlike the {MAX_GROUPS} that are listed"));
        }
        self.shown.finish()
    }

    fn is_stdout(&self) -> bool {
        self.shown.is_stdout()
    }

    fn tracebacks(&self) -> Tracebacks {
        Tracebacks::Records
    }
}
