//! What came on standard input, counted, and what of it was passed over.

use fleet_cli::talk;
use fleet_rules::Fed;

/// Lines by what became of them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    lines: u64,
    passed: u64,
    bad: u64,
    first_bad: Option<String>,
}

impl Tally {
    /// Counts a line.
    pub(crate) fn line(&mut self, fed: Fed) {
        self.lines += 1;
        match fed {
            Fed::Held => {}
            Fed::Passed => self.passed += 1,
            Fed::Bad(why) => {
                self.bad += 1;
                let number = self.lines;
                self.first_bad.get_or_insert_with(|| format!("line {number}: {why}"));
            }
        }
    }

    /// Counts lines that were too long to be looked at.
    pub(crate) fn too_long(&mut self, many: u64) {
        self.bad += many;
    }

    /// Says what was passed over; with `explain` also what no rule is about.
    pub(crate) fn say(&self, explain: bool) {
        if self.bad > 0 {
            let first = self.first_bad.as_deref().unwrap_or("a line longer than 16 MiB");
            let noun =
                if self.bad == 1 { "line that is no record" } else { "lines that are no records" };
            talk(format_args!("passed over {} {noun}; the first is {first}", self.bad));
        }
        if explain && self.passed > 0 {
            talk(format_args!(
                "no rule is about the kind of {} of {} lines",
                self.passed, self.lines
            ));
        }
    }
}
