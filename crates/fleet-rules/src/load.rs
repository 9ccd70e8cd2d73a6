//! From a rules file to rules, or to what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use fleet_config::{Fault, did_you_mean, inside};
use fleet_core::parse_duration;
use toml::Spanned;

use crate::count::{Count, MOST};
use crate::error::RulesError;
use crate::expression::Settled;
use crate::raw::{RawFile, RawRule};
use crate::rule::{Condition, Hold, Rule, RuleSet, Timing};
use crate::template::Template;

impl RuleSet {
    /// Reads a rules file.
    ///
    /// # Errors
    /// It cannot be read, or anything in it is wrong.
    pub fn load(path: &Path) -> Result<RuleSet, RulesError> {
        let text = fs::read_to_string(path)
            .map_err(|source| RulesError::Read { path: path.to_owned(), source })?;
        RuleSet::parse(path, &text)
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
        Ok(RuleSet { rules })
    }
}

struct Loader<'t> {
    text: &'t str,
    names: BTreeSet<String>,
}

impl Loader<'_> {
    fn rule(&mut self, raw: RawRule) -> Result<Rule, Fault> {
        let name = self.name(&raw.name)?;
        let timing = timing(&raw)?;
        let clear = raw.clear.as_ref().map(|clear| self.condition(clear).map(Box::new));
        let when = Box::new(self.condition(&raw.when)?);
        let summary = match &raw.summary {
            Some(summary) => self.template(summary)?,
            None => Template::default(),
        };
        Ok(Rule {
            name,
            on: word("on", &raw.on)?,
            condition: Condition::Expression { when, clear: clear.transpose()? },
            timing,
            by: raw.by.unwrap_or_else(|| vec!["id".to_owned()]),
            severity: raw.severity.map_or(Ok("warning".to_owned()), |s| word("severity", &s))?,
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

    fn condition(&self, text: &Spanned<String>) -> Result<Settled, Fault> {
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

fn duration(text: &Spanned<String>) -> Result<Duration, Fault> {
    parse_duration(text.get_ref()).map_err(|bad| Fault::new(text.span().start, bad.to_string()))
}

fn word(key: &str, text: &Spanned<String>) -> Result<String, Fault> {
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
            (GOOD.to_owned(), "line 1 column 1: missing field `when`"),
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

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\[\\[rule\\]\\]|name|when|on|=|'|\"|\n|\\{|\\}|a| |\\[|\\]|é){0,30}") {
            let _ = RuleSet::parse("x".as_ref(), &text);
            let _ = RuleSet::parse("x".as_ref(), &format!("{GOOD}when = {text}"));
            let _ = RuleSet::parse("x".as_ref(), &format!("{GOOD}when = 'x > 1 {text}'"));
        }
    }
}
