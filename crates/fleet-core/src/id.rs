//! Names of processes and of their runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest id in bytes: with a run, a suffix and a dot it still fits a file name everywhere.
const MAX_ID: usize = 100;

/// The name of a process: what a person types, and a folder's name.
///
/// ASCII letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at most 100 bytes:
/// it needs no quoting in a shell, a URL, a metric label or a path, and cannot be taken for an
/// option, a selector (`:port`, `pid:`, a glob) or a run (`id#2`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// Why a text is no id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than a hundred bytes.
    #[error("a name has at most {MAX_ID} characters, this one has {0}")]
    TooLong(usize),
    /// Begins with something that options, hidden files or selectors begin with.
    #[error("a name begins with a letter or a digit, not with {0:?}")]
    Start(char),
    /// Holds a character that is not allowed.
    #[error("a name holds only letters, digits, '.', '_' and '-', not {0:?}")]
    Character(char),
}

impl Id {
    /// The text of the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a name out of any text, as near to it as the rules allow (`job` when nothing is left).
    pub fn near(text: &str) -> Id {
        let kept: String = text
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(MAX_ID / 2)
            .collect();
        let kept = kept.trim_end_matches(['-', '.']);
        Id(if kept.is_empty() { "job" } else { kept }.to_owned())
    }

    /// The name with `-number` behind it, shortened so that it stays a name.
    pub fn numbered(&self, number: u32) -> Id {
        let tail = format!("-{number}");
        let room = MAX_ID - tail.len();
        Id(format!("{}{tail}", &self.0[..self.0.len().min(room)]))
    }
}

fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Id, BadId> {
        let first = text.chars().next().ok_or(BadId::Empty)?;
        if text.len() > MAX_ID {
            return Err(BadId::TooLong(text.chars().count()));
        }
        if !first.is_ascii_alphanumeric() {
            return Err(BadId::Start(first));
        }
        match text.chars().find(|&c| !allowed(c)) {
            Some(c) => Err(BadId::Character(c)),
            None => Ok(Id(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;

    fn try_from(text: String) -> Result<Id, BadId> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One run of a process: the key of its history, written `mission-a#2`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunKey {
    /// The process.
    pub id: Id,
    /// Which spawn of it, counted from 1.
    pub run: u32,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.id, self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_names_are_refused_with_the_reason() {
        assert_eq!("".parse::<Id>(), Err(BadId::Empty));
        assert_eq!("-rf".parse::<Id>(), Err(BadId::Start('-')));
        assert_eq!("..".parse::<Id>(), Err(BadId::Start('.')));
        assert_eq!("a/b".parse::<Id>(), Err(BadId::Character('/')));
        assert_eq!("a\nb".parse::<Id>(), Err(BadId::Character('\n')));
        assert_eq!("a#2".parse::<Id>(), Err(BadId::Character('#')));
        assert_eq!("é".parse::<Id>(), Err(BadId::Start('é')));
        assert_eq!("x".repeat(300).parse::<Id>(), Err(BadId::TooLong(300)));
    }

    #[test]
    fn near_makes_a_name_of_a_command() {
        assert_eq!(Id::near("train.py").as_str(), "train.py");
        assert_eq!(Id::near("./a b").as_str(), "a-b");
        assert_eq!(Id::near("---").as_str(), "job");
    }

    proptest! {
        #[test]
        fn near_and_numbered_are_always_names(text in ".*", number: u32) {
            let id = Id::near(&text);
            prop_assert!(id.as_str().parse::<Id>().is_ok());
            let long = Id::near(&"x".repeat(100)).numbered(number).numbered(number);
            prop_assert!(long.as_str().parse::<Id>().is_ok());
            prop_assert!(id.numbered(number).as_str().parse::<Id>().is_ok());
        }

        #[test]
        fn a_name_is_a_safe_file_name(text in ".*") {
            if let Ok(id) = text.parse::<Id>() {
                prop_assert!(!id.as_str().contains(['/', '\0', '\n', '#', ':', '*']));
                prop_assert!(!id.as_str().starts_with(['.', '-']));
            }
        }
    }
}
