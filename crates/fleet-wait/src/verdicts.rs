//! What became of each process that is waited for, and the exit status that follows.

use std::process::ExitCode;

use fleet_census::Vigil;
use fleet_cli::Exit;
use fleet_core::{ProcessRecord, Until, Verdict};

/// The count of verdicts.
pub(crate) struct Verdicts {
    until: Until,
    any: bool,
    chosen: usize,
    /// Whether a name that was given matched nothing.
    unmatched: bool,
    reached: usize,
    never: usize,
    /// The status of the only process, once it has ended.
    own: Option<u8>,
}

impl Verdicts {
    pub(crate) fn new(until: Until, any: bool, chosen: usize, unmatched: bool) -> Verdicts {
        Verdicts { until, any, chosen, unmatched, reached: 0, never: 0, own: None }
    }

    /// The runs that are decided now, which are then waited for no longer. With `--any` at most
    /// one that is as wanted.
    pub(crate) fn take(&mut self, vigil: &mut Vigil<'_>) -> Vec<(usize, ProcessRecord)> {
        let mut decided = Vec::new();
        for (at, record) in vigil.open() {
            if self.any && self.reached > 0 {
                break;
            }
            match self.until.verdict(record) {
                Verdict::Open => continue,
                Verdict::Reached => self.reached += 1,
                Verdict::Never => self.never += 1,
            }
            self.own = record.exit_status();
            decided.push((at, record.clone()));
        }
        decided.iter().for_each(|(at, _)| vigil.release(*at));
        decided
    }

    /// Whether nothing more is to be waited for.
    pub(crate) fn are_enough(&self) -> bool {
        self.any && self.reached > 0 || self.reached + self.never == self.chosen
    }

    /// The exit status, as the help tells it.
    pub(crate) fn exit(&self) -> ExitCode {
        let wanted = if self.any { self.reached > 0 } else { self.never == 0 && self.chosen > 0 };
        let single = self.chosen == 1 && !self.unmatched;
        match self.own.filter(|_| single) {
            Some(own) if self.until == Until::Ended => ExitCode::from(own),
            // It may have ended with code 0 and without having come so far.
            Some(own) if !wanted => ExitCode::from(own.max(1)),
            _ if wanted && !self.unmatched => Exit::Yes.into(),
            _ => Exit::No.into(),
        }
    }
}
