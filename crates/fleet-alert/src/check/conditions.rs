//! Conditions that cannot do what they say: they can never be met, are always met, read what no
//! record has, or are met and over at once.

use fleet_config::{Fault, did_you_mean, inside};
use fleet_rules::claims::{Claim, Constant, Holds, Test, conflict};
use fleet_rules::expression::Settled;

use super::finding::Finding;
use super::schema::{Known, Schema};
use super::written::{Pair, Text, WrittenRule, settled};

/// Gauges that jump from sample to sample.
const NOISY: [&str; 15] = [
    "cpu_percent",
    "cpu_limit_percent",
    "gpu_percent",
    "gpu_memory_busy_percent",
    "gpu_encoder_percent",
    "gpu_decoder_percent",
    "gpu_power_watts",
    "busy_percent",
    "load1",
    "pressure_cpu_percent",
    "pressure_memory_percent",
    "pressure_memory_full_percent",
    "pressure_io_percent",
    "pressure_io_full_percent",
    "cpu_average_percent",
];

/// What is wrong with the conditions of a rule.
pub(super) fn check(file: &str, rule: &WrittenRule) -> Vec<Finding> {
    let mut found = Vec::new();
    for pair in rule.conditions() {
        let Some(when) = settled(pair.when) else { continue };
        let look = Look { file, rule, text: pair.when, condition: &when };
        look.fields(&mut found);
        look.never("the condition", "the rule never fires", &mut found);
        look.always(&mut found);
        look.noisy(&mut found);
        if let Some((text, clear)) = pair.clear.and_then(|text| Some((text, settled(text)?))) {
            let look = Look { file, rule, text, condition: &clear };
            look.fields(&mut found);
            look.never("'clear'", "an alert is never over", &mut found);
            look.overlap(&pair, &when, &mut found);
        }
    }
    found
}

/// The one subject that all ways of a condition name.
pub(super) fn subject(rule: &WrittenRule) -> Option<String> {
    let conditions = rule.conditions();
    let mut subjects = conditions.iter().map(|pair| {
        let ways = settled(pair.when)?.ways(true)?;
        let mut words = ways.iter().map(|way| subject_of(way));
        let first = words.next()??;
        words.all(|word| word == Some(first)).then(|| first.to_owned())
    });
    let first = subjects.next()??;
    subjects.all(|subject| subject.as_ref() == Some(&first)).then_some(first)
}

/// The subject that a way of a condition names.
fn subject_of(way: &[Claim]) -> Option<&str> {
    way.iter().find_map(|claim| match &claim.test {
        Test::Among(all) if claim.field == "subject" && claim.met => match all.as_slice() {
            [Constant::Text(word)] => Some(word.as_str()),
            _ => None,
        },
        _ => None,
    })
}

/// A condition that is looked at.
struct Look<'a> {
    file: &'a str,
    rule: &'a WrittenRule,
    text: &'a Text,
    condition: &'a Settled,
}

impl Look<'_> {
    /// Where a name stands in the condition.
    fn place(&self, name: &str) -> usize {
        let text = self.text.get_ref();
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let alone = |at: &usize| {
            let (before, after) = (&text[..*at], &text[at + name.len()..]);
            !before.ends_with(part) && !after.starts_with(part)
        };
        let at = text.match_indices(name).map(|(at, _)| at).find(alone).unwrap_or(0);
        inside(self.file, self.text.span(), text, at)
    }

    fn schema<'s>(&'s self, subject: Option<&'s str>) -> Schema<'s> {
        Schema::of(self.rule.on.get_ref(), subject)
    }

    /// Fields that no record of the kind has. `clear` is about the records that `when` is about.
    fn fields(&self, found: &mut Vec<Finding>) {
        let subject = subject(self.rule);
        let schema = self.schema(subject.as_deref());
        for path in self.condition.paths() {
            if let Known::Nothing(near) = schema.look(&path) {
                let message = format!("no {} has '{path}'", schema.name());
                let fault = Fault::new(self.place(&path), message);
                let fault = near.into_iter().fold(fault, Fault::hint);
                found.push(Finding::warning("unknown_field", fault));
            }
        }
    }

    /// Ways in which it can never be met.
    fn never(&self, what: &str, so: &str, found: &mut Vec<Finding>) {
        let Some(ways) = self.condition.ways(true) else { return };
        let bad: Vec<_> = ways.iter().filter_map(|way| Some((way, self.conflict(way)?))).collect();
        let all = bad.len() == ways.len();
        if ways.is_empty() {
            let fault = Fault::new(self.place(""), format!("{what} can never be met: {so}"));
            found.push(Finding::error("never_met", fault));
        }
        // One that is wrong in several ways is told of once.
        let mut told: Vec<&str> = Vec::new();
        for (way, field) in bad {
            if told.contains(&field) {
                continue;
            }
            told.push(field);
            let (why, hint) = self.why(way, field);
            let message = match all {
                true => format!("{what} can never be met, {so}: {why}"),
                false => format!("a part of {what} can never be met: {why}"),
            };
            let fault = hint.into_iter().fold(Fault::new(self.place(field), message), Fault::hint);
            let make = if all { Finding::error } else { Finding::warning };
            found.push(make("never_met", fault));
        }
    }

    /// A condition that every record meets that has its fields.
    fn always(&self, found: &mut Vec<Finding>) {
        let (Some(ways), text) = (self.condition.ways(false), self.text.get_ref()) else { return };
        let plain = text.trim() == "true";
        if plain && !self.rule.fires_at_once() {
            return;
        }
        let fields: Vec<_> =
            ways.iter().filter_map(|way| Some((way, self.conflict(way)?))).collect();
        if fields.len() < ways.len() {
            return;
        }
        let fault = match fields.first() {
            Some((way, field)) => {
                let (why, hint) = self.why(way, field);
                let message =
                    format!("the condition is always met where there is '{field}': {why}");
                hint.into_iter().fold(Fault::new(self.place(field), message), Fault::hint)
            }
            None => Fault::new(self.place(""), "the condition is always met"),
        };
        found.push(Finding::warning("always_met", fault));
    }

    /// The field of which nothing meets all that this way asks of it.
    fn conflict<'w>(&self, way: &'w [Claim]) -> Option<&'w str> {
        conflict(way, &|field| self.holds(way, field))
    }

    fn holds(&self, way: &[Claim], field: &str) -> Holds {
        let own = subject(self.rule);
        match self.schema(subject_of(way).or(own.as_deref())).look(field) {
            Known::Field(holds) => holds,
            Known::Nothing(_) => Holds::Anything,
        }
    }

    /// Why nothing meets what is asked of the field, and what was perhaps meant.
    fn why(&self, way: &[Claim], field: &str) -> (String, Option<String>) {
        let claims: Vec<&Claim> = way.iter().filter(|claim| claim.field == field).collect();
        let texts = claims.iter().flat_map(|claim| texts(&claim.test));
        match self.holds(way, field) {
            Holds::Words(words) => {
                match texts.clone().find(|text| !words.iter().any(|w| w == text)) {
                    Some(text) => {
                        let list = || format!("it is one of {}", words.join(", "));
                        let near = did_you_mean(text, words.iter().map(String::as_str));
                        (format!("'{field}' is never '{text}'"), Some(near.unwrap_or_else(list)))
                    }
                    None => (format!("'{field}' cannot be all that is asked of it"), None),
                }
            }
            Holds::Number if claims.iter().any(|claim| asks_for_text(&claim.test)) => (
                format!("'{field}' is a number and is compared with a text"),
                Some("write numbers without quotes".to_owned()),
            ),
            Holds::Text if claims.iter().any(|claim| asks_for_number(&claim.test)) => {
                (format!("'{field}' is a text and is compared with a number"), None)
            }
            _ => (format!("no value of '{field}' meets all that is asked of it"), None),
        }
    }

    /// A gauge that jumps, and one sample is enough to fire.
    fn noisy(&self, found: &mut Vec<Finding>) {
        let Some(field) = self.condition.measured().filter(|_| self.rule.fires_at_once()) else {
            return;
        };
        if self.rule.on.get_ref() != "sample" || !NOISY.contains(&field.as_str()) {
            return;
        }
        let message = format!("'{field}' jumps from sample to sample, and one is enough to fire");
        let fault = Fault::new(self.place(&field), message).hint("add for = \"60s\" or times = 3");
        found.push(Finding::warning("missing_for", fault));
    }

    /// Values that meet `when` and `clear` both: there `when` counts, so that the two should leave
    /// each other alone.
    fn overlap(&self, pair: &Pair<'_>, when: &Settled, found: &mut Vec<Finding>) {
        let (Some(fires), Some(over)) = (when.ways(true), self.condition.ways(true)) else {
            return;
        };
        let both = fires.iter().flat_map(|a| over.iter().map(move |b| (a, b)));
        let shared = both.filter(|(a, b)| self.conflict(&[a.as_slice(), b].concat()).is_none());
        let mut fields = shared.filter_map(|(a, b)| {
            let bounds = |claim: &&Claim| matches!(claim.test, Test::Ordered(..));
            let bound = b
                .iter()
                .filter(bounds)
                .find(|c| a.iter().filter(bounds).any(|o| o.field == c.field))?;
            // Each of the two alone can be met.
            (self.conflict(a).is_none() && self.conflict(b).is_none()).then_some(&bound.field)
        });
        let Some(field) = fields.next() else { return };
        let message = format!(
            "'clear' and the condition '{}' are both met for some values of '{field}': there the alert goes on",
            pair.when.get_ref().trim(),
        );
        let fault = Fault::new(self.place(field), message);
        let fault = fault.hint("let 'clear' begin beyond the bound of the condition");
        found.push(Finding::warning("clear_overlaps", fault));
    }
}

fn texts(test: &Test) -> impl Iterator<Item = &str> + Clone {
    let constants = match test {
        Test::Among(all) => all.as_slice(),
        Test::Ordered(_, one) => std::slice::from_ref(one),
        _ => &[],
    };
    constants.iter().filter_map(|constant| match constant {
        Constant::Text(text) => Some(text.as_str()),
        _ => None,
    })
}

fn asks_for_text(test: &Test) -> bool {
    *test == Test::Text || texts(test).next().is_some()
}

fn asks_for_number(test: &Test) -> bool {
    match test {
        Test::Among(all) => all.iter().any(|one| matches!(one, Constant::Number(_))),
        Test::Ordered(_, one) => matches!(one, Constant::Number(_)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use fleet_core::{Measure, MeasureKind};

    use super::*;

    #[test]
    fn noisy_gauges_are_gauges() {
        for name in NOISY {
            assert_eq!(Measure::named(name).unwrap().kind, MeasureKind::Gauge, "{name}");
        }
    }
}
