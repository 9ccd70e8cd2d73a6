//! What a process is to achieve, and how far it has come.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::number::as_number;

/// The KPIs of a process by their names.
pub type Kpis = BTreeMap<String, Kpi>;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More is better.
    Up,
    /// Less is better.
    Down,
}

impl Direction {
    /// Both, in the order of their declaration.
    pub const ALL: [Direction; 2] = [Direction::Up, Direction::Down];

    /// The word for it in files and records.
    pub fn word(self) -> &'static str {
        match self {
            Direction::Up => "up",
            Direction::Down => "down",
        }
    }
}

/// Not a direction.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no direction; write up or down")]
pub struct BadDirection(String);

impl FromStr for Direction {
    type Err = BadDirection;

    fn from_str(text: &str) -> Result<Direction, BadDirection> {
        let known = Direction::ALL.into_iter().find(|direction| direction.word() == text);
        known.ok_or_else(|| BadDirection(text.to_owned()))
    }
}

/// One figure that a process is judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kpi {
    /// The measure of its samples, or the value that it measured itself.
    pub metric: String,
    /// What is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// What it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// Which way is better.
    pub direction: Direction,
}

/// Where a figure is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// In the direction that is better.
    Improving,
    /// Neither way, as far as can be told from noise.
    Stable,
    /// In the other direction.
    Worsening,
}

/// How a figure stands at one moment: a member of `kpis` in the sample of its process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KpiReading {
    /// Its newest value.
    #[serde(with = "as_number")]
    pub value: f64,
    /// What is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// What it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// From the baseline to the value, in percent of the baseline; unknown where that is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<f64>,
    /// Whether the target is reached; what is no number never reaches one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub met: Option<bool>,
    /// Where it is going, once enough values were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
}

impl Kpi {
    /// How it stands with this value; where it is going is not known by one value.
    pub fn reading(&self, value: f64) -> KpiReading {
        let met = |target| match self.direction {
            Direction::Up => value >= target,
            Direction::Down => value <= target,
        };
        let change = self.baseline.filter(|baseline| *baseline != 0.0).map(|baseline| {
            let percent = (value - baseline) / baseline.abs() * 100.0;
            (percent * 100.0).round() / 100.0
        });
        KpiReading {
            value,
            target: self.target,
            baseline: self.baseline,
            change_percent: change.filter(|change| change.is_finite()),
            met: self.target.map(met),
            trend: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss() -> Kpi {
        let direction = Direction::Down;
        Kpi { metric: "loss".into(), target: Some(0.1), baseline: Some(0.5), direction }
    }

    #[test]
    fn a_reading_says_change_and_target() {
        let reading = loss().reading(0.4);
        assert_eq!((reading.change_percent, reading.met), (Some(-20.0), Some(false)));
        assert_eq!(loss().reading(0.1).met, Some(true));
        let up = Kpi { direction: Direction::Up, baseline: Some(-2.0), ..loss() };
        assert_eq!(up.reading(1.0).change_percent, Some(150.0));
        assert_eq!(up.reading(1.0).met, Some(true));
    }

    #[test]
    fn what_is_no_number_reaches_nothing_and_survives_json() {
        let reading = loss().reading(f64::NAN);
        assert_eq!((reading.change_percent, reading.met), (None, Some(false)));
        let json = serde_json::to_string(&reading).unwrap();
        assert_eq!(json, r#"{"value":"NaN","target":0.1,"baseline":0.5,"met":false}"#);
        assert!(serde_json::from_str::<KpiReading>(&json).unwrap().value.is_nan());
        let bare = Kpi { target: None, baseline: Some(0.0), ..loss() };
        assert_eq!((bare.reading(1.0).met, bare.reading(1.0).change_percent), (None, None));
    }
}
