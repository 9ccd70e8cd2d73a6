//! A rules file as it is written, every value with its place.

use std::collections::BTreeMap;

use fleet_core::Labels;
use serde::Deserialize;
use toml::Spanned;

/// A file that holds rules alone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    #[serde(default)]
    pub(crate) rule: Vec<RawRule>,
}

/// One `[[rule]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    pub(crate) name: Spanned<String>,
    pub(crate) on: Spanned<String>,
    pub(crate) when: Option<Spanned<String>>,
    pub(crate) clear: Option<Spanned<String>>,
    pub(crate) levels: Option<Spanned<Vec<RawLevel>>>,
    pub(crate) rate: Option<Spanned<RawRate>>,
    pub(crate) change: Option<Spanned<RawChange>>,
    pub(crate) plateau: Option<Spanned<RawPlateau>>,
    pub(crate) stale: Option<Spanned<RawStale>>,
    pub(crate) trend: Option<Spanned<RawTrend>>,
    pub(crate) absent: Option<Spanned<String>>,
    pub(crate) crossed: Option<Spanned<bool>>,
    pub(crate) no_data: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub(crate) hold: Option<Spanned<String>>,
    pub(crate) times: Option<Spanned<u32>>,
    pub(crate) count: Option<Spanned<u32>>,
    pub(crate) within: Option<Spanned<String>>,
    pub(crate) keep_firing_for: Option<Spanned<String>>,
    pub(crate) repeat: Option<Spanned<String>>,
    pub(crate) by: Option<Vec<String>>,
    pub(crate) limit: Option<Spanned<u64>>,
    pub(crate) severity: Option<Spanned<String>>,
    pub(crate) summary: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(crate) inhibited_by: Vec<Spanned<String>>,
    pub(crate) equal: Option<Spanned<Vec<String>>>,
    pub(crate) immediate: Option<bool>,
    #[serde(default)]
    pub(crate) labels: Labels,
    pub(crate) enabled: Option<bool>,
}

/// One of `levels`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLevel {
    pub(crate) severity: Spanned<String>,
    pub(crate) when: Spanned<String>,
    pub(crate) clear: Option<Spanned<String>>,
}

/// `rate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRate {
    pub(crate) field: Spanned<String>,
    pub(crate) over: Spanned<String>,
    pub(crate) above: Option<Spanned<f64>>,
    pub(crate) below: Option<Spanned<f64>>,
}

/// `change`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawChange {
    pub(crate) field: Spanned<String>,
    pub(crate) over: Spanned<String>,
    pub(crate) above: Option<Spanned<String>>,
    pub(crate) below: Option<Spanned<String>>,
}

/// `plateau`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawPlateau {
    pub(crate) field: Spanned<String>,
    pub(crate) steps: Option<Spanned<u64>>,
    pub(crate) time: Option<Spanned<String>>,
    pub(crate) step_field: Option<Spanned<String>>,
    pub(crate) min_delta: Option<Spanned<f64>>,
    pub(crate) direction: Option<Spanned<String>>,
}

/// `stale`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStale {
    pub(crate) field: Spanned<String>,
    pub(crate) steps: Option<Spanned<u64>>,
    pub(crate) time: Option<Spanned<String>>,
    pub(crate) step_field: Option<Spanned<String>>,
}

/// `trend`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTrend {
    pub(crate) field: Spanned<String>,
    pub(crate) over: Spanned<String>,
    pub(crate) reaches: Option<Spanned<f64>>,
    pub(crate) within: Option<Spanned<String>>,
    pub(crate) rises: Option<Spanned<String>>,
    pub(crate) fit: Option<Spanned<f64>>,
}
