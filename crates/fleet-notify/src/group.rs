//! What alerts have in common, so that they are told in one message.

use std::collections::BTreeMap;

use fleet_rules::AlertRecord;

/// The fields of `group_by` and their values.
pub(crate) type Group = BTreeMap<String, String>;

/// The group of an alert.
pub(crate) fn group_of(alert: &AlertRecord, by: &[String]) -> Group {
    by.iter().map(|name| (name.clone(), field(alert, name).to_owned())).collect()
}

/// A field of an alert as groups and inhibition read it; one that it lacks is empty.
pub(crate) fn field<'a>(alert: &'a AlertRecord, name: &str) -> &'a str {
    match name {
        "alert" => &alert.alert,
        "severity" => &alert.severity,
        "id" => alert.id.as_deref().unwrap_or_default(),
        label => alert.labels.get(label).map_or("", String::as_str),
    }
}
