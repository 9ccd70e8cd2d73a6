//! Waiting until something is true.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// It finds nothing for [`PATIENCE`]; `what` and what `otherwise` tells are in the message.
pub(crate) fn find<T>(
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    otherwise: impl FnOnce() -> String,
) -> T {
    let since = Instant::now();
    let mut nap = Duration::from_millis(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        if since.elapsed() > PATIENCE {
            panic!("for {PATIENCE:?} in vain: until {what}\n{}", otherwise());
        }
        thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(20));
    }
}

/// Waits until something is true.
///
/// # Panics
/// It does not become true within [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    find(what, || is_true().then_some(()), String::new);
}
