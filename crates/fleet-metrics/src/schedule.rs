//! When rounds take place.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use fleet_os::sleep_unless_left;

/// Rounds at fixed distances from the first one, so that the time that a round takes adds up to
/// no drift. A round that is missed, because the one before took too long or the machine slept, is
/// left out and not made up for.
pub(crate) struct Schedule {
    first: Instant,
    interval: Duration,
    left: Option<u64>,
    /// Whether standard output is what somebody reads, so that it is of use to watch it.
    read: bool,
}

impl Schedule {
    /// The first round is now; `rounds` of them, or without end. `read` says that the rounds go to
    /// standard output.
    pub(crate) fn start(interval: Duration, rounds: Option<u64>, read: bool) -> Schedule {
        Schedule { first: Instant::now(), interval, left: rounds, read }
    }

    /// Sleeps until the next round; `false` when there is none, or nobody left to read it.
    ///
    /// # Errors
    /// Standard output cannot be watched.
    pub(crate) fn wait(&mut self) -> io::Result<bool> {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Ok(false);
            }
        }
        let pause = until_next(self.first.elapsed(), self.interval);
        if !self.read {
            thread::sleep(pause);
            return Ok(true);
        }
        Ok(!sleep_unless_left(io::stdout(), pause)?)
    }
}

/// From `elapsed` to the next whole multiple of the interval.
fn until_next(elapsed: Duration, interval: Duration) -> Duration {
    let past = elapsed.as_nanos() % interval.as_nanos().max(1);
    // A remainder of centuries would not fit; then there is no hurry either.
    let past = u64::try_from(past).map_or(Duration::MAX, Duration::from_nanos);
    interval.saturating_sub(past)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_keep_their_distance_from_the_first() {
        let ms = Duration::from_millis;
        assert_eq!(until_next(ms(3), ms(100)), ms(97));
        assert_eq!(until_next(ms(1003), ms(100)), ms(97));
        // Two and a half rounds were missed: the next one is on the beat again.
        assert_eq!(until_next(ms(350), ms(100)), ms(50));
    }

    #[test]
    fn the_last_round_is_not_waited_after() {
        let mut schedule = Schedule::start(Duration::from_millis(1), Some(2), false);
        assert!(schedule.wait().unwrap());
        assert!(!schedule.wait().unwrap());
    }
}
