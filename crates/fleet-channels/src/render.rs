//! The texts that all channels share: one line that says it all, and a line for each alert.

use std::collections::BTreeSet;
use std::time::Duration;

use fleet_core::duration_text;
use fleet_notify::{Notification, Reason, Status, rank};
use fleet_rules::{AlertRecord, AlertState};

use crate::excerpt;

/// Most names of rules in a title.
const NAMES: usize = 3;

/// Longest name of an alert, in characters.
const NAME: usize = 200;

/// Longest title and longest summary in a list, in characters.
const LINE: usize = 300;

/// The notification in one line: `[critical] gpu_hang: mission-a`.
pub fn title(notification: &Notification) -> String {
    let mark = mark(notification);
    let text = match notification.alerts.as_slice() {
        [] => bare(notification),
        [alert] => name(alert),
        alerts => format!("{}: {}", count(alerts), names(alerts)),
    };
    excerpt::line(&format!("[{mark}] {text}"), LINE)
}

/// What stands in the brackets of a title.
fn mark(notification: &Notification) -> &str {
    match (notification.alerts.as_slice(), notification.status()) {
        ([], _) if notification.reason == Reason::Test => "test",
        ([], _) => "fleet-alert",
        (_, Status::Resolved) => "resolved",
        (_, Status::Firing) => severity(notification),
    }
}

/// The worst severity of what fires; of what is over, where nothing does.
pub fn severity(notification: &Notification) -> &str {
    let firing = |alert: &&AlertRecord| alert.state != AlertState::Resolved;
    let worst = notification.alerts.iter().filter(firing).max_by_key(|alert| rank(&alert.severity));
    worst.map_or(notification.severity(), |alert| &alert.severity)
}

/// The title of a notification that is about no alert.
fn bare(notification: &Notification) -> String {
    match (excerpt::line(&notification.text, LINE), notification.held_back) {
        (text, _) if !text.is_empty() && notification.reason != Reason::Test => text,
        (_, 0) => format!("from {}", notification.host),
        (_, held_back) => format!("{held_back} changes were held back"),
    }
}

/// `3 alerts`, or `2 fire, 1 resolved`.
fn count(alerts: &[AlertRecord]) -> String {
    let over = alerts.iter().filter(|alert| alert.state == AlertState::Resolved).count();
    match (alerts.len() - over, over) {
        (all, 0) | (0, all) => format!("{all} alerts"),
        (fire, over) => format!("{fire} fire, {over} resolved"),
    }
}

fn names(alerts: &[AlertRecord]) -> String {
    let mut seen = BTreeSet::new();
    let names: Vec<&str> =
        alerts.iter().map(|alert| alert.alert.as_str()).filter(|name| seen.insert(*name)).collect();
    let shown = names.iter().take(NAMES).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The rule and what it is about, in one line: `gpu_hang: mission-a`.
pub(crate) fn name(alert: &AlertRecord) -> String {
    let about = match (&alert.id, alert.labels.iter().next()) {
        (Some(id), _) => format!(": {id}"),
        // The alert of a rule by something else than an id.
        (None, Some((name, value))) => format!(": {name}={value}"),
        (None, None) => String::new(),
    };
    excerpt::line(&format!("{}{about}", alert.alert), NAME)
}

/// What an alert is now, as a word: its severity, or why it has none to tell.
pub(crate) fn word(alert: &AlertRecord) -> &str {
    match alert.state {
        AlertState::Resolved => "resolved",
        AlertState::NoData => "no data",
        AlertState::Error => "error",
        AlertState::Pending => "pending",
        AlertState::Firing => &alert.severity,
    }
}

/// The notification as plain lines: one for each of the first `limit` alerts, and what else there is to say.
pub fn lines(notification: &Notification, limit: usize) -> Vec<String> {
    let alerts = notification.alerts.iter().take(limit).map(line);
    let more = notification.alerts.len().saturating_sub(limit);
    let more = (more > 0).then(|| format!("and {more} more alerts"));
    // Where the title said it all, it is not said twice.
    let in_title = notification.alerts.is_empty() && bare(notification) == notification.text;
    let text = Some(&notification.text).filter(|text| !text.is_empty() && !in_title);
    text.cloned().into_iter().chain(alerts).chain(more).chain(notes(notification)).collect()
}

/// What is to be said of the notification beside its alerts.
pub(crate) fn notes(notification: &Notification) -> Vec<String> {
    let held_back = notification.held_back;
    let held_back = (held_back > 0)
        .then(|| format!("{held_back} more changes were held back by the limit of this channel"));
    let plain = [Reason::First, Reason::More, Reason::Resolved, Reason::DeadChannel, Reason::Test];
    let why = (!plain.contains(&notification.reason)).then(|| because(notification.reason));
    held_back.into_iter().chain(why.map(str::to_owned)).collect()
}

/// Why it is told now, as the second half of a sentence.
pub(crate) fn because(reason: Reason) -> &'static str {
    match reason {
        Reason::First => "because this began to fire",
        Reason::More => "because more of this group fires",
        Reason::Severity => "because its severity changed",
        Reason::Resolved => "because this is over",
        Reason::Repeat => "because this fires still",
        Reason::SilenceEnded => "because its silence ended and it fires still",
        Reason::InhibitionEnded => "because what held it back is over and it fires still",
        Reason::Flapping => "because this comes and goes; it is told again when it is calm",
        Reason::Digest => "a digest of what was over this channel's limit",
        Reason::Refresh => "because this fires still",
        Reason::DeadChannel => "because another channel cannot be reached",
        Reason::Test => "because somebody asked for a test",
    }
}

/// An alert in one line: `[critical] gpu_hang: mission-a — no step for 10 minutes (for 5m00s)`.
fn line(alert: &AlertRecord) -> String {
    let summary = excerpt::line(&alert.summary, LINE);
    let summary = if summary.is_empty() { summary } else { format!(" — {summary}") };
    format!("[{}] {}{summary}{}", word(alert), name(alert), in_brackets(alert))
}

/// ` (for 5m00s)`, or nothing.
pub(crate) fn in_brackets(alert: &AlertRecord) -> String {
    let after = if alert.state == AlertState::Resolved { "after" } else { "for" };
    held(alert).map_or_else(String::new, |held| format!(" ({after} {})", duration_text(held)))
}

/// How long the condition held up to the moment that the record is about, in whole seconds.
pub(crate) fn held(alert: &AlertRecord) -> Option<Duration> {
    let seconds = alert.ts.seconds_since(alert.since).max(0.0) as u64;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The worst severity of what fires, as a colour in hexadecimal digits; green where nothing does.
pub fn colour(notification: &Notification) -> &'static str {
    match (notification.status(), rank(severity(notification))) {
        (Status::Resolved, _) => "#2e7d32",
        (_, 0) => "#1565c0",
        (_, 1 | 2) => "#f9a825",
        (_, 3) => "#ef6c00",
        _ => "#c62828",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{empty, notification, resolved, severe};
    use proptest::prelude::*;

    #[test]
    fn a_title_says_what_how_bad_and_where() {
        let (one, other) = (severe("loss_nan", "critical"), severe("gpu_idle", "warning"));
        for (alerts, text) in [
            (vec![one.clone()], "[critical] loss_nan: web-1"),
            (vec![resolved("loss_nan")], "[resolved] loss_nan: web-1"),
            (vec![one.clone(), other.clone()], "[critical] 2 alerts: loss_nan, gpu_idle"),
            (vec![other, resolved("x")], "[warning] 1 fire, 1 resolved: gpu_idle, x"),
            (vec![one; 3], "[critical] 3 alerts: loss_nan"),
            (
                ["a", "b", "c", "d"].map(resolved).to_vec(),
                "[resolved] 4 alerts: a, b, c and 1 more",
            ),
        ] {
            assert_eq!(title(&notification(alerts)), text);
        }
    }

    #[test]
    fn what_is_about_no_alert_has_a_title_too() {
        let dead = empty(Reason::DeadChannel, "channel 'slack' is dead");
        assert_eq!(title(&dead), "[fleet-alert] channel 'slack' is dead");
        assert!(lines(&dead, 9).is_empty(), "the title said it all");
        let test = empty(Reason::Test, "does it arrive?");
        assert_eq!(title(&test), "[test] from workstation");
        assert_eq!(lines(&test, 9), ["does it arrive?"]);
    }

    #[test]
    fn lines_name_each_alert_and_count_the_rest() {
        let mut told = notification(["a", "b", "c"].map(|name| severe(name, "high")).to_vec());
        told.held_back = 4;
        assert_eq!(
            lines(&told, 2),
            [
                "[high] a: web-1 — web-1 is high (for 10m00s)",
                "[high] b: web-1 — web-1 is high (for 10m00s)",
                "and 1 more alerts",
                "4 more changes were held back by the limit of this channel",
            ]
        );
    }

    proptest! {
        #[test]
        fn a_title_is_one_line(text in "(?s).{0,40}") {
            let mut alert = severe(&text, "high");
            alert.summary.clone_from(&text);
            alert.id = Some(text.clone());
            prop_assert!(!lines(&notification(vec![alert]), 9).concat().contains(['\n', '\r']));
            prop_assert!(!title(&empty(Reason::Test, &text)).contains(['\n', '\r']));
        }
    }
}
