//! Telling by the first bytes of a line that it lies outside a span.

use fleet_core::Timestamp;

use crate::files::SECOND;
use crate::scan::{LONGEST_PAUSE, Span};

/// How the lines begin that we write ourselves.
const BEGIN: &[u8] = br#"{"kind":"sample","ts":""#;

/// Length of a time as we write it: all have one width and sort as text.
const WIDTH: usize = 27;

/// The ends of a span as they are written.
pub(crate) struct Bounds {
    since: String,
    until: String,
}

impl Bounds {
    /// Bounds that hold all that an answer about the span needs: what a counter was before it
    /// begins, too.
    pub(crate) fn of(span: Span) -> Bounds {
        let since = Timestamp::from_nanos(span.since.saturating_sub(LONGEST_PAUSE));
        // The text holds microseconds only.
        let until = Timestamp::from_nanos(span.until.saturating_add(SECOND));
        Bounds { since: since.to_string(), until: until.to_string() }
    }

    /// Whether a line surely lies outside; it is not read further then.
    pub(crate) fn excludes(&self, line: &[u8]) -> bool {
        let Some(rest) = line.strip_prefix(BEGIN) else { return false };
        let Some((ts, rest)) = rest.split_at_checked(WIDTH) else { return false };
        let is_ours = ts.ends_with(b"Z") && rest.starts_with(b"\"") && self.has_our_width();
        is_ours && (ts < self.since.as_bytes() || ts >= self.until.as_bytes())
    }

    /// Years of four digits.
    fn has_our_width(&self) -> bool {
        self.since.len() == WIDTH && self.until.len() == WIDTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{Sample, Subject};

    #[test]
    fn only_what_lies_outside_is_excluded() {
        let span = Span { since: 10 * LONGEST_PAUSE, until: 20 * LONGEST_PAUSE };
        let bounds = Bounds::of(span);
        let line = |at: i64| {
            let sample = Sample::new(Subject::Host, Timestamp::from_nanos(at));
            serde_json::to_vec(&sample).unwrap()
        };
        for (at, excluded) in [
            (9 * LONGEST_PAUSE - 1000, true),
            (9 * LONGEST_PAUSE, false),
            (20 * LONGEST_PAUSE, false),
            (20 * LONGEST_PAUSE + SECOND, true),
        ] {
            assert_eq!(bounds.excludes(&line(at)), excluded, "{at}");
        }
        for line in
            ["", "{", r#"{"kind":"sample","ts":"1970"#, r#"{"ts":"1970-01-01T00:00:00.000000Z""#]
        {
            assert!(!bounds.excludes(line.as_bytes()), "{line}");
        }
        let endless = Bounds::of(Span { since: i64::MIN, until: i64::MAX });
        assert!(!endless.excludes(&line(0)));
    }
}
