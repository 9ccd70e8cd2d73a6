//! Errors in one line.

use std::error::Error;

/// An error with its causes.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
