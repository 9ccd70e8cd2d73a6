//! A fleet in a file.
//!
//! # Theory of operation
//!
//! A file is read key by key, so that every value has its place and one mistake hides no other
//! (`draft`). Profiles are laid under what builds on them (`profiles`, `merge`), what was typed
//! over it; then it is understood as a whole: replicas, names, ports, order (`fleet`, `order`).
//! Anything wrong refuses all of it before anything starts (`load`).
//!
//! What a process was started from is kept in its spec: the file's path and what it said, before
//! placeholders were filled in and with the values that environment files had. A later version of
//! the file is compared with that (`diff`), so that a restart changes exactly what changed
//! (`apply`). Nothing else is remembered: a run that was interrupted is simply begun anew.

mod apply;
mod diff;
mod draft;
mod fleet;
mod load;
mod member;
mod merge;
mod order;
mod profiles;
mod progress;
mod schema;
mod select;
mod show;
mod start;

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use fleet_census::Census;
use fleet_cli::{Exit, Failure, Out, Paint, talk};
use fleet_core::RunKey;
use fleet_registry::Home;
use fleet_shim::Nursery;

use crate::args::{Args, Deed, Wait};
use crate::wish::Wish;
use apply::Amended;
use diff::Standing;
pub(crate) use load::with_profiles;
use load::{Loaded, load};
use member::Member;
use progress::Awaited;
pub(crate) use schema::print_schema;
use start::{Outcome, start};

/// Does with a file what was asked for.
///
/// # Errors
/// The file is not good, or the fleet cannot be read or written.
pub(crate) fn run(path: &Path, args: &Args, nursery: io::Result<Nursery>) -> anyhow::Result<Exit> {
    let home = args.home.locate()?;
    // Labels choose here; they are not laid over anything.
    let typed = Wish { labels: Vec::new(), ..args.wish.clone() };
    let file = load(path, &home, &typed)?;
    let chosen = select::select(&file, &args.file.selectors, &args.wish.labels)?;
    match args.file.deed() {
        Deed::Check => show::contents(&args.output, &file, &chosen),
        Deed::Diff => {
            let census = fleet_census::take(&home)?;
            census.problems.iter().for_each(talk);
            let all = chosen.len() == file.members.len();
            show::differences(&args.output, &diff::compare(&home, &census, &file, &chosen, all)?)
        }
        deed @ (Deed::Start | Deed::Apply) => {
            let nursery = nursery.context("cannot make a supervisor")?;
            Job { home: &home, file: &file, args, nursery }.work(&chosen, deed)
        }
    }
}

/// Starting, or making as the file says.
struct Job<'a> {
    home: &'a Home,
    file: &'a Loaded,
    args: &'a Args,
    nursery: Nursery,
}

impl Job<'_> {
    fn work(&self, chosen: &[&Member], deed: Deed) -> anyhow::Result<Exit> {
        crate::prepare(self.home)?;
        let mut census = fleet_census::take(self.home)?;
        census.problems.iter().for_each(talk);
        census.heal().iter().for_each(talk);
        let standings: Vec<Standing> = chosen
            .iter()
            .map(|member| diff::standing(self.home, &census, self.file, member))
            .collect::<anyhow::Result<_>>()?;
        let changed = match deed {
            Deed::Apply => self.change(chosen, &standings),
            _ => Exit::Yes,
        };
        let removed = self.remove_orphans(&census);
        left_alone(chosen, &standings, deed);
        let (runs, started) = self.start(chosen)?;
        let waited = progress::wait(self.home, &runs, self.args.wait, self.args.wait_timeout)?;
        Ok([changed, removed, started, waited].into_iter().max().unwrap_or(Exit::Yes))
    }

    /// Changes what can change while it runs, and ends what has to be started anew.
    fn change(&self, chosen: &[&Member], standings: &[Standing]) -> Exit {
        let mut worst = Exit::Yes;
        let mut to_end = Vec::new();
        for (member, standing) in chosen.iter().zip(standings) {
            let Standing::Changed(record, differences) = standing else { continue };
            if !diff::is_amendable(differences) {
                to_end.push((**record).clone());
                continue;
            }
            match apply::amend(self.home, &self.file.path, member, record) {
                Ok(Amended::InPlace) => talk(format!("changed the limits of {}", member.id)),
                Ok(Amended::NeedsRestart) => to_end.push((**record).clone()),
                Err(error) => {
                    talk(format!("the limits of '{}' are as before: {error:#}", member.id));
                    worst = Exit::No;
                }
            }
        }
        worst.max(apply::stop(self.home, to_end))
    }

    fn remove_orphans(&self, census: &Census) -> Exit {
        if !self.args.file.remove_orphans {
            return Exit::Yes;
        }
        let orphans = diff::orphans(census, self.file).cloned().collect();
        apply::stop(self.home, orphans)
    }

    /// Starts what does not live, and prints the name of each; the runs to be waited for, among
    /// them those that lived already.
    fn start(&self, chosen: &[&Member]) -> anyhow::Result<(Vec<Awaited>, Exit)> {
        let mut runs = Vec::new();
        let mut worst = Exit::Yes;
        let mut out = Out::stdout(true, Paint(false));
        start(self.home, &self.nursery, &self.file.path, chosen, |member, outcome| {
            match outcome {
                Ok(Outcome::Started(run)) => {
                    writeln!(out, "{}", run.id)?;
                    runs.push(self.awaited(member, run));
                }
                Ok(Outcome::Lived) => {
                    let run = self.home.runs(&member.id).last().copied().unwrap_or(0);
                    runs.push(self.awaited(member, RunKey { id: member.id.clone(), run }));
                }
                Err(error) => worst = worst.max(failed(member, &error)),
            }
            Ok(())
        })?;
        out.finish()?;
        Ok((runs, worst))
    }

    /// Nobody asks a process without a check whether it is well: it is as soon as it is started.
    fn awaited(&self, member: &Member, run: RunKey) -> Awaited {
        let wait = match self.args.wait {
            Some(Wait::Healthy) if member.wish.health.is_empty() => Wait::Started,
            wait => wait.unwrap_or(Wait::Started),
        };
        Awaited { run, wait }
    }
}

/// Says why a process could not be started; the others go on.
fn failed(member: &Member, error: &anyhow::Error) -> Exit {
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    let hint = failure.and_then(|failure| failure.hint.as_ref());
    let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
    talk(format!("'{}' is not started: {error:#}{hint}", member.id));
    failure.map_or(Exit::CouldNot, |failure| failure.exit)
}

/// Says what lives already and is left as it is.
fn left_alone(chosen: &[&Member], standings: &[Standing], deed: Deed) {
    let names = |wanted: &dyn Fn(&Standing) -> bool| -> Vec<&str> {
        let pairs = chosen.iter().zip(standings).filter(|(_, standing)| wanted(standing));
        pairs.map(|(member, _)| member.id.as_str()).collect()
    };
    let same = names(&|standing| matches!(standing, Standing::Same));
    if deed == Deed::Start && !same.is_empty() {
        talk(format!("left as they are, they live already: {}", some_of(&same)));
    }
    let changed = names(&|standing| standing.changed().is_some());
    if deed == Deed::Start && !changed.is_empty() {
        let words = "left as they are, though the file says otherwise by now";
        talk(format!("{words} (--diff shows it, --apply restarts them): {}", some_of(&changed)));
    }
    let strangers = names(&|standing| matches!(standing, Standing::Stranger));
    if !strangers.is_empty() {
        let words = "left as they are, something that is not of this file lives by the name";
        talk(format!("{words}: {}", some_of(&strangers)));
    }
}

/// The first names of many.
fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 10;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
