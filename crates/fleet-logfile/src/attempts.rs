//! Which attempt of a run a log line is of.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use fleet_core::Timestamp;
use serde::Deserialize;

/// When each attempt of a run began, read from its `attempts.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Stamp and number of each but the first, in order of beginning.
    begun: Vec<(i64, u32)>,
}

#[derive(Deserialize)]
struct Begun {
    attempt: u32,
    ts: Timestamp,
}

impl Attempts {
    /// Reads the file; one that is not there means a single attempt. A torn or strange line is
    /// passed over: its output counts to the attempt before.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> io::Result<Attempts> {
        let text = match fs::read(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Attempts::default()),
            text => text?,
        };
        let mut begun: Vec<(i64, u32)> = text
            .split(|&b| b == b'\n')
            .filter_map(|line| serde_json::from_slice::<Begun>(line).ok())
            .map(|begun| (begun.ts.nanos(), begun.attempt))
            .collect();
        begun.sort_by_key(|&(_, attempt)| attempt);
        Ok(Attempts { begun })
    }

    /// The attempt that wrote something at this moment: the last that had begun.
    pub fn of(&self, stamp_nanos: i64) -> u32 {
        let last = self.begun.iter().rev().find(|(from, _)| *from <= stamp_nanos);
        last.map_or(1, |&(_, attempt)| attempt)
    }

    /// The first and last moment of an attempt, as far as they are known.
    pub fn span(&self, attempt: u32) -> (i64, i64) {
        let begun = |wanted: u32| self.begun.iter().find(|b| b.1 == wanted).map(|b| b.0);
        let next = self.begun.iter().find(|b| b.1 > attempt);
        (begun(attempt).unwrap_or(i64::MIN), next.map_or(i64::MAX, |b| b.0.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_belong_to_the_last_attempt_that_had_begun() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("attempts.jsonl");
        assert_eq!(Attempts::read(&path).unwrap().of(5), 1);
        let lines = "{\"attempt\":2,\"ts\":\"1970-01-01T00:00:10.000000Z\"}\ngarbage\n\
                     {\"attempt\":3,\"ts\":\"1970-01-01T00:00:20.000000Z\"}\n{\"attem";
        fs::write(&path, lines).unwrap();
        let attempts = Attempts::read(&path).unwrap();
        let at = |seconds: i64| attempts.of(seconds * 1_000_000_000);
        assert_eq!([0, 9, 10, 19, 20, 99].map(at), [1, 1, 2, 2, 3, 3]);
        assert_eq!(attempts.span(2), (10_000_000_000, 19_999_999_999));
        assert_eq!(attempts.span(1), (i64::MIN, 9_999_999_999));
        assert_eq!(attempts.span(3).1, i64::MAX);
    }
}
