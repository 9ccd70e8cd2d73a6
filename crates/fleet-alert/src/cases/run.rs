//! One case: its steps are done by a virtual clock, and what came of them is held against what
//! was expected.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use fleet_core::{Timestamp, duration_text};
use fleet_notify::{Notification, Silence};
use fleet_rules::{AlertRecord, AlertState, Fed};

use super::file::{Case, Expect, Step, later};
use crate::config::Config;
use crate::dry::{Dry, Event};

/// The most lines of what the rules said that a failure shows.
const LINES: usize = 30;

/// A change of an alert, and who was told of it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) after: Duration,
    pub(super) alert: AlertRecord,
    pub(super) told: BTreeSet<String>,
    /// The words for what held it back.
    pub(super) held: BTreeSet<String>,
}

/// What became of a case.
#[derive(Debug)]
pub(super) struct Ran {
    /// What is not as it was expected, in words.
    pub(super) problems: Vec<String>,
    /// What the rules and the desk said on the way.
    pub(super) said: Vec<String>,
}

/// Does the steps of a case, and says what is not as it was expected.
pub(super) fn run(case: &Case, config: &Config) -> Ran {
    let mut dry = Dry::new(config, "test", case.start, true);
    let mut stage = Stage::new(case);
    let mut silences: Vec<Silence> = Vec::new();
    let mut problems = Vec::new();
    for (at, step) in &case.steps {
        dry.advance(*at);
        match step {
            Step::Record(line) => {
                if let Fed::Bad(why) = dry.feed(line) {
                    problems.push(format!("a record is none: {why}"));
                }
            }
            Step::Silence { rule, id, time, why } => {
                let mut silence = Silence::new(later(*at, *time), why, "test");
                silence.id = format!("{:08x}", silences.len() + 1);
                (silence.rule, silence.process) = (rule.clone(), id.clone());
                silences.push(silence);
                dry.silence(silences.clone());
            }
            Step::Restart => dry.restart(),
            Step::Wait => {}
        }
        stage.take(dry.events(), dry.now());
    }
    dry.settle();
    stage.take(dry.events(), dry.now());
    problems.extend(compare(&case.expect, &stage.seen));
    Ran { problems, said: stage.said }
}

/// What is seen and said.
struct Stage<'c> {
    case: &'c Case,
    seen: Vec<Seen>,
    said: Vec<String>,
    /// What was last said of each rule and instance.
    last: HashMap<String, String>,
}

impl Stage<'_> {
    fn new(case: &Case) -> Stage<'_> {
        Stage { case, seen: Vec::new(), said: Vec::new(), last: HashMap::new() }
    }

    fn take(&mut self, events: Vec<Event>, now: Timestamp) {
        for event in events {
            match event {
                Event::Alert(alert) => {
                    let (told, held) = (BTreeSet::new(), BTreeSet::new());
                    self.seen.push(Seen { after: self.after(alert.ts), alert, told, held });
                }
                Event::Told(notification) => self.told(&notification),
                Event::Decided(decided) => {
                    let seen = self.seen.iter_mut().rev();
                    let mut of = seen.filter(|seen| seen.alert.fingerprint == decided.fingerprint);
                    if let Some(seen) = of.next()
                        && !seen.told.contains(&decided.channel)
                    {
                        seen.held.insert(decided.word.clone());
                    }
                    let text = format!(
                        "{} on {}: {} ({})",
                        decided.alert, decided.channel, decided.text, decided.word
                    );
                    self.say(now, &text);
                }
                Event::Explained(text) => self.explained(now, &text),
            }
        }
    }

    /// Notes who was told of a change.
    fn told(&mut self, notification: &Notification) {
        for alert in &notification.alerts {
            let mut seen = self.seen.iter_mut().rev();
            let same = |seen: &&mut Seen| {
                let one = &seen.alert;
                one.fingerprint == alert.fingerprint
                    && one.ts == alert.ts
                    && one.state == alert.state
            };
            if let Some(seen) = seen.find(same) {
                seen.told.insert(notification.channel.clone());
            }
        }
    }

    /// Keeps what is new: `rule 'a' for b: … (word)` is said of each record.
    fn explained(&mut self, now: Timestamp, text: &str) {
        let whom = text.split_once(": ").map_or(text, |(whom, _)| whom);
        let word = text.rsplit_once(" (").map_or(text, |(_, word)| word);
        let known = self.last.insert(whom.to_owned(), word.to_owned());
        let expected = |rule: &str| whom.starts_with(&format!("rule '{rule}' "));
        let mut rules = self.case.expect.iter().map(|expect| expect.rule.as_str());
        let wanted = known.is_some() || rules.any(expected);
        if wanted && known.as_deref() != Some(word) {
            self.say(now, text);
        }
    }

    fn say(&mut self, now: Timestamp, text: &str) {
        let line = format!("{}  {text}", duration_text(self.after(now)));
        self.said.push(line);
    }

    fn after(&self, at: Timestamp) -> Duration {
        Duration::try_from_secs_f64(at.seconds_since(self.case.start)).unwrap_or_default()
    }
}

/// What is not as expected, in words: each alert is expected once and each one expected is seen.
fn compare(expected: &[Expect], seen: &[Seen]) -> Vec<String> {
    let mut left: Vec<&Seen> = seen.iter().collect();
    let mut missed: Vec<&Expect> = Vec::new();
    for expect in expected {
        match left.iter().position(|seen| expect.differs(seen).is_none()) {
            Some(at) => drop(left.remove(at)),
            None => missed.push(expect),
        }
    }
    let mut problems = Vec::new();
    for expect in missed {
        let wanted = expect.words();
        let near = left.iter().position(|seen| expect.is_about(&seen.alert));
        problems.push(match near.map(|at| left.remove(at)) {
            Some(seen) => {
                let why = expect.differs(seen).unwrap_or_default();
                format!("expected {wanted}; seen {}: {why}", seen.words())
            }
            None => format!("expected {wanted}; nothing like it was seen"),
        });
    }
    problems.extend(left.iter().map(|seen| format!("not expected, but seen: {}", seen.words())));
    problems
}

impl Expect {
    /// Whether the alert is the one that is meant, whatever else is said of it.
    fn is_about(&self, alert: &AlertRecord) -> bool {
        let id = self.id.as_ref().is_none_or(|id| alert.id.as_ref() == Some(id));
        self.rule == alert.alert && id && self.state == alert.state
    }

    /// The first thing that is not as expected.
    fn differs(&self, seen: &Seen) -> Option<String> {
        let alert = &seen.alert;
        if !self.is_about(alert) {
            return Some("it is about something else".to_owned());
        }
        if let Some(at) = self.at.filter(|at| *at != seen.after) {
            let (at, after) = (duration_text(at), duration_text(seen.after));
            return Some(format!("it is expected at {at} and was seen at {after}"));
        }
        if let Some(severity) = self.severity.as_ref().filter(|s| **s != alert.severity) {
            return Some(format!("its severity is not '{severity}'"));
        }
        if let Some(summary) = self.summary.as_ref().filter(|s| !s.is_match(&alert.summary)) {
            return Some(format!("its summary '{}' does not match '{summary}'", alert.summary));
        }
        let sets = [("told to", &self.told, &seen.told), ("held back by", &self.held, &seen.held)];
        sets.into_iter().find_map(|(what, wanted, found)| {
            let wanted = wanted.as_ref().filter(|wanted| *wanted != found)?;
            Some(format!("it was {what} {}, not {}", list(found), list(wanted)))
        })
    }

    fn words(&self) -> String {
        let at = self.at.map_or(String::new(), |at| format!(" at {}", duration_text(at)));
        let severity = self.severity.as_ref().map_or(String::new(), |word| format!(" {word}"));
        about(&self.rule, self.id.as_deref(), self.state) + &severity + &at
    }
}

impl Seen {
    fn words(&self) -> String {
        let alert = &self.alert;
        let about = about(&alert.alert, alert.id.as_deref(), alert.state);
        let (at, summary) = (duration_text(self.after), &alert.summary);
        let said = if summary.is_empty() { &alert.reason } else { summary };
        format!("{about} {} at {at} ({said})", alert.severity)
    }
}

fn about(rule: &str, id: Option<&str>, state: AlertState) -> String {
    let id = id.map_or(String::new(), |id| format!(" of {id}"));
    format!("{rule}{id} {}", state.word())
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "nobody".to_owned();
    }
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl Ran {
    /// What was said on the way, the newest last.
    pub(super) fn story(&self) -> Vec<String> {
        let left = self.said.len().saturating_sub(LINES);
        let more = (left > 0).then(|| format!("({left} lines before)"));
        more.into_iter().chain(self.said[left..].iter().cloned()).collect()
    }
}
