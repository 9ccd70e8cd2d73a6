//! Which process had a GPU compute, from the driver's buffer of samples.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessUtilizationSample;

use super::holders::again_if_grown;

/// The driver takes samples every sixth of a second to every second: a window shorter than this may
/// hold none of a process that is busy.
const WINDOW_MICROS: u64 = 1_000_000;

/// Samples from later than this after now are garbage.
const AHEAD_MICROS: u64 = 1_000_000;

/// What is kept from look to look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LastSeen {
    /// Time of the newest sample, in microseconds since 1970.
    micros: u64,
}

impl LastSeen {
    /// The share of each process that the driver has samples of since the last look, but at least
    /// of the last second. Who is not in it did nothing.
    pub(crate) fn shares(&mut self, device: &Device<'_>) -> Result<BTreeMap<i32, f64>, NvmlError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        // From zero the driver would give its whole buffer, which is of minutes ago.
        let window = now.saturating_sub(WINDOW_MICROS);
        let since = if self.micros == 0 { window } else { self.micros.min(window) };
        let samples = match again_if_grown(|| device.process_utilization_stats(since)) {
            // Nobody was active.
            Err(NvmlError::NotFound) => Vec::new(),
            samples => samples?,
        };
        let (shares, newest) = newest(&samples, since, now.saturating_add(AHEAD_MICROS));
        self.micros = newest.unwrap_or(self.micros);
        Ok(shares)
    }
}

/// The newest valid sample of each process, and the time of the newest of all. The buffer is
/// unsorted and may hold stale samples and shares above 100.
fn newest(
    samples: &[ProcessUtilizationSample],
    since: u64,
    until: u64,
) -> (BTreeMap<i32, f64>, Option<u64>) {
    let mut found: BTreeMap<i32, (u64, f64)> = BTreeMap::new();
    for sample in samples {
        let Ok(pid) = i32::try_from(sample.pid) else { continue };
        let at = sample.timestamp;
        if sample.sm_util > 100 || at <= since || at > until {
            continue;
        }
        let entry = found.entry(pid).or_default();
        if at >= entry.0 {
            *entry = (at, f64::from(sample.sm_util));
        }
    }
    let newest = found.values().map(|(at, _)| *at).max();
    (found.into_iter().map(|(pid, (_, share))| (pid, share)).collect(), newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(pid: u32, timestamp: u64, sm_util: u32) -> ProcessUtilizationSample {
        ProcessUtilizationSample { pid, timestamp, sm_util, mem_util: 0, enc_util: 0, dec_util: 0 }
    }

    #[test]
    fn the_newest_sample_of_each_process_counts_and_nothing_stale_or_bogus() {
        let samples = [
            sample(7, 130, 30),
            sample(7, 150, 50),
            sample(7, 140, 40),
            sample(8, 100, 99),
            sample(9, 120, 4_000_000_000),
            sample(10, 9_999, 10),
            sample(u32::MAX, 120, 10),
        ];
        let (shares, last) = newest(&samples, 100, 200);
        assert_eq!(shares, BTreeMap::from([(7, 50.0)]));
        assert_eq!(last, Some(150));
        assert_eq!(newest(&[], 100, 200), (BTreeMap::new(), None));
    }

    proptest! {
        #[test]
        fn shares_are_shares_and_the_newest_time_is_within_bounds(
            samples in prop::collection::vec((any::<u32>(), 0..300_u64, 0..200_u32), 0..50),
        ) {
            let samples: Vec<_> = samples.iter().map(|(p, t, u)| sample(*p, *t, *u)).collect();
            let (shares, last) = newest(&samples, 100, 200);
            prop_assert!(shares.values().all(|share| (0.0..=100.0).contains(share)));
            prop_assert!(last.is_none_or(|last| last > 100 && last <= 200));
            prop_assert_eq!(shares.is_empty(), last.is_none());
        }
    }
}
