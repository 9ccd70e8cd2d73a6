//! What a process waits for, bound to the runs that there are.

use std::fs;

use fleet_cli::{Exit, Failure};
use fleet_config::did_you_mean;
use fleet_core::{After, Dependency, Id};
use fleet_registry::Home;

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
    let hint = did_you_mean(id.as_str(), known(home).iter().map(Id::as_str));
    failure.hint(hint.unwrap_or_else(|| "'fleet-ps --all' lists all that are known".to_owned()))
}

/// The names that have a folder.
fn known(home: &Home) -> Vec<Id> {
    let folders = fs::read_dir(home.processes()).into_iter().flatten().flatten();
    folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok()).collect()
}
