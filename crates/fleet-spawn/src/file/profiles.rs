//! Profiles, and what builds on them.

use std::collections::BTreeMap;

use fleet_config::{Fault, did_you_mean};

use super::draft::Section;
use super::merge::{Said, lay_over};
use super::order;

/// A section with all that it builds on.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    pub(super) said: Said,
    /// Where the value of each key stands that holds now.
    places: BTreeMap<String, usize>,
    /// Whether a key of one of them was refused.
    pub(super) spoilt: bool,
}

impl Layers {
    /// Lays a wish without places over these.
    pub(super) fn lay_said(&mut self, said: &Said) {
        lay_over(&mut self.said, said);
    }

    fn lay(&mut self, over: &Layers) {
        self.lay_said(&over.said);
        self.places.extend(over.places.iter().map(|(key, &at)| (key.clone(), at)));
        self.spoilt |= over.spoilt;
    }

    fn lay_section(&mut self, section: &Section) {
        self.lay_said(&section.said);
        self.places.extend(section.places.iter().map(|(key, &at)| (key.clone(), at)));
        self.spoilt |= section.spoilt;
    }

    /// Where the value of a key stands.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        self.places.get(key).copied()
    }
}

/// All profiles of a file, each with what it builds on.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, Layers>);

impl Profiles {
    /// Resolves the profiles.
    ///
    /// # Errors
    /// One builds on a profile that is not there, or some build on each other.
    pub(super) fn resolve(sections: &[Section]) -> Result<Profiles, Vec<Fault>> {
        let names: BTreeMap<&str, usize> =
            sections.iter().enumerate().map(|(at, section)| (section.name.as_str(), at)).collect();
        let known = |section: &Section| {
            section.texts("profile").iter().filter_map(|name| names.get(name).copied()).collect()
        };
        let bases: Vec<Vec<usize>> = sections.iter().map(known).collect();
        let sorted = order::sort(&bases).map_err(|circle| vec![circular(sections, &circle)])?;
        let (mut profiles, mut faults) = (Profiles::default(), Vec::new());
        for section in sorted.into_iter().map(|at| &sections[at]) {
            match profiles.build_on(section) {
                Ok(layers) => drop(profiles.0.insert(section.name.clone(), layers)),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(profiles) } else { Err(faults) }
    }

    /// A section with all that it builds on.
    ///
    /// # Errors
    /// There is no such profile.
    pub(super) fn build_on(&self, section: &Section) -> Result<Layers, Fault> {
        let names = section.texts("profile");
        let mut layers = self.together(&names).map_err(|(name, hint)| {
            let at = section.place("profile").unwrap_or(section.at);
            let fault = Fault::new(at, format!("there is no profile '{name}'"));
            Fault { hint, ..fault }
        })?;
        layers.lay_section(section);
        Ok(layers)
    }

    /// Several profiles, later ones over earlier ones, or the name of one that is not there and
    /// the one that was probably meant.
    pub(super) fn together(&self, names: &[&str]) -> Result<Layers, (String, Option<String>)> {
        let mut layers = Layers::default();
        for name in names {
            let Some(base) = self.0.get(*name) else {
                let hint = did_you_mean(name, self.0.keys().map(String::as_str));
                return Err(((*name).to_owned(), hint));
            };
            layers.lay(base);
        }
        Ok(layers)
    }
}

fn circular(sections: &[Section], circle: &[usize]) -> Fault {
    let first = &sections[circle[0]];
    let names: Vec<&str> =
        circle.iter().chain(&circle[..1]).map(|&at| sections[at].name.as_str()).collect();
    let message = format!("profiles build on each other: {}", names.join(" -> "));
    Fault::new(first.place("profile").unwrap_or(first.at), message)
}
