//! What stored samples come to, window by window.

use std::io;
use std::time::Duration;

use fleet_cli::{Align, Cell, Exit, Failure, Format, Out, Records, Table, talk};
use fleet_config::did_you_mean;
use fleet_core::{Measure, Measures, Sample, size_text};
use fleet_history::{Agg, Answer, Grouping, Query, Series, Shown, is_counter, query};
use glob::Pattern;
use serde_json::{Map, Number, Value};

use super::{FORMATS, Past, time_text};
use crate::print::csv::write_row;

/// Prints the windows, and returns whether there were any and what could not be read.
pub(crate) fn show(past: &Past, window: Duration) -> anyhow::Result<(bool, Vec<String>)> {
    let history = &past.args.history;
    let format = past.args.output.format(FORMATS)?;
    let measures = history.measures();
    refuse_rate_of_gauges(&history.agg, &measures)?;
    let wanted = patterns(&measures)?;
    let asked = Query {
        since: past.since,
        until: history.until,
        window,
        aggs: &history.agg,
        grouping: &Grouping::new(history.by.clone()),
        measures: &|name| wanted.iter().any(|pattern| pattern.matches(name)),
        series: &|series| past.choice.takes(series),
    };
    let mut answer = query(past.folder, &asked)?;
    let problems = std::mem::take(&mut answer.problems);
    let found = !answer.is_empty();
    if found && answer.measures.is_empty() {
        problems.iter().for_each(talk);
        return Err(nothing_measured(&measures).into());
    }
    let windows = Windows { fields: fields(&answer, &history.agg, &wanted), answer, window };
    let mut out = past.args.output.open(false)?;
    match format {
        Format::Table | Format::Wide => windows.table(&mut out)?,
        Format::Csv => windows.csv(&mut out)?,
        Format::Json => windows.records(Records::array(&mut out))?,
        _ => windows.records(Records::lines(&mut out))?,
    }
    out.finish()?;
    Ok((found, problems))
}

/// Windows without any value would tell nothing, without a word.
fn nothing_measured(wanted: &[String]) -> Failure {
    let what =
        format!("no stored sample that was asked for has a measure '{}'", wanted.join("', '"));
    let names = Measures::ALL.iter().map(|measure| measure.name);
    let hints = wanted.iter().filter_map(|name| did_you_mean(name, names.clone()));
    match hints.reduce(|all, hint| format!("{all} {hint}")) {
        Some(hint) => Failure::new(Exit::No, what).hint(hint),
        None => Failure::new(Exit::No, what),
    }
}

/// A rate of what goes up and down would be no number at all, without a word.
fn refuse_rate_of_gauges(aggs: &[Agg], measures: &[String]) -> Result<(), Failure> {
    let is_gauge = |name: &String| Measure::named(name).is_some() && !is_counter(name);
    if aggs.iter().any(|agg| *agg != Agg::Rate) || !measures.iter().all(is_gauge) {
        return Ok(());
    }
    let what = format!("a rate is of counters, and {} goes up and down", measures.join(", "));
    Err(Failure::new(Exit::CouldNot, what).hint("--metric cpu_seconds_total, or --agg avg"))
}

fn patterns(measures: &[String]) -> Result<Vec<Pattern>, Failure> {
    let read = |text: &String| {
        Pattern::new(text).map_err(|e| {
            Failure::new(Exit::CouldNot, format!("--metric '{text}' is no pattern: {e}"))
        })
    };
    measures.iter().map(read).collect()
}

/// One field of a record: an aggregation of a measure.
struct Field {
    name: String,
    /// Places in the answer.
    measure: usize,
    agg: usize,
    unit: Unit,
}

/// How people read a value.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    BytesPerSecond,
    Percent,
    Plain,
}

/// The fields in the order in which they were asked for, without those that cannot be: rates of
/// gauges, percentiles of counters. Who asks for rates means them where there are counters, and
/// not their mean count.
fn fields(answer: &Answer, aggs: &[Agg], wanted: &[Pattern]) -> Vec<Field> {
    let rank = |name: &str| wanted.iter().position(|pattern| pattern.matches(name));
    let mut measures: Vec<(usize, &String)> = answer.measures.iter().enumerate().collect();
    measures.sort_by_key(|(_, name)| (rank(name), *name));
    let mut fields = Vec::new();
    for (measure, name) in measures {
        for (nth, agg) in aggs.iter().enumerate() {
            let fits = match agg {
                Agg::Rate => is_counter(name),
                Agg::Percentile(_) => !is_counter(name),
                Agg::Avg | Agg::Min | Agg::Max => !is_counter(name) || !aggs.contains(&Agg::Rate),
                Agg::Last => true,
            };
            if fits {
                let unit = Unit::of(name, *agg);
                fields.push(Field { name: format!("{name}_{agg}"), measure, agg: nth, unit });
            }
        }
    }
    fields
}

struct Windows {
    answer: Answer,
    fields: Vec<Field>,
    window: Duration,
}

impl Windows {
    fn records<W: io::Write>(&self, mut records: Records<W>) -> io::Result<()> {
        self.answer.each(|row| records.write(&self.sample(&row)))?;
        records.finish().map(drop)
    }

    fn sample(&self, row: &Shown) -> Sample {
        let mut sample = row.group.sample(row.begin);
        let mut more = Map::new();
        more.insert("window_seconds".to_owned(), number(self.window.as_secs_f64()));
        more.insert("count".to_owned(), row.count.into());
        for field in &self.fields {
            if let Some(value) = row.value(field.measure, field.agg) {
                more.insert(field.name.clone(), number(value));
            }
        }
        sample.more = more;
        sample
    }

    fn csv(&self, out: &mut Out) -> io::Result<()> {
        let fixed =
            ["ts", "window_seconds", "subject", "host", "name", "id", "run", "labels", "count"];
        let names = self.fields.iter().map(|field| field.name.clone());
        write_row(out, &fixed.map(str::to_owned).into_iter().chain(names).collect::<Vec<_>>())?;
        self.answer.each(|row| {
            let of = row.group;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let fixed = [
                row.begin.to_string(),
                number(self.window.as_secs_f64()).to_string(),
                of.subject.word().to_owned(),
                text(&of.host),
                text(&of.name),
                of.id.as_ref().map_or(String::new(), ToString::to_string),
                of.run.map_or(String::new(), |run| run.to_string()),
                labels(of),
                row.count.to_string(),
            ];
            let values = self.fields.iter().map(|field| {
                let value = row.value(field.measure, field.agg);
                value.map_or(String::new(), |value| number(value).to_string())
            });
            write_row(out, &fixed.into_iter().chain(values).collect::<Vec<_>>())
        })
    }

    fn table(&self, out: &mut Out) -> io::Result<()> {
        let fixed = [("TIME", Align::Left), ("ID", Align::Left), ("COUNT", Align::Right)];
        let fixed = fixed.into_iter().map(|(title, align)| (title.to_owned(), align));
        let titles = self.fields.iter().map(|field| (field.name.to_uppercase(), Align::Right));
        let mut table = Table::titled(fixed.chain(titles));
        self.answer.each(|row| {
            let fixed = [time_text(row.begin), name(row.group), row.count.to_string()];
            let values = self.fields.iter().map(|field| {
                Cell::maybe(row.value(field.measure, field.agg).map(|value| field.unit.text(value)))
            });
            table.row(fixed.into_iter().map(Cell::new).chain(values).collect());
            Ok::<(), io::Error>(())
        })?;
        table.write(out)
    }
}

/// The group in one word: what has no id is named by its subject, in parentheses.
fn name(of: &Series) -> String {
    let id = of.id.as_ref().map(ToString::to_string);
    let mut name = id.unwrap_or_else(|| format!("({})", of.subject.word()));
    if let Some(run) = of.run {
        name += &format!("#{run}");
    }
    let labels = Some(labels(of)).filter(|labels| !labels.is_empty());
    for more in of.name.clone().into_iter().chain(of.pid.map(|pid| pid.to_string())).chain(labels) {
        name += &format!(" {more}");
    }
    name
}

fn labels(of: &Series) -> String {
    let pairs: Vec<String> =
        of.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// A number as JSON writes it best: whole ones without a point.
fn number(value: f64) -> Value {
    /// Up to here all whole numbers are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Value::from(value as i64);
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

impl Unit {
    fn of(measure: &str, agg: Agg) -> Unit {
        match agg {
            Agg::Rate if measure.contains("_bytes") => Unit::BytesPerSecond,
            Agg::Rate => Unit::Plain,
            _ if measure.ends_with("_bytes") || measure.ends_with("_bytes_total") => Unit::Bytes,
            _ if measure.ends_with("_percent") => Unit::Percent,
            _ => Unit::Plain,
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Unit::Bytes => size_text(value.max(0.0) as u64),
            Unit::BytesPerSecond => format!("{}/s", size_text(value.max(0.0) as u64)),
            Unit::Percent => format!("{value:.1}"),
            Unit::Plain if value.fract() == 0.0 => format!("{value:.0}"),
            Unit::Plain if value.abs() < 0.001 => format!("{value:.2e}"),
            Unit::Plain => format!("{value:.3}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        assert_eq!((number(3.0).to_string(), number(0.5).to_string()), ("3".into(), "0.5".into()));
        for (measure, agg, value, text) in [
            ("memory_bytes", Agg::Avg, 1536.0, "1.5K"),
            ("io_read_bytes", Agg::Rate, 2048.0, "2.0K/s"),
            ("cpu_percent", Agg::Max, 12.34, "12.3"),
            ("threads", Agg::Last, 7.0, "7"),
            ("loss", Agg::Min, 0.000_123, "1.23e-4"),
            ("cpu_seconds_total", Agg::Rate, 0.25, "0.250"),
        ] {
            assert_eq!(Unit::of(measure, agg).text(value), text, "{measure}");
        }
    }

    #[test]
    fn a_rate_of_gauges_alone_is_refused() {
        let measures = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let rate = [Agg::Rate];
        assert!(refuse_rate_of_gauges(&rate, &measures(&["cpu_percent"])).is_err());
        for names in [&["cpu_percent", "cpu_seconds_total"][..], &["loss"], &["*"]] {
            assert!(refuse_rate_of_gauges(&rate, &measures(names)).is_ok(), "{names:?}");
        }
        assert!(refuse_rate_of_gauges(&[Agg::Rate, Agg::Avg], &measures(&["threads"])).is_ok());
    }
}
