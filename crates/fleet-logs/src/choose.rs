//! Which runs are shown.

use std::collections::HashMap;
use std::time::Duration;

use fleet_census::{Census, Seen};
use fleet_cli::{Exit, Failure, SelectArgs, Selection, talk};
use fleet_core::{Id, Timestamp};

/// Without a selector, processes that ended longer ago are not shown.
const RECENT: Duration = Duration::from_secs(24 * 60 * 60);

/// The choice, asked again each time the registry changes.
pub(crate) struct Choice {
    selection: Selection,
    /// Without a selector, the earliest end that is shown.
    ended_after: Option<Timestamp>,
    labels: bool,
}

impl Choice {
    pub(crate) fn read(args: &SelectArgs) -> Result<Choice, Failure> {
        let ended_after = args.selectors.is_empty().then(|| Timestamp::now().minus(RECENT));
        Ok(Choice { selection: args.read()?, ended_after, labels: !args.labels.is_empty() })
    }

    /// The runs that are chosen now.
    pub(crate) fn of(&self, census: Census) -> Vec<Seen> {
        self.filter(census).0
    }

    fn filter(&self, census: Census) -> (Vec<Seen>, Vec<String>) {
        let (mut chosen, unmatched) = self.selection.filter(census.seen, |seen| &seen.record);
        if let Some(earliest) = self.ended_after {
            let ended = |seen: &Seen| seen.record.ended_at.unwrap_or(seen.record.ts);
            chosen.retain(|seen| seen.observed.is_living() || ended(seen) >= earliest);
        }
        (chosen, unmatched)
    }

    /// The runs to begin with; says what matched nothing, and how to exit for it.
    ///
    /// # Errors
    /// Nothing matched at all.
    pub(crate) fn first(&self, mut census: Census) -> Result<(Vec<Seen>, Exit), Failure> {
        census.problems.drain(..).for_each(talk);
        let (chosen, unmatched) = self.filter(census);
        if chosen.is_empty() && (self.labels || !unmatched.is_empty()) {
            return Err(self.nothing(&unmatched));
        }
        for selector in &unmatched {
            talk(no_process(selector));
        }
        Ok((chosen, if unmatched.is_empty() { Exit::Yes } else { Exit::No }))
    }

    fn nothing(&self, unmatched: &[String]) -> Failure {
        let message = match unmatched {
            [] if self.ended_after.is_some() => {
                "no process that lives or ended within a day has these labels".to_owned()
            }
            [] => "no process that was named has these labels".to_owned(),
            [one] => no_process(one),
            several => format!("no process matches {}", quoted(several)),
        };
        Failure::new(Exit::No, message).hint("fleet-ps lists the processes")
    }
}

fn no_process(selector: &str) -> String {
    format!("no process matches '{selector}'")
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// How many of these runs each process has: where it is more than one, they are told apart.
pub(crate) fn runs_of_each(seen: &[Seen]) -> HashMap<Id, usize> {
    let mut runs = HashMap::new();
    for one in seen {
        *runs.entry(one.record.id.clone()).or_default() += 1;
    }
    runs
}
