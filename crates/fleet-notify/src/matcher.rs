//! Which alerts are meant: globs on their fields, as routes and silences have them.

use std::collections::BTreeMap;

use fleet_rules::AlertRecord;
use glob::{Pattern, PatternError};

/// Globs of which all must match.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Matcher {
    pub(crate) alert: Option<Pattern>,
    pub(crate) severity: Option<Pattern>,
    pub(crate) id: Option<Pattern>,
    pub(crate) labels: BTreeMap<String, Pattern>,
}

impl Matcher {
    /// Whether the alert is meant. One without an id, or without the label, is not where these
    /// are asked for.
    pub(crate) fn matches(&self, alert: &AlertRecord) -> bool {
        let fits = |pattern: &Option<Pattern>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| pattern.matches(text)))
        };
        let has = |name: &String, pattern: &Pattern| {
            alert.labels.get(name).is_some_and(|value| pattern.matches(value))
        };
        fits(&self.alert, Some(&alert.alert))
            && fits(&self.severity, Some(&alert.severity))
            && fits(&self.id, alert.id.as_deref())
            && self.labels.iter().all(|(name, pattern)| has(name, pattern))
    }
}

/// What is wrong with a glob, as a sentence.
pub(crate) fn bad_glob(text: &str, error: &PatternError) -> String {
    format!("\"{text}\" is no glob: {}", error.msg)
}
