//! What the person was told already.

use std::collections::HashSet;

use fleet_cli::talk;

/// What names ever new things must not fill the memory of one who follows for months.
const REMEMBERED: usize = 1000;

/// Says each thing once, however many rounds it lasts.
#[derive(Debug, Default)]
pub(crate) struct Told(HashSet<String>);

impl Told {
    /// Says the sentence, unless it was said before.
    pub(crate) fn say(&mut self, sentence: String) {
        if self.0.contains(&sentence) {
            return;
        }
        talk(&sentence);
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(sentence);
    }
}
