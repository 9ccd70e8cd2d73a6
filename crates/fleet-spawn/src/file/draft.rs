//! A fleet file as it is written: profiles and processes, every key with its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use fleet_config::{Fault, did_you_mean};
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::merge::Said;
use crate::wish::Wish;

/// One `[process.NAME]` or `[profile.NAME]`.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    /// Where its name stands, in bytes.
    pub(super) at: usize,
    /// What it says, relative paths made absolute.
    pub(super) said: Said,
    /// Where the value of each key stands.
    pub(super) places: BTreeMap<String, usize>,
    /// Whether a key of it was refused, so that what it lacks is no news.
    pub(super) spoilt: bool,
}

impl Section {
    /// Where the value of a key stands, if this section says it.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        self.places.get(key).copied()
    }

    /// The texts of a key that holds one or several.
    pub(super) fn texts(&self, key: &str) -> Vec<&str> {
        let list = self.said.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// A file, read and not yet understood.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) profiles: Vec<Section>,
    /// In the order of the file.
    pub(super) processes: Vec<Section>,
    /// Everything that is wrong so far.
    pub(super) faults: Vec<Fault>,
}

/// Reads the text of a file in `folder`. Each key is read for itself, so that one mistake does not
/// hide another.
pub(super) fn read(text: &str, folder: &Path) -> Draft {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut draft =
        Draft { faults: errors.into_iter().map(Fault::from).collect(), ..Draft::default() };
    if !draft.faults.is_empty() {
        // What the rest means is a guess now.
        return draft;
    }
    for (key, value) in root.into_inner() {
        match key.get_ref().as_ref() {
            "process" => draft.processes = sections(value, folder, &mut draft.faults),
            "profile" => draft.profiles = sections(value, folder, &mut draft.faults),
            other => draft.faults.push(unknown(key.span().start, other, &["process", "profile"])),
        }
    }
    draft
}

fn sections(value: Spanned<DeValue<'_>>, folder: &Path, faults: &mut Vec<Fault>) -> Vec<Section> {
    let at = value.span().start;
    let DeValue::Table(table) = value.into_inner() else {
        faults.push(Fault::new(at, "expected tables, as [process.web] or [profile.base]"));
        return Vec::new();
    };
    let mut sections: Vec<Section> =
        table.into_iter().map(|(name, value)| section(name, value, folder, faults)).collect();
    sections.sort_by_key(|section| section.at);
    sections
}

fn section(
    name: Spanned<Cow<'_, str>>,
    value: Spanned<DeValue<'_>>,
    folder: &Path,
    faults: &mut Vec<Fault>,
) -> Section {
    let before = faults.len();
    let at = name.span().start;
    let name = name.into_inner().into_owned();
    let (mut said, mut places) = (Said::new(), BTreeMap::new());
    match value.into_inner() {
        DeValue::Table(table) => {
            for (key, value) in table {
                places.insert(key.get_ref().to_string(), value.span().start);
                one_key(key, value).map_or_else(|fault| faults.push(fault), |one| said.extend(one));
            }
        }
        _ => faults.push(Fault::new(at, format!("'{name}' is a table of what is wanted of it"))),
    }
    make_absolute(&mut said, folder);
    Section { name, at, said, places, spoilt: faults.len() > before }
}

/// A wish of one key.
fn one_key(key: Spanned<Cow<'_, str>>, value: Spanned<DeValue<'_>>) -> Result<Said, Fault> {
    let name = key.get_ref().to_string();
    let span = key.span();
    let mut table = DeTable::new();
    table.insert(key, value);
    let wish = Wish::deserialize(Deserializer::from(Spanned::new(span.clone(), table)))
        .map_err(|error| clearer(&name, Fault::from(error)))?;
    match serde_json::to_value(wish) {
        Ok(Value::Object(said)) => Ok(said),
        _ => Err(Fault::new(span.start, format!("'{name}' cannot be kept"))),
    }
}

/// A fault in words that fit a person's file; values of variables are never repeated.
fn clearer(key: &str, fault: Fault) -> Fault {
    let at = fault.at;
    if let Some(list) = fault.message.strip_prefix("unknown field ") {
        let mut quoted = list.split('`').skip(1).step_by(2);
        let unknown_key = quoted.next().unwrap_or_default();
        if let Some(table) = table_of(unknown_key).filter(|_| unknown_key == key) {
            let fault = Fault::new(at, format!("there is no key '{key}'"));
            return fault.hint(format!("write {table}.{key}"));
        }
        return unknown(at, unknown_key, &quoted.collect::<Vec<_>>());
    }
    if key == "env" && fault.message.starts_with("invalid type") {
        return Fault::new(at, "'env' is a table of texts").hint("env = { NAME = \"value\" }");
    }
    fault
}

/// The table that a key belongs to, if it is not one of the process itself.
fn table_of(key: &str) -> Option<&'static str> {
    ["limits", "health"].into_iter().find(|table| {
        let wish = serde_json::from_value::<Wish>(json!({ *table: { key: null } }));
        wish.err().is_none_or(|error| !error.to_string().starts_with("unknown field"))
    })
}

fn unknown(at: usize, key: &str, known: &[&str]) -> Fault {
    let fault = Fault::new(at, format!("there is no key '{key}'"));
    match did_you_mean(key, known.iter().copied()) {
        Some(hint) => fault.hint(hint),
        None => fault.hint(format!("there are: {}", known.join(", "))),
    }
}

/// Paths of a file are relative to its folder.
pub(super) fn make_absolute(said: &mut Said, folder: &Path) {
    let absolute = |path: &str| match path.starts_with("{dir}") || path.starts_with("{home}") {
        true => path.to_owned(),
        false => folder.join(path).to_string_lossy().into_owned(),
    };
    for key in ["cwd", "env_file"] {
        let Some(value) = said.get_mut(key) else { continue };
        let paths: &mut [Value] = match value {
            Value::Array(list) => list,
            one => std::slice::from_mut(one),
        };
        for path in paths {
            *path = path.as_str().map_or(Value::Null, |text| absolute(text).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Line, column, message and hint of everything that is wrong.
    fn wrong(text: &str) -> Vec<String> {
        let draft = read(text, "/f".as_ref());
        let mistake = |fault: Fault| {
            let found = fault.locate("f".as_ref(), text);
            let hint = found.hint.map_or(String::new(), |hint| format!(" ({hint})"));
            format!("{}:{} {}{hint}", found.line, found.column, found.message)
        };
        draft.faults.into_iter().map(mistake).collect()
    }

    #[test]
    fn a_good_file_has_no_faults_and_keeps_its_order() {
        let text =
            "[process.b]\ncommand='x'\ncwd='y'\n[profile.p]\nport=80\n[process.a]\nenv_file='e'\n";
        let draft = read(text, "/f".as_ref());
        assert_eq!(draft.faults, []);
        let names: Vec<_> = draft.processes.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(draft.processes[0].said["cwd"], "/f/y");
        assert_eq!(draft.processes[1].texts("env_file"), ["/f/e"]);
        assert_eq!(draft.profiles[0].said["port"], "80");
    }

    #[test]
    fn each_mistake_is_found_where_it_stands() {
        for (line, expected) in [
            ("comand = 'x'", "2:1 there is no key 'comand' (did you mean 'command'?)"),
            ("grace = 'soon'", "2:9 \"soon\" is no duration; write 90s, 5m, 2h, 30d or 1h30m"),
            (
                "log_max_size = '1X'",
                "2:16 \"1X\" is no size in bytes; write 4096, 512K, 10M or 2GiB",
            ),
            ("restart = true", "2:11 invalid type: boolean `true`, expected a text or a number"),
            (
                "after = ['a', 'b:well']",
                "2:15 \"well\" is nothing to wait for; write started, healthy, completed or ended",
            ),
            (
                "after = 'b:well'",
                "2:9 \"well\" is nothing to wait for; write started, healthy, completed or ended",
            ),
            ("after = 3", "2:9 invalid type: integer `3`, expected a text or a list of texts"),
            ("command = 3", "2:11 expected a text or a list of texts"),
            (
                "labels = { 'a b' = 'x' }",
                "2:12 a label's key holds letters, digits and '_' and does not begin with a digit: \"a b\"",
            ),
            ("env = { '' = 'x' }", "2:9 \"\" cannot name a variable"),
            ("env = 'hunter2'", "2:7 'env' is a table of texts (env = { NAME = \"value\" })"),
            ("env = { A = 7 }", "2:13 'env' is a table of texts (env = { NAME = \"value\" })"),
            (
                "limits = { memory = 'lots' }",
                "2:21 \"lots\" is no size in bytes; write 4096, 512K, 10M or 2GiB",
            ),
            ("memory = '1G'", "2:1 there is no key 'memory' (write limits.memory)"),
            ("tcp = 80", "2:1 there is no key 'tcp' (write health.tcp)"),
            ("limits.memry = '1G'", "2:8 there is no key 'memry' (did you mean 'memory'?)"),
            ("health.interval = 'x'", "2:19 \"x\" is no duration; write 90s, 5m, 2h, 30d or 1h30m"),
            ("replicas = -1", "2:12 invalid value: integer `-1`, expected u32"),
        ] {
            assert_eq!(wrong(&format!("[process.a]\n{line}\n")), [expected], "{line}");
        }
        let text = "proces = 1\n[process.a]\nx = 1\n";
        let top = "1:1 there is no key 'proces' (did you mean 'process'?)";
        let inner = wrong(text);
        assert_eq!(inner.len(), 2);
        assert!(inner.contains(&top.to_owned()), "{inner:?}");
        assert_eq!(wrong("process = 1\n").len(), 1);
        assert_eq!(wrong("[process]\na = 1\n"), ["2:1 'a' is a table of what is wanted of it"]);
    }

    #[test]
    fn two_mistakes_of_one_process_are_both_found() {
        assert_eq!(wrong("[process.a]\ngrace = 'x'\nport = 'y'\n").len(), 2);
        assert_eq!(wrong("[process.a]\ncommand =\ngrace = ]\n").len(), 2);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*", tail in "[a-z=\\[\\]'\". {}\n0-9]{0,60}") {
            read(&text, "/f".as_ref());
            read(&format!("[process.a]\n{tail}"), "/f".as_ref());
        }
    }
}
