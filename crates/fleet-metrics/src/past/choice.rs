//! Which stored series are asked for.

use std::sync::atomic::{AtomicBool, Ordering};

use fleet_cli::{Exit, Failure};
use fleet_core::{Label, Subject};
use fleet_history::Series;
use fleet_registry::Selector;

use crate::args::MetricsArgs;

/// A choice of series.
pub(crate) struct Choice {
    selectors: Vec<(Selector, AtomicBool)>,
    labels: Vec<Label>,
    host: bool,
    fleet: bool,
    host_only: bool,
}

impl Choice {
    /// Reads what was typed.
    ///
    /// # Errors
    /// It is no selector, or one that only the living have.
    pub(crate) fn read(args: &MetricsArgs) -> Result<Choice, Failure> {
        let selection = args.select.read()?;
        for selector in selection.selectors() {
            if matches!(selector, Selector::Port(_) | Selector::Pid(_)) {
                let what = format!("samples are stored by name, and '{selector}' is none");
                return Err(Failure::new(Exit::CouldNot, what).hint("say the process's name"));
            }
        }
        let unseen = |selector: &Selector| (selector.clone(), AtomicBool::new(false));
        Ok(Choice {
            selectors: selection.selectors().iter().map(unseen).collect(),
            labels: selection.labels().to_vec(),
            host: args.host(),
            fleet: args.fleet(),
            host_only: args.host_only,
        })
    }

    /// Whether a series is asked for. Remembers the selectors that fit it.
    pub(crate) fn takes(&self, series: &Series) -> bool {
        match series.subject {
            Subject::Host => return self.host,
            Subject::Fleet => return self.fleet,
            _ => {}
        }
        let has = |label: &Label| series.labels.get(&label.key) == Some(&label.value);
        if self.host_only || !self.labels.iter().all(has) {
            return false;
        }
        let mut fits = self.selectors.is_empty();
        for (selector, seen) in &self.selectors {
            if series.id.as_ref().is_some_and(|id| selector.names(id, series.run)) {
                seen.store(true, Ordering::Relaxed);
                fits = true;
            }
        }
        fits
    }

    /// The selectors that fitted nothing.
    pub(crate) fn unmatched(&self) -> Vec<String> {
        let unseen = self.selectors.iter().filter(|(_, seen)| !seen.load(Ordering::Relaxed));
        unseen.map(|(selector, _)| selector.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use fleet_core::{Sample, Timestamp};

    fn taken(line: &str, id: &str, run: u32) -> bool {
        let args = MetricsArgs::try_parse_from(line.split_whitespace()).unwrap();
        let subject = if id.is_empty() { Subject::Host } else { Subject::Process };
        let mut sample = Sample::new(subject, Timestamp::from_nanos(0));
        sample.id = id.parse().ok();
        sample.run = Some(run);
        sample.labels.insert("team".to_owned(), "vision".to_owned());
        Choice::read(&args).unwrap().takes(&Series::of(&sample))
    }

    #[test]
    fn a_name_means_all_its_runs_and_leaves_the_host_out() {
        assert!(taken("m a", "a", 1) && taken("m a b", "a", 2) && taken("m 'a*' a*", "ab", 1));
        assert!(taken("m a#2", "a", 2) && !taken("m a#2", "a", 1) && !taken("m a", "b", 1));
        assert!(taken("m", "", 0) && !taken("m a", "", 0) && !taken("m --no-host", "", 0));
        assert!(taken("m --host-only", "", 0) && !taken("m --host-only", "a", 1));
        assert!(taken("m -l team=vision", "a", 1) && !taken("m -l team=audio", "a", 1));
    }

    #[test]
    fn what_only_the_living_have_is_refused() {
        for text in [":9555", "pid:1"] {
            let args = MetricsArgs::try_parse_from(["m", text]).unwrap();
            assert!(Choice::read(&args).is_err(), "{text}");
        }
    }
}
