//! What a process is judged by, as it is wanted.

use std::collections::BTreeMap;
use std::str::FromStr;

use fleet_cli::{Exit, Failure};
use fleet_core::{Direction, Kpi, Kpis};
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::typed::{Form, Typed};

/// The KPIs of a process by their names.
pub(crate) type KpiWishes = BTreeMap<KpiName, KpiWish>;

/// One figure that a process is judged by: the samples of fleet-metrics say its value, how far it
/// is from the baseline, whether the target is met, and where it is going.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(default, deny_unknown_fields)]
pub struct KpiWish {
    /// A measure of its samples, or a value that it or a collector measures [default: the KPI's
    /// name]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What is to be reached
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Typed<Figure>>,
    /// What it was before
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Typed<Figure>>,
    /// Which way is better: up or down
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Typed<Direction>>,
}

/// What a KPI is called, refused where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(inline, transparent)]
pub struct KpiName(#[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))] String);

impl<'de> Deserialize<'de> for KpiName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<KpiName, D::Error> {
        let name = String::deserialize(from)?;
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Ok(KpiName(name));
        }
        let rule = "letters, digits and '_' and does not begin with a digit";
        Err(D::Error::custom(format!("a KPI's name holds {rule}: {name:?}")))
    }
}

/// A number that can be compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure(pub f64);

/// Not a figure.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no number to compare with")]
pub struct BadFigure(String);

impl FromStr for Figure {
    type Err = BadFigure;

    fn from_str(text: &str) -> Result<Figure, BadFigure> {
        let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Figure).ok_or_else(|| BadFigure(text.to_owned()))
    }
}

impl Form for Figure {
    fn form() -> Schema {
        json_schema!({ "type": ["number", "string"], "pattern": "^ *[-+0-9.eE]+ *$" })
    }
}

impl Form for Direction {
    fn form() -> Schema {
        json_schema!({ "enum": Direction::ALL.map(Direction::word) })
    }
}

/// What the samplers are to judge by.
///
/// # Errors
/// It is not said which way is better, or of which metric.
pub(crate) fn kpis(wishes: &KpiWishes) -> Result<Kpis, Failure> {
    wishes.iter().map(|(KpiName(name), wish)| Ok((name.clone(), kpi(name, wish)?))).collect()
}

fn kpi(name: &str, wish: &KpiWish) -> Result<Kpi, Failure> {
    let refused = |what: &str| Failure::new(Exit::CouldNot, format!("the KPI '{name}' {what}"));
    let direction = wish.direction.as_ref().ok_or_else(|| {
        let hint = "write direction = \"down\" where less is better, else \"up\"";
        refused("does not say which way is better").hint(hint)
    })?;
    let metric = wish.metric.clone().unwrap_or_else(|| name.to_owned());
    if metric.trim().is_empty() {
        return Err(refused("names no metric"));
    }
    let figure = |said: &Option<Typed<Figure>>| said.as_ref().map(|figure| figure.value.0);
    Ok(Kpi {
        metric,
        target: figure(&wish.target),
        baseline: figure(&wish.baseline),
        direction: direction.value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str) -> Result<Kpis, String> {
        let wishes: KpiWishes = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        kpis(&wishes).map_err(|e| e.to_string())
    }

    #[test]
    fn a_kpi_has_a_direction_and_what_else_is_said() {
        let all = "loss = { metric = 'train/loss', target = 0.1, baseline = '5e-1', direction = 'down' }\n\
                   threads = { direction = 'up', target = 4 }";
        let kpis = understood(all).unwrap();
        let direction = Direction::Down;
        let (target, baseline) = (Some(0.1), Some(0.5));
        assert_eq!(kpis["loss"], Kpi { metric: "train/loss".into(), target, baseline, direction });
        assert_eq!(
            (kpis["threads"].metric.as_str(), kpis["threads"].target),
            ("threads", Some(4.0))
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, said) in [
            ("loss = { target = 1 }", "does not say which way is better"),
            ("loss = { direction = 'up', metric = ' ' }", "names no metric"),
            ("loss = { direction = 'left' }", "\"left\" is no direction; write up or down"),
            ("loss = { direction = 'up', target = nan }", "\"NaN\" is no number"),
            ("loss = { direction = 'up', target = 'low' }", "\"low\" is no number"),
            ("'a b' = { direction = 'up' }", "a KPI's name holds letters"),
            ("loss = { direction = 'up', goal = 1 }", "unknown field `goal`"),
        ] {
            let error = understood(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
