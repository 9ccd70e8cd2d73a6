//! The file of cases: what may stand in it, and what it means.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_config::{Fault, did_you_mean};
use fleet_core::{Timestamp, parse_duration};
use fleet_rules::AlertState;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

/// A record as it is written, before it has its kind and time.
type Record = Map<String, Value>;

/// When a case begins of which nothing says so.
const START: &str = "2026-01-01T00:00:00Z";

/// The most records of one case.
const MOST: usize = 1_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    rules: Option<PathBuf>,
    #[serde(default)]
    case: Vec<RawCase>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: Spanned<String>,
    rules: Option<Vec<Spanned<String>>>,
    start: Option<Spanned<String>>,
    #[serde(default)]
    steps: Vec<Spanned<RawStep>>,
    #[serde(default)]
    expect: Vec<RawExpect>,
    none: Option<Spanned<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    at: Option<Spanned<String>>,
    every: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    record: Option<Spanned<toml::Table>>,
    records: Option<Spanned<String>>,
    file: Option<Spanned<PathBuf>>,
    silence: Option<RawSilence>,
    restart: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSilence {
    rule: Option<String>,
    id: Option<String>,
    #[serde(rename = "for")]
    time: Spanned<String>,
    #[serde(default)]
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExpect {
    at: Option<Spanned<String>>,
    rule: Spanned<String>,
    id: Option<String>,
    state: Option<Spanned<String>>,
    severity: Option<String>,
    summary: Option<Spanned<String>>,
    told: Option<BTreeSet<String>>,
    held: Option<BTreeSet<String>>,
}

/// A file of cases.
#[derive(Debug)]
pub(super) struct File {
    /// The rules file that they are about, if it names one.
    pub(super) rules: Option<PathBuf>,
    pub(super) cases: Vec<Case>,
}

/// What is done, and what is to come of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// The only rules that are looked at; none means all.
    pub(super) rules: Vec<Spanned<String>>,
    pub(super) start: Timestamp,
    /// In the order of their times.
    pub(super) steps: Vec<(Timestamp, Step)>,
    pub(super) expect: Vec<Expect>,
}

/// One thing that is done at a time.
#[derive(Debug)]
pub(super) enum Step {
    /// A record comes.
    Record(Vec<u8>),
    /// Somebody silences something.
    Silence { rule: Option<String>, id: Option<String>, time: Duration, why: String },
    /// The tool ends and begins anew.
    Restart,
    /// Nothing but the clock.
    Wait,
}

/// An alert that is to change so. What is not said may be anything.
#[derive(Debug)]
pub(super) struct Expect {
    /// After the start of the case.
    pub(super) at: Option<Duration>,
    pub(super) rule: String,
    pub(super) id: Option<String>,
    pub(super) state: AlertState,
    pub(super) severity: Option<String>,
    pub(super) summary: Option<Regex>,
    /// Exactly the channels that are told of it.
    pub(super) told: Option<BTreeSet<String>>,
    /// Exactly the words for what holds it back.
    pub(super) held: Option<BTreeSet<String>>,
}

impl File {
    /// Reads the text of a file; records are read from files beside `folder`.
    ///
    /// # Errors
    /// Anything in it is wrong, or a file of records cannot be read.
    pub(super) fn parse(text: &str, folder: &Path) -> Result<File, Fault> {
        let raw: RawFile = toml::from_str(text)?;
        let mut names = BTreeSet::new();
        for case in &raw.case {
            if !names.insert(case.name.get_ref().as_str()) {
                let message = format!("there is already a case named '{}'", case.name.get_ref());
                return Err(Fault::new(case.name.span().start, message));
            }
        }
        let cases = raw.case.into_iter().map(|case| Case::load(case, folder));
        Ok(File {
            rules: raw.rules.map(|path| folder.join(path)),
            cases: cases.collect::<Result<_, _>>()?,
        })
    }
}

impl Case {
    fn load(raw: RawCase, folder: &Path) -> Result<Case, Fault> {
        let place = raw.name.span().start;
        let none = raw.none.as_ref().is_some_and(|none| *none.get_ref());
        if none != raw.expect.is_empty() {
            let fault = Fault::new(place, "a case has alerts that it expects, or none = true");
            return Err(fault.hint("add [[case.expect]] with a rule, or none = true"));
        }
        let said = raw.start.as_ref().map(moment).transpose()?;
        let mut loader = Loader { folder, start: said, steps: Vec::new() };
        for step in raw.steps {
            loader.step(step)?;
        }
        let start = loader.begin();
        let mut steps = loader.steps;
        steps.sort_by_key(|(at, _)| *at);
        let expect = raw.expect.into_iter().map(Expect::load).collect::<Result<_, _>>()?;
        let rules = raw.rules.unwrap_or_default();
        Ok(Case { name: raw.name.into_inner(), rules, start, steps, expect })
    }
}

/// Turns the steps of a case into what is done at each moment.
struct Loader<'f> {
    folder: &'f Path,
    /// Known once it was said, or a record has come.
    start: Option<Timestamp>,
    steps: Vec<(Timestamp, Step)>,
}

impl Loader<'_> {
    fn begin(&mut self) -> Timestamp {
        let fixed = || Timestamp::parse(START, Timestamp::from_nanos(0));
        *self.start.get_or_insert_with(|| fixed().unwrap_or(Timestamp::from_nanos(0)))
    }

    fn step(&mut self, raw: Spanned<RawStep>) -> Result<(), Fault> {
        let place = raw.span().start;
        let raw = raw.into_inner();
        let lines = self.lines(&raw)?;
        if let Some(first) = lines.first().and_then(own_time) {
            self.start.get_or_insert(first);
        }
        let start = self.begin();
        let at = raw.at.as_ref().map_or(Ok(Duration::ZERO), duration)?;
        for at in times(&raw, at)? {
            if self.steps.len() + lines.len() > MOST {
                let message = format!("a case has at most {MOST} records");
                return Err(Fault::new(place, message));
            }
            let moment = later(start, at);
            self.steps.push((moment, self.other(&raw)?));
            self.steps.extend(lines.iter().map(|record| filled(record, moment)));
        }
        Ok(())
    }

    /// What a step does beside its records.
    fn other(&self, raw: &RawStep) -> Result<Step, Fault> {
        Ok(match &raw.silence {
            Some(silence) => Step::Silence {
                rule: silence.rule.clone(),
                id: silence.id.clone(),
                time: duration(&silence.time)?,
                why: silence.why.clone(),
            },
            None if raw.restart == Some(true) => Step::Restart,
            None => Step::Wait,
        })
    }

    /// The records of a step.
    fn lines(&self, raw: &RawStep) -> Result<Vec<Record>, Fault> {
        let mut lines = Vec::new();
        if let Some(record) = &raw.record {
            let at = record.span().start;
            let value = serde_json::to_value(record.get_ref());
            let Ok(Value::Object(record)) = value else {
                return Err(Fault::new(at, "a record is a table of values that JSON has"));
            };
            lines.push(record);
        }
        if let Some(text) = &raw.records {
            lines.extend(records(text.get_ref(), text.span().start, "these records")?);
        }
        if let Some(file) = &raw.file {
            let (path, at) = (self.folder.join(file.get_ref()), file.span().start);
            let name = format!("'{}'", path.display());
            let text = fs::read_to_string(&path);
            let text = text.map_err(|e| Fault::new(at, format!("cannot read {name}: {e}")))?;
            lines.extend(records(&text, at, &name)?);
        }
        Ok(lines)
    }
}

/// The lines of a text as records.
fn records(text: &str, at: usize, whose: &str) -> Result<Vec<Record>, Fault> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| match serde_json::from_str(line) {
            Ok(Value::Object(record)) => Ok(record),
            _ => Err(Fault::new(at, format!("line {} of {whose} is no JSON object", number + 1))),
        })
        .collect()
}

/// The record's own time, if it has one.
fn own_time(record: &Record) -> Option<Timestamp> {
    Timestamp::parse(record.get("ts")?.as_str()?, Timestamp::from_nanos(0)).ok()
}

/// The record with a kind and a time.
fn filled(record: &Record, moment: Timestamp) -> (Timestamp, Step) {
    let at = own_time(record).unwrap_or(moment);
    let mut whole = Record::new();
    whole.insert("kind".to_owned(), "sample".into());
    whole.insert("ts".to_owned(), at.to_string().into());
    whole.extend(record.iter().map(|(name, value)| (name.clone(), value.clone())));
    (at, Step::Record(Value::Object(whole).to_string().into_bytes()))
}

/// The times of a step: one, or with `every` all of them until `until`, which is the last.
fn times(raw: &RawStep, at: Duration) -> Result<Vec<Duration>, Fault> {
    let (every, until) = match (&raw.every, &raw.until) {
        (None, None) => return Ok(vec![at]),
        (Some(every), Some(until)) => (every, until),
        (Some(one), None) | (None, Some(one)) => {
            let fault = Fault::new(one.span().start, "'every' and 'until' go together");
            return Err(fault.hint("write every = \"15s\" and until = \"5m\""));
        }
    };
    let (time, last) = (duration(every)?, duration(until)?);
    if time.is_zero() || last.saturating_sub(at).as_nanos() / time.as_nanos() > MOST as u128 {
        return Err(Fault::new(every.span().start, format!("this is more than {MOST} times")));
    }
    let times = std::iter::successors(Some(at), |at| at.checked_add(time));
    Ok(times.take_while(|at| *at <= last).collect())
}

impl Expect {
    fn load(raw: RawExpect) -> Result<Expect, Fault> {
        let summary = raw.summary.as_ref().map(|text| {
            Regex::new(text.get_ref()).map_err(|error| {
                let said = error.to_string();
                let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Fault::new(text.span().start, format!("this is no regular expression: {last}"))
            })
        });
        Ok(Expect {
            at: raw.at.as_ref().map(duration).transpose()?,
            rule: raw.rule.into_inner(),
            id: raw.id,
            state: raw.state.as_ref().map_or(Ok(AlertState::Firing), state)?,
            severity: raw.severity,
            summary: summary.transpose()?,
            told: raw.told,
            held: raw.held,
        })
    }
}

/// The states in which alerts are told.
const STATES: [AlertState; 4] =
    [AlertState::Firing, AlertState::Resolved, AlertState::NoData, AlertState::Error];

fn state(text: &Spanned<String>) -> Result<AlertState, Fault> {
    let word = text.get_ref().as_str();
    STATES.into_iter().find(|state| state.word() == word).ok_or_else(|| {
        let words = STATES.map(AlertState::word);
        let fault = Fault::new(text.span().start, format!("alerts are never told as '{word}'"));
        let list = || format!("write one of {}", words.join(", "));
        fault.hint(did_you_mean(word, words.into_iter()).unwrap_or_else(list))
    })
}

fn duration(text: &Spanned<String>) -> Result<Duration, Fault> {
    parse_duration(text.get_ref()).map_err(|bad| Fault::new(text.span().start, bad.to_string()))
}

fn moment(text: &Spanned<String>) -> Result<Timestamp, Fault> {
    let parsed = Timestamp::parse(text.get_ref(), Timestamp::from_nanos(0));
    parsed.map_err(|bad| Fault::new(text.span().start, bad.to_string()))
}

/// The moment so much later.
pub(super) fn later(at: Timestamp, time: Duration) -> Timestamp {
    let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(at.nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn load(text: &str) -> Result<File, Fault> {
        File::parse(text, Path::new("."))
    }

    #[test]
    fn steps_are_what_is_done_at_each_moment() {
        let text = "[[case]]\nname = 'a'\nnone = true\nsteps = [\n\
            { at = '10s', record = { x = 1 }, every = '5s', until = '20s' },\n\
            { at = '12s', restart = true },\n{ records = '{\"kind\":\"log\"}' } ]";
        let case = load(text).unwrap().cases.remove(0);
        let second = |at: Timestamp| at.seconds_since(case.start);
        let records = case.steps.iter().filter(|(_, step)| matches!(step, Step::Record(_)));
        assert_eq!(records.map(|(at, _)| second(*at)).collect::<Vec<_>>(), [0.0, 10.0, 15.0, 20.0]);
        let restart = case.steps.iter().find(|(_, step)| matches!(step, Step::Restart)).unwrap();
        assert_eq!(second(restart.0), 12.0);
        let Step::Record(line) = &case.steps[1].1 else { panic!("{:?}", case.steps) };
        assert!(String::from_utf8_lossy(line).contains("\"kind\":\"log\""));
    }

    #[test]
    fn a_case_begins_with_its_first_record_unless_it_says_when() {
        let records = "records = '{\"ts\":\"2026-11-22T06:00:00Z\"}'";
        let text = format!("[[case]]\nname = 'a'\nnone = true\nsteps = [{{ {records} }}]");
        assert_eq!(load(&text).unwrap().cases[0].start.to_string(), "2026-11-22T06:00:00.000000Z");
        let early = text.replace("none", "start = '2026-11-22T05:00:00Z'\nnone");
        let case = load(&early).unwrap().cases.remove(0);
        assert_eq!(case.steps.last().unwrap().0.seconds_since(case.start), 3600.0);
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        let case = "[[case]]\nname = 'a'\n";
        for (text, at, said) in [
            (format!("{case}nnone = true"), 20, "unknown field `nnone`"),
            (case.to_owned(), 16, "a case has alerts that it expects, or none = true"),
            (
                format!("{case}none = true\nsteps = [{{ every = '5s' }}]"),
                51,
                "'every' and 'until' go together",
            ),
            (
                format!("{case}none = true\nsteps = [{{ records = '[1]' }}]"),
                53,
                "line 1 of these records is no JSON object",
            ),
            (
                format!("{case}none = true\nsteps = [{{ file = 'none.jsonl' }}]"),
                50,
                "cannot read './none.jsonl'",
            ),
            (
                format!("{case}expect = [{{ rule = 'r', state = 'fireing' }}]"),
                52,
                "never told as 'fireing'",
            ),
            (
                format!("{case}expect = [{{ rule = 'r', summary = '(' }}]"),
                54,
                "this is no regular expression",
            ),
            (
                format!("{case}none = true\n{case}none = true"),
                48,
                "there is already a case named 'a'",
            ),
        ] {
            let fault = load(&text).unwrap_err();
            assert!(fault.message.contains(said), "{fault:?}");
            assert_eq!(fault.at, at, "{fault:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\[\\[case\\]\\]|name|steps|expect|none|at|every|until|=|'|'1s'|true|\\[|\\]|\\{|\\}|,|\n| |é){0,24}") {
            let _ = load(&text);
            let _ = load(&format!("[[case]]\nname = 'a'\nnone = true\nsteps = [{{ {text} }}]"));
        }
    }
}
