//! Choosing processes of a file.

use std::collections::HashSet;

use fleet_cli::{Exit, Failure};
use fleet_config::did_you_mean;
use fleet_core::{Id, Label};
use fleet_registry::Selector;

use super::load::Loaded;
use super::member::Member;

/// The processes that the selectors name and that have all these labels, with what they wait for,
/// in the order of their start; all of them where nothing is said.
///
/// # Errors
/// A selector is none, or nothing fits it.
pub(super) fn select<'a>(
    file: &'a Loaded,
    selectors: &[String],
    labels: &[Label],
) -> Result<Vec<&'a Member>, Failure> {
    let mut chosen: HashSet<&Id> = HashSet::new();
    for text in selectors {
        let fits = fitting(text)?;
        let before = chosen.len();
        chosen.extend(file.members.iter().filter(|m| fits(m)).map(|m| &m.id));
        if chosen.len() == before && !file.members.iter().any(fits) {
            return Err(nothing(file, text));
        }
    }
    let has = |member: &&Member| labels.iter().all(|label| member.wish.labels.contains(label));
    let named = |member: &&Member| selectors.is_empty() || chosen.contains(&member.id);
    let wanted: HashSet<&Id> =
        file.members.iter().filter(|m| named(m) && has(m)).map(|m| &m.id).collect();
    if wanted.is_empty() && !labels.is_empty() {
        let words = format!("no process of '{}' has these labels", file.path);
        return Err(Failure::new(Exit::CouldNot, words));
    }
    Ok(with_dependencies(file, wanted))
}

/// Whoever is waited for comes earlier in the file's order.
fn with_dependencies<'a>(file: &'a Loaded, mut wanted: HashSet<&'a Id>) -> Vec<&'a Member> {
    for member in file.members.iter().rev() {
        if wanted.contains(&member.id) {
            wanted.extend(member.after.iter().map(|dependency| &dependency.id));
        }
    }
    file.members.iter().filter(|member| wanted.contains(&member.id)).collect()
}

fn fitting(text: &str) -> Result<impl Fn(&Member) -> bool, Failure> {
    let unfit =
        |why: String| Failure::new(Exit::CouldNot, format!("{text:?} selects nothing: {why}"));
    let selector: Selector =
        text.parse().map_err(|e: fleet_registry::BadSelector| unfit(e.to_string()))?;
    if !matches!(selector, Selector::Id(_) | Selector::Glob(_)) {
        return Err(unfit("processes of a file are chosen by name, glob or label".to_owned()));
    }
    Ok(move |member: &Member| match &selector {
        Selector::Id(id) => *id == member.id || id.as_str() == member.group,
        Selector::Glob(glob) => glob.matches(member.id.as_str()) || glob.matches(&member.group),
        _ => false,
    })
}

fn nothing(file: &Loaded, text: &str) -> Failure {
    let words = format!("no process of '{}' is named {text:?}", file.path);
    let names = file.members.iter().flat_map(|member| [member.id.as_str(), &member.group]);
    let hint = did_you_mean(text, names);
    let hint =
        hint.unwrap_or_else(|| "'--check' lists them; a command is written behind --".into());
    Failure::new(Exit::CouldNot, words).hint(hint)
}
