//! The user's own patterns: `curves.toml`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_config::{Fault, Mistake};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;
use toml::Spanned;

use crate::number::Number;
use crate::point::Found;

/// The group that is the step.
const STEP: &str = "step";

/// Patterns by which lines of an unusual form are read: regular expressions whose named groups are
/// the values, and `step` the step. They go before all built-in forms, in the order of their names.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    all: Arc<BTreeMap<String, Regex>>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern '{name}': {what}")]
pub struct BadPattern {
    /// The pattern.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
    /// Where in the expression, in bytes.
    pub at: usize,
}

/// Why a file of patterns is refused.
#[derive(Debug, thiserror::Error)]
pub enum PatternsError {
    /// It cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Mistake(#[from] Mistake),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    pattern: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    regex: Spanned<String>,
}

impl Patterns {
    /// Reads a file; one that is not there has no patterns.
    ///
    /// # Errors
    /// It cannot be read, or is no such file, or a pattern in it is none.
    pub fn read(path: &Path) -> Result<Patterns, PatternsError> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(parse(&text).map_err(|fault| fault.locate(path, &text))?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Patterns::default()),
            Err(source) => Err(PatternsError::Read { path: path.to_owned(), source }),
        }
    }

    /// Reads `curves.toml` in the folder of the user's configuration, if there is one.
    ///
    /// # Errors
    /// As [`Patterns::read`].
    pub fn of_user() -> Result<Patterns, PatternsError> {
        let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder =
            from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
        match folder {
            Some(folder) => Patterns::read(&folder.join("fleet/curves.toml")),
            None => Ok(Patterns::default()),
        }
    }

    /// Adds a pattern, or puts it in the place of another of its name.
    ///
    /// # Errors
    /// It is no regular expression, or has no group with a name.
    pub fn add(&mut self, name: &str, regex: &str) -> Result<(), BadPattern> {
        let compiled = compile(name, regex)?;
        Arc::make_mut(&mut self.all).insert(name.to_owned(), compiled);
        Ok(())
    }

    /// What the first pattern that fits says.
    pub(crate) fn find(&self, line: &[u8]) -> Option<Found> {
        self.all.values().find_map(|regex| found(regex, line))
    }
}

fn parse(text: &str) -> Result<Patterns, Fault> {
    let file: File = toml::from_str(text)?;
    let mut patterns = Patterns::default();
    for (name, entry) in &file.pattern {
        patterns.add(name, entry.regex.get_ref()).map_err(|bad| {
            let begin = entry.regex.span().start;
            // Behind the quote, unless escapes make the text longer than what it means.
            let same = text[begin + 1..].starts_with(entry.regex.get_ref().as_str());
            Fault::new(if same { begin + 1 + bad.at } else { begin }, bad.to_string())
        })?;
    }
    Ok(patterns)
}

fn compile(name: &str, text: &str) -> Result<Regex, BadPattern> {
    let bad = |what: String, at: usize| BadPattern { name: name.to_owned(), what, at };
    // The parser tells the place of a mistake, which the compiler shows only as a drawing.
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build();
    parser.parse(text).map_err(|e| match e {
        regex_syntax::Error::Parse(e) => {
            let at = e.span().start;
            bad(format!("{} at column {} of the expression", e.kind(), at.column), at.offset)
        }
        regex_syntax::Error::Translate(e) => {
            let at = e.span().start;
            bad(format!("{} at column {} of the expression", e.kind(), at.column), at.offset)
        }
        other => bad(other.to_string(), 0),
    })?;
    let built = RegexBuilder::new(text).unicode(false).size_limit(1 << 20).build();
    let regex = built.map_err(|e| bad(e.to_string(), 0))?;
    if !regex.capture_names().flatten().any(|group| group != STEP) {
        return Err(bad(
            "it has no group with a name, (?<loss>...), that would be a value".into(),
            0,
        ));
    }
    Ok(regex)
}

fn found(regex: &Regex, line: &[u8]) -> Option<Found> {
    let groups = regex.captures(line)?;
    let mut found = Found::default();
    for name in regex.capture_names().flatten() {
        let number = groups.name(name).and_then(|m| Number::parse(m.as_bytes().trim_ascii()));
        match number {
            Some(Number::Whole(step)) if name == STEP => found.step = Some(step),
            Some(number) if name != STEP => found.values.push((name.to_owned(), number)),
            _ => {}
        }
    }
    (!found.values.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_values() {
        let text =
            "[pattern.mine]\nregex = 'it (?<step>\\d+) .*L=(?<loss>\\S+)( a (?<acc>\\S+))?'\n";
        let patterns = parse(text).unwrap();
        let found = patterns.find(b"it 7 at 12:00 L=0.5").unwrap();
        assert_eq!(
            found,
            Found { step: Some(7), values: vec![("loss".into(), Number::Double(0.5))] }
        );
        assert_eq!(patterns.find(b"it 7 at 12:00 L=none a x"), None);
        assert_eq!(patterns.find(b"\xff"), None);
    }

    #[test]
    fn a_mistake_has_its_place() {
        let said = |text: &str| {
            let fault = parse(text).unwrap_err();
            fault.locate("curves.toml".as_ref(), text).to_string()
        };
        assert_eq!(
            said("[pattern.mine]\nregex = 'loss (?<loss>[0-9)'\n"),
            "'curves.toml' line 2 column 23: pattern 'mine': unclosed character class at column 14 of the expression"
        );
        assert!(said("[pattern.a]\nregex = \"\\\\d+\"").contains("has no group with a name"));
        assert!(said("[pattern.a]\nregx = 'x'").contains("unknown field `regx`"));
        assert!(said("[patern.a]\nregex = 'x'").starts_with("'curves.toml' line 1"));
    }
}
