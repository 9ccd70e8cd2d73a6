//! The points of training curves, as samples of a round.

use std::collections::{HashMap, HashSet};

use fleet_census::Seen;
use fleet_core::{RunKey, Sample};
use fleet_curve::{Curves, Owner, Patterns, PatternsError, Point};
use fleet_registry::Home;

/// Follows the curves of the processes that are sampled.
///
/// The first look at a process, and with it a one-shot, gives the newest value of each of its curves.
/// Every later one gives all that came since, however much that is.
pub(crate) struct Followed {
    home: Home,
    patterns: Patterns,
    runs: HashMap<RunKey, Curves>,
    /// What was emitted outside of any process; not where processes were chosen.
    outside: Option<Curves>,
    outside_met: bool,
    /// There is one round: nothing is held back for the next.
    once: bool,
}

impl Followed {
    /// Reads the user's patterns.
    ///
    /// # Errors
    /// Their file cannot be read or is none.
    pub(crate) fn new(home: &Home, choosy: bool, once: bool) -> Result<Followed, PatternsError> {
        Ok(Followed {
            home: home.clone(),
            patterns: Patterns::of_user()?,
            runs: HashMap::new(),
            outside: (!choosy).then(|| Curves::of_home(home)),
            outside_met: false,
            once,
        })
    }

    /// Adds the points of all runs that these samples are of; answers with what was found wrong.
    pub(crate) fn add(&mut self, seen: &[Seen], samples: &mut Vec<Sample>) -> Vec<String> {
        let sampled: HashSet<RunKey> = samples.iter().filter_map(key).collect();
        self.runs.retain(|key, _| sampled.contains(key));
        let mut problems = Vec::new();
        for record in seen.iter().map(|seen| &seen.record) {
            let key = record.key();
            if !sampled.contains(&key) {
                continue;
            }
            if let Some(curves) = self.runs.get_mut(&key) {
                new_points(curves, samples);
                problems.append(&mut curves.problems());
            } else {
                let mut curves =
                    Curves::of_run(&self.home, record, self.patterns.clone(), Vec::new());
                newest_points(&mut curves, self.once, samples);
                problems.append(&mut curves.problems());
                self.runs.insert(key, curves);
            }
        }
        if let Some(outside) = &mut self.outside {
            match std::mem::replace(&mut self.outside_met, true) {
                true => new_points(outside, samples),
                false => newest_points(outside, self.once, samples),
            }
            problems.append(&mut outside.problems());
        }
        problems
    }
}

fn key(sample: &Sample) -> Option<RunKey> {
    Some(RunKey { id: sample.id.clone()?, run: sample.run? })
}

fn new_points(curves: &mut Curves, samples: &mut Vec<Sample>) {
    let owner = curves.owner.clone();
    curves.poll(&mut |point| samples.push(point.sample(&owner)));
}

/// Of each curve the newest value; values that were said together stay together.
fn newest_points(curves: &mut Curves, once: bool, samples: &mut Vec<Sample>) {
    let mut newest: Vec<Point> = Vec::new();
    let mut take = |point: Point| {
        for older in &mut newest {
            let again = |name: &String| point.found.values.iter().any(|(new, _)| new == name);
            older.found.values.retain(|(name, _)| !again(name));
        }
        newest.retain(|older| !older.found.values.is_empty());
        newest.push(point);
    };
    curves.poll(&mut take);
    if once {
        curves.finish(&mut take);
    }
    let owner: &Owner = &curves.owner;
    samples.extend(newest.iter().map(|point| point.sample(owner)));
}
