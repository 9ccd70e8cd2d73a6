//! From samples to families.

use std::collections::{HashMap, HashSet};

use fleet_core::{Id, Sample, Subject, Timestamp};
use serde_json::Value;

use crate::family::{Families, Kind};
use crate::form::Form;
use crate::held::Held;
use crate::labels::LabelText;
use crate::process;

/// So many things that are wrong in one round are told.
const TOLD: usize = 16;

/// A text among the extras of a device is a label of its info series up to this size.
const LABEL_BYTES: usize = 200;

/// Turns rounds of samples into expositions.
#[derive(Debug, Default)]
pub struct Exporter {
    held: Held,
}

/// What a scrape of one round says, before it has a form.
#[derive(Clone, Debug, Default)]
pub struct Exposition {
    families: Families,
}

impl Exposition {
    /// The whole text in one of the formats.
    pub fn text(&self, form: Form) -> String {
        self.families.text(form)
    }
}

impl Exporter {
    /// Exports a round, and says in sentences what of it could not be exported.
    ///
    /// Of the runs of one process the newest is exported, of two samples of the same thing the
    /// first. The members of a tree are not: their numbers are in those of the process.
    pub fn round(&mut self, samples: &[Sample]) -> (Exposition, Vec<String>) {
        let mut families = Families::default();
        let mut problems = Vec::new();
        about_us(samples, &mut families);
        let newest = newest_runs(samples.iter().filter(|s| s.subject == Subject::Process));
        let is_newest = |s: &Sample| s.id.as_ref().is_none_or(|id| newest.get(id) == Some(&s.run));
        let mut seen = HashSet::new();
        for sample in samples {
            if matches!(sample.subject, Subject::Member | Subject::Custom) {
                continue;
            }
            if sample.subject == Subject::Process && !is_newest(sample) {
                continue;
            }
            let labels = base_labels(sample);
            if !seen.insert((sample.subject, labels.text().to_owned())) {
                problems.push(twice(sample));
                continue;
            }
            measures(sample, &labels, &mut families);
            match sample.subject {
                Subject::Process => process::add(sample, &labels, &mut families),
                Subject::Fleet => process::fleet(sample, &labels, &mut families),
                Subject::Collector => {}
                _ => device_info(sample, &labels, &mut families),
            }
        }
        self.held.round(samples, &mut families, &mut problems);
        problems.truncate(TOLD);
        (Exposition { families }, problems)
    }
}

/// What is not about what is sampled: the build, and when the round was taken. A scraper that sees
/// the same time again and again talks to a tool whose sampling hangs.
fn about_us(samples: &[Sample], families: &mut Families) {
    let mut labels = LabelText::default();
    labels.own("version", env!("CARGO_PKG_VERSION"));
    let help = "The build of fleet that exports this.";
    families.add("fleet_build_info", Kind::Info, help, labels.text(), 1.0);
    if let Some(newest) = samples.iter().map(|sample| sample.ts).max() {
        let seconds = unix_seconds(newest);
        let help = "When the newest of these samples was taken.";
        families.add("fleet_sample_timestamp_seconds", Kind::Gauge, help, "", seconds);
    }
}

/// The newest run of each process of these samples.
pub(crate) fn newest_runs<'a>(
    samples: impl Iterator<Item = &'a Sample>,
) -> HashMap<&'a Id, Option<u32>> {
    let mut newest: HashMap<&Id, Option<u32>> = HashMap::new();
    for sample in samples {
        if let Some(id) = &sample.id {
            let run = newest.entry(id).or_default();
            *run = sample.run.max(*run);
        }
    }
    newest
}

fn twice(sample: &Sample) -> String {
    let name = sample.name.as_deref().or(sample.id.as_ref().map(Id::as_str)).unwrap_or_default();
    format!(
        "there are two samples of the {} '{}' with the same labels; the first is exported",
        sample.subject.word(),
        name.escape_debug()
    )
}

/// The labels that all series of a sample have.
pub(crate) fn base_labels(sample: &Sample) -> LabelText {
    let mut labels = LabelText::default();
    if let Some(id) = &sample.id {
        labels.own("id", id.as_str());
    }
    if let Some(port) = ports(sample).first() {
        labels.own("port", &port.to_string());
    }
    if let (Some(label), Some(name)) = (name_label(sample.subject), &sample.name) {
        labels.own(label, name);
    }
    if let (Subject::Custom, Some(Value::String(source))) =
        (sample.subject, sample.more.get("source"))
    {
        labels.own("source", source);
    }
    labels.users(&sample.labels);
    labels
}

/// Seconds since 1970, to the microsecond that records have: a number of nanoseconds is too long for
/// a double.
pub(crate) fn unix_seconds(ts: Timestamp) -> f64 {
    (ts.nanos() / 1000) as f64 / 1e6
}

/// The ports that are reserved for a process.
pub(crate) fn ports(sample: &Sample) -> Vec<u64> {
    let ports = sample.more.get("ports").and_then(Value::as_array);
    ports.into_iter().flatten().filter_map(Value::as_u64).collect()
}

/// Which label tells the subjects of a kind apart.
fn name_label(subject: Subject) -> Option<&'static str> {
    match subject {
        Subject::Disk => Some("mount"),
        Subject::Network => Some("interface"),
        Subject::Gpu => Some("gpu"),
        Subject::Core => Some("core"),
        Subject::Sensor => Some("sensor"),
        Subject::Container => Some("container"),
        Subject::Custom | Subject::Collector => Some("collector"),
        Subject::Process | Subject::Host | Subject::Fleet | Subject::Member | Subject::Log => None,
    }
}

fn measures(sample: &Sample, labels: &LabelText, families: &mut Families) {
    let subject = match sample.subject {
        // `fleet_fleet_` would say nothing more.
        Subject::Fleet => String::new(),
        other => format!("{}_", other.word()),
    };
    for (measure, value) in sample.measures.values() {
        let Some(exported) = measure.exported else { continue };
        // Of a GPU `gpu_memory_bytes` is `fleet_gpu_memory_bytes`, of a process with its subject.
        let exported = exported.strip_prefix(&subject).unwrap_or(exported);
        let name = format!("fleet_{subject}{exported}");
        let value = scaled(value, measure.factor);
        let help = match measure.factor {
            0.01 => &format!("{} Here as a ratio: 1 stands for 100.", measure.help),
            _ => measure.help,
        };
        families.add(&name, measure.kind.into(), help, labels.text(), value);
    }
}

/// The value times the factor, without the noise of multiplying by what no binary number is: to
/// twelve digits behind the point.
fn scaled(value: f64, factor: f64) -> f64 {
    if factor == 1.0 { value } else { (value * factor * 1e12).round() / 1e12 }
}

/// What is said of a device or the host in words, as labels of one info series.
fn device_info(sample: &Sample, labels: &LabelText, families: &mut Families) {
    let mut words: Vec<(&str, &str)> = Vec::new();
    words.extend(sample.host.as_deref().map(|host| ("host", host)));
    for (name, value) in &sample.more {
        match value.as_str() {
            // Why something is as it is changes and is for people.
            Some(text) if text.len() <= LABEL_BYTES && name != "reason" && name != "error" => {
                words.push((name, text));
            }
            _ => {}
        }
    }
    if words.is_empty() {
        return;
    }
    let mut labels = labels.clone();
    labels.foreign(words.into_iter());
    let name = format!("fleet_{}_info", sample.subject.word());
    families.add(&name, Kind::Info, "What it is.", labels.text(), 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(subject: Subject, name: &str) -> Sample {
        let mut sample = Sample::new(subject, Timestamp::from_nanos(1_000_000_000));
        match subject {
            Subject::Process => sample.id = name.parse().ok(),
            _ => sample.name = Some(name.to_owned()),
        }
        sample
    }

    fn text(exporter: &mut Exporter, samples: &[Sample]) -> (String, Vec<String>) {
        let (exposition, problems) = exporter.round(samples);
        (exposition.text(Form::Text), problems)
    }

    #[test]
    fn of_two_equal_samples_the_first_is_exported_and_that_is_told() {
        let (mut a, mut b) = (sample(Subject::Disk, "/x\n"), sample(Subject::Disk, "/x\n"));
        (a.measures.temperature_celsius, b.measures.temperature_celsius) = (Some(1.0), Some(2.0));
        let (text, problems) = text(&mut Exporter::default(), &[a, b]);
        assert!(text.contains("\nfleet_disk_temperature_celsius{mount=\"/x\\n\"} 1\n"), "{text}");
        assert_eq!(text.matches("fleet_disk_temperature_celsius{").count(), 1);
        assert_eq!(
            problems,
            [
                "there are two samples of the disk '/x\\n' with the same labels; the first is exported"
            ]
        );
    }

    #[test]
    fn of_two_runs_the_newer_is_exported_without_a_word() {
        let run = |number, threads| {
            let mut run = sample(Subject::Process, "a");
            (run.run, run.measures.threads) = (Some(number), Some(threads));
            run
        };
        let (text, problems) = text(&mut Exporter::default(), &[run(2, 7), run(1, 5)]);
        assert!(text.contains("fleet_process_threads{id=\"a\"} 7\n"), "{text}");
        assert_eq!((text.matches("fleet_process_threads{").count(), problems.len()), (1, 0));
    }

    #[test]
    fn a_share_is_a_ratio_without_noise() {
        assert_eq!((scaled(33.33, 0.01), scaled(4.45, 0.01)), (0.3333, 0.0445));
        assert_eq!(scaled(7.0, 1.0), 7.0);
        assert_eq!(scaled(2.0, 1000.0), 2000.0);
    }

    #[test]
    fn a_device_says_in_words_what_it_is() {
        let mut gpu = sample(Subject::Gpu, "GPU-1");
        gpu.measures.gpu_memory_bytes = Some(7);
        gpu.more.insert("product".into(), json!("H \"100\""));
        gpu.more.insert("error".into(), json!("lost"));
        gpu.more.insert("index".into(), json!(0));
        let (text, _) = text(&mut Exporter::default(), &[gpu]);
        assert!(text.contains("\nfleet_gpu_memory_bytes{gpu=\"GPU-1\"} 7\n"), "{text}");
        assert!(
            text.contains("fleet_gpu_info{gpu=\"GPU-1\",product=\"H \\\"100\\\"\"} 1\n"),
            "{text}"
        );
    }

    fn point(seconds: i64, values: Value) -> Sample {
        let mut point =
            Sample::new(Subject::Custom, Timestamp::from_nanos(seconds * 1_000_000_000));
        point.id = "a".parse().ok();
        point.more = values.as_object().cloned().unwrap_or_default();
        point
    }

    #[test]
    fn a_curve_stands_at_its_newest_value_until_its_process_is_gone() {
        let mut exporter = Exporter::default();
        let points = [
            point(2, json!({"loss": 0.5, "step": 2, "source": "log"})),
            point(1, json!({"loss": 0.9, "source": "log"})),
            point(3, json!({"eval\"loss": "NaN", "source": "log"})),
        ];
        let (first, problems) = text(&mut exporter, &points);
        assert!(problems.is_empty());
        let labels = "id=\"a\",source=\"log\"";
        assert!(
            first.contains(&format!("fleet_custom{{{labels},metric=\"loss\"}} 0.5\n")),
            "{first}"
        );
        assert!(first.contains(&format!("{{{labels},metric=\"eval\\\"loss\"}} NaN\n")), "{first}");
        assert!(first.contains(&format!("fleet_custom_timestamp_seconds{{{labels}}} 3\n")));
        let alive = sample(Subject::Process, "a");
        let (second, _) = text(&mut exporter, &[alive]);
        assert!(second.contains("metric=\"loss\"} 0.5\n"), "{second}");
        let mut next = sample(Subject::Process, "a");
        next.run = Some(2);
        let (after, _) = text(&mut exporter, &[next]);
        assert!(!after.contains("fleet_custom"), "{after}");
        let (third, _) = text(&mut exporter, &[sample(Subject::Process, "b")]);
        assert!(!third.contains("fleet_custom"), "{third}");
    }

    #[test]
    fn a_curve_of_no_process_stands_for_an_hour() {
        let mut exporter = Exporter::default();
        let emitted = |seconds, loss| {
            let mut point = point(seconds, json!({"loss": loss, "source": "emit"}));
            point.id = None;
            point
        };
        let (first, problems) = text(&mut exporter, &[emitted(1, 0.9), emitted(2, 0.5)]);
        assert!(first.contains("{source=\"emit\",metric=\"loss\"} 0.5\n"), "{first}");
        assert_eq!(problems, Vec::<String>::new());
        let at = |seconds: i64| {
            Sample::new(Subject::Host, Timestamp::from_nanos(seconds * 1_000_000_000))
        };
        assert!(text(&mut exporter, &[at(3600)]).0.contains("loss"));
        assert!(!text(&mut exporter, &[at(3602)]).0.contains("loss"));
    }

    #[test]
    fn values_of_a_collector_last_one_round_and_their_duplicates_are_told() {
        let mut exporter = Exporter::default();
        let mut one = sample(Subject::Custom, "queue");
        one.more.insert("depth".into(), json!(1));
        let mut two = one.clone();
        two.more.insert("depth".into(), json!(2));
        let (first, problems) = text(&mut exporter, &[one, two]);
        assert!(
            first.contains("fleet_custom{collector=\"queue\",metric=\"depth\"} 1\n"),
            "{first}"
        );
        assert_eq!(problems.len(), 1);
        let (second, _) = text(&mut exporter, &[sample(Subject::Process, "a")]);
        assert!(!second.contains("fleet_custom"), "{second}");
    }

    #[test]
    fn curves_are_bounded_and_that_is_told() {
        let values: serde_json::Map<String, Value> =
            (0..10_050).map(|n| (format!("m{n}"), json!(n))).collect();
        let (text, problems) = text(&mut Exporter::default(), &[point(1, Value::Object(values))]);
        assert_eq!(text.matches("fleet_custom{").count(), 10_000);
        assert!(!problems.is_empty() && problems.len() <= TOLD);
    }
}
