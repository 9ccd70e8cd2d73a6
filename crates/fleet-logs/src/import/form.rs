//! The form in which a file holds lines.

use std::borrow::Cow;

use fleet_logfile::{Line, Stream, cri};
use serde::Deserialize;

/// So many lines tell the form of a file.
const LOOKED_AT: usize = 16;

/// The form in which a file holds lines. A line that has not the form of its file is plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As a program wrote them.
    Plain,
    /// That of Kubernetes, and of fleet.
    Cri,
    /// That of Docker's driver `json-file`.
    Docker,
}

/// A line of Docker's.
#[derive(Deserialize)]
struct DockerLine<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    stream: &'a str,
    time: &'a str,
}

impl Form {
    /// The form that most of the first lines have.
    pub(super) fn of(text: &[u8]) -> Form {
        let lines = || text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).take(LOOKED_AT);
        let fits = |form: Form| lines().filter(|line| form.piece(line).is_some()).count();
        let most = |form: &Form| fits(*form) * 2 > lines().count();
        [Form::Cri, Form::Docker].into_iter().find(most).unwrap_or(Form::Plain)
    }

    /// Whether it tells what each line was written to.
    pub(super) fn has_streams(self) -> bool {
        self != Form::Plain
    }

    /// What a line holds in this form, or `None` where it has another, as every plain line has.
    pub(super) fn piece(self, line: &[u8]) -> Option<Piece<'_>> {
        match self {
            Form::Plain => None,
            Form::Cri => cri::parse(line).map(Piece::from),
            Form::Docker => docker(line),
        }
    }
}

/// What a line holds.
pub(super) struct Piece<'a> {
    pub(super) stamp_nanos: i64,
    pub(super) stream: Stream,
    pub(super) partial: bool,
    pub(super) notice: bool,
    pub(super) text: Cow<'a, [u8]>,
}

impl<'a> From<Line<'a>> for Piece<'a> {
    fn from(line: Line<'a>) -> Piece<'a> {
        let Line { stamp_nanos, stream, partial, notice, text } = line;
        Piece { stamp_nanos, stream, partial, notice, text: Cow::Borrowed(text) }
    }
}

fn docker(line: &[u8]) -> Option<Piece<'_>> {
    if !line.starts_with(b"{") {
        return None;
    }
    let line: DockerLine<'_> = serde_json::from_slice(line).ok()?;
    let stream = match line.stream {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        _ => return None,
    };
    let whole = line.log.ends_with('\n');
    let end = line.log.len() - usize::from(whole);
    let text = match line.log {
        Cow::Borrowed(text) => Cow::Borrowed(&text.as_bytes()[..end]),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()[..end].to_vec()),
    };
    let stamp_nanos = cri::parse_stamp(line.time.as_bytes())?;
    Some(Piece { stamp_nanos, stream, partial: !whole, notice: false, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCKER: &[u8] =
        br#"{"log":"a \"b\"\n","stream":"stderr","attrs":{},"time":"2026-11-22T06:00:00.5Z"}"#;
    const CRI: &[u8] = b"2026-11-22T08:00:00.000000000+02:00 stdout P half";

    #[test]
    fn the_first_lines_tell_the_form() {
        let lines = |lines: &[&[u8]]| Form::of(&lines.join(&b'\n'));
        assert_eq!(lines(&[DOCKER, DOCKER, b"torn"]), Form::Docker);
        assert_eq!(lines(&[CRI, CRI]), Form::Cri);
        assert_eq!(lines(&[CRI, b"plain", b"plain"]), Form::Plain);
        assert_eq!(lines(&[br#"{"log":"a"}"#]), Form::Plain);
        assert_eq!(lines(&[b"", b""]), Form::Plain);
    }

    #[test]
    fn pieces_are_read() {
        let piece = Form::Docker.piece(DOCKER).unwrap();
        assert_eq!((piece.stream, piece.partial), (Stream::Stderr, false));
        assert_eq!(piece.text.as_ref(), b"a \"b\"");
        let piece = Form::Cri.piece(CRI).unwrap();
        assert!(piece.partial && piece.text.as_ref() == b"half");
        assert_eq!(piece.stamp_nanos, 1_795_327_200_000_000_000);
        assert!(Form::Plain.piece(CRI).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            Form::of(&bytes);
            Form::Docker.piece(&bytes);
        }
    }
}
