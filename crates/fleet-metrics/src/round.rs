//! One round of samples: who is in the fleet, who of them was asked for, what they use.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use fleet_census::Seen;
use fleet_cli::{Exit, Selection, talk};
use fleet_core::{Sample, duration_text};
use fleet_os::{Proc, boot_id};
use fleet_registry::Home;
use fleet_sampler::{LastError, Moment, Plan, Sampler, standing};

use crate::args::MetricsArgs;
use crate::curves::Followed;

/// The counters are kept in the file at most this often: one-shots of others that come in between
/// find them old by no more than that.
const KEEP_EVERY: Duration = Duration::from_secs(1);

/// A one-shot that follows close on another counts CPU from the one before, if it can.
const ONE_SHOT_SHARE: Duration = Duration::from_secs(1);

/// Takes rounds of one fleet.
pub(crate) struct Rounds {
    home: Home,
    last_file: PathBuf,
    selection: Selection,
    /// Selectors were typed.
    by_name: bool,
    /// Selectors or labels were typed.
    choosy: bool,
    ended_for: Duration,
    sampler: Sampler,
    curves: Option<Followed>,
    kept: Option<Instant>,
    said: HashSet<String>,
    worst: Exit,
}

impl Rounds {
    /// Reads the choice of processes and gets ready.
    ///
    /// # Errors
    /// A selector is none, or the home or the boot is unknown.
    pub(crate) fn new(args: &MetricsArgs) -> anyhow::Result<Rounds> {
        let home = args.home.locate()?;
        let boot = boot_id().context("cannot tell which boot this is; is /proc mounted?")?;
        let plan = Plan {
            basis: args.memory.into(),
            interval: if args.rounds() == Some(1) { ONE_SHOT_SHARE } else { Duration::ZERO },
            ended_for: args.ended_for,
            host: args.host(),
            processes: !args.host_only,
        };
        let curves = args
            .curves
            .then(|| Followed::new(&home, !args.select.is_empty(), args.rounds() == Some(1)));
        Ok(Rounds {
            curves: curves.transpose()?,
            last_file: home.metrics().join("last.json"),
            home,
            selection: args.select.read()?,
            by_name: !args.select.selectors.is_empty(),
            choosy: !args.select.is_empty(),
            ended_for: args.ended_for,
            sampler: Sampler::new(&Proc::default(), boot, plan),
            kept: None,
            said: HashSet::new(),
            worst: Exit::Yes,
        })
    }

    /// Takes one round.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn take(&mut self) -> anyhow::Result<Vec<Sample>> {
        let census = fleet_census::take(&self.home)?;
        census.problems.into_iter().for_each(|problem| self.say(problem));
        let chosen = self.choose(&census.seen);
        if let Err(e) = self.sampler.last().absorb(&self.last_file) {
            self.say(words(e));
        }
        let mut round = self.sampler.round(&census.seen, &chosen, &Moment::now());
        if let Some(curves) = &mut self.curves {
            round.problems.extend(curves.add(&census.seen, &mut round.samples));
        }
        round.problems.into_iter().for_each(|problem| self.say(problem));
        self.keep();
        if self.choosy && round.samples.is_empty() {
            self.nothing(chosen.contains(&true));
        }
        Ok(round.samples)
    }

    /// The verdict on all rounds.
    pub(crate) fn verdict(&self) -> Exit {
        self.worst
    }

    /// Which runs are asked for. Older runs of a process only by their number.
    fn choose(&mut self, all: &[Seen]) -> Vec<bool> {
        let (kept, unmatched) = self.selection.filter(all.iter().collect(), |seen| &seen.record);
        for selector in unmatched {
            self.no(format!("no process of this fleet is '{selector}'"));
        }
        let kept: HashSet<*const Seen> = kept.into_iter().map(std::ptr::from_ref).collect();
        let asked = |(seen, stands)| {
            kept.contains(&std::ptr::from_ref::<Seen>(seen)) && (self.by_name || stands)
        };
        all.iter().zip(standing(all)).map(asked).collect()
    }

    /// Says why there is no sample of what was asked for.
    fn nothing(&mut self, chosen: bool) {
        if chosen {
            let limit = duration_text(self.ended_for);
            self.no(format!(
                "all that was selected ended more than {limit} ago; --ended-for shows it"
            ));
        } else if self.worst == Exit::Yes {
            self.no("no process of this fleet was selected".to_owned());
        }
    }

    /// Keeps the counters for the next one-shot.
    fn keep(&mut self) {
        if self.kept.is_some_and(|at| at.elapsed() < KEEP_EVERY) {
            return;
        }
        self.kept = Some(Instant::now());
        if let Err(e) = self.sampler.last().save(&self.last_file) {
            self.say(words(e));
        }
    }

    fn no(&mut self, sentence: String) {
        self.worst = self.worst.max(Exit::No);
        self.say(sentence);
    }

    /// Says each thing once, however many rounds it lasts.
    fn say(&mut self, sentence: String) {
        if self.said.contains(&sentence) {
            return;
        }
        talk(&sentence);
        // What names ever new things must not fill the memory of one who follows for months.
        if self.said.len() >= 1000 {
            self.said.clear();
        }
        self.said.insert(sentence);
    }
}

fn words(error: LastError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
