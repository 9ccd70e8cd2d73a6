//! When the tool was at work. Time in which it was not does not count toward what must last.
//!
//! A cron job that runs every minute is at work, though there is a minute between its runs: such a
//! pause counts as if the tool had lived through it. A pause is *usual* if it is no longer than ten
//! minutes, or than twice the pause before it (an hourly job takes one hour to be known as such).
//! A longer one is down time: what was held before it stays held, and goes on after it, but the
//! pause itself counts for nothing. What happened within a time (`count`, `rate`, `change`,
//! `trend`) is not moved: there the records' own times are the truth.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::Timestamp;

use crate::instance::Instance;

/// A pause that is usual of any tool.
const USUAL: Duration = Duration::from_secs(600);

/// The rule of the line in the state file that says when the tool was at work: no rule is called
/// so.
pub(crate) const NOBODY: &str = "";

/// When the tool was at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Awake {
    /// Until when.
    pub(crate) until: Timestamp,
    /// How long the pause was before that.
    pub(crate) pause: Duration,
}

impl Awake {
    /// How much of the time from then until now does not count, and the pause itself.
    pub(crate) fn down(self, now: Timestamp) -> (Duration, Duration) {
        let pause = self.until.until(now);
        let usual = USUAL.max(self.pause.saturating_mul(2));
        (if pause <= usual { Duration::ZERO } else { pause }, pause)
    }

    /// The line of it: `seen` is until when, and `last` lies before it by the pause.
    pub(crate) fn line(self) -> Instance {
        let pause = i64::try_from(self.pause.as_nanos()).unwrap_or(i64::MAX);
        let mut line = Instance::new(NOBODY, BTreeMap::new(), self.until);
        line.last = Timestamp::from_nanos(self.until.nanos().saturating_sub(pause));
        line.watched = true;
        line
    }

    /// What such a line says, if it is one.
    pub(crate) fn read(line: &Instance) -> Option<Awake> {
        let pause = line.last.until(line.seen);
        (line.rule == NOBODY).then_some(Awake { until: line.seen, pause })
    }
}

/// Takes a clock that was set back out of what an instance knows of it.
pub(crate) fn set_back(instance: &mut Instance, by: i64) {
    instance.seen = Timestamp::from_nanos(instance.seen.nanos().saturating_sub(by));
}

/// By how much the clock was set back, if it was: it now shows less than it did.
pub(crate) fn back(before: Timestamp, now: Timestamp) -> Option<i64> {
    let second = Duration::from_secs(1);
    (now.plus(second) < before).then(|| before.nanos().saturating_sub(now.nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    #[test]
    fn a_pause_is_usual_or_down_time() {
        for (name, before, pause, down) in [
            ("every minute", 60, 60, 0),
            ("every ten minutes, at first", 0, 600, 0),
            ("hourly, at first", 0, 3600, 3600),
            ("hourly, then", 3600, 3600, 0),
            ("hourly, one left out", 3600, 7200, 0),
            ("hourly, and off for the night", 3600, 8 * 3600, 8 * 3600),
            ("every minute, and off for the night", 60, 8 * 3600, 8 * 3600),
            ("a clock set back", 60, -3600, 0),
        ] {
            let awake = Awake { until: at(0), pause: Duration::from_secs(before) };
            assert_eq!(awake.down(at(pause)).0, Duration::from_secs(down), "{name}");
        }
    }

    #[test]
    fn its_line_comes_back() {
        let awake = Awake { until: at(5), pause: Duration::from_millis(1500) };
        let line = serde_json::to_string(&awake.line()).unwrap();
        let line: Instance = serde_json::from_str(&line).unwrap();
        assert_eq!(Awake::read(&line), Some(awake));
        assert_eq!(Awake::read(&Instance::new("r", BTreeMap::new(), at(0))), None);
    }
}
