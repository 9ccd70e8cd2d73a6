//! Which lines are wanted.

use fleet_cli::{Exit, Failure};
use fleet_logfile::{Line, Stream};
use fleet_logline::{FieldTest, LevelRange};

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
        self.takes_head(line) && self.attempt.is_none_or(|wanted| attempt == wanted)
    }

    /// The same, whatever attempt it is of.
    pub(crate) fn takes_head(&self, line: &Line<'_>) -> bool {
        self.takes_stream(line)
            && self.since.is_none_or(|since| line.stamp_nanos >= since)
            && self.until.is_none_or(|until| line.stamp_nanos <= until)
    }

    /// Whether it takes every line.
    pub(crate) fn takes_all(&self) -> bool {
        let Window { stream, since, until, attempt, notices } = *self;
        let all = stream.is_none() && since.is_none() && until.is_none() && attempt.is_none();
        all && notices
    }

    /// Whether it depends on the time of a line.
    pub(crate) fn has_span(&self) -> bool {
        self.since.is_some() || self.until.is_some()
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
        let read = |typed: &String| {
            typed.parse::<FieldTest>().map_err(|e| Failure::new(Exit::CouldNot, e.to_string()))
        };
        let fields = args.fields.iter().map(read);
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
        self.fields.iter().all(|test| test.matches(text))
    }
}
