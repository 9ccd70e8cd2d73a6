//! A file of collectors as it is written, every value with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFile {
    #[serde(default)]
    pub(crate) collector: BTreeMap<Spanned<String>, RawCollector>,
}

/// One `[collector.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCollector {
    pub(crate) command: Option<Spanned<Words>>,
    pub(crate) files: Option<Spanned<Words>>,
    pub(crate) http: Option<Spanned<String>>,
    pub(crate) pattern: Option<Spanned<String>>,
    pub(crate) headers: Option<Spanned<BTreeMap<Spanned<String>, Spanned<RawHeader>>>>,
    pub(crate) format: Option<Spanned<String>>,
    pub(crate) metric: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) only: Vec<Spanned<String>>,
    pub(crate) interval: Option<Spanned<String>>,
    pub(crate) timeout: Option<Spanned<String>>,
    pub(crate) keep: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<Spanned<String>, String>,
    pub(crate) id: Option<Spanned<String>>,
}

/// A text, or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Words {
    Text(String),
    List(Vec<String>),
}

/// The value of a header.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a text, { env = \"NAME\" } or { file = \"PATH\" }, with prefix = \"Bearer \" where that is needed"
)]
pub(crate) enum RawHeader {
    Text(String),
    Environment(FromEnvironment),
    File(FromFile),
}

/// A header's value that stands in the environment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromEnvironment {
    pub(crate) env: String,
    #[serde(default)]
    pub(crate) prefix: String,
}

/// A header's value that stands in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FromFile {
    pub(crate) file: String,
    #[serde(default)]
    pub(crate) prefix: String,
}
