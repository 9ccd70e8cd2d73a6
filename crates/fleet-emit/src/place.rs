//! Where a line goes, and who says it.

use std::env;
use std::path::PathBuf;

use fleet_cli::{Exit, Failure};
use fleet_core::{Id, Labels};
use fleet_registry::Home;

use crate::args::MetricArgs;

/// Who says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SaidBy {
    pub(crate) id: Option<Id>,
    pub(crate) run: Option<u32>,
    pub(crate) attempt: Option<u32>,
    pub(crate) labels: Labels,
}

/// A file, and who writes to it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) said_by: SaidBy,
}

impl Place {
    /// The run that this is called in, unless another was named; outside of any, the file of the
    /// whole fleet.
    ///
    /// # Errors
    /// The home is not known, or has no run of the process that was named.
    pub(crate) fn find(args: &MetricArgs) -> anyhow::Result<Place> {
        let home = args.home.locate()?;
        let labels = args.labels.iter().map(|l| (l.key.clone(), l.value.clone())).collect();
        let around = around(&home, &args.id);
        let (id, run) = match (&args.id, &around) {
            (_, Some(around)) => (around.id.clone(), around.run),
            (Some(id), None) => (Some(id.clone()), Some(newest(&home, id)?)),
            (None, None) => (None, None),
        };
        let attempt = around.and_then(|around| around.attempt);
        let file = match (&id, run) {
            (Some(id), Some(run)) => home.run(id, run).emitted(),
            _ => home.emitted(),
        };
        Ok(Place { file, said_by: SaidBy { id, run, attempt, labels } })
    }
}

/// The run of this home that the environment names, if it is that of the process that was asked for.
fn around(home: &Home, asked: &Option<Id>) -> Option<SaidBy> {
    let id: Id = env::var("FLEET_ID").ok()?.parse().ok()?;
    let run = env::var("FLEET_RUN").ok()?.parse().ok()?;
    let attempt = env::var("FLEET_ATTEMPT").ok().and_then(|text| text.parse().ok());
    let ours = asked.as_ref().is_none_or(|asked| *asked == id);
    let is_there = ours && home.run(&id, run).path().is_dir();
    is_there.then(|| SaidBy { id: Some(id), run: Some(run), attempt, labels: Labels::new() })
}

fn newest(home: &Home, id: &Id) -> Result<u32, Failure> {
    home.runs(id).last().copied().ok_or_else(|| {
        let failure = Failure::new(Exit::CouldNot, format!("no process of this fleet is '{id}'"));
        failure.hint("fleet-ps lists the processes")
    })
}
