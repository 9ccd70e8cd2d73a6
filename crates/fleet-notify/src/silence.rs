//! Silences: what people asked not to be told for a while.
//!
//! `silences.jsonl` holds one silence a line; the last line of a silence wins, so one is ended
//! early by appending it again with another end. Each line is on the disk before whoever asked
//! for it is told so.

use std::collections::BTreeMap;
use std::path::Path;

use fleet_core::{Labels, Timestamp};
use fleet_rules::alert::fingerprint;
use fleet_rules::{AlertRecord, Journal, lines_of};
use glob::Pattern;
use serde::{Deserialize, Serialize};

use crate::clock::shown;
use crate::error::NotifyError;
use crate::matcher::{Matcher, bad_glob};

/// One silence: all of its globs must match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Always `silence`.
    #[serde(default = "kind")]
    pub kind: String,
    /// Its name: eight hexadecimal digits.
    pub id: String,
    /// Glob of the rules whose alerts it holds back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Glob of the processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Globs of labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// From when on, where that is not at once. A silence that holds at once does so also if the
    /// clock is set back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when.
    pub until: Timestamp,
    /// Why somebody wanted it.
    pub why: String,
    /// Who.
    pub by: String,
}

fn kind() -> String {
    "silence".to_owned()
}

impl Silence {
    /// A silence of everything from now on, to be narrowed; it gets its name when it is added.
    pub fn new(until: Timestamp, why: &str, by: &str) -> Silence {
        Silence {
            kind: kind(),
            id: String::new(),
            rule: None,
            process: None,
            labels: Labels::new(),
            from: None,
            until,
            why: why.to_owned(),
            by: by.to_owned(),
        }
    }

    /// Whether it holds at this moment.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && now < self.until
    }

    /// It as a sentence.
    pub fn text(&self) -> String {
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
        format!("silence {} by {} until {}{why}", self.id, self.by, shown(self.until))
    }

    /// Whether it is about this alert, at whatever time.
    pub fn is_about(&self, alert: &AlertRecord) -> bool {
        self.matcher().is_ok_and(|matcher| matcher.matches(alert))
    }

    /// Whether it is about everything.
    pub fn is_about_all(&self) -> bool {
        self.rule.is_none() && self.process.is_none() && self.labels.is_empty()
    }

    fn matcher(&self) -> Result<Matcher, NotifyError> {
        let glob = |text: &String| {
            Pattern::new(text).map_err(|error| NotifyError::Silence(bad_glob(text, &error)))
        };
        let labels = self.labels.iter().map(|(name, text)| Ok((name.clone(), glob(text)?)));
        Ok(Matcher {
            alert: self.rule.as_ref().map(glob).transpose()?,
            severity: None,
            id: self.process.as_ref().map(glob).transpose()?,
            labels: labels.collect::<Result<_, NotifyError>>()?,
        })
    }
}

/// Silences that are ready to be asked.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Vec<(Matcher, Silence)>);

impl Quiet {
    pub(crate) fn new(silences: Vec<Silence>) -> Quiet {
        let ready = |silence: Silence| Some((silence.matcher().ok()?, silence));
        Quiet(silences.into_iter().filter_map(ready).collect())
    }

    /// The silence that holds this alert back the longest.
    pub(crate) fn over(&self, alert: &AlertRecord, now: Timestamp) -> Option<&Silence> {
        let holding = self.0.iter().filter(|(_, silence)| silence.holds(now));
        let about = holding.filter(|(matcher, _)| matcher.matches(alert));
        about.map(|(_, silence)| silence).max_by_key(|silence| silence.until)
    }

    /// Whether one of them holds.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        self.0.iter().any(|(_, silence)| silence.holds(now))
    }

    /// When the next one begins: then what is repeated may have to wait.
    pub(crate) fn next_start(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.iter().filter_map(|(_, s)| s.from).filter(|from| *from > now).min()
    }
}

/// The file of silences. Whoever uses it holds `state.lock`.
#[derive(Debug)]
pub struct Silences {
    journal: Journal,
    all: BTreeMap<String, Silence>,
    bad_lines: Vec<usize>,
}

impl Silences {
    /// The file in the alerts' folder.
    pub fn open(folder: &Path) -> Silences {
        let journal = Journal::new(folder.join("silences.jsonl"));
        Silences { journal, all: BTreeMap::new(), bad_lines: Vec::new() }
    }

    /// The silences that are not over, if others changed the file since this last looked.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reload(&mut self, now: Timestamp) -> Result<Option<Vec<Silence>>, NotifyError> {
        let Some(bytes) = self.journal.read()? else { return Ok(None) };
        self.all.clear();
        self.bad_lines.clear();
        for (number, line) in lines_of(&bytes) {
            match serde_json::from_slice::<Silence>(line) {
                Ok(silence) if silence.matcher().is_ok() => {
                    self.all.insert(silence.id.clone(), silence);
                }
                _ => self.bad_lines.push(number),
            }
        }
        Ok(Some(self.standing(now)))
    }

    /// The lines that could not be read when the file last was.
    pub fn bad_lines(&self) -> &[usize] {
        &self.bad_lines
    }

    /// The silences that are not over, those that end first first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&mut self, now: Timestamp) -> Result<Vec<Silence>, NotifyError> {
        self.reload(now)?;
        Ok(self.standing(now))
    }

    /// Writes a silence down, gives it its name, and returns that.
    ///
    /// # Errors
    /// A glob is none, it is over before it begins, or the file cannot be read or written.
    pub fn add(&mut self, mut silence: Silence, now: Timestamp) -> Result<String, NotifyError> {
        silence.matcher()?;
        if silence.until <= silence.from.unwrap_or(now).max(now) {
            let over = "a silence that ends before it begins holds nothing back";
            return Err(NotifyError::Silence(over.to_owned()));
        }
        self.reload(now)?;
        silence.id = self.name(&silence, now);
        let id = silence.id.clone();
        self.write(silence, now)?;
        Ok(id)
    }

    /// Ends a silence now; it may be named by the beginning of its name.
    ///
    /// # Errors
    /// None is named so, or more than one, or the file cannot be read or written.
    pub fn expire(&mut self, name: &str, now: Timestamp) -> Result<Silence, NotifyError> {
        let listed = self.list(now)?;
        let mut meant = listed.into_iter().filter(|silence| silence.id.starts_with(name));
        let silence = match (meant.next(), meant.next()) {
            (Some(silence), None) if !name.is_empty() => silence,
            (Some(_), _) => {
                let message = format!("'{name}' is the beginning of more than one silence");
                return Err(NotifyError::Silence(message));
            }
            (None, _) => {
                let message = format!("there is no silence '{name}' that holds or will");
                return Err(NotifyError::Silence(message));
            }
        };
        let ended = Silence { until: now, ..silence };
        self.write(ended.clone(), now)?;
        Ok(ended)
    }

    fn standing(&self, now: Timestamp) -> Vec<Silence> {
        let mut standing: Vec<Silence> =
            self.all.values().filter(|silence| now < silence.until).cloned().collect();
        standing.sort_by(|a, b| (a.until, &a.id).cmp(&(b.until, &b.id)));
        standing
    }

    /// A name that no other one has.
    fn name(&self, silence: &Silence, now: Timestamp) -> String {
        let said = serde_json::to_string(silence).unwrap_or_default();
        let mut salt = now.nanos();
        loop {
            let hash = fingerprint(&said, [("", salt.to_string().as_str())].into_iter());
            let name = hash.get(..8).unwrap_or(&hash);
            if !self.all.contains_key(name) {
                return name.to_owned();
            }
            salt = salt.wrapping_add(1);
        }
    }

    fn write(&mut self, silence: Silence, now: Timestamp) -> Result<(), NotifyError> {
        let line = line(&silence);
        self.all.insert(silence.id.clone(), silence);
        if !self.journal.is_long(self.standing(now).len()) {
            return Ok(self.journal.append(&line, true)?);
        }
        self.all.retain(|_, silence| now < silence.until);
        let lines: Vec<u8> = self.all.values().flat_map(self::line).collect();
        Ok(self.journal.replace(&lines)?)
    }
}

fn line(silence: &Silence) -> Vec<u8> {
    // Texts and times: nothing that JSON could refuse.
    let mut line = serde_json::to_vec(silence).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{alert, at};
    use proptest::prelude::*;

    fn silence(rule: &str) -> Silence {
        Silence { rule: Some(rule.to_owned()), ..Silence::new(at(60), "planned reboot", "anna") }
    }

    #[test]
    fn a_silence_holds_what_it_is_about_while_it_lasts() {
        let mut one = silence("gpu_*");
        assert!(one.is_about(&alert("gpu_hang", "x", "firing", 0)));
        assert!(!one.is_about(&alert("cpu", "x", "firing", 0)));
        assert!(one.holds(at(59)) && !one.holds(at(60)) && one.holds(at(-3600)));
        one.from = Some(at(10));
        assert!(!one.holds(at(9)) && one.holds(at(10)));
        one.process = Some("mission-?".to_owned());
        assert!(!one.is_about(&alert("gpu_hang", "x", "firing", 0)));
        assert!(one.is_about(&alert("gpu_hang", "mission-a", "firing", 0)));
        one.id = "3f2a0000".to_owned();
        assert_eq!(
            one.text(),
            "silence 3f2a0000 by anna until 2027-01-15T08:01:00Z: planned reboot"
        );
    }

    #[test]
    fn silences_are_added_listed_and_ended_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut ours = Silences::open(dir.path());
        let a = ours.add(silence("a"), at(0)).unwrap();
        let b = ours.add(silence("b"), at(0)).unwrap();
        let mut theirs = Silences::open(dir.path());
        assert_eq!(theirs.reload(at(1)).unwrap().unwrap().len(), 2);
        assert!(theirs.reload(at(1)).unwrap().is_none());
        assert_eq!(theirs.expire(&a[..6], at(2)).unwrap().until, at(2));
        let left: Vec<String> = ours.list(at(2)).unwrap().into_iter().map(|s| s.id).collect();
        assert_eq!(left, [b]);
        assert!(ours.list(at(60)).unwrap().is_empty());
        for (name, said) in [(a.as_str(), "there is no silence"), ("", "more than one")] {
            let error = ours.expire(name, at(3)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_would_hold_nothing_back_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut silences = Silences::open(dir.path());
        assert!(silences.add(silence("a"), at(60)).is_err());
        assert!(silences.add(Silence { from: Some(at(90)), ..silence("a") }, at(0)).is_err());
        let error = silences.add(silence("a[b"), at(0)).unwrap_err();
        assert!(error.to_string().contains("is no glob"), "{error}");
        assert!(silences.list(at(0)).unwrap().is_empty());
    }

    #[test]
    fn old_silences_leave_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut silences = Silences::open(dir.path());
        for n in 0..200 {
            silences.add(Silence { until: at(n + 1), ..silence("a") }, at(n)).unwrap();
        }
        let text = std::fs::read_to_string(dir.path().join("silences.jsonl")).unwrap();
        assert!(text.lines().count() < 80, "{}", text.lines().count());
        assert_eq!(silences.list(at(199)).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("silences.jsonl"), &bytes).unwrap();
            let mut silences = Silences::open(dir.path());
            silences.reload(at(0)).unwrap();
            silences.add(silence("a"), at(0)).unwrap();
            prop_assert!(!Silences::open(dir.path()).list(at(0)).unwrap().is_empty());
        }
    }
}
