//! What of a round only repeats what was stored before.

use std::collections::HashMap;
use std::io;

use fleet_core::{Id, Measures, Sample};

/// Remembers whose end was stored.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    told: HashMap<(Id, Option<u32>), Told>,
}

#[derive(Debug, PartialEq)]
struct Told {
    attempt: Option<u32>,
    state: Option<String>,
}

impl Repeats {
    /// Writes the lines of a round, and says how many they are. How a process ended is written
    /// once; after that its sample only if it still measures something.
    pub(crate) fn lines(&mut self, samples: &[&Sample], to: &mut Vec<u8>) -> io::Result<u64> {
        let mut written = 0;
        for sample in samples {
            let known = self.is_told(sample);
            if known && sample.measures == Measures::default() {
                continue;
            }
            if known {
                serde_json::to_writer(&mut *to, &Sample { exit: None, ..(*sample).clone() })?;
            } else {
                serde_json::to_writer(&mut *to, sample)?;
            }
            to.push(b'\n');
            written += 1;
        }
        Ok(written)
    }

    /// Remembers what was stored of a round, and forgets who is no longer in it.
    pub(crate) fn stored(&mut self, samples: &[Sample]) {
        self.told = samples.iter().filter_map(told).collect();
    }

    fn is_told(&self, sample: &Sample) -> bool {
        told(sample).is_some_and(|(key, now)| self.told.get(&key) == Some(&now))
    }
}

fn told(sample: &Sample) -> Option<((Id, Option<u32>), Told)> {
    sample.exit.as_ref()?;
    let told = Told { attempt: sample.attempt, state: sample.state.clone() };
    Some(((sample.id.clone()?, sample.run), told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{Cause, End, Subject, Timestamp};

    #[test]
    fn an_end_is_written_once() {
        let mut ended = Sample::new(Subject::Process, Timestamp::from_nanos(0));
        ended.id = "a".parse().ok();
        ended.state = Some("backoff".to_owned());
        ended.exit = Some(End::new(Cause::Exited, "exited with code 3"));
        let mut busy = ended.clone();
        busy.id = "b".parse().ok();
        busy.measures.threads = Some(1);
        let mut repeats = Repeats::default();
        let mut round = |samples: &[Sample]| {
            let mut lines = Vec::new();
            repeats.lines(&samples.iter().collect::<Vec<_>>(), &mut lines).unwrap();
            repeats.stored(samples);
            String::from_utf8(lines).unwrap()
        };
        let all = [ended.clone(), busy];
        assert_eq!(round(&all).matches("code 3").count(), 2);
        let again = round(&all);
        assert_eq!((again.lines().count(), again.contains("exit")), (1, false));
        ended.state = Some("failed".to_owned());
        assert_eq!(round(&[ended]).matches("code 3").count(), 1);
        // Who left and came back is new.
        assert_eq!(round(&all).matches("code 3").count(), 2);
    }
}
