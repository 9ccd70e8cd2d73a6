//! The `event` record: something that happened, said once.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::Id;
use crate::label::Labels;
use crate::time::Timestamp;

/// One event. The shim writes `spawned`, `started`, `restarted`, `main_exited` (others of the tree
/// live on), `exited` (another attempt follows), `stopping`, `killing`, `unkillable`, `ended`,
/// `paused`, `resumed`, `healthy`, `status` (asked for by SIGUSR1), `adopted`, `shim_replaced` and `log_dropped`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Always `event`.
    pub kind: String,
    /// When it happened.
    pub ts: Timestamp,
    /// Unique among all events of this home.
    pub event_id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event: String,
    /// The process it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Which run of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Which attempt of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The process's labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// In values.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl EventRecord {
    /// The value of `kind`.
    pub const KIND: &'static str = "event";
}
