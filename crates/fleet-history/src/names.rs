//! The measures that are read, numbered as they are met.

use std::collections::HashMap;

use fleet_core::{Measure, MeasureKind};

/// So many names are remembered: a file of any content must not fill the memory.
const MOST: usize = 10_000;

/// A measure of the samples, declared or a program's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) is_counter: bool,
}

/// Which measures are wanted, and the numbers of those that were met.
pub(crate) struct Names<'w> {
    wanted: &'w (dyn Fn(&str) -> bool + Sync),
    /// What was decided of each name.
    known: HashMap<String, Option<u32>>,
    list: Vec<Name>,
}

impl<'w> Names<'w> {
    pub(crate) fn new(wanted: &'w (dyn Fn(&str) -> bool + Sync)) -> Names<'w> {
        Names { wanted, known: HashMap::new(), list: Vec::new() }
    }

    /// The number of a measure; `None` when it is not wanted.
    pub(crate) fn number(&mut self, name: &str) -> Option<u32> {
        if let Some(known) = self.known.get(name) {
            return *known;
        }
        if self.known.len() >= MOST {
            return None;
        }
        let number = (self.wanted)(name).then_some(self.list.len() as u32);
        if number.is_some() {
            self.list.push(Name { name: name.to_owned(), is_counter: is_counter(name) });
        }
        self.known.insert(name.to_owned(), number);
        number
    }

    /// The measure with this number.
    pub(crate) fn get(&self, number: u32) -> &Name {
        &self.list[number as usize]
    }

    /// All that were met, by their numbers.
    pub(crate) fn list(&self) -> &[Name] {
        &self.list
    }
}

/// Whether a measure only goes up. Of a program's own measures the name says it.
pub fn is_counter(name: &str) -> bool {
    match Measure::named(name) {
        Some(measure) => measure.kind == MeasureKind::Counter,
        None => name.ends_with("_total"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_is_numbered() {
        let wanted = |name: &str| name != "threads";
        let mut names = Names::new(&wanted);
        let numbers = ["cpu_percent", "threads", "tokens_total", "cpu_percent"];
        let numbers = numbers.map(|name| names.number(name));
        assert_eq!(numbers, [Some(0), None, Some(1), Some(0)]);
        let counters: Vec<bool> = names.list().iter().map(|name| name.is_counter).collect();
        assert_eq!(counters, [false, true]);
    }

    #[test]
    fn endless_names_do_not_fill_the_memory() {
        let mut names = Names::new(&|_| true);
        for i in 0..2 * MOST {
            names.number(&format!("m{i}"));
        }
        assert_eq!(names.list().len(), MOST);
    }
}
