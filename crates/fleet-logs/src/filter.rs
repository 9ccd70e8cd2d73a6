//! Which lines are wanted.

use fleet_cli::{Exit, Failure};
use fleet_logfile::{Line, Stream};
use fleet_logline::LevelRange;
use serde_json::Value;

use crate::args::{Args, SearchArgs, StreamName};
use crate::entry::Entry;
use crate::pattern::Pattern;

/// Which lines are looked at: by what stands before their text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    pub(crate) stream: Option<Stream>,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) attempt: Option<u32>,
    /// Also what fleet itself noted.
    pub(crate) notices: bool,
}

impl Window {
    pub(crate) fn read(args: &Args) -> Window {
        Window {
            stream: args.stream.map(|stream| match stream {
                StreamName::Stdout => Stream::Stdout,
                StreamName::Stderr => Stream::Stderr,
            }),
            since: args.since.map(|t| t.nanos()),
            until: args.until.map(|t| t.nanos()),
            attempt: args.attempt,
            notices: !args.raw,
        }
    }

    pub(crate) fn takes(&self, line: &Line<'_>, attempt: u32) -> bool {
        self.takes_stream(line)
            && self.since.is_none_or(|since| line.stamp_nanos >= since)
            && self.until.is_none_or(|until| line.stamp_nanos <= until)
            && self.attempt.is_none_or(|wanted| attempt == wanted)
    }

    fn takes_stream(&self, line: &Line<'_>) -> bool {
        match self.stream {
            Some(wanted) => line.stream == wanted && !line.notice,
            None => !line.notice || self.notices,
        }
    }
}

/// Which of the lines that are looked at are wanted: by what they say.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) pattern: Option<Pattern>,
    pub(crate) levels: Option<LevelRange>,
    pub(crate) fields: Vec<FieldTest>,
}

impl Filter {
    /// As the arguments want it.
    ///
    /// # Errors
    /// A pattern is no regular expression, or a field's test is none.
    pub(crate) fn read(args: &SearchArgs) -> Result<Filter, Failure> {
        let fields = args.fields.iter().map(|typed| FieldTest::read(typed));
        Ok(Filter {
            pattern: Pattern::read(args)?,
            levels: args.level,
            fields: fields.collect::<Result<_, _>>()?,
        })
    }

    /// Whether anything is asked of a line.
    pub(crate) fn asks(&self) -> bool {
        self.pattern.is_some() || self.levels.is_some() || !self.fields.is_empty()
    }

    /// Whether a line or a traceback is wanted; of a traceback's lines one must match.
    pub(crate) fn takes(&self, entry: &Entry) -> bool {
        let text = &entry.message.text;
        let matches = |pattern: &Pattern| match entry.traceback {
            Some(_) => text.split(|&b| b == b'\n').any(|line| pattern.takes(line)),
            None => pattern.takes(text),
        };
        self.pattern.as_ref().is_none_or(matches)
            && self.levels.is_none_or(|levels| levels.takes(entry.level()))
            && self.takes_fields(text)
    }

    /// Whether a line that is no part of a traceback is wanted.
    pub(crate) fn takes_text(&self, text: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.takes(text))
            && self.levels.is_none_or(|levels| levels.takes(fleet_logline::level(text)))
            && self.takes_fields(text)
    }

    fn takes_fields(&self, text: &[u8]) -> bool {
        self.fields.iter().all(|test| test.takes(text))
    }
}

/// What a field of a line must be.
#[derive(Clone, Debug)]
pub(crate) struct FieldTest {
    key: String,
    value: String,
}

impl FieldTest {
    fn read(typed: &str) -> Result<FieldTest, Failure> {
        let (key, value) =
            typed.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
                Failure::new(Exit::CouldNot, format!("'{typed}' is no test of a field"))
                    .hint("write KEY=VALUE")
            })?;
        Ok(FieldTest { key: key.to_owned(), value: value.to_owned() })
    }

    fn takes(&self, text: &[u8]) -> bool {
        let Some(fields) = fleet_logline::fields(text) else { return false };
        let found = fields.get(&self.key);
        found.is_some_and(|found| match found.as_str() {
            Some(found) => found == self.value,
            None => serde_json::from_str(&self.value).is_ok_and(|wanted: Value| *found == wanted),
        })
    }
}
