//! Which class a process has, and what it makes of a line.

use fleet_core::Labels;
use fleet_logline::Fields;

/// What a class makes of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What sort of thing happened: `auth_failure`, `out_of_memory`.
    pub category: Option<String>,
    /// What the line says by name.
    pub fields: Fields,
}

/// The parsers of one class.
#[derive(Clone, Debug, Default)]
pub struct Class {}

impl Class {
    /// What it makes of a line, without colours and prefixes.
    pub fn read(&self, _text: &[u8]) -> Reading {
        Reading::default()
    }
}

/// All classes that are known.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    general: Class,
}

impl Classes {
    /// Those that are built in.
    pub fn built_in() -> Classes {
        Classes::default()
    }

    /// The class of a process by its labels; without one, what any process can have.
    pub fn of(&self, _labels: &Labels) -> &Class {
        &self.general
    }
}
