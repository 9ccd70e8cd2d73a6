//! Labels: the user's own `key=value` marks on a process.

use std::collections::BTreeMap;
use std::str::FromStr;

/// All labels of a process, by key.
pub type Labels = BTreeMap<String, String>;

/// One `key=value`.
///
/// The key is what Prometheus allows as a label name, so that labels pass to every exporter
/// unchanged: letters, digits and `_`, not beginning with a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name of the label.
    pub key: String,
    /// Its value, any text.
    pub value: String,
}

/// Why a text is no label.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLabel {
    /// There is no `=`.
    #[error("a label is written key=value, and {0:?} has no '='")]
    NoEquals(String),
    /// The key is not a label name.
    #[error("a label's key holds letters, digits and '_' and does not begin with a digit: {0:?}")]
    Key(String),
}

impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Label, BadLabel> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| BadLabel::NoEquals(text.to_owned()))?;
        let first_ok = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !first_ok || !key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(BadLabel::Key(key.to_owned()));
        }
        Ok(Label { key: key.to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_needs_an_equals_sign_and_a_plain_key() {
        let label: Label = "team=vision=a".parse().unwrap();
        assert_eq!((label.key.as_str(), label.value.as_str()), ("team", "vision=a"));
        assert_eq!("team".parse::<Label>(), Err(BadLabel::NoEquals("team".into())));
        assert_eq!("=x".parse::<Label>(), Err(BadLabel::Key("".into())));
        assert_eq!("1a=x".parse::<Label>(), Err(BadLabel::Key("1a".into())));
    }
}
