//! A day of recorded samples, and what was wrong in it (scripts/record-alert-day.py).

use std::fmt;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use fleet_rules::{AlertRecord, AlertState, Engine, RuleSet};
use fleet_testkit::Timestamp;

use crate::story::RULES;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/alerts/");

/// An alert may begin this long after what was wrong has ended: the samples that show it are some
/// seconds old by then.
const LATE: Duration = Duration::from_secs(60);

/// What was wrong, of whom, and when.
#[derive(Debug)]
pub(crate) struct Wrong {
    alert: String,
    id: String,
    from: Timestamp,
    until: Timestamp,
    why: String,
}

/// An alert that began to fire.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    alert: String,
    id: String,
    at: Timestamp,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of '{}' from {}: {}", self.alert, self.id, self.from, self.why)
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of '{}' at {}", self.alert, self.id, self.at)
    }
}

impl Wrong {
    fn read(table: &toml::Value) -> Wrong {
        let text = |name: &str| table[name].as_str().unwrap().to_owned();
        let time = |name: &str| moment(&table[name].to_string());
        Wrong {
            alert: text("alert"),
            id: text("id"),
            from: time("from"),
            until: time("until"),
            why: text("why"),
        }
    }

    /// Whether the alert is right about this.
    pub(crate) fn explains(&self, alarm: &Alarm) -> bool {
        let last = self.until.nanos() + LATE.as_nanos() as i64;
        let in_time = (self.from.nanos()..=last).contains(&alarm.at.nanos());
        in_time && self.alert == alarm.alert && self.id == alarm.id
    }
}

impl Alarm {
    fn of(alert: &AlertRecord) -> Alarm {
        // A file system and a collector have a name.
        let named = || alert.labels.get("name").cloned();
        let id = alert.id.clone().or_else(named).unwrap_or_default();
        Alarm { alert: alert.alert.clone(), id, at: alert.ts }
    }
}

fn moment(text: &str) -> Timestamp {
    Timestamp::parse(text, Timestamp::from_nanos(0)).unwrap()
}

/// The truth.
pub(crate) fn truth() -> Vec<Wrong> {
    let text = std::fs::read_to_string(format!("{FOLDER}day.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    table["wrong"].as_array().unwrap().iter().map(Wrong::read).collect()
}

/// What the rules that we ship make of the day, by its own clock.
pub(crate) fn alarms() -> Vec<Alarm> {
    let mut engine = Engine::new(RuleSet::load(RULES.as_ref()).unwrap(), false);
    let file = std::fs::File::open(format!("{FOLDER}day.jsonl.zst")).unwrap();
    let (mut outcomes, mut now) = (Vec::new(), Timestamp::from_nanos(0));
    for line in BufReader::new(zstd::Decoder::new(file).unwrap()).lines() {
        let line = line.unwrap();
        let ts = moment(line.split('"').nth(7).unwrap());
        if ts > now {
            now = ts;
            engine.tick(now, &mut outcomes);
        }
        engine.feed(line.as_bytes(), now, &mut outcomes);
    }
    let alerts = outcomes.iter().filter_map(|outcome| outcome.alert.as_ref());
    alerts.filter(|alert| alert.state == AlertState::Firing).map(Alarm::of).collect()
}
