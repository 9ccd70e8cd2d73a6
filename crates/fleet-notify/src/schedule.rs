//! When a notification that did not arrive is tried again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use fleet_core::Timestamp;

/// The wait after the first try that failed; it doubles with each further one.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait that we choose ourselves.
const LONGEST: Duration = Duration::from_secs(300);

/// The longest wait that a receiver may ask for (`Retry-After`).
pub(crate) const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// How long to wait after so many tries, all of which failed.
///
/// A wait that the receiver `asked` for is kept, within bounds. Else the wait doubles from a second
/// to five minutes, of which `jitter`, a number from 0 to 1, takes up to a half away, so that those
/// who failed together do not come back together.
pub fn pause(tries: u32, asked: Option<Duration>, jitter: f64) -> Duration {
    if let Some(asked) = asked {
        return asked.clamp(FIRST, LONGEST_ASKED);
    }
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(tries.max(1) - 1).unwrap_or(u32::MAX));
    doubled.min(LONGEST).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

/// A number from 0 to 1 that nobody needs to be unable to guess.
pub(crate) fn jitter() -> f64 {
    RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64
}

/// The moment so much later.
pub(crate) fn later(at: Timestamp, time: Duration) -> Timestamp {
    let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(at.nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_lies_between_0_and_1_and_differs() {
        let all: Vec<f64> = (0..100).map(|_| jitter()).collect();
        assert!(all.iter().all(|jitter| (0.0..=1.0).contains(jitter)));
        assert!(all.iter().any(|jitter| *jitter < 0.5) && all.iter().any(|jitter| *jitter > 0.5));
    }

    #[test]
    fn the_schedule_as_a_table() {
        for (tries, asked, jitter, seconds) in [
            (1, None, 0.0, 1.0),
            (1, None, 1.0, 0.5),
            (2, None, 0.0, 2.0),
            (3, None, 0.5, 3.0),
            (9, None, 0.0, 256.0),
            (10, None, 0.0, 300.0),
            (33, None, 0.0, 300.0),
            (u32::MAX, None, 1.0, 150.0),
            (0, None, 0.0, 1.0),
            (1, Some(30), 1.0, 30.0),
            (9, Some(0), 0.0, 1.0),
            (1, Some(86_400), 0.0, 3600.0),
        ] {
            let waits = pause(tries, asked.map(Duration::from_secs), jitter);
            assert_eq!(waits.as_secs_f64(), seconds, "{tries} {asked:?} {jitter}");
        }
    }
}
