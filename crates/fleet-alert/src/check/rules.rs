//! What is odd about rules beyond their conditions: names of fields, times, and each other.

use std::collections::BTreeMap;

use fleet_config::{Fault, did_you_mean, inside};
use fleet_core::duration_text;
use fleet_rules::template::Template;

use super::conditions;
use super::finding::Finding;
use super::schema::{KINDS, Known, Schema};
use super::written::{Text, Written, WrittenRule, time};

/// All that is odd about the rules of a file.
pub(super) fn check(file: &str, written: &Written) -> Vec<Finding> {
    let mut found = Vec::new();
    if written.rules.is_empty() {
        let fault = Fault::new(0, "there is no rule in this file").hint("write a [[rule]]");
        found.push(Finding::warning("no_rule", fault));
    }
    let mut known: BTreeMap<String, &WrittenRule> = BTreeMap::new();
    for rule in &written.rules {
        let mut of = conditions::check(file, rule);
        of.extend(kind(rule));
        of.extend(names(file, rule));
        of.extend(times(rule));
        of.extend(immediate(rule));
        let first = *known.entry(rule.essence()).or_insert(rule);
        if !std::ptr::eq(first, rule) {
            let message = format!("this rule fires whenever '{}' does", first.name.get_ref());
            let fault = Fault::new(rule.name.span().start, message);
            of.push(Finding::warning("same_rule", fault.hint("remove one of them, or use levels")));
        }
        found.extend(of.into_iter().map(|finding| named(finding, rule)));
    }
    found.extend(circles(&written.rules));
    found
}

fn named(finding: Finding, rule: &WrittenRule) -> Finding {
    Finding { rule: Some(rule.name.get_ref().clone()), ..finding }
}

/// A kind that no tool prints.
fn kind(rule: &WrittenRule) -> Option<Finding> {
    let on = rule.on.get_ref().as_str();
    if KINDS.contains(&on) {
        return None;
    }
    let list = || format!("they print {}", KINDS.join(", "));
    let hint = did_you_mean(on, KINDS.into_iter()).unwrap_or_else(list);
    let message = format!("no tool of fleet prints records of the kind '{on}'");
    Some(Finding::warning("unknown_kind", Fault::new(rule.on.span().start, message).hint(hint)))
}

/// Names in `by`, in windows and in templates that the records cannot have.
fn names(file: &str, rule: &WrittenRule) -> Vec<Finding> {
    let subject = conditions::subject(rule);
    let schema = Schema::of(rule.on.get_ref(), subject.as_deref());
    let unknown = |check, path: &str, at: usize, so: &str| {
        let Known::Nothing(near) = schema.look(path) else { return None };
        let message = format!("no {} has '{path}'{so}", schema.name());
        let fault = near.into_iter().fold(Fault::new(at, message), Fault::hint);
        Some(Finding::warning(check, fault))
    };
    let by = rule.by.iter().flatten().filter_map(|name| {
        unknown("unknown_by", name.get_ref(), name.span().start, ": all have one alert together")
    });
    let windows = rule.window_fields().into_iter();
    let windows =
        windows.filter_map(|path| unknown("unknown_field", path, rule.name.span().start, ""));
    let shown = rule.templates().flat_map(|text| places(file, text));
    let shown =
        shown.filter_map(|(path, at)| unknown("unknown_in_text", &path, at, ": it is shown as ?"));
    by.chain(windows).chain(shown).collect()
}

/// The fields that a text shows, and where they stand in the file.
fn places(file: &str, text: &Text) -> Vec<(String, usize)> {
    let Ok(template) = Template::parse(text.get_ref()) else { return Vec::new() };
    let place = |path: String| {
        let at = text.get_ref().find(path.as_str()).unwrap_or(0);
        let at = inside(file, text.span(), text.get_ref(), at);
        (path, at)
    };
    template.paths().map(place).collect()
}

/// An alert that is told again before it was ever told.
fn times(rule: &WrittenRule) -> Option<Finding> {
    let (repeat, hold) = (rule.repeat.as_ref()?, rule.hold.as_ref()?);
    let (again, held) = (time(repeat)?, time(hold)?);
    if again >= held {
        return None;
    }
    let message = format!(
        "it is told again every {}, which is shorter than the {} that it must hold first",
        duration_text(again),
        duration_text(held),
    );
    let fault = Fault::new(repeat.span().start, message);
    Some(Finding::warning(
        "repeat_before_for",
        fault.hint("repeat tells of what fires still: make it longer"),
    ))
}

/// What passes by all that holds alerts back, and is to be held back.
fn immediate(rule: &WrittenRule) -> Option<Finding> {
    let immediate = rule.immediate.as_ref().filter(|immediate| *immediate.get_ref())?;
    if rule.inhibited_by.is_empty() {
        return None;
    }
    let message = "an immediate rule is told whatever else fires: its 'inhibited_by' does nothing";
    let fault = Fault::new(immediate.span().start, message).hint("remove one of the two");
    Some(Finding::warning("immediate_inhibited", fault))
}

/// Rules that hold each other back, so that nobody is told of any.
fn circles(rules: &[WrittenRule]) -> Vec<Finding> {
    let by: BTreeMap<&str, &WrittenRule> =
        rules.iter().map(|rule| (rule.name.get_ref().as_str(), rule)).collect();
    let mut found: Vec<Finding> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    for rule in rules {
        let Some(circle) = circle(rule, &by) else { continue };
        let mut sorted: Vec<&str> = circle.clone();
        sorted.sort_unstable();
        let key = sorted.join("\n");
        if told.contains(&key) {
            continue;
        }
        told.push(key);
        let list = circle.iter().chain(circle.first()).copied().collect::<Vec<_>>().join(" <- ");
        let message = format!("these hold each other back, nobody is told of any: {list}");
        let at = rule.inhibited_by.first().map_or(0, |name| name.span().start);
        let fault = Fault::new(at, message).hint("let only the cause inhibit what follows from it");
        found.push(named(Finding::error("inhibition_circle", fault), rule));
    }
    found
}

/// The rules on a way from this one back to itself.
fn circle<'r>(
    start: &'r WrittenRule,
    by: &BTreeMap<&str, &'r WrittenRule>,
) -> Option<Vec<&'r str>> {
    let name = |rule: &'r WrittenRule| rule.name.get_ref().as_str();
    let mut seen = vec![name(start)];
    let mut ways = vec![vec![name(start)]];
    while let Some(way) = ways.pop() {
        let last = by.get(way.last()?)?;
        for next in &last.inhibited_by {
            let next = next.get_ref().as_str();
            if next == name(start) {
                return Some(way);
            }
            if !seen.contains(&next) {
                seen.push(next);
                ways.push(way.iter().copied().chain([next]).collect());
            }
        }
    }
    None
}
