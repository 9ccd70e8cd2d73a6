//! A rules file as it is written, every value with its place.

use std::collections::BTreeMap;

use fleet_core::Labels;
use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    #[serde(default)]
    pub(crate) rule: Vec<RawRule>,
    #[serde(default)]
    pub(crate) channel: BTreeMap<Spanned<String>, Spanned<RawChannel>>,
}

/// One `[[rule]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
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
    pub(crate) labels: Labels,
    pub(crate) enabled: Option<bool>,
}

/// One `[channel.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawChannel {
    #[serde(rename = "type")]
    pub(crate) kind: Spanned<String>,
    pub(crate) command: Option<Spanned<Vec<String>>>,
    pub(crate) timeout: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) severity: Vec<String>,
}
