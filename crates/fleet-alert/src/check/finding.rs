//! Something in a rules file that somebody should look at.

use std::fmt;
use std::path::Path;

use fleet_config::{Fault, Mistake};
use fleet_core::Timestamp;
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// It cannot do what it says.
    Error,
    /// It can, but is probably not what was meant.
    Warning,
}

/// Something at a place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What was looked for, in a word for programs.
    pub(super) check: &'static str,
    /// The rule, if it is in one.
    pub(super) rule: Option<String>,
    pub(super) fault: Fault,
}

impl Finding {
    pub(super) fn error(check: &'static str, fault: Fault) -> Finding {
        Finding { level: Level::Error, check, rule: None, fault }
    }

    pub(super) fn warning(check: &'static str, fault: Fault) -> Finding {
        Finding { level: Level::Warning, check, rule: None, fault }
    }

    /// With its line and column in the text of the file.
    pub(super) fn locate(self, path: &Path, text: &str) -> Located {
        let mistake = self.fault.locate(path, text);
        Located { level: self.level, check: self.check, rule: self.rule, mistake }
    }
}

/// A finding for people and programs.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) level: Level,
    pub(crate) check: &'static str,
    pub(crate) rule: Option<String>,
    pub(crate) mistake: Mistake,
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        write!(f, "{level}: {}", self.mistake)?;
        self.mistake.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// A finding as a record.
#[derive(Debug, Serialize)]
pub(crate) struct FindingRecord<'a> {
    kind: &'static str,
    ts: Timestamp,
    severity: Level,
    check: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    file: String,
    line: usize,
    column: usize,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl Located {
    /// What a refusal of the whole file says.
    pub(crate) fn refusal(mistake: Mistake) -> Located {
        Located { level: Level::Error, check: "refused", rule: None, mistake }
    }

    /// As a record.
    pub(crate) fn record(&self, ts: Timestamp) -> FindingRecord<'_> {
        FindingRecord {
            kind: "finding",
            ts,
            severity: self.level,
            check: self.check,
            rule: self.rule.as_deref(),
            file: self.mistake.path.display().to_string(),
            line: self.mistake.line,
            column: self.mistake.column,
            message: &self.mistake.message,
            hint: self.mistake.hint.as_deref(),
        }
    }
}
