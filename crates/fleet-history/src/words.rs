//! Questions in the words that people type.

use std::fmt;
use std::str::FromStr;

use crate::cell::Agg;
use crate::series::By;

/// The text is no aggregation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of avg, min, max, last, rate, and p with a number up to 100: p50, p95, p99")]
pub struct BadAgg(String);

/// The text is nothing to group by.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of id, run, name, host, subject, and labels.KEY")]
pub struct BadBy(String);

impl FromStr for Agg {
    type Err = BadAgg;

    fn from_str(text: &str) -> Result<Agg, BadAgg> {
        let percent = || text.strip_prefix('p')?.parse().ok().filter(|percent| *percent <= 100);
        match text {
            "avg" => Ok(Agg::Avg),
            "min" => Ok(Agg::Min),
            "max" => Ok(Agg::Max),
            "last" => Ok(Agg::Last),
            "rate" => Ok(Agg::Rate),
            _ => percent().map(Agg::Percentile).ok_or_else(|| BadAgg(text.to_owned())),
        }
    }
}

impl fmt::Display for Agg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Agg::Avg => f.write_str("avg"),
            Agg::Min => f.write_str("min"),
            Agg::Max => f.write_str("max"),
            Agg::Last => f.write_str("last"),
            Agg::Rate => f.write_str("rate"),
            Agg::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}

impl FromStr for By {
    type Err = BadBy;

    fn from_str(text: &str) -> Result<By, BadBy> {
        let label = || text.strip_prefix("labels.").filter(|key| !key.is_empty());
        match text {
            "id" => Ok(By::Id),
            "run" => Ok(By::Run),
            "name" => Ok(By::Name),
            "host" => Ok(By::Host),
            "subject" => Ok(By::Subject),
            _ => label().map(|key| By::Label(key.to_owned())).ok_or_else(|| BadBy(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregations_print_as_they_are_typed() {
        for text in ["avg", "min", "max", "last", "rate", "p0", "p50", "p100"] {
            assert_eq!(text.parse::<Agg>().unwrap().to_string(), text);
        }
        for text in ["", "p", "p101", "p-1", "mean", "P50"] {
            assert_eq!(text.parse::<Agg>(), Err(BadAgg(text.to_owned())));
        }
    }

    #[test]
    fn a_label_is_named_with_its_key() {
        assert_eq!("labels.team".parse(), Ok(By::Label("team".to_owned())));
        for text in ["labels.", "labels", "team", ""] {
            assert_eq!(text.parse::<By>(), Err(BadBy(text.to_owned())));
        }
    }
}
