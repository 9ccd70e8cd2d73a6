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
    pub(crate) when: Spanned<String>,
    pub(crate) clear: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub(crate) hold: Option<Spanned<String>>,
    pub(crate) times: Option<Spanned<u32>>,
    pub(crate) count: Option<Spanned<u32>>,
    pub(crate) within: Option<Spanned<String>>,
    pub(crate) keep_firing_for: Option<Spanned<String>>,
    pub(crate) repeat: Option<Spanned<String>>,
    pub(crate) by: Option<Vec<String>>,
    pub(crate) severity: Option<Spanned<String>>,
    pub(crate) summary: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(crate) inhibited_by: Vec<Spanned<String>>,
    pub(crate) immediate: Option<bool>,
    #[serde(default)]
    pub(crate) labels: Labels,
    pub(crate) enabled: Option<bool>,
}
