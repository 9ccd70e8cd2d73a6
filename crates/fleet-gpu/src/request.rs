//! What `fleet-gpus --serve` is asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// More roots than this make a request longer than a pipe is sure to take at once (64 KiB).
const MOST_ROOTS: usize = 5000;

/// One question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When the answer is due; what has not come by then is left out.
    pub within_ms: u64,
    /// Processes that with their descendants are looked at for use of AMD's cards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<i32>,
}

impl Request {
    /// A question whose answer arrives within this time: some of it is for the way.
    pub(crate) fn within(time: Duration, roots: &[i32]) -> Request {
        let within_ms = u64::try_from((time * 3 / 4).as_millis()).unwrap_or(u64::MAX);
        let roots = roots.iter().copied().take(MOST_ROOTS).collect();
        Request { within_ms, roots }
    }
}
