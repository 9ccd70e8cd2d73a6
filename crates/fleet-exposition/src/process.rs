//! What is said of a process beside its measures.

use fleet_core::{Health, Sample, State, Timestamp};
use serde_json::{Map, Value};

use crate::family::{Families, Kind};
use crate::held::number;
use crate::labels::LabelText;
use crate::samples::{ports, unix_seconds};

/// Adds state, health, restarts, identity, end and indicators of one process.
pub(crate) fn add(sample: &Sample, labels: &LabelText, families: &mut Families) {
    state(sample, labels, families);
    info(sample, labels, families);
    end(sample, labels, families);
    if let Some(restarts) = sample.restarts {
        let help = "How often the run was started again.";
        let restarts = f64::from(restarts);
        families.add("fleet_process_restarts_total", Kind::Counter, help, labels.text(), restarts);
    }
    let started = sample.more.get("started_at").and_then(Value::as_str);
    if let Some(started) = started.and_then(|text| Timestamp::parse(text, sample.ts).ok()) {
        let seconds = unix_seconds(started);
        let help = "When the current attempt started.";
        families.add("fleet_process_start_time_seconds", Kind::Gauge, help, labels.text(), seconds);
    }
    if let Some(kpis) = sample.more.get("kpis").and_then(Value::as_object) {
        kpis.iter().for_each(|(name, kpi)| indicator(name, kpi, labels, families));
    }
}

/// One series for each word that there is, 1 for the one that holds: so a series neither begins nor
/// ends when the word changes.
fn enumerate(
    name: &str,
    label: &str,
    help: &str,
    words: &[&str],
    now: &str,
    labels: &LabelText,
    families: &mut Families,
) {
    for word in words {
        let value = f64::from(u8::from(*word == now));
        families.add(name, Kind::Gauge, help, labels.with(label, word).text(), value);
    }
}

fn state(sample: &Sample, labels: &LabelText, families: &mut Families) {
    if let Some(now) = &sample.state {
        let words: Vec<&str> =
            State::ALL.iter().map(|state| state.word()).chain(["orphaned"]).collect();
        let help = "The state of the process: 1 for the one that it is in.";
        enumerate("fleet_process_state", "state", help, &words, now, labels, families);
    }
    if let Some(now) = sample.health {
        let words = [Health::Starting, Health::Healthy, Health::Unhealthy].map(Health::word);
        let help = "What its checks say of the process: 1 for what holds.";
        enumerate("fleet_process_health", "health", help, &words, now.word(), labels, families);
    }
}

/// Adds the health of the fleet as a whole.
pub(crate) fn fleet(sample: &Sample, labels: &LabelText, families: &mut Families) {
    if let Some(now) = sample.health {
        let words = [Health::Healthy, Health::Degraded, Health::Failed].map(Health::word);
        let help = "How the fleet is as a whole: 1 for what holds.";
        enumerate("fleet_health", "health", help, &words, now.word(), labels, families);
    }
}

fn info(sample: &Sample, labels: &LabelText, families: &mut Families) {
    let mut labels = labels.clone();
    let mut own = |name, value: Option<String>| {
        if let Some(value) = value {
            labels.own(name, &value);
        }
    };
    own("run", sample.run.map(|n| n.to_string()));
    own("attempt", sample.attempt.map(|n| n.to_string()));
    own("pid", sample.pid.map(|n| n.to_string()));
    let all: Vec<String> = ports(sample).iter().map(u64::to_string).collect();
    own("ports", (!all.is_empty()).then(|| all.join(",")));
    let help = "What changes from start to start: which run and attempt, which main process.";
    families.add("fleet_process_info", Kind::Info, help, labels.text(), 1.0);
}

/// How an ended run, or the last attempt before a pause, ended.
fn end(sample: &Sample, labels: &LabelText, families: &mut Families) {
    let Some(end) = &sample.exit else { return };
    if let Some(code) = end.code {
        let help = "Exit code of the main process.";
        let code = f64::from(code);
        families.add("fleet_process_exit_code", Kind::Gauge, help, labels.text(), code);
    }
    if let Some(seconds) = end.duration_seconds {
        let name = "fleet_process_exit_duration_seconds";
        let help = "How long the last attempt ran.";
        families.add(name, Kind::Gauge, help, labels.text(), seconds);
    }
    let cause = serde_json::to_value(end.cause).unwrap_or_default();
    let mut labels = labels.with("cause", cause.as_str().unwrap_or_default());
    if let Some(signal) = end.signal {
        labels.own("signal", &signal.to_string());
    }
    if let Some(oom) = &end.oom {
        labels.own("oom", oom);
    }
    let help = "How the run, or during a pause its last attempt, ended.";
    families.add("fleet_process_exit_info", Kind::Info, help, labels.text(), 1.0);
}

/// A key performance indicator of the process.
fn indicator(name: &str, kpi: &Value, labels: &LabelText, families: &mut Families) {
    let none = Map::new();
    let kpi = kpi.as_object().unwrap_or(&none);
    let labels = labels.with("kpi", name);
    for (field, metric, divisor, help) in INDICATOR {
        if let Some(value) = kpi.get(*field).and_then(number) {
            families.add(metric, Kind::Gauge, help, labels.text(), value / divisor);
        }
    }
    if let Some(now) = kpi.get("trend").and_then(Value::as_str) {
        let help = "Where the indicator tends: 1 for what holds.";
        let words = ["improving", "stable", "worsening"];
        enumerate("fleet_kpi_trend", "trend", help, &words, now, &labels, families);
    }
}

/// Fields of an indicator, their families, what their values are divided by, and what they mean.
const INDICATOR: &[(&str, &str, f64, &str)] = &[
    ("value", "fleet_kpi_value", 1.0, "The indicator now."),
    ("target", "fleet_kpi_target", 1.0, "What the indicator is to reach."),
    ("baseline", "fleet_kpi_baseline", 1.0, "What the indicator is compared with."),
    ("change_percent", "fleet_kpi_change_ratio", 100.0, "Its change against the baseline."),
    ("met", "fleet_kpi_met", 1.0, "Whether the target is met: 1 or 0."),
];
