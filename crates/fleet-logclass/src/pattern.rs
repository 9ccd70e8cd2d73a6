//! One pattern of a class.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use fleet_logline::{Fields, Level};
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

use crate::literals;
use crate::value::{Kind, value};

/// The largest automaton of one pattern, in bytes.
const MAX_SIZE: usize = 1 << 20;

/// An expression, and what a line is that it matches.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: String,
    /// Compiled when the first line comes that may match: most patterns never see one.
    regex: OnceLock<Option<Regex>>,
    /// Found when the first line comes to a class that has it.
    needs: OnceLock<Option<Vec<Vec<u8>>>>,
    pub(crate) category: Option<String>,
    pub(crate) level: Option<Level>,
    pub(crate) kinds: BTreeMap<String, Kind>,
}

/// Why a text is no pattern, and at which byte of it.
#[derive(Debug)]
pub(crate) struct BadRegex {
    pub(crate) message: String,
    pub(crate) at: usize,
}

impl Pattern {
    /// A pattern without a category and a level; one that is no expression matches nothing.
    pub(crate) fn unchecked(text: &str) -> Pattern {
        Pattern {
            text: text.to_owned(),
            regex: OnceLock::new(),
            needs: OnceLock::new(),
            category: None,
            level: None,
            kinds: BTreeMap::new(),
        }
    }

    /// The same of a text that may be none.
    pub(crate) fn new(text: &str) -> Result<Pattern, BadRegex> {
        parse(text).map_err(|error| {
            let (what, at) = match &error {
                regex_syntax::Error::Parse(e) => (e.kind().to_string(), e.span().start),
                regex_syntax::Error::Translate(e) => (e.kind().to_string(), e.span().start),
                other => return BadRegex { message: other.to_string(), at: 0 },
            };
            let message = format!("{what} at column {} of the expression", at.column);
            BadRegex { message, at: at.offset }
        })?;
        Ok(Pattern::unchecked(text))
    }

    /// Texts in lower case of which a line must hold one; none where each line must be tried.
    pub(crate) fn needs(&self) -> Option<&[Vec<u8>]> {
        let found = || parse(&self.text).ok().and_then(|hir| literals::required(&hir));
        self.needs.get_or_init(found).as_deref()
    }

    /// Compiles it now, for who must know whether it can be.
    pub(crate) fn compile(&self) -> Result<&Regex, BadRegex> {
        let built =
            build(&self.text).map_err(|error| BadRegex { message: error.to_string(), at: 0 })?;
        let too_large = || BadRegex { message: "it is too large".to_owned(), at: 0 };
        self.regex.get_or_init(|| Some(built)).as_ref().ok_or_else(too_large)
    }

    /// Puts what the line says into `fields`, where no one said it before; whether it matches.
    pub(crate) fn read(&self, line: &[u8], fields: &mut Fields) -> bool {
        let Some(regex) = self.regex.get_or_init(|| build(&self.text).ok()) else { return false };
        if regex.captures_len() == 1 {
            return regex.is_match(line);
        }
        let Some(groups) = regex.captures(line) else { return false };
        for name in regex.capture_names().flatten() {
            let Some(group) = groups.name(name).filter(|_| !fields.contains_key(name)) else {
                continue;
            };
            if let Some(value) = value(group.as_bytes(), self.kinds.get(name).copied()) {
                fields.insert(name.to_owned(), value);
            }
        }
        true
    }
}

fn parse(text: &str) -> Result<Hir, regex_syntax::Error> {
    ParserBuilder::new().unicode(false).utf8(false).build().parse(text)
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).size_limit(MAX_SIZE).build()
}
