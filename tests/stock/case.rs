//! A rule that we ship, and what real producers print when it must fire and when it must not.

use fleet_testkit::{TestFleet, Value};

use crate::story::{fires, told};

/// A rule and the two stories of it.
pub(crate) struct Case {
    /// The rule.
    pub(crate) rule: &'static str,
    /// How bad its alert is.
    pub(crate) severity: &'static str,
    /// Whom the alert is of; empty where it is of the fleet or the machine.
    pub(crate) id: &'static str,
    /// What is printed when it must fire.
    pub(crate) bad: fn(&TestFleet) -> Vec<Value>,
    /// What is printed when it must not, though it is much like that.
    pub(crate) good: fn(&TestFleet) -> Vec<Value>,
}

/// Has each rule judge both of its stories.
pub(crate) fn judge(cases: &[Case]) {
    for case in cases {
        let (rule, fleet) = (case.rule, TestFleet::new());
        let records = (case.bad)(&fleet);
        let alerts = told(&fleet, &records);
        let alert = fires(&alerts, rule);
        let alert =
            alert.unwrap_or_else(|| panic!("{rule} must fire: {alerts:?} of {}", end(&records)));
        let id = alert["id"].as_str().unwrap_or_default();
        assert_eq!((&alert["severity"], id), (&case.severity.into(), case.id), "{alert}");
        let summary = alert["summary"].as_str().unwrap();
        assert!(!summary.contains("{{") && !summary.is_empty(), "{alert}");

        let fleet = TestFleet::new();
        let records = (case.good)(&fleet);
        assert!(!records.is_empty(), "{rule}: nothing is printed that could fire it");
        let alerts = told(&fleet, &records);
        assert!(fires(&alerts, rule).is_none(), "{rule} must not fire: {}", end(&records));
    }
}

/// The last of some records, for the message of a test that fails.
fn end(records: &[Value]) -> String {
    let last = records.iter().rev().take(3).rev().map(|record| format!("{record}\n"));
    format!("{} records that end with\n{}", records.len(), last.collect::<String>())
}
