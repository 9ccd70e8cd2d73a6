//! From a file of classes to classes, or to all that is wrong with it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_config::{Fault, did_you_mean};
use fleet_logline::{Fields, Level};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use crate::class::Class;
use crate::classes::GENERAL;
use crate::pattern::Pattern;
use crate::value::Kind;

const CLASS_KEYS: [&str; 4] = ["name", "extends", "curves", "pattern"];

const PATTERN_KEYS: [&str; 6] = ["regex", "category", "level", "fields", "sample", "unlike"];

/// A class as it is written.
#[derive(Debug)]
pub(crate) struct Draft {
    name: Spanned<String>,
    extends: Option<Spanned<String>>,
    curves: bool,
    patterns: Vec<Arc<Pattern>>,
}

#[derive(Deserialize)]
struct RawClass {
    name: Spanned<String>,
    extends: Option<Spanned<String>>,
    #[serde(default)]
    curves: bool,
}

#[derive(Deserialize)]
struct RawPattern {
    regex: Spanned<String>,
    category: Option<Spanned<String>>,
    level: Option<Spanned<String>>,
    #[serde(default)]
    fields: BTreeMap<Spanned<String>, Spanned<Kind>>,
    sample: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    unlike: Vec<Spanned<String>>,
}

type Table<'t> = DeTable<'t>;

/// Reads a file of the user's own and holds each pattern against its samples.
pub(crate) fn read(text: &str) -> Result<Vec<Draft>, Vec<Fault>> {
    Reader { text, faults: Vec::new(), checks: true }.file()
}

/// Reads what is built in, which tests have checked.
pub(crate) fn unchecked(text: &str) -> Result<Vec<Draft>, Vec<Fault>> {
    Reader { text, faults: Vec::new(), checks: false }.file()
}

struct Reader<'t> {
    text: &'t str,
    /// Everything that is wrong so far.
    faults: Vec<Fault>,
    checks: bool,
}

impl<'t> Reader<'t> {
    fn file(mut self) -> Result<Vec<Draft>, Vec<Fault>> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            // What the rest means is a guess now.
            return Err(errors.into_iter().map(Fault::from).collect());
        }
        let mut drafts = Vec::new();
        for (key, value) in root.into_inner() {
            match key.get_ref().as_ref() {
                "class" => {
                    for table in self.tables(value, "[[class]]") {
                        drafts.extend(self.class(table));
                    }
                }
                // How long logs are kept is nothing to a class.
                "keep" => {}
                other => self.unknown(key.span().start, other, &["class", "keep"]),
            }
        }
        if self.faults.is_empty() { Ok(drafts) } else { Err(self.faults) }
    }

    fn tables(&mut self, value: Spanned<DeValue<'t>>, heading: &str) -> Vec<Spanned<Table<'t>>> {
        let span = value.span();
        let values: DeArray<'t> = match value.into_inner() {
            DeValue::Array(values) => values,
            _ => return self.refuse(span.start, format!("expected tables, as {heading}")),
        };
        let mut tables = Vec::new();
        for value in values {
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => tables.push(Spanned::new(span, table)),
                _ => self.refuse(span.start, format!("expected tables, as {heading}")),
            }
        }
        tables
    }

    fn class(&mut self, mut table: Spanned<Table<'t>>) -> Option<Draft> {
        self.drop_unknown(&mut table, &CLASS_KEYS);
        let patterns = table.get_mut().remove("pattern");
        let patterns = patterns.map(|value| self.tables(value, "[[class.pattern]]"));
        let patterns: Vec<Option<Pattern>> =
            patterns.unwrap_or_default().into_iter().map(|table| self.pattern(table)).collect();
        let raw: RawClass = self.take(table)?;
        if !is_word(raw.name.get_ref()) {
            self.refuse::<()>(raw.name.span().start, "a class has a name of one word");
        }
        let patterns = patterns.into_iter().flatten().map(Arc::new).collect();
        Some(Draft { name: raw.name, extends: raw.extends, curves: raw.curves, patterns })
    }

    fn pattern(&mut self, mut table: Spanned<Table<'t>>) -> Option<Pattern> {
        self.drop_unknown(&mut table, &PATTERN_KEYS);
        let raw: RawPattern = self.take(table)?;
        let text = raw.regex.get_ref();
        let read = if self.checks { Pattern::new(text) } else { Ok(Pattern::unchecked(text)) };
        let mut pattern = match read {
            Ok(pattern) => pattern,
            Err(bad) => {
                let at = self.inside(&raw.regex, bad.at);
                return self.refuse(at, format!("this is no pattern: {}", bad.message));
            }
        };
        pattern.level = raw.level.as_ref().and_then(|level| self.level(level));
        if let Some(category) = &raw.category {
            if !is_word(category.get_ref()) {
                self.refuse::<()>(category.span().start, "a category is one word");
            }
            pattern.category = Some(category.get_ref().clone());
        }
        let kinds = raw.fields.iter();
        pattern.kinds = kinds.map(|(n, k)| (n.get_ref().clone(), *k.get_ref())).collect();
        if self.checks {
            self.check(&raw, &pattern);
        }
        Some(pattern)
    }

    /// Holds a pattern against its own samples.
    fn check(&mut self, raw: &RawPattern, pattern: &Pattern) {
        let regex = match pattern.compile() {
            Ok(regex) => regex,
            Err(bad) => {
                return self
                    .refuse(raw.regex.span().start, format!("this pattern: {}", bad.message));
            }
        };
        let groups: Vec<&str> = regex.capture_names().flatten().collect();
        if pattern.category.is_none() && groups.is_empty() {
            let fault = Fault::new(raw.regex.span().start, "this pattern says nothing of a line");
            self.faults
                .push(fault.hint("give it a category, or a group with a name: (?<user>\\S+)"));
        }
        for name in raw.fields.keys().filter(|name| !groups.contains(&name.get_ref().as_str())) {
            let fault =
                Fault::new(name.span().start, format!("no group is named '{}'", name.get_ref()));
            let hint = did_you_mean(name.get_ref(), groups.iter().copied());
            self.faults.push(Fault { hint, ..fault });
        }
        if raw.sample.get_ref().is_empty() {
            self.refuse::<()>(raw.sample.span().start, "a pattern has a sample, which is its test");
        }
        for sample in raw.sample.get_ref() {
            if !pattern.read(sample.get_ref().as_bytes(), &mut Fields::new()) {
                self.refuse::<()>(sample.span().start, "the pattern does not match this sample");
            }
        }
        for line in &raw.unlike {
            if pattern.read(line.get_ref().as_bytes(), &mut Fields::new()) {
                self.refuse::<()>(line.span().start, "the pattern matches this, and should not");
            }
        }
    }

    fn level(&mut self, text: &Spanned<String>) -> Option<Level> {
        let found = Level::ALL.into_iter().find(|level| level.word() == text.get_ref());
        if found.is_none() {
            let words: Vec<&str> = Level::ALL.into_iter().map(Level::word).collect();
            let message = format!("'{}' is no level", text.get_ref());
            let hint = format!("there are: {}", words.join(", "));
            self.faults.push(Fault::new(text.span().start, message).hint(hint));
        }
        found
    }

    fn take<T: Deserialize<'t>>(&mut self, table: Spanned<Table<'t>>) -> Option<T> {
        let at = table.span().start;
        match T::deserialize(Deserializer::from(table)) {
            Ok(taken) => Some(taken),
            Err(error) => {
                let mut fault = Fault::from(error);
                if fault.at == 0 {
                    fault.at = at;
                }
                self.faults.push(fault);
                None
            }
        }
    }

    /// Takes out keys that there are not, so that each of them is said.
    fn drop_unknown(&mut self, table: &mut Spanned<Table<'t>>, known: &[&str]) {
        let wrong: Vec<(usize, String)> = table
            .get_ref()
            .iter()
            .map(|(key, _): (&Spanned<Cow<'_, str>>, _)| {
                (key.span().start, key.get_ref().to_string())
            })
            .filter(|(_, key)| !known.contains(&key.as_str()))
            .collect();
        for (at, key) in wrong {
            table.get_mut().remove(key.as_str());
            self.unknown(at, &key, known);
        }
    }

    fn unknown(&mut self, at: usize, key: &str, known: &[&str]) {
        let hint = did_you_mean(key, known.iter().copied())
            .unwrap_or_else(|| format!("there are: {}", known.join(", ")));
        self.faults.push(Fault::new(at, format!("there is no key '{key}'")).hint(hint));
    }

    fn refuse<T: Default>(&mut self, at: usize, message: impl Into<String>) -> T {
        self.faults.push(Fault::new(at, message));
        T::default()
    }

    /// The byte of the file at which this byte of a value stands. In a value with escapes only
    /// its beginning can be told.
    fn inside(&self, value: &Spanned<String>, at: usize) -> usize {
        let start = value.span().start;
        let written = self.text.get(value.span()).unwrap_or_default();
        written.find(value.get_ref().as_str()).map_or(start, |from| start + from + at)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

/// All classes, each with the patterns of what it extends. One of the user's own takes the place
/// of a built-in one of its name, which it can still extend.
pub(crate) fn together(
    built_in: Vec<Draft>,
    own: Vec<Draft>,
) -> Result<BTreeMap<String, Class>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for draft in &own {
        if !names.insert(draft.name.get_ref()) {
            let message = format!("there is already a class '{}'", draft.name.get_ref());
            faults.push(Fault::new(draft.name.span().start, message));
        }
    }
    let family = Family { built_in: by_name(&built_in), own: by_name(&own) };
    let all = family.built_in.values().chain(family.own.values());
    let mut classes = BTreeMap::new();
    for draft in all {
        match family.class(draft) {
            Ok(class) => drop(classes.insert(draft.name.get_ref().clone(), class)),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(classes) } else { Err(faults) }
}

fn by_name(drafts: &[Draft]) -> BTreeMap<&str, &Draft> {
    drafts.iter().map(|draft| (draft.name.get_ref().as_str(), draft)).collect()
}

struct Family<'d> {
    built_in: BTreeMap<&'d str, &'d Draft>,
    own: BTreeMap<&'d str, &'d Draft>,
}

impl<'d> Family<'d> {
    fn class(&self, draft: &'d Draft) -> Result<Class, Fault> {
        let (mut patterns, mut curves) = (Vec::new(), false);
        let mut line: Vec<&Draft> = Vec::new();
        let mut next = Some(draft);
        while let Some(draft) = next {
            line.push(draft);
            patterns.extend(draft.patterns.iter().cloned());
            curves |= draft.curves;
            next = self.parent(draft, &line)?;
        }
        Ok(Class::new(patterns, curves))
    }

    /// What a class extends: what it names, or what holds for every process.
    fn parent(&self, draft: &'d Draft, line: &[&Draft]) -> Result<Option<&'d Draft>, Fault> {
        let met = |other: &Draft| line.iter().any(|one| std::ptr::eq(*one, other));
        let Some(extends) = &draft.extends else {
            let general = self.own.get(GENERAL).into_iter().chain(self.built_in.get(GENERAL));
            return Ok(general.copied().find(|general| !met(general)));
        };
        let (at, name) = (extends.span().start, extends.get_ref().as_str());
        // A class of a built-in one's name extends the built-in one.
        let own = self.own.get(name).filter(|_| name != draft.name.get_ref());
        let Some(parent) = own.or_else(|| self.built_in.get(name)) else {
            let names = self.own.keys().chain(self.built_in.keys()).copied();
            let fault = Fault::new(at, format!("there is no class '{name}' to extend"));
            return Err(Fault { hint: did_you_mean(name, names), ..fault });
        };
        if met(parent) {
            return Err(Fault::new(at, format!("'{name}' extends itself, by way of others")));
        }
        Ok(Some(parent))
    }
}
