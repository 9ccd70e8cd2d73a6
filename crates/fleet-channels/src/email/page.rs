//! What a letter says, before it is written as text or HTML.

use std::time::Duration;

use fleet_core::{Timestamp, duration_text};
use fleet_notify::Notification;
use fleet_rules::{AlertRecord, AlertState};

use crate::excerpt;
use crate::render::because;

/// Most alerts that are told in full; the rest are counted.
const MOST_ALERTS: usize = 50;

/// Most lines of a summary, and most characters of a line.
const MOST_LINES: usize = 30;
const MOST: usize = 300;

/// Most characters of a label or an annotation.
const MOST_VALUE: usize = 1000;

/// What a letter says.
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    /// Sentences beside the alerts.
    pub(super) notes: Vec<String>,
    /// Where it comes from, why, and what can be done.
    pub(super) footer: Vec<String>,
}

/// What it says of one alert.
pub(super) struct Item {
    pub(super) tone: Tone,
    /// `FIRING high`.
    pub(super) badge: String,
    /// The rule.
    pub(super) rule: String,
    /// What it is about.
    pub(super) about: String,
    /// What the rule says, a line of it each.
    pub(super) summary: Vec<String>,
    /// Names and values.
    pub(super) rows: Vec<(String, String)>,
}

/// How loud it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Critical,
    High,
    Warning,
    Info,
    Resolved,
}

impl Page {
    pub(super) fn of(notification: &Notification) -> Page {
        let alerts = &notification.alerts;
        let mut notes = Vec::new();
        if alerts.len() > MOST_ALERTS {
            notes.push(format!("and {} alerts more", alerts.len() - MOST_ALERTS));
        }
        if notification.held_back > 0 {
            notes.push(format!(
                "{} changes more came and went while this channel was at its limit",
                notification.held_back
            ));
        }
        notes.extend(excerpt::block(&notification.text, MOST_LINES, MOST_VALUE));
        Page {
            items: alerts.iter().take(MOST_ALERTS).map(Item::of).collect(),
            notes,
            footer: footer(notification),
        }
    }
}

impl Item {
    fn of(alert: &AlertRecord) -> Item {
        let state = alert.state.word().to_uppercase().replace('_', " ");
        let resolved = alert.state == AlertState::Resolved;
        Item {
            tone: tone(alert),
            badge: if resolved { state } else { format!("{state} {}", clean(&alert.severity)) },
            rule: clean(&alert.alert),
            about: alert.id.as_deref().map(clean).unwrap_or_default(),
            summary: excerpt::block(&alert.summary, MOST_LINES, MOST),
            rows: rows(alert),
        }
    }
}

fn tone(alert: &AlertRecord) -> Tone {
    match (alert.state, alert.severity.as_str()) {
        (AlertState::Resolved, _) => Tone::Resolved,
        (_, "critical") => Tone::Critical,
        (_, "high") => Tone::High,
        (_, "info") => Tone::Info,
        _ => Tone::Warning,
    }
}

fn rows(alert: &AlertRecord) -> Vec<(String, String)> {
    let mut rows =
        vec![("why".to_owned(), clean(&alert.reason)), ("since".to_owned(), since(alert))];
    if let Some(value) = &alert.value {
        rows.push(("value".to_owned(), clean(value.as_str().unwrap_or(&value.to_string()))));
    }
    let all = alert.annotations.iter().chain(&alert.labels);
    rows.extend(all.map(|(name, value)| (clean(name), clean(value))));
    rows.retain(|(_, value)| !value.is_empty());
    rows
}

/// Since when, and how long that was when it was decided to tell it.
fn since(alert: &AlertRecord) -> String {
    let held = Duration::try_from_secs_f64(alert.ts.seconds_since(alert.since)).unwrap_or_default();
    match alert.state {
        AlertState::Resolved => {
            format!("{}, over after {}", moment(alert.since), duration_text(held))
        }
        _ if held.is_zero() => moment(alert.since),
        _ => format!("{}, for {}", moment(alert.since), duration_text(held)),
    }
}

/// `2026-11-22 06:15:00 UTC`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{day} {} UTC", time.get(..8).unwrap_or(time))
}

fn footer(notification: &Notification) -> Vec<String> {
    let host = clean(&notification.host);
    let mut lines = vec![format!("from fleet-alert on {host}, {}", because(notification.reason))];
    lines.extend(
        notification.alerts.first().filter(|a| a.state != AlertState::Resolved).and_then(silence),
    );
    lines.push(format!("notification {}", clean(&notification.id)));
    lines
}

/// How to silence the first alert, where its names need no quotes in a shell.
fn silence(alert: &AlertRecord) -> Option<String> {
    let plain = |text: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || "_.:/@-".contains(c)) && !text.is_empty()
    };
    let id = alert.id.as_deref().map_or(String::new(), |id| format!(" --id {id}"));
    let known = plain(&alert.alert) && alert.id.as_deref().is_none_or(plain);
    known.then(|| {
        format!("to silence: fleet-alert silence --rule {}{id} --for 2h --why …", alert.alert)
    })
}

fn clean(text: &str) -> String {
    excerpt::line(text, MOST_VALUE)
}
