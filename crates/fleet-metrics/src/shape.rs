//! Which part of a round is shown, and in what order.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::num::NonZeroUsize;

use clap::Args;
use fleet_config::did_you_mean;
use fleet_core::{Measures, RunKey, Sample, Subject};
use serde_json::Value;

use crate::told::Told;
use crate::view::{Narrowing, View};

/// What is shown of a round, and in what order.
#[derive(Args, Clone, Debug)]
pub struct ShapeArgs {
    /// Only measures of this kind
    #[arg(long = "type", value_name = "VIEW")]
    pub view: Option<View>,
    /// Order by this field of the records, numbers from the largest, words from A; -FIELD turns it
    /// round. Processes are ordered by their curves, too, with --curves [default: by name in tables]
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// Only the first N of each subject, by CPU if no --sort is given
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub top: Option<usize>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let many: NonZeroUsize = text.parse().map_err(|_| "the least is 1".to_owned())?;
    Ok(many.get())
}

const NO_RATES: &str = "rates are counted from the round before: say --count 2 or --follow";

/// Brings rounds into the shape that was asked for.
pub(crate) struct Shape {
    narrowing: Option<Narrowing>,
    order: Option<Order>,
    top: Option<usize>,
    told: Told,
}

struct Order {
    field: String,
    turned: bool,
}

impl Shape {
    /// `once` says that there is one round alone.
    pub(crate) fn new(args: &ShapeArgs, once: bool) -> Shape {
        let sort = args.sort.clone().or_else(|| args.top.map(|_| "cpu_percent".to_owned()));
        let order = sort.map(|text| match text.strip_prefix('-') {
            Some(field) => Order { field: field.to_owned(), turned: true },
            None => Order { field: text, turned: false },
        });
        let narrowing = args.view.map(Narrowing::new);
        let mut told = Told::default();
        if once && args.view == Some(View::Throughput) {
            told.say(NO_RATES.to_owned());
        }
        Shape { narrowing, order, top: args.top, told }
    }

    /// Brings a round into shape.
    pub(crate) fn round(&mut self, mut samples: Vec<Sample>) -> Vec<Sample> {
        // Sorted first: by memory also where only the CPU is shown.
        if let Some(order) = &self.order {
            let known;
            (samples, known) = order.sorted(samples);
            if !known && !samples.is_empty() {
                self.told.say(unknown(&order.field));
            }
        }
        if let Some(top) = self.top {
            keep_first(&mut samples, top);
        }
        if let Some(narrowing) = &mut self.narrowing {
            let problem = narrowing.round(&mut samples);
            problem.into_iter().for_each(|problem| self.told.say(problem.to_owned()));
        }
        samples
    }
}

fn unknown(field: &str) -> String {
    let words = ["id", "name", "state", "run", "attempt", "pid", "restarts", "health"];
    let fields = Measures::ALL.iter().map(|measure| measure.name).chain(words);
    let hint = did_you_mean(field, fields).map_or(String::new(), |hint| format!("; {hint}"));
    format!("no sample has a field '{}' to sort by{hint}", field.escape_debug())
}

impl Order {
    /// The samples of each subject in this order, the subjects in the order in which they came;
    /// and whether any sample has the field.
    fn sorted(&self, samples: Vec<Sample>) -> (Vec<Sample>, bool) {
        let mut subjects: Vec<Subject> = Vec::new();
        let mut keyed: Vec<(usize, Value, Sample)> = Vec::with_capacity(samples.len());
        let own = self.own_values(&samples);
        for sample in samples {
            let found = subjects.iter().position(|subject| *subject == sample.subject);
            let group = found.unwrap_or_else(|| {
                subjects.push(sample.subject);
                subjects.len() - 1
            });
            let said = || own.get(&key(&sample)?).filter(|_| sample.subject == Subject::Process);
            let key = field(&sample, &self.field).or_else(|| said().cloned()).unwrap_or_default();
            keyed.push((group, key, sample));
        }
        let known = keyed.iter().any(|(_, key, _)| !key.is_null());
        keyed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| self.compare(&a.1, &b.1)));
        (keyed.into_iter().map(|(_, _, sample)| sample).collect(), known)
    }

    /// What processes say of themselves by that name, the newest of each.
    fn own_values(&self, samples: &[Sample]) -> HashMap<RunKey, Value> {
        let custom = samples.iter().filter(|sample| sample.subject == Subject::Custom);
        custom.filter_map(|one| Some((key(one)?, one.more.get(&self.field)?.clone()))).collect()
    }

    /// What lacks the field comes last, whichever way round.
    fn compare(&self, a: &Value, b: &Value) -> Ordering {
        let order = match (a, b) {
            (Value::Null, Value::Null) => return Ordering::Equal,
            (Value::Null, _) => return Ordering::Greater,
            (_, Value::Null) => return Ordering::Less,
            (Value::Number(a), Value::Number(b)) => {
                let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
                b.total_cmp(&a)
            }
            (Value::Number(_), _) => Ordering::Less,
            (_, Value::Number(_)) => Ordering::Greater,
            (a, b) => words(a).cmp(&words(b)),
        };
        if self.turned { order.reverse() } else { order }
    }
}

fn key(sample: &Sample) -> Option<RunKey> {
    Some(RunKey { id: sample.id.clone()?, run: sample.run? })
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A field of the record; `labels.team` is one inside.
fn field(sample: &Sample, path: &str) -> Option<Value> {
    let record = serde_json::to_value(sample).ok()?;
    if let Some(value) = record.get(path) {
        return Some(value.clone());
    }
    let (outer, inner) = path.split_once('.')?;
    record.get(outer)?.get(inner).cloned()
}

fn keep_first(samples: &mut Vec<Sample>, top: usize) {
    let mut counts: Vec<(Subject, usize)> = Vec::new();
    samples.retain(|sample| {
        let found = counts.iter().position(|(subject, _)| *subject == sample.subject);
        let at = found.unwrap_or_else(|| {
            counts.push((sample.subject, 0));
            counts.len() - 1
        });
        counts[at].1 += 1;
        counts[at].1 <= top
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::Timestamp;

    fn round() -> Vec<Sample> {
        let process = |id: &str, cpu, team: &str| {
            let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
            sample.id = id.parse().ok();
            sample.measures.cpu_percent = cpu;
            sample.labels.insert("team".into(), team.into());
            sample
        };
        let mut host = Sample::new(Subject::Host, Timestamp::from_nanos(0));
        host.measures.cpu_percent = Some(1.0);
        vec![
            host,
            process("none", None, "a"),
            process("small", Some(5.0), "c"),
            process("large", Some(50.0), "b"),
        ]
    }

    fn shaped(sort: Option<&str>, top: Option<usize>) -> String {
        let args = ShapeArgs { view: None, sort: sort.map(str::to_owned), top };
        let samples = Shape::new(&args, true).round(round());
        let name = |s: &Sample| s.id.as_ref().map_or("host".to_owned(), ToString::to_string);
        samples.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_from_the_largest_and_words_from_a() {
        assert_eq!(shaped(None, None), "host none small large");
        assert_eq!(shaped(Some("cpu_percent"), None), "host large small none");
        assert_eq!(shaped(Some("-cpu_percent"), None), "host small large none");
        assert_eq!(shaped(Some("id"), None), "host large none small");
        assert_eq!(shaped(Some("labels.team"), None), "host none large small");
    }

    #[test]
    fn processes_are_ordered_by_what_they_say_of_themselves() {
        let mut samples = round();
        for (at, loss) in [(1, 0.5), (3, 0.7)] {
            samples[at].run = Some(1);
            let mut said = Sample::new(Subject::Custom, Timestamp::from_nanos(0));
            (said.id, said.run) = (samples[at].id.clone(), Some(1));
            said.more.insert("loss".to_owned(), loss.into());
            samples.push(said);
        }
        let order = Order { field: "loss".to_owned(), turned: false };
        let (sorted, known) = order.sorted(samples);
        let ids: Vec<&str> = sorted.iter().flat_map(|s| &s.id).map(|id| id.as_str()).collect();
        assert_eq!((known, ids), (true, vec!["large", "none", "small", "large", "none"]));
    }

    #[test]
    fn the_first_of_each_subject() {
        assert_eq!(shaped(None, Some(1)), "host large");
        assert_eq!(shaped(Some("id"), Some(2)), "host large none");
    }

    #[test]
    fn a_field_that_nothing_has_is_told_with_its_likes() {
        assert_eq!(
            unknown("memry_bytes"),
            "no sample has a field 'memry_bytes' to sort by; did you mean 'memory_bytes'?"
        );
    }
}
