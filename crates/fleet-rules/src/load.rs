//! From a rules file to rules, or to what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use fleet_config::{Fault, did_you_mean, inside};
use fleet_core::parse_duration;
use toml::Spanned;

use crate::alert::fingerprint;
use crate::count::{Count, MOST};
use crate::error::RulesError;
use crate::expression::Settled;
use crate::load_condition::positive;
use crate::raw::{RawFile, RawRule};
use crate::rule::{Condition, Hold, Rule, RuleSet, Timing};
use crate::template::Template;

/// How many instances a rule watches, if nothing is said.
const LIMIT: usize = 10_000;
/// The most that it can be told to.
const MOST_INSTANCES: usize = 1_000_000;

impl RuleSet {
    /// Reads a rules file.
    ///
    /// # Errors
    /// It cannot be read, or anything in it is wrong.
    pub fn load(path: &Path) -> Result<RuleSet, RulesError> {
        let text = fs::read_to_string(path)
            .map_err(|source| RulesError::Read { path: path.to_owned(), source })?;
        RuleSet::parse(path, &text).map(|rules| rules.from_file(path))
    }

    /// The same rules, known to stand in this file.
    #[must_use]
    pub fn from_file(mut self, path: &Path) -> RuleSet {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        self.source = fingerprint(&path.to_string_lossy(), std::iter::empty());
        self
    }

    /// Reads the text of a rules file; the path is for messages.
    ///
    /// # Errors
    /// Anything in it is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<RuleSet, RulesError> {
        let file: Result<RawFile, _> = toml::from_str(text);
        file.map_err(Fault::from)
            .and_then(|file| RuleSet::from_raw(text, file.rule))
            .map_err(|fault| fault.locate(path, text).into())
    }

    /// The rules of a file that holds more than rules; the text is the file's.
    ///
    /// # Errors
    /// Anything in them is wrong.
    pub fn from_raw(text: &str, rules: Vec<RawRule>) -> Result<RuleSet, Fault> {
        let mut loader = Loader { text, names: BTreeSet::new() };
        let written: Vec<_> = rules.iter().flat_map(|raw| raw.inhibited_by.clone()).collect();
        let rules = rules.into_iter().map(|raw| loader.rule(raw)).collect::<Result<_, _>>()?;
        loader.are_rules(&written)?;
        Ok(RuleSet { source: String::new(), rules })
    }
}

pub(crate) struct Loader<'t> {
    text: &'t str,
    names: BTreeSet<String>,
}

impl Loader<'_> {
    fn rule(&mut self, raw: RawRule) -> Result<Rule, Fault> {
        let name = self.name(&raw.name)?;
        let severity = severity(&raw)?;
        let condition = self.condition_of(&raw, &severity)?;
        let severity = match &condition {
            Condition::Levels(levels) => levels.first().map_or(severity, |l| l.severity.clone()),
            _ => severity,
        };
        let summary = match &raw.summary {
            Some(summary) => self.template(summary)?,
            None => Template::default(),
        };
        Ok(Rule {
            name,
            on: word("on", &raw.on)?,
            condition,
            timing: timing(&raw)?,
            crossed: raw.crossed.as_ref().is_some_and(|crossed| *crossed.get_ref()),
            no_data: raw.no_data.as_ref().map(|time| positive("no_data", time)).transpose()?,
            limit: limit(&raw)?,
            equal: equal(&raw)?,
            by: raw.by.unwrap_or_else(|| vec!["id".to_owned()]),
            severity,
            summary,
            annotations: self.annotations(&raw.annotations)?,
            labels: raw.labels,
            inhibited_by: raw.inhibited_by.into_iter().map(Spanned::into_inner).collect(),
            immediate: raw.immediate.unwrap_or(false),
            enabled: raw.enabled.unwrap_or(true),
        })
    }

    fn name(&mut self, name: &Spanned<String>) -> Result<String, Fault> {
        let text = name.get_ref();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Fault::new(name.span().start, "a rule needs a name of one line"));
        }
        if !self.names.insert(text.clone()) {
            let message = format!("there is already a rule named '{text}'");
            let hint = "what a rule remembers is kept under its name: give each its own";
            return Err(Fault::new(name.span().start, message).hint(hint));
        }
        Ok(text.clone())
    }

    fn are_rules(&self, written: &[Spanned<String>]) -> Result<(), Fault> {
        let unknown = written.iter().find(|name| !self.names.contains(name.get_ref()));
        unknown.map_or(Ok(()), |name| {
            let message = format!("there is no rule named '{}'", name.get_ref());
            let fault = Fault::new(name.span().start, message);
            let meant = did_you_mean(name.get_ref(), self.names.iter().map(String::as_str));
            Err(meant.into_iter().fold(fault, Fault::hint))
        })
    }

    fn annotations(
        &self,
        raw: &BTreeMap<String, Spanned<String>>,
    ) -> Result<BTreeMap<String, Template>, Fault> {
        raw.iter().map(|(name, text)| Ok((name.clone(), self.template(text)?))).collect()
    }

    pub(crate) fn expression(&self, text: &Spanned<String>) -> Result<Settled, Fault> {
        Settled::parse(text.get_ref()).map_err(|bad| {
            let mut fault = Fault::new(self.inside(text, bad.at), bad.message);
            fault.hint = bad.hint;
            fault
        })
    }

    fn template(&self, text: &Spanned<String>) -> Result<Template, Fault> {
        Template::parse(text.get_ref())
            .map_err(|bad| Fault::new(self.inside(text, bad.at), bad.message))
    }

    /// The byte of the file at which this byte of a value stands.
    fn inside(&self, value: &Spanned<String>, at: usize) -> usize {
        inside(self.text, value.span(), value.get_ref(), at)
    }
}

fn severity(raw: &RawRule) -> Result<String, Fault> {
    raw.severity.as_ref().map_or(Ok("warning".to_owned()), |s| word("severity", s))
}

/// How many instances a rule watches.
fn limit(raw: &RawRule) -> Result<usize, Fault> {
    let Some(limit) = &raw.limit else { return Ok(LIMIT) };
    let number = usize::try_from(*limit.get_ref()).unwrap_or(usize::MAX);
    if !(1..=MOST_INSTANCES).contains(&number) {
        let message = format!("'limit' is from 1 to {MOST_INSTANCES}");
        return Err(Fault::new(limit.span().start, message));
    }
    Ok(number)
}

fn equal(raw: &RawRule) -> Result<Option<Vec<String>>, Fault> {
    let Some(equal) = &raw.equal else { return Ok(None) };
    if raw.inhibited_by.is_empty() {
        let message = "'equal' says in what the alerts of 'inhibited_by' must be alike";
        return Err(Fault::new(equal.span().start, message).hint("add inhibited_by = [\"...\"]"));
    }
    Ok(Some(equal.get_ref().clone()))
}

fn hold(raw: &RawRule) -> Result<Hold, Fault> {
    let counted = counted(raw)?;
    let said = [
        raw.hold.as_ref().map(|hold| hold.span().start),
        raw.times.as_ref().map(|times| times.span().start),
        raw.count.as_ref().map(|count| count.span().start),
    ];
    let mut said = said.into_iter().flatten();
    if let (Some(_), Some(second)) = (said.next(), said.next()) {
        let message = "a rule has one of 'for', 'times' and 'count'";
        return Err(Fault::new(second, message).hint("remove the others"));
    }
    Ok(match (&raw.hold, &raw.times) {
        (Some(hold), _) => Hold::For(duration(hold)?),
        (None, Some(times)) if *times.get_ref() > 0 => Hold::Times(*times.get_ref()),
        (None, Some(times)) => {
            return Err(Fault::new(times.span().start, "'times' counts from 1"));
        }
        (None, None) => counted.map_or(Hold::Now, Hold::Count),
    })
}

/// `count` and `within`, of which neither is without the other.
fn counted(raw: &RawRule) -> Result<Option<Count>, Fault> {
    let (count, within) = match (&raw.count, &raw.within) {
        (None, None) => return Ok(None),
        (Some(count), Some(within)) => (count, within),
        (Some(count), None) => {
            let fault = Fault::new(count.span().start, "'count' needs the time that it counts in");
            return Err(fault.hint("add within = \"5m\""));
        }
        (None, Some(within)) => {
            let fault = Fault::new(within.span().start, "'within' needs how many to count");
            return Err(fault.hint("add count = 10"));
        }
    };
    if !(1..=MOST).contains(count.get_ref()) {
        let message = format!("'count' is from 1 to {MOST}");
        return Err(Fault::new(count.span().start, message));
    }
    if let Some(clear) = &raw.clear {
        let message = "a rule that counts is over when there are fewer: it has no 'clear'";
        let fault = Fault::new(clear.span().start, message);
        return Err(fault.hint("use keep_firing_for to make it last"));
    }
    let time = duration(within)?;
    if time.is_zero() {
        return Err(Fault::new(within.span().start, "'within' is longer than nothing"));
    }
    Ok(Some(Count { count: *count.get_ref(), within: time }))
}

fn timing(raw: &RawRule) -> Result<Timing, Fault> {
    let hold = hold(raw)?;
    let keep_firing_for = raw.keep_firing_for.as_ref().map_or(Ok(Duration::ZERO), duration)?;
    let repeat = raw.repeat.as_ref().map(duration).transpose()?;
    if let (Some(repeat), Some(written)) = (repeat, &raw.repeat)
        && repeat < Duration::from_secs(1)
    {
        return Err(Fault::new(written.span().start, "'repeat' is at least 1s"));
    }
    Ok(Timing { hold, keep_firing_for, repeat })
}

pub(crate) fn duration(text: &Spanned<String>) -> Result<Duration, Fault> {
    parse_duration(text.get_ref()).map_err(|bad| Fault::new(text.span().start, bad.to_string()))
}

pub(crate) fn word(key: &str, text: &Spanned<String>) -> Result<String, Fault> {
    let word = text.get_ref();
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Fault::new(text.span().start, format!("'{key}' is one word")));
    }
    Ok(word.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> String {
        let error = RuleSet::parse("alerts.toml".as_ref(), text).unwrap_err();
        let hint = error.hint().map_or(String::new(), |hint| format!(" ({hint})"));
        format!("{error}{hint}")
    }

    const GOOD: &str = "[[rule]]\nname = \"a\"\non = \"sample\"\n";

    #[test]
    fn a_rule_has_defaults() {
        let text = format!("{GOOD}when = 'x > 1'\nfor = '5m'\n");
        let rules = RuleSet::parse("x".as_ref(), &text).unwrap().rules;
        assert_eq!(
            (rules[0].severity.as_str(), rules[0].by.as_slice()),
            ("warning", &["id".to_owned()][..])
        );
        assert_eq!(rules[0].timing.hold, Hold::For(Duration::from_secs(300)));
        assert!(rules[0].enabled);
        let text = format!("{GOOD}when = 'x > 1'\ncount = 10\nwithin = '5m'\n");
        let rules = RuleSet::parse("x".as_ref(), &text).unwrap().rules;
        let counted = Count { count: 10, within: Duration::from_secs(300) };
        assert_eq!(rules[0].timing.hold, Hold::Count(counted));
        assert!(RuleSet::parse("x".as_ref(), "").unwrap().rules.is_empty());
    }

    #[test]
    fn a_broken_file_says_where_and_what_would_be_right() {
        let second = format!("{GOOD}when = 'x > 1'\n{GOOD}when = 'y'\n");
        for (text, said) in [
            (format!("{GOOD}wen = 'x'\n"), "line 4 column 1: unknown field `wen`"),
            (format!("{GOOD}wen = 'x'\n"), "did you mean 'when'?"),
            (format!("{GOOD}when = 'x > 5 and y'\n"), "line 4 column 15: this is no CEL"),
            (format!("{GOOD}when = 'x > 5 and y'\n"), "write && for and"),
            (
                format!("{GOOD}when = '''\nx > 5 &&\n  y > blob(1)'''\n"),
                "line 6 column 11: there is no function",
            ),
            (
                format!("{GOOD}when = 'x'\nfor = '5 apples'\n"),
                "line 5 column 7: \"5 apples\" is no duration",
            ),
            (
                format!("{GOOD}when = 'x'\nfor = '5m'\ntimes = 3\n"),
                "line 6 column 9: a rule has one of 'for', 'times' and 'count'",
            ),
            (
                format!("{GOOD}when = 'x'\ncount = 3\n"),
                "line 5 column 9: 'count' needs the time that it counts in (add within",
            ),
            (
                format!("{GOOD}when = 'x'\nwithin = '5m'\n"),
                "line 5 column 10: 'within' needs how many",
            ),
            (
                format!("{GOOD}when = 'x'\nwithin = '5m'\ncount = 0\n"),
                "line 6 column 9: 'count' is from 1 to 1000",
            ),
            (
                format!("{GOOD}when = 'x'\ncount = 3\nwithin = '5m'\nfor = '5m'\n"),
                "a rule has one of 'for'",
            ),
            (
                format!("{GOOD}when = 'x'\ncount = 3\nwithin = '5m'\nclear = 'y'\n"),
                "line 7 column 9: a rule that counts is over when there are fewer",
            ),
            (
                format!("{GOOD}when = 'x'\ncount = 3\nwithin = '0s'\n"),
                "line 6 column 10: 'within' is longer than nothing",
            ),
            (
                format!("{GOOD}when = 'x'\nsummary = 'a {{{{id'\n"),
                "line 5 column 14: this {{ is not closed",
            ),
            (second, "line 6 column 8: there is already a rule named 'a'"),
            (GOOD.to_owned(), "line 2 column 8: this rule has no condition (add when ="),
            ("[[rule]\n".to_owned(), "line 1 column 8:"),
            (
                format!("{GOOD}when = 'x'\ninhibited_by = ['b']\n"),
                "line 5 column 17: there is no rule named 'b'",
            ),
        ] {
            let refusal = refused(&text);
            assert!(refusal.contains(said), "{said:?} not in {refusal:?}");
        }
    }

    #[test]
    fn every_kind_of_condition_is_read_and_said_in_words() {
        for (text, words) in [
            ("when = 'x > 1'", "x > 1"),
            (
                "levels = [{ severity = 'warning', when = 'x > 0.7' }, { severity = 'critical', when = 'x > 0.9', clear = 'x < 0.85' }]",
                "warning: x > 0.7; critical: x > 0.9",
            ),
            (
                "rate = { field = 'restarts', over = '10m', above = 3 }",
                "restarts rises by more than 3 within 10m00s",
            ),
            (
                "rate = { field = 'steps', over = '1h', below = 0.5 }\nwhen = \"state == 'running'\"",
                "steps rises by less than 0.5 within 1h00m, where state == 'running'",
            ),
            (
                "change = { field = 'loss', over = '1h', above = '50%' }",
                "loss changes to above 50% against its average over 1h00m",
            ),
            (
                "plateau = { field = 'loss', steps = 1000, min_delta = 0.0, direction = 'down' }",
                "loss gets no lower for 1000 steps",
            ),
            (
                "plateau = { field = 'acc', time = '2h', min_delta = 0.1, direction = 'up' }",
                "acc gets no higher for 2h00m, by more than 0.1",
            ),
            (
                "stale = { field = 'champion', steps = 20, step_field = 'generation' }",
                "champion stays the same for 20 steps of generation",
            ),
            (
                "trend = { field = 'free_bytes', over = '30m', reaches = 0, within = '4h' }",
                "free_bytes goes on as over 30m00s and reaches 0 within 4h00m",
            ),
            (
                "trend = { field = 'memory_bytes', over = '1h', rises = '20%' }",
                "memory_bytes rises steadily, by more than 20% over 1h00m (fit 0.9)",
            ),
            ("absent = '30s'", "nothing seen for 30s: any record"),
        ] {
            let rules = RuleSet::parse("x".as_ref(), &format!("{GOOD}{text}\n")).unwrap().rules;
            assert_eq!(rules[0].condition_text(), words);
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (text, said) in [
            (
                "when = 'x'\nrate = { field = 'x', over = '1m' }",
                "line 5 column 8: 'rate' has one of 'above' and 'below'",
            ),
            ("rate = { field = 'x', over = '1m', above = 1, below = 2 }", "'rate' has one of"),
            (
                "rate = { field = 'x', over = '0s', above = 1 }",
                "line 4 column 30: 'over' is longer than nothing",
            ),
            (
                "rate = { field = 'x', over = '1m', above = nan }",
                "line 4 column 44: 'above' is a number that is finite",
            ),
            ("rate = { feild = 'x', over = '1m', above = 1 }", "did you mean 'field'?"),
            (
                "change = { field = 'x', over = '1m', above = '50' }",
                "line 4 column 46: 'above' is a percentage (write it as",
            ),
            ("change = { field = 'x', over = '1m' }", "'change' has one of"),
            ("plateau = { field = 'x' }", "'plateau' has one of 'steps' and 'time'"),
            ("plateau = { field = 'x', steps = 0 }", "'steps' counts from 1"),
            ("plateau = { field = 'x', steps = 1, time = '1m' }", "'plateau' has one of"),
            (
                "plateau = { field = 'x', time = '1m', step_field = 's' }",
                "line 4 column 52: 'step_field' counts 'steps'",
            ),
            ("plateau = { field = 'x', steps = 1, min_delta = -1 }", "'min_delta' is 0 or more"),
            ("plateau = { field = 'x', steps = 1, direction = 'dwon' }", "did you mean 'down'?"),
            ("stale = { field = 'x y', time = '1m' }", "line 4 column 19: 'field' is one word"),
            (
                "trend = { field = 'x', over = '1m', reaches = 0 }",
                "'trend' has 'reaches' and 'within', or 'rises'",
            ),
            ("trend = { field = 'x', over = '1m', rises = '-5%' }", "'rises' is more than 0%"),
            ("trend = { field = 'x', over = '1m', rises = '5%', fit = 2 }", "'fit' is from 0 to 1"),
            ("absent = '30s'\nfor = '5m'", "line 5 column 7: a rule with 'absent' has no 'for'"),
            ("absent = '30s'\nclear = 'x'", "has no 'clear'"),
            ("absent = '30s'\ntimes = 2", "has no 'times'"),
            ("absent = '30s'\nno_data = '5m'", "has no 'no_data'"),
            ("absent = '30s'\ncrossed = true", "has no 'crossed'"),
            ("absent = '0s'", "'absent' is longer than nothing"),
            (
                "absent = '30s'\nrate = { field = 'x', over = '1m', above = 1 }",
                "one condition, not 'rate' and 'absent' (make two",
            ),
            (
                "rate = { field = 'x', over = '1m', above = 1 }\ncount = 2\nwithin = '5m'",
                "line 5 column 9: a rule with 'rate' has no 'count'",
            ),
            ("levels = []", "line 4 column 10: 'levels' holds from 1 to 8"),
            (
                "levels = [{ severity = 'high', when = 'x' }]\nwhen = 'y'",
                "has no 'when': each level has its own",
            ),
            (
                "levels = [{ severity = 'high', when = 'x' }]\nseverity = 'info'",
                "has no 'severity'",
            ),
            ("levels = [{ severity = 'high', when = 'x' }]\nclear = 'y'", "has no 'clear'"),
            (
                "levels = [{ severity = 'high', when = 'x' }, { severity = 'info', when = 'y' }]",
                "line 4 column 59: 'info' is no worse than 'high' before it (write the levels from",
            ),
            (
                "levels = [{ severity = 'own', when = 'x' }, { severity = 'own', when = 'y' }]",
                "'own' is no worse than 'own'",
            ),
            ("levels = [{ severity = 'high', when = 'x >' }]", "this is no CEL"),
            (
                "when = 'x'\ncrossed = true\ncount = 2\nwithin = '1m'",
                "line 5 column 11: a rule that counts has no 'crossed'",
            ),
            ("when = 'x'\nno_data = '0s'", "'no_data' is longer than nothing"),
            ("when = 'x'\nlimit = 0", "line 5 column 9: 'limit' is from 1 to 1000000"),
            ("when = 'x'\nequal = ['id']", "line 5 column 9: 'equal' says in what"),
        ] {
            let refusal = refused(&format!("{GOOD}{text}\n"));
            assert!(refusal.contains(said), "{text}: {said:?} not in {refusal:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\[\\[rule\\]\\]|name|when|on|=|'|\"|\n|\\{|\\}|a| |\\[|\\]|é){0,30}") {
            let _ = RuleSet::parse("x".as_ref(), &text);
            let _ = RuleSet::parse("x".as_ref(), &format!("{GOOD}when = {text}"));
            let _ = RuleSet::parse("x".as_ref(), &format!("{GOOD}when = 'x > 1 {text}'"));
        }
    }
}
