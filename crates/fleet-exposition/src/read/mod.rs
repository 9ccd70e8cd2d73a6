//! Reading what programs export: the text format 0.0.4 and OpenMetrics 1.0, alike.
//!
//! It is read as generously as it can be understood: blank lines, carriage returns, blanks between
//! all parts, heads in any order, kinds that nobody knows. Timestamps and exemplars are passed
//! over. What cannot be understood refuses the whole text, as Prometheus does, for nobody knows what
//! else is wrong with it; of two series with the same labels the first is kept and the second told.

mod line;

use std::collections::{HashMap, HashSet};
use std::fmt;

use line::{Rest, split_word, unescaped};

/// What a text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// In the order in which they are first named.
    pub families: Vec<Family>,
    /// Series that were there before, and were left out.
    pub repeated: Vec<Repeated>,
}

/// What belongs together under a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name; of a counter of OpenMetrics without `_total`.
    pub name: String,
    /// How it moves.
    pub kind: Kind,
    /// What it is.
    pub help: Option<String>,
    /// What it is counted in.
    pub unit: Option<String>,
    /// Its series.
    pub points: Vec<Point>,
}

/// How the values of a family move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Up only.
    Counter,
    /// Up and down.
    Gauge,
    /// Counts by upper bounds.
    Histogram,
    /// The same of a present state.
    GaugeHistogram,
    /// Quantiles.
    Summary,
    /// A text beside a 1.
    Info,
    /// One of several states.
    StateSet,
    /// Nothing is said of it.
    #[default]
    Unknown,
}

/// One series and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The name of the family, maybe with a suffix.
    pub name: String,
    /// In the order in which they are written.
    pub labels: Vec<(String, String)>,
    /// Any number, and what is none.
    pub value: f64,
}

/// A series that was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// Line from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Repeated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: '{}' is there with the same labels before", self.line, self.name)
    }
}

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} column {column}: {wrong}")]
pub struct ReadError {
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A line begins with something else.
    #[error("expected the name of a metric")]
    Metric,
    /// Between braces there is something else.
    #[error("expected the name of a label or '}}'")]
    Label,
    /// A label has no value.
    #[error("expected '='")]
    Equals,
    /// A value of a label is not quoted.
    #[error("expected '\"'")]
    Quote,
    /// A text in quotes does not end on its line.
    #[error("the quotes are not closed")]
    Open,
    /// A label is followed by something else.
    #[error("expected ',' or '}}'")]
    Comma,
    /// The value is none.
    #[error("expected a number")]
    Number,
    /// There is more behind the value than a timestamp.
    #[error("expected a timestamp or the end of the line")]
    End,
    /// A label is there twice.
    #[error("this label is there twice")]
    Twice,
}

/// Reads a text.
///
/// # Errors
/// A line cannot be understood.
pub fn parse(text: &str) -> Result<Text, ReadError> {
    let mut reader = Reader::default();
    for (at, line) in text.split('\n').enumerate() {
        let line = line.trim_end_matches('\r');
        let mut rest = Rest { line, at: 0 };
        rest.blanks();
        if rest.end() {
            continue;
        }
        if rest.takes('#') {
            if reader.comment(&rest) {
                break;
            }
            continue;
        }
        let point = rest.point().map_err(|wrong| ReadError {
            line: at + 1,
            column: line[..rest.at].chars().count() + 1,
            wrong,
        })?;
        reader.point(at + 1, point);
    }
    Ok(reader.text)
}

/// Suffixes of the series of a family.
const SUFFIXES: [&str; 8] =
    ["_total", "_created", "_bucket", "_sum", "_count", "_info", "_gcount", "_gsum"];

#[derive(Default)]
struct Reader {
    text: Text,
    /// Where each family stands.
    names: HashMap<String, usize>,
    /// Names and sorted labels of all series so far.
    seen: HashSet<(String, Vec<(String, String)>)>,
}

impl Reader {
    /// Understands a comment, if it is one of those that say something; whether it is the end.
    fn comment(&mut self, rest: &Rest<'_>) -> bool {
        let words = rest.line[rest.at..].trim_start();
        let (what, words) = split_word(words);
        if what == "EOF" {
            return true;
        }
        let (name, said) = split_word(words);
        let name = name.trim_matches('"');
        if name.is_empty() || !["HELP", "TYPE", "UNIT"].contains(&what) {
            return false;
        }
        let family = self.family(name);
        match what {
            "HELP" => family.help = Some(unescaped(said)),
            "TYPE" => family.kind = kind(said.trim()),
            _ => family.unit = Some(said.trim().to_owned()).filter(|unit| !unit.is_empty()),
        }
        false
    }

    fn point(&mut self, line: usize, point: Point) {
        let mut labels = point.labels.clone();
        labels.sort();
        if self.seen.insert((point.name.clone(), labels)) {
            let name = self.family_of(&point.name).to_owned();
            self.family(&name).points.push(point);
        } else {
            self.text.repeated.push(Repeated { line, name: point.name });
        }
    }

    /// The name of the family that a series belongs to.
    fn family_of<'n>(&self, name: &'n str) -> &'n str {
        let known = |name: &str| self.names.contains_key(name);
        let mut stems = SUFFIXES.iter().filter_map(|suffix| name.strip_suffix(suffix));
        if known(name) { name } else { stems.find(|stem| known(stem)).unwrap_or(name) }
    }

    fn family(&mut self, name: &str) -> &mut Family {
        let families = &mut self.text.families;
        let at = *self.names.entry(name.to_owned()).or_insert_with(|| {
            families.push(Family {
                name: name.to_owned(),
                kind: Kind::Unknown,
                help: None,
                unit: None,
                points: Vec::new(),
            });
            families.len() - 1
        });
        &mut families[at]
    }
}

fn kind(word: &str) -> Kind {
    match word {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "gaugehistogram" => Kind::GaugeHistogram,
        "summary" => Kind::Summary,
        "info" => Kind::Info,
        "stateset" => Kind::StateSet,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(text: &str) -> Vec<(String, f64)> {
        let families = parse(text).unwrap().families;
        let shown = |point: &Point| {
            let pairs: Vec<String> =
                point.labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            (format!("{}{{{}}}", point.name, pairs.join(",")), point.value)
        };
        families.iter().flat_map(|family| family.points.iter().map(shown)).collect()
    }

    fn only(line: &str) -> (String, f64) {
        let mut points = points(line);
        assert_eq!(points.len(), 1, "{line}");
        points.remove(0)
    }

    #[test]
    fn families_have_heads_and_series() {
        let text = "# HELP rpc Calls.\\nAll of them.\n# TYPE rpc counter\n# UNIT rpc calls\n\
                    rpc_total{a=\"b\"} 3 1700000000\nrpc_created 5\n\n# a comment\n\
                    up 1\n# EOF\nnever read at all\n";
        let families = parse(text).unwrap().families;
        assert_eq!(families.len(), 2);
        let rpc = &families[0];
        assert_eq!((rpc.name.as_str(), rpc.kind, rpc.points.len()), ("rpc", Kind::Counter, 2));
        assert_eq!(rpc.help.as_deref(), Some("Calls.\nAll of them."));
        assert_eq!(rpc.unit.as_deref(), Some("calls"));
        assert_eq!((families[1].name.as_str(), families[1].kind), ("up", Kind::Unknown));
    }

    #[test]
    fn a_line_is_read_however_it_is_written() {
        for (line, series, value) in [
            ("a 1", "a{}", 1.0),
            ("a:b_1 -2.5e3", "a:b_1{}", -2500.0),
            ("\ta { } 1\t", "a{}", 1.0),
            ("a{b=\"c\"}1", "a{b=\"c\"}", 1.0),
            ("a { b = \"c\" , d=\"e\" , } +Inf -17", "a{b=\"c\",d=\"e\"}", f64::INFINITY),
            (
                "a{b=\"\\\\ \\\" \\n \\x {}=,# ü\"} 1 1.5",
                "a{b=\"\\\\ \\\" \\n \\\\x {}=,# ü\"}",
                1.0,
            ),
            ("a{b=\"\"} 7\r", "a{b=\"\"}", 7.0),
            ("a_bucket{le=\"1\"} 7 # {t=\"x\"} 0.5 1", "a_bucket{le=\"1\"}", 7.0),
            ("a 1 2 # {} 1", "a{}", 1.0),
            ("{\"my.name\", \"a.b\"=\"c\"} 1", "my.name{a.b=\"c\"}", 1.0),
            ("a inf", "a{}", f64::INFINITY),
        ] {
            assert_eq!(only(line), (series.to_owned(), value), "{line}");
        }
        assert!(only("a NaN").1.is_nan());
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, line, column, wrong) in [
            ("a 1\n<html>", 2, 1, Wrong::Metric),
            ("1a 1", 1, 1, Wrong::Metric),
            ("{} 1", 1, 3, Wrong::Metric),
            ("a{1b=\"\"} 1", 1, 3, Wrong::Label),
            ("a{b} 1", 1, 4, Wrong::Equals),
            ("a{\"x\",\"y\"} 1", 1, 6, Wrong::Equals),
            ("a{b=c} 1", 1, 5, Wrong::Quote),
            ("a{b=\"c} 1", 1, 6, Wrong::Open),
            ("a{b=\"c\" d=\"\"} 1", 1, 9, Wrong::Comma),
            ("a{b=\"\",b=\"\"} 1", 1, 8, Wrong::Twice),
            ("a{b=\"ü\"} x", 1, 10, Wrong::Number),
            ("a", 1, 2, Wrong::Number),
            ("a 1_000", 1, 3, Wrong::Number),
            ("a 1 x", 1, 5, Wrong::End),
            ("a 1 2 3", 1, 7, Wrong::End),
        ] {
            assert_eq!(parse(text), Err(ReadError { line, column, wrong }), "{text}");
        }
        let error = parse("a{b} 1").unwrap_err();
        assert_eq!(error.to_string(), "line 1 column 4: expected '='");
    }

    #[test]
    fn of_the_same_series_the_first_is_kept() {
        let text = "a{x=\"1\",y=\"2\"} 1\nb 1\na{y=\"2\",x=\"1\"} 2\na{x=\"1\"} 3\n";
        let read = parse(text).unwrap();
        assert_eq!(read.repeated, [Repeated { line: 3, name: "a".into() }]);
        assert_eq!(read.families[0].points.iter().map(|p| p.value).collect::<Vec<_>>(), [1.0, 3.0]);
    }

    #[test]
    fn series_of_a_histogram_belong_together() {
        let text = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n# TYPE h_size gauge\nh_size 1\n";
        let families = parse(text).unwrap().families;
        let sizes: Vec<_> = families.iter().map(|f| (f.name.as_str(), f.points.len())).collect();
        assert_eq!(sizes, [("h", 3), ("h_size", 1)]);
    }

    /// A series as the writers of both formats write it.
    fn series() -> impl Strategy<Value = Point> {
        let labels = prop::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_]{0,5}", ".*", 0..4);
        ("[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", labels, any::<f64>()).prop_map(|(name, labels, value)| {
            Point { name, labels: labels.into_iter().collect(), value }
        })
    }

    fn written(point: &Point) -> String {
        let escaped =
            |text: &str| text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"");
        let labels: Vec<String> = point
            .labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", escaped(value)))
            .collect();
        format!("{}{{{}}} {}\n", point.name, labels.join(","), point.value)
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", bits in "[a{}\"=, \\\\#\n1]{0,60}") {
            let _ = parse(&text);
            let _ = parse(&bits);
        }

        #[test]
        fn what_is_written_is_read(point in series()) {
            let read = parse(&written(&point)).unwrap();
            let found = &read.families[0].points[0];
            prop_assert_eq!((&found.name, &found.labels), (&point.name, &point.labels));
            prop_assert!(found.value == point.value || (found.value.is_nan() && point.value.is_nan()));
        }
    }
}
