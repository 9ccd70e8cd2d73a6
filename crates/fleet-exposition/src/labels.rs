//! Labels as they stand between the braces of a line.

use fleet_core::Labels;

/// What our own labels on a process or a device are called; no user's label may be called so, even
/// where there is none of ours at that moment: a label that changes its name would break its series.
const OURS: &[&str] = &[
    "attempt",
    "cause",
    "code",
    "collector",
    "container",
    "core",
    "gpu",
    "health",
    "id",
    "interface",
    "kpi",
    "metric",
    "mount",
    "oom",
    "pid",
    "port",
    "ports",
    "run",
    "sensor",
    "signal",
    "source",
    "state",
    "trend",
    "le",
    "quantile",
];

/// The labels of one series: `id="a",team="vision"`.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelText {
    text: String,
    names: Vec<String>,
}

impl LabelText {
    /// What stands between the braces.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds one of our own labels.
    pub(crate) fn own(&mut self, name: &str, value: &str) {
        self.push(name.to_owned(), value);
    }

    /// The same with one label more.
    pub(crate) fn with(&self, name: &str, value: &str) -> LabelText {
        let mut more = self.clone();
        more.own(name, value);
        more
    }

    /// Adds labels whose names somebody else chose.
    pub(crate) fn foreign<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        for (name, value) in labels {
            let mut name = label_name(name);
            if OURS.contains(&name.as_str()) || name.starts_with("__") {
                name.insert_str(0, "label_");
            }
            while self.names.contains(&name) {
                name.insert_str(0, "label_");
            }
            self.push(name, value);
        }
    }

    /// Adds the user's labels.
    pub(crate) fn users(&mut self, labels: &Labels) {
        self.foreign(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    }

    fn push(&mut self, name: String, value: &str) {
        if !self.text.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(&name);
        self.text.push_str("=\"");
        escape(&mut self.text, value, true);
        self.text.push('"');
        self.names.push(name);
    }
}

/// The nearest name that both formats allow: `[a-zA-Z_][a-zA-Z0-9_]*`.
fn label_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    match name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        true => format!("_{name}"),
        false => name,
    }
}

/// Appends text with backslashes, line feeds and, where told, quotes escaped: all that the formats
/// allow to escape. A carriage return cannot be escaped and breaks parsers; it becomes a space.
pub(crate) fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push(' '),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn text(pairs: &[(&str, &str)]) -> String {
        let mut labels = LabelText::default();
        labels.own("id", "a");
        labels.foreign(pairs.iter().copied());
        labels.text
    }

    #[test]
    fn values_are_escaped_and_names_made_plain() {
        assert_eq!(text(&[("team", "a\\b\"c\nd\re")]), r#"id="a",team="a\\b\"c\nd e""#);
        assert_eq!(text(&[("my-label", "1"), ("9", "2")]), r#"id="a",my_label="1",_9="2""#);
    }

    #[test]
    fn a_name_of_ours_is_never_taken() {
        let labels = [("id", "b"), ("state", "c"), ("__x", "d"), ("label_id", "e")];
        assert_eq!(
            text(&labels),
            r#"id="a",label_id="b",label_state="c",label___x="d",label_label_id="e""#
        );
        assert_eq!(text(&[("a-b", "1"), ("a.b", "2")]), r#"id="a",a_b="1",label_a_b="2""#);
    }

    proptest! {
        #[test]
        fn any_label_is_one_line_with_plain_unique_names(
            pairs in vec(("[a-c_.-]{0,2}|.{0,8}", ".{0,12}|[\\r\\n\"]{0,3}"), 0..8),
        ) {
            let mut labels = LabelText::default();
            labels.own("id", "a");
            labels.foreign(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
            prop_assert!(!labels.text.contains(['\n', '\r']));
            for (at, name) in labels.names.iter().enumerate() {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
                prop_assert!(name.chars().all(plain) && !name.starts_with("__"));
                prop_assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()));
                prop_assert!(!labels.names[..at].contains(name));
            }
        }
    }
}
