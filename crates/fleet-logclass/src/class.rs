//! What a class makes of a line.

use std::sync::{Arc, OnceLock};

use fleet_logline::{Fields, Level};

use crate::pattern::Pattern;
use crate::texts::Texts;
use crate::value::number;

/// Of a longer line only so much is looked at.
const MAX_LINE: usize = 16 << 10;

/// What a class makes of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// What sort of thing happened: `auth_failure`, `out_of_memory`.
    pub category: Option<String>,
    /// How grave that is, where the pattern says so.
    pub level: Option<Level>,
    /// What the line says by name.
    pub fields: Fields,
}

/// The parsers of one class.
#[derive(Clone, Debug, Default)]
pub struct Class {
    /// Its own first, then those of what it extends, last the general ones.
    pub(crate) patterns: Vec<Arc<Pattern>>,
    /// Whether numbers of training are read, too.
    pub(crate) curves: bool,
    finder: OnceLock<Arc<Finder>>,
}

/// Finds the patterns that a line may match, in one pass over it.
#[derive(Debug)]
struct Finder {
    /// Each for the pattern that asks for it.
    texts: Texts,
    /// Patterns that ask for no text.
    always: Vec<usize>,
}

impl Class {
    pub(crate) fn new(patterns: Vec<Arc<Pattern>>, curves: bool) -> Class {
        Class { patterns, curves, finder: OnceLock::new() }
    }

    /// What it makes of a line, without colours and prefixes: the category and the level of the
    /// first pattern that has one, the fields of all.
    pub fn read(&self, text: &[u8]) -> Reading {
        let text = &text[..text.len().min(MAX_LINE)];
        let mut reading = Reading::default();
        let finder = self.finder.get_or_init(|| Arc::new(Finder::new(&self.patterns)));
        for at in finder.candidates(text) {
            let Some(pattern) = self.patterns.get(at) else { continue };
            if pattern.read(text, &mut reading.fields) {
                if reading.category.is_none() {
                    reading.category.clone_from(&pattern.category);
                }
                reading.level = reading.level.or(pattern.level);
            }
        }
        if self.curves {
            read_curves(text, &mut reading.fields);
        }
        reading
    }
}

fn read_curves(text: &[u8], fields: &mut Fields) {
    for found in fleet_curve::one_line(text) {
        let step = found.step.map(|step| ("step".to_owned(), step.into()));
        let values = found.values.into_iter().map(|(name, value)| (name, number(value)));
        for (name, value) in step.into_iter().chain(values) {
            fields.entry(name).or_insert(value);
        }
    }
}

impl Finder {
    fn new(patterns: &[Arc<Pattern>]) -> Finder {
        let needed = patterns.iter().enumerate().flat_map(|(at, pattern)| {
            pattern.needs().into_iter().flatten().map(move |text| (text.as_slice(), at))
        });
        let alone = |at: &usize| patterns.get(*at).is_some_and(|p| p.needs().is_none());
        Finder { texts: Texts::new(needed), always: (0..patterns.len()).filter(alone).collect() }
    }

    /// The patterns that the line may match, in their order.
    fn candidates(&self, line: &[u8]) -> Vec<usize> {
        let mut found = self.always.clone();
        self.texts.owners(line, &mut found);
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
