//! What a process waits for, bound to the runs that there are.

use std::fs;

use fleet_cli::{Exit, Failure};
use fleet_core::{After, Dependency, Id};
use fleet_registry::Home;

/// Names less alike than this are not taken for a slip (Jaro and Winkler, 1 is the same).
const ALIKE: f64 = 0.7;

/// The dependencies of `id`, each on the newest run of its name. Call it under the registry's lock.
///
/// # Errors
/// There is no such process, or it is the process itself.
pub(crate) fn bind(home: &Home, wanted: &[Dependency], id: &Id) -> Result<Vec<After>, Failure> {
    let newest = |dependency: &Dependency| {
        if dependency.id == *id {
            let words = format!("'{id}' cannot wait for itself");
            return Err(Failure::new(Exit::CouldNot, words).hint("choose another name with --name"));
        }
        let run = home.runs(&dependency.id).last().copied();
        let run = run.ok_or_else(|| unknown(home, &dependency.id))?;
        Ok(After { id: dependency.id.clone(), run, until: dependency.until })
    };
    wanted.iter().map(newest).collect()
}

fn unknown(home: &Home, id: &Id) -> Failure {
    let failure = Failure::new(
        Exit::CouldNot,
        format!(
            "there is no process '{id}' that could be waited for; what is not spawned yet is unknown"
        ),
    );
    match nearest(home, id) {
        Some(name) => failure.hint(format!("did you mean '{name}'?")),
        None => failure.hint("'fleet-ps --all' lists all that are known"),
    }
}

/// The known name that is most like this one, if any is.
fn nearest(home: &Home, id: &Id) -> Option<Id> {
    let folders = fs::read_dir(home.processes()).ok()?.flatten();
    let names = folders.filter_map(|folder| folder.file_name().to_str()?.parse::<Id>().ok());
    names
        .map(|name| (strsim::jaro_winkler(id.as_str(), name.as_str()), name))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
