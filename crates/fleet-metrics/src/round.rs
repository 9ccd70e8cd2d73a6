//! One round of samples: who is in the fleet, who of them was asked for, what they use.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use fleet_census::Seen;
use fleet_cli::{Exit, Selection};
use fleet_core::{Id, Sample, duration_text};
use fleet_os::{Proc, boot_id};
use fleet_registry::Home;
use fleet_sampler::{LastError, Moment, Plan, Sampler, standing};

use crate::args::MetricsArgs;
use crate::collect::Collecting;
use crate::curves::Followed;
use crate::gpus::GpuSource;
use crate::told::Told;

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
    collecting: Option<Collecting>,
    gpus: GpuSource,
    curves: Option<Followed>,
    kept: Option<Instant>,
    told: Told,
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
            fleet: args.fleet(),
            cores: args.depth.per_core,
            members: args.depth.tree,
            connections: args.depth.connections,
        };
        let collecting = match args.host_only {
            true => None,
            false => {
                let (follows, choosy) = (args.rounds() != Some(1), !args.select.is_empty());
                Collecting::begin(&args.collect, &home, &boot, follows, choosy)?
            }
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
            gpus: GpuSource::new(boot.clone(), args.gpus()),
            sampler: Sampler::new(&Proc::default(), boot, plan),
            collecting,
            kept: None,
            told: Told::default(),
            worst: Exit::Yes,
        })
    }

    /// Takes one round.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn take(&mut self) -> anyhow::Result<Vec<Sample>> {
        // Before the moment of the round: what they say is true then.
        self.collecting.iter().for_each(Collecting::ask);
        let census = fleet_census::take(&self.home)?;
        census.problems.into_iter().for_each(|problem| self.say(problem));
        let chosen = self.choose(&census.seen);
        if let Err(e) = self.sampler.last().absorb(&self.last_file) {
            self.say(words(e));
        }
        let now = Moment::now();
        self.gpus.begin(&census.seen);
        let mut round = self.sampler.round(&census.seen, &chosen, &now);
        round.problems.extend(self.gpus.add_to(&mut round.samples, &census.seen, now.ts));
        if let Some(curves) = &mut self.curves {
            round.problems.extend(curves.add(&census.seen, &mut round.samples));
        }
        round.problems.into_iter().for_each(|problem| self.say(problem));
        let mut samples = round.samples;
        self.collect(&mut samples, &now);
        self.sampler.conclude(&census.seen, &mut samples, &now);
        self.keep();
        if self.choosy && samples.is_empty() {
            self.nothing(chosen.contains(&true));
        }
        Ok(samples)
    }

    /// Adds what collectors say, where processes were selected only of these.
    fn collect(&mut self, samples: &mut Vec<Sample>, now: &Moment) {
        let Some(collecting) = &mut self.collecting else { return };
        let mut collected = collecting.samples(now.ts);
        if self.choosy {
            let ids: HashSet<&Id> =
                samples.iter().filter_map(|sample| sample.id.as_ref()).collect();
            collected.retain(|sample| sample.id.as_ref().is_some_and(|id| ids.contains(id)));
        }
        samples.append(&mut collected);
        let problems = collecting.problems();
        problems.into_iter().for_each(|problem| self.say(problem));
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

    fn say(&mut self, sentence: String) {
        self.told.say(sentence);
    }
}

fn words(error: LastError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
