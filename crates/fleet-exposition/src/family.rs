//! Families of series, as both formats write them.

use std::collections::BTreeMap;
use std::fmt::Write;

use fleet_core::MeasureKind;

use crate::form::Form;
use crate::labels::escape;

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    /// Always 1: what counts are the labels.
    Info,
    Unknown,
}

impl From<MeasureKind> for Kind {
    fn from(kind: MeasureKind) -> Kind {
        match kind {
            MeasureKind::Gauge => Kind::Gauge,
            MeasureKind::Counter => Kind::Counter,
        }
    }
}

impl Kind {
    fn word(self, form: Form) -> &'static str {
        match (self, form) {
            (Kind::Counter, _) => "counter",
            (Kind::Info, Form::OpenMetrics) => "info",
            (Kind::Gauge | Kind::Info, _) => "gauge",
            (Kind::Unknown, Form::Text) => "untyped",
            (Kind::Unknown, Form::OpenMetrics) => "unknown",
        }
    }

    /// What a sample's name has behind the name of its family in OpenMetrics.
    fn suffix(self) -> &'static str {
        match self {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Unknown => "",
        }
    }
}

/// Units that a name may end with: those of the conventions that fleet has.
const UNITS: &[&str] =
    &["seconds", "bytes", "ratio", "celsius", "joules", "watts", "volts", "amperes", "hertz"];

#[derive(Clone, Debug)]
struct Family {
    kind: Kind,
    help: String,
    /// Its samples, a line each: the same in both formats.
    lines: String,
}

/// Families by the names of their samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Families(BTreeMap<String, Family>);

impl Families {
    /// Adds a sample. The name is that of the sample: a counter's ends with `_total`, an info's
    /// with `_info`. A counter that is no count (negative or NaN) would spoil the whole scrape and
    /// is left out.
    pub(crate) fn add(&mut self, name: &str, kind: Kind, help: &str, labels: &str, value: f64) {
        if kind == Kind::Counter && (value.is_nan() || value < 0.0) {
            return;
        }
        if !self.0.contains_key(name) {
            let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
            self.0.insert(name.to_owned(), Family { kind, help, lines: String::new() });
        }
        let Some(family) = self.0.get_mut(name) else { return };
        family.lines.push_str(name);
        if !labels.is_empty() {
            family.lines.extend(["{", labels, "}"]);
        }
        family.lines.push(' ');
        number(&mut family.lines, value);
        family.lines.push('\n');
    }

    /// All families, in the order of their names, so that equal rounds give equal texts.
    pub(crate) fn text(&self, form: Form) -> String {
        let size: usize =
            self.0.iter().map(|(n, f)| f.lines.len() + f.help.len() + 3 * n.len()).sum();
        let mut out = String::with_capacity(size + 64 * self.0.len());
        for (name, family) in &self.0 {
            family.head(&mut out, name, form);
            out.push_str(&family.lines);
        }
        if form == Form::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

impl Family {
    fn head(&self, out: &mut String, name: &str, form: Form) {
        let word = self.kind.word(form);
        match form {
            Form::Text => {
                help(out, name, &self.help, false);
                let _ = writeln!(out, "# TYPE {name} {word}");
            }
            Form::OpenMetrics => {
                let base = name.strip_suffix(self.kind.suffix()).unwrap_or(name);
                let _ = writeln!(out, "# TYPE {base} {word}");
                let last = base.rsplit('_').next().unwrap_or_default();
                if UNITS.contains(&last) {
                    let _ = writeln!(out, "# UNIT {base} {last}");
                }
                help(out, base, &self.help, true);
            }
        }
    }
}

fn help(out: &mut String, name: &str, text: &str, quotes: bool) {
    out.extend(["# HELP ", name, " "]);
    escape(out, text, quotes);
    out.push('\n');
}

fn number(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        let _ = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_differ_and_lines_do_not() {
        let mut families = Families::default();
        families.add("a_seconds_total", Kind::Counter, "Say\n \"so\".", "id=\"x\"", 1.5);
        families.add("b_info", Kind::Info, "B.", "v=\"1\"", 1.0);
        families.add("c", Kind::Unknown, "C\\.", "", f64::NEG_INFINITY);
        assert_eq!(
            families.text(Form::Text),
            "# HELP a_seconds_total Say \"so\".\n# TYPE a_seconds_total counter\n\
             a_seconds_total{id=\"x\"} 1.5\n\
             # HELP b_info B.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
             # HELP c C\\\\.\n# TYPE c untyped\nc -Inf\n"
        );
        assert_eq!(
            families.text(Form::OpenMetrics),
            "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds Say \\\"so\\\".\n\
             a_seconds_total{id=\"x\"} 1.5\n\
             # TYPE b info\n# HELP b B.\nb_info{v=\"1\"} 1\n\
             # TYPE c unknown\n# HELP c C\\\\.\nc -Inf\n# EOF\n"
        );
    }

    #[test]
    fn what_is_no_count_is_left_out() {
        let mut families = Families::default();
        families.add("a_total", Kind::Counter, "A.", "", f64::NAN);
        families.add("a_total", Kind::Counter, "A.", "", -1.0);
        assert_eq!(families.text(Form::OpenMetrics), "# EOF\n");
        families.add("b", Kind::Gauge, "B.", "", f64::NAN);
        assert!(families.text(Form::Text).ends_with("\nb NaN\n"));
    }
}
