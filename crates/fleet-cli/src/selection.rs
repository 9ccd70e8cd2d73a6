//! Which processes a tool works on.

use std::collections::HashMap;
use std::io::{self, BufRead};

use clap::Args;
use fleet_core::{Id, Label, ProcessRecord};
use fleet_registry::{Selector, has_labels};
use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// How a person chooses processes.
#[derive(Args, Clone, Debug, Default)]
pub struct SelectArgs {
    /// Processes: a name, name#run, a glob ('mission-*'), :PORT, pid:PID, or - to read records
    /// or names from standard input
    #[arg(value_name = "SELECTOR")]
    pub selectors: Vec<String>,
    /// Only processes with this label (repeatable, all must fit)
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
}

/// A choice of processes, read and checked.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    selectors: Vec<Selector>,
    labels: Vec<Label>,
    everything: bool,
}

impl SelectArgs {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.selectors.is_empty() && self.labels.is_empty()
    }

    /// Reads the choice, and with `-` standard input.
    ///
    /// # Errors
    /// Something is no selector, or standard input cannot be read or holds neither records nor
    /// names.
    pub fn read(&self) -> Result<Selection, Failure> {
        let mut selectors = Vec::new();
        for text in &self.selectors {
            if text == "-" {
                selectors.extend(from_lines(io::stdin().lock())?);
            } else {
                selectors.push(parse(text)?);
            }
        }
        Ok(Selection {
            selectors,
            labels: self.labels.clone(),
            everything: self.selectors.is_empty(),
        })
    }
}

fn parse(text: &str) -> Result<Selector, Failure> {
    text.parse().map_err(|e| Failure::new(Exit::CouldNot, format!("{text:?} selects nothing: {e}")))
}

/// The part of a record that names a run.
#[derive(Deserialize)]
struct Named {
    id: Id,
    run: Option<u32>,
}

fn from_lines(lines: impl BufRead) -> Result<Vec<Selector>, Failure> {
    let mut found = Vec::new();
    for (at, line) in lines.lines().enumerate() {
        let bad = |what: String| {
            Failure::new(Exit::CouldNot, format!("standard input line {}: {what}", at + 1))
        };
        let line = line.map_err(|e| bad(e.to_string()))?;
        let line = line.trim();
        if line.starts_with('{') {
            let named: Named = serde_json::from_str(line)
                .map_err(|_| bad("a record without a process's 'id'".to_owned()))?;
            found.push(match named.run {
                Some(run) => Selector::Run(named.id, run),
                None => Selector::Id(named.id),
            });
        } else if !line.is_empty() {
            found.push(line.parse().map_err(|e| bad(format!("{line:?} selects nothing: {e}")))?);
        }
    }
    Ok(found)
}

impl Selection {
    /// The selectors; none means all.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// The labels that must all fit.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// Whether a record is chosen; `newest` says that its id has no later run.
    pub fn takes(&self, record: &ProcessRecord, newest: bool) -> bool {
        let named = self.everything || self.selectors.iter().any(|s| s.matches(record, newest));
        named && has_labels(record, &self.labels)
    }

    /// The newest run of each id; nothing where nobody asks.
    fn newest<T>(&self, items: &[T], record: impl Fn(&T) -> &ProcessRecord) -> HashMap<Id, u32> {
        let mut newest: HashMap<Id, u32> = HashMap::new();
        for record in items.iter().map(record).filter(|_| !self.selectors.is_empty()) {
            let run = newest.entry(record.id.clone()).or_default();
            *run = record.run.max(*run);
        }
        newest
    }

    /// Keeps the chosen records, and names the selectors that chose none.
    pub fn filter<T>(
        &self,
        items: Vec<T>,
        record: impl Fn(&T) -> &ProcessRecord,
    ) -> (Vec<T>, Vec<String>) {
        let newest = self.newest(&items, &record);
        let is_newest = |r: &ProcessRecord| newest.get(&r.id) == Some(&r.run);
        let unmatched = self
            .selectors
            .iter()
            .filter(|s| !items.iter().any(|i| s.matches(record(i), is_newest(record(i)))))
            .map(Selector::to_string)
            .collect();
        let kept =
            items.into_iter().filter(|i| self.takes(record(i), is_newest(record(i)))).collect();
        (kept, unmatched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn standard_input_holds_records_or_names() {
        let text = "{\"kind\":\"process\",\"id\":\"a\",\"run\":2}\n\nb\n{\"id\":\"c\"}\n";
        let names: Vec<String> =
            from_lines(text.as_bytes()).unwrap().iter().map(Selector::to_string).collect();
        assert_eq!(names, ["a#2", "b", "c"]);
        let error = from_lines("a\n{\"kind\":\"sample\"}".as_bytes()).unwrap_err();
        assert_eq!(error.message, "standard input line 2: a record without a process's 'id'");
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            let _ = from_lines(bytes.as_slice());
        }
    }
}
