//! What one drawing of a bar says.

use std::collections::BTreeMap;

use serde::Serialize;

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bar {
    /// What stands before the bar: `Epoch 3`, the name of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// How many are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<f64>,
    /// Out of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// What is counted: `it`, `step`, `bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Units in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// How long it has taken so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_seconds: Option<f64>,
    /// How long it will take, by its own reckoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<f64>,
    /// What else it shows by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// The bar that a drawing shows, if it shows one. The text has no colours and no cursor moves.
pub fn parse(_frame: &str) -> Option<Bar> {
    None
}
