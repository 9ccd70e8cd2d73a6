//! The clock and the units that the kernel counts in.

use std::time::Duration;

/// Time since boot on the clock that start times in `/proc/<pid>/stat` are on: never set back, and
/// it goes on while the machine is suspended.
pub fn boot_clock() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec of ours that outlives the call.
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    debug_assert_eq!(answer, 0, "every Linux since 2.6.39 has this clock");
    Duration::new(now.tv_sec.max(0) as u64, now.tv_nsec.clamp(0, 999_999_999) as u32)
}

/// Clock ticks a second, the unit of CPU times and start times in /proc (`_SC_CLK_TCK`).
pub fn ticks_per_second() -> u64 {
    configured(libc::_SC_CLK_TCK, 100)
}

/// Bytes in a page, the unit of `/proc/<pid>/statm`.
pub fn page_bytes() -> u64 {
    configured(libc::_SC_PAGESIZE, 4096)
}

fn configured(name: libc::c_int, usual: u64) -> u64 {
    // SAFETY: sysconf(3) takes any number and touches no memory of ours.
    let value = unsafe { libc::sysconf(name) };
    u64::try_from(value).ok().filter(|v| *v > 0).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward_and_the_units_are_sane() {
        let first = boot_clock();
        assert!(first > Duration::ZERO && boot_clock() >= first);
        assert!((1..=1024).contains(&ticks_per_second()));
        assert!(page_bytes().is_power_of_two());
    }
}
