//! What one drawing of a bar says.

use std::collections::BTreeMap;

use regex::Captures;
use serde::Serialize;

use crate::number::{amount, factor, of_unit, seconds};
use crate::shapes::{Between, LOOSE_SHAPES, SURE_SHAPES, Shape};

/// A drawing is on one row of a terminal; what is longer is none.
const MAX_DRAWING: usize = 2 << 10;

/// So many values of one bar are kept.
const MAX_VALUES: usize = 32;

/// How far something is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Bar {
    /// What stands before the bar: `Epoch 3`, the name of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// How many are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<f64>,
    /// Out of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// What is counted: `it`, `step`, `bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Units in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// How long it has taken so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_seconds: Option<f64>,
    /// How long it will take, by its own reckoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<f64>,
    /// What else it shows by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
}

/// The bar that a drawing shows, if it is of a shape that is always one. The text has no colours
/// and no cursor moves.
pub fn parse(drawing: &str) -> Option<Bar> {
    first(&SURE_SHAPES, drawing)
}

/// The same for what was drawn in place, where a percentage alone is a bar, too.
pub fn parse_drawn(drawing: &str) -> Option<Bar> {
    parse(drawing).or_else(|| first(&LOOSE_SHAPES, drawing))
}

fn first(shapes: &[Shape], drawing: &str) -> Option<Bar> {
    let drawing = drawing.trim();
    if drawing.len() > MAX_DRAWING || !drawing.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let read = |shape: &Shape| Some(Bar::read(shape, &shape.regex.captures(drawing)?));
    // Nothing out of nothing is the state before a program knows how much there is to do.
    shapes.iter().find_map(read).filter(|bar| bar.total != Some(0.0))
}

impl Bar {
    fn read(shape: &Shape, found: &Captures<'_>) -> Bar {
        let text = |group| found.name(group).map(|m| m.as_str().trim()).filter(|t| !t.is_empty());
        let mut bar = Bar {
            name: text("name").map(str::to_owned),
            percent: text("percent").and_then(|p| p.parse().ok()),
            current: text("current").and_then(amount),
            total: text("total").and_then(amount),
            unit: text("unit").or(shape.unit).map(str::to_owned),
            elapsed_seconds: text("elapsed").and_then(seconds),
            eta_seconds: text("eta").and_then(seconds),
            values: text("values").map(|v| values(v, shape.between)).unwrap_or_default(),
            ..Bar::default()
        };
        bar.count_sizes(text("current"), text("total"));
        if let (Some(rate), Some(per)) = (text("rate"), text("per").or(shape.unit)) {
            let scaled = text("current").is_some_and(|c| c.ends_with(|c: char| c.is_alphabetic()));
            bar.count_rate(rate, per, scaled);
        }
        bar.percent = bar.percent.or_else(|| bar.share());
        let time = text("time").and_then(seconds);
        *if bar.is_full() { &mut bar.elapsed_seconds } else { &mut bar.eta_seconds } =
            time.or(if bar.is_full() { bar.elapsed_seconds } else { bar.eta_seconds });
        bar
    }

    /// `8.9/16.9 MB`: the unit of the total is that of both.
    fn count_sizes(&mut self, current: Option<&str>, total: Option<&str>) {
        let (Some(current), Some(total)) = (current, total) else { return };
        let Some((_, unit)) = total.split_once(' ') else { return };
        if !current.contains(' ') {
            self.current = self.current.map(|amount| amount * factor(unit).0);
        }
        self.unit = Some("bytes".to_owned());
    }

    /// `8.32` `it/s`, `4.69` `s/it`, `1.46` `MB/s`, `74.0` `k samples/s`.
    fn count_rate(&mut self, rate: &str, per: &str, scaled: bool) {
        let (over, under) = per.split_once('/').unwrap_or((per, "s"));
        let (over, under) = (over.trim(), under.trim());
        let number = rate.parse::<f64>().ok();
        if let Some(each) = of_unit(over).filter(|_| under != "s") {
            self.unit.get_or_insert_with(|| under.to_owned());
            self.rate_per_second = number.filter(|n| *n > 0.0).map(|n| 1.0 / (n * each));
            return;
        }
        let scaled = scaled || over.ends_with('B') || over.len() == 1 || over.contains(' ');
        let (by, unit) = if scaled { factor(over) } else { (1.0, over) };
        let unit = if unit == "B" { "bytes" } else { unit.trim() };
        if self.unit.is_none() && !unit.is_empty() {
            self.unit = Some(unit.to_owned());
        }
        self.rate_per_second = number.map(|n| n * by);
    }

    fn share(&self) -> Option<f64> {
        let total = self.total.filter(|total| *total > 0.0)?;
        Some((self.current? / total * 100.0).min(100.0))
    }

    /// Whether nothing is left to do.
    pub fn is_full(&self) -> bool {
        self.percent.is_some_and(|percent| percent >= 100.0)
            || self.current.is_some() && self.current == self.total
    }

    /// Whether it is the same bar of its program: by its name without the numbers, which move, and
    /// without a name by how much there is to do.
    pub fn is_same(&self, other: &Bar) -> bool {
        let letters = |bar: &Bar| {
            let name = bar.name.as_deref().unwrap_or_default();
            name.chars().filter(|c| !c.is_ascii_digit()).collect::<String>()
        };
        let named = self.name.is_some() || other.name.is_some();
        letters(self) == letters(other) && (named || self.total == other.total)
    }

    /// Whether it is the same bar, as far as it was or farther.
    pub(crate) fn is_later_than(&self, before: &Bar) -> bool {
        let far = |bar: &Bar| (bar.percent.unwrap_or(0.0), bar.current.unwrap_or(0.0));
        self.is_same(before) && far(self) >= far(before)
    }
}

fn values(text: &str, between: Between) -> BTreeMap<String, String> {
    let pairs = text.split(between.pairs).filter_map(|pair| pair.split_once(between.sides));
    let named = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    named.filter(|(name, _)| !name.is_empty()).take(MAX_VALUES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(drawing: &str) -> Value {
        parse_drawn(drawing)
            .map_or(Value::Null, |bar| serde_json::to_value(bar).unwrap_or_default())
    }

    #[test]
    fn drawings_that_no_recording_has() {
        for (drawing, bar) in [
            (
                "Epoch 3: |          | 5/? [1:00:10<?, 8.52it/s, v_num=0]",
                json!({"name": "Epoch 3", "current": 5.0, "unit": "it", "rate_per_second": 8.52,
                    "elapsed_seconds": 3610.0, "values": {"v_num": "0"}}),
            ),
            (
                " 25%|##        | 1/4 [00:04<00:12,  4.00s/it]{'loss': 0.5}",
                json!({"percent": 25.0, "current": 1.0, "total": 4.0, "unit": "it",
                    "rate_per_second": 0.25, "elapsed_seconds": 4.0, "eta_seconds": 12.0}),
            ),
            (
                "12/40 [=======>......] - ETA: 1:05 - loss: 0.5",
                json!({"percent": 30.0, "current": 12.0, "total": 40.0, "unit": "step",
                    "eta_seconds": 65.0, "values": {"loss": "0.5"}}),
            ),
            (
                "model.bin  12%[=>      ]   1.19M  1.50MB/s    eta 1m 3s",
                json!({"name": "model.bin", "percent": 12.0, "current": 1_190_000.0, "unit": "bytes",
                    "rate_per_second": 1_500_000.0, "eta_seconds": 63.0}),
            ),
            (
                "0bfcc8ebdf53: Downloading [=====>      ]  3MB/30MB",
                json!({"name": "0bfcc8ebdf53: Downloading", "percent": 10.0, "current": 3e6,
                    "total": 3e7, "unit": "bytes"}),
            ),
            ("Progress: [ 12%]", json!({"name": "Progress", "percent": 12.0})),
            (
                "Reading package lists... 52%",
                json!({"name": "Reading package lists...", "percent": 52.0}),
            ),
        ] {
            assert_eq!(read(drawing), bar, "{drawing}");
        }
    }

    #[test]
    fn ordinary_lines_are_no_bars() {
        for line in [
            "",
            "Train Epoch: 1 [640/60000 (1%)] Loss: 2.300000",
            "disk 97% full on 3/4 nodes [see log]",
            "2026-11-22 06:00:00,123 INFO took 12it [x]",
            "GET /a|b%20c|d 1/2 [ok]",
            "3/4 - done",
            "a%| b | 1/2 [x<y]",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_drawing_is_read_or_not(
            text: String, near in "(━{8}|[0-9]{1,20}|%\\||/|\\[|\\]|00:01<00:01, |it/s|ms/step| - |a=b|[|: ,%#.=>]){0,16}",
        ) {
            let _ = (parse_drawn(&text), parse_drawn(&near));
        }

        #[test]
        fn a_bar_of_tqdm_comes_back(name in "[a-z]{1,9}", total in 1_u32..9999, rate in 1_u32..9999) {
            let (done, rate) = (total / 2, f64::from(rate) / 8.0);
            let drawing = format!("{name}:  50%|#####     | {done}/{total} [00:01<01:00, {rate}it/s, x=1]");
            let bar = parse(&drawing).unwrap_or_default();
            prop_assert_eq!((bar.current, bar.total), (Some(f64::from(done)), Some(f64::from(total))));
            prop_assert_eq!((bar.name, bar.rate_per_second), (Some(name), Some(rate)));
        }
    }
}
