//! What a class makes of a line.

use std::sync::{Arc, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use fleet_logline::{Fields, Level};

use crate::pattern::Pattern;
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
    /// None where no text can be searched for.
    texts: Option<AhoCorasick>,
    /// The pattern that asks for each text.
    owners: Vec<usize>,
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
        let (mut texts, mut owners, mut always) = (Vec::new(), Vec::new(), Vec::new());
        for (at, pattern) in patterns.iter().enumerate() {
            match &pattern.needs {
                Some(needs) => {
                    texts.extend(needs);
                    owners.extend(needs.iter().map(|_| at));
                }
                None => always.push(at),
            }
        }
        // A table for each state is the quickest there is, and a class has few texts.
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(texts);
        match built {
            Ok(texts) => Finder { texts: Some(texts), owners, always },
            Err(_) => Finder { texts: None, owners, always: (0..patterns.len()).collect() },
        }
    }

    /// The patterns that the line may match, in their order.
    fn candidates(&self, line: &[u8]) -> Vec<usize> {
        let mut found = self.always.clone();
        // Whether there is any is quicker to tell than which; nearly always there is none.
        if let Some(texts) = self.texts.as_ref().filter(|texts| texts.is_match(line)) {
            let owner = |hit: aho_corasick::Match| self.owners.get(hit.pattern().as_usize());
            found.extend(texts.find_overlapping_iter(line).filter_map(owner));
        }
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }
}
