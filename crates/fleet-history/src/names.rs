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
    /// What was decided of each name, in the order in which they were met.
    met: Vec<(String, Option<u32>)>,
    /// Where a name stands in that.
    places: HashMap<String, usize>,
    /// The place after that of the last name: lines name their measures in the same order, so that
    /// the next name is most often found there, which is quicker than hashing it.
    next: usize,
    list: Vec<Name>,
}

impl<'w> Names<'w> {
    pub(crate) fn new(wanted: &'w (dyn Fn(&str) -> bool + Sync)) -> Names<'w> {
        Names { wanted, met: Vec::new(), places: HashMap::new(), next: 0, list: Vec::new() }
    }

    /// The number of a measure; `None` when it is not wanted.
    pub(crate) fn number(&mut self, name: &str) -> Option<u32> {
        let guess = self.met.get(self.next).is_some_and(|(met, _)| met == name);
        let place = if guess { Some(self.next) } else { self.places.get(name).copied() };
        let place = match place {
            Some(place) => place,
            None if self.met.len() >= MOST => return None,
            None => self.meet(name),
        };
        self.next = place + 1;
        self.met[place].1
    }

    fn meet(&mut self, name: &str) -> usize {
        let number = (self.wanted)(name).then_some(self.list.len() as u32);
        if number.is_some() {
            self.list.push(Name { name: name.to_owned(), is_counter: is_counter(name) });
        }
        self.places.insert(name.to_owned(), self.met.len());
        self.met.push((name.to_owned(), number));
        self.met.len() - 1
    }

    /// The measure with this number.
    pub(crate) fn get(&self, number: u32) -> &Name {
        &self.list[number as usize]
    }

    /// All that were met and are wanted, by their numbers.
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
