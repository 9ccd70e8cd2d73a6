//! Whose curves they are.

use fleet_core::{Id, Labels, ProcessRecord};

/// What is said of a curve with each of its points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Owner {
    /// The process.
    pub id: Option<Id>,
    /// Which spawn of it.
    pub run: Option<u32>,
    /// Its labels.
    pub labels: Labels,
    /// The file, where the curves are those of files and not of a process.
    pub name: Option<String>,
}

impl Owner {
    /// One run of a process.
    pub fn process(record: &ProcessRecord) -> Owner {
        Owner {
            id: Some(record.id.clone()),
            run: Some(record.run),
            labels: record.labels.clone(),
            name: None,
        }
    }

    /// A file.
    pub fn file(name: impl Into<String>) -> Owner {
        Owner { name: Some(name.into()), ..Owner::default() }
    }
}
