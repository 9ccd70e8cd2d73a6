//! A line without what was put around its text.

use std::borrow::Cow;

/// The text of a line, and who was named before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Without colours and other escape sequences, and without the prefix.
    pub text: Cow<'a, [u8]>,
    /// What torch and torchrun put before each line of a rank: `rank0`, `default0`.
    pub rank: Option<&'a [u8]>,
}

/// Takes a line out of its colours and its rank's prefix.
pub fn plain(text: &[u8]) -> Plain<'_> {
    Plain { text: Cow::Borrowed(text), rank: None }
}
