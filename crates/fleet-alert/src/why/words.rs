//! What `--why` knows, as sentences.

use std::path::Path;
use std::time::Duration;

use fleet_config::did_you_mean;
use fleet_core::{Timestamp, duration_text};
use fleet_notify::{Decided, Entry, Happened};
use fleet_rules::machine::Phase;
use fleet_rules::{Count, Hold, Instance, Rule};

use crate::config::Config;
use crate::show;

/// One thing that happened, for people.
pub(super) fn sentence(happened: &Happened) -> String {
    let text = match happened {
        Happened::Alert(alert) => return show::line(alert),
        Happened::Decided(decided) => {
            let id = decided.id.as_ref().map_or(String::new(), |id| format!(" {id}"));
            let Decided { channel, alert, text, word, .. } = decided;
            let channel = if channel.is_empty() { String::new() } else { format!("{channel}: ") };
            format!("{channel}{alert}{id}: {text} ({word})")
        }
        Happened::Tried(tried) if tried.text.is_empty() => {
            format!("{}: {}", tried.channel, tried.word)
        }
        Happened::Tried(tried) => format!("{}: {} ({})", tried.channel, tried.text, tried.word),
    };
    show::printable(&text)
}

/// How an instance stands.
pub(super) fn stands(instance: &Instance, config: &Config, now: Timestamp) -> String {
    let (rule, name, seen) = (&instance.rule, instance.name(), moment(instance.seen));
    let held = |phase: Phase| {
        let held = Duration::try_from_secs_f64(now.seconds_since(phase.since()));
        duration_text(held.unwrap_or_default())
    };
    let (stands, last) = match instance.phase {
        None => ("ok, its condition is not met".to_owned(), "its last record"),
        Some(phase @ Phase::Pending { .. }) => {
            let wanted = find(config, rule).and_then(wanted);
            let wanted = wanted.map_or(String::new(), |wanted| format!(" of {wanted}"));
            (format!("pending, not told yet, met for {}{wanted}", held(phase)), "its last record")
        }
        Some(phase @ Phase::Firing { .. }) => {
            (format!("fires, met for {}", held(phase)), "its last record")
        }
        Some(Phase::Recovering { .. }) => {
            let keep = find(config, rule).map(|rule| duration_text(rule.timing.keep_firing_for));
            let keep = keep.map_or(String::new(), |keep| format!(" for {keep}"));
            let text = format!("recovering, told as firing until it has been over{keep}");
            (text, "its last record")
        }
        Some(Phase::NoData { .. }) => ("no record comes of it".to_owned(), "its last"),
    };
    show::printable(&format!("{rule} of {name}: {stands}; {last} came at {seen}"))
}

/// How long, or how often, the condition of a rule must be met, if once is not enough.
fn wanted(rule: &Rule) -> Option<String> {
    match rule.timing.hold {
        Hold::Now => None,
        Hold::For(time) => Some(duration_text(time)),
        Hold::Times(times) => Some(format!("{times} records in a row")),
        Hold::Count(Count { count, within }) => {
            Some(format!("{count} records within {}", duration_text(within)))
        }
    }
}

/// Why nothing more will come of a rule, if that is so.
pub(super) fn idle(rule: &str, config: &Config) -> Option<String> {
    match find(config, rule) {
        None => Some(format!("no rule is called '{rule}' any more: its records are not looked at")),
        Some(found) if !found.enabled => {
            Some(format!("the rule '{rule}' is not enabled: its records are not looked at"))
        }
        Some(_) => None,
    }
}

fn find<'c>(config: &'c Config, rule: &str) -> Option<&'c Rule> {
    config.rules.rules.iter().find(|known| known.name == rule)
}

/// What became of a notification that did not arrive.
pub(super) fn waits(entry: &Entry) -> String {
    let notification = &entry.notification;
    let about = notification.alerts.first().map_or(String::new(), |alert| {
        let id = alert.id.as_deref().map_or(String::new(), |id| format!(" {id}"));
        let state = alert.state.word();
        match notification.alerts.len() - 1 {
            0 => format!(" {}{id}: {state}:", alert.alert),
            more => format!(" {}{id} and {more} more:", alert.alert),
        }
    });
    let (stands, why, word) = match &entry.buried {
        Some(burial) => ("was given up", &burial.why, "dead_letter"),
        None => ("not delivered yet", &entry.last_error, "waiting"),
    };
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    let (channel, since) = (&notification.channel, moment(entry.since));
    let tries = entry.tries;
    show::printable(&format!(
        "{channel}:{about} {stands}, made at {since}, tries: {tries}{why} ({word})"
    ))
}

/// What could be the matter where nothing is known.
pub(super) fn nothing(question: &str, config: &Config, folder: &Path) -> String {
    let rules = &config.rules.rules;
    let ran = std::fs::metadata(folder.join("state.jsonl")).and_then(|data| data.modified());
    let ran = match ran.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()) {
        Some(at) => {
            let nanos = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
            format!("fleet-alert last wrote there at {}", moment(Timestamp::from_nanos(nanos)))
        }
        None => format!("fleet-alert never ran with '{}'", folder.display()),
    };
    match find(config, question) {
        Some(rule) if !rule.enabled => format!("the rule '{question}' is not enabled"),
        Some(rule) => {
            let long =
                wanted(rule).map_or(String::new(), |wanted| format!(", or not for {wanted}"));
            format!(
                "the rule '{question}' has not fired and nothing of it is pending: no {} came that met it{long}; {ran}; --replay shows what it makes of stored samples",
                rule.on
            )
        }
        None => {
            let near = did_you_mean(question, rules.iter().map(|rule| rule.name.as_str()));
            let near = near.map_or(String::new(), |near| format!("; {near}"));
            format!("no rule has the name '{question}' and no alert was about it{near}; {ran}")
        }
    }
}

/// To the second, in UTC.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_string().get(..19).unwrap_or_default().replace('T', " ")
}
