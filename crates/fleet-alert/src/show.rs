//! Alerts as people read them.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use fleet_channels::one_line;
use fleet_cli::{Align, Cell, Column, Out, Table};
use fleet_core::{Timestamp, duration_text};
use fleet_rules::{AlertRecord, AlertState, Instance};
use std::time::Duration;

/// Most characters of a summary in a line.
const MOST_SUMMARY: usize = 300;

/// A summary in a line. A traceback in it is for those who read on: here its ends are enough.
pub(crate) fn summary(text: &str) -> String {
    one_line(text, MOST_SUMMARY)
}

/// One change as a line: `firing critical memory_usage_high mission-a: summary (reason)`.
pub(crate) fn line(alert: &AlertRecord) -> String {
    let about = alert.id.as_deref().map_or(String::new(), |id| format!(" {id}"));
    let head = format!("{} {} {}{about}", alert.state.word(), alert.severity, alert.alert);
    let summary = summary(&alert.summary);
    let text = match summary.as_str() {
        "" => format!("{head}: {}", alert.reason),
        summary => format!("{head}: {summary} ({})", alert.reason),
    };
    printable(&text)
}

/// A change as a line of the table output, coloured.
pub(crate) fn change(out: &mut Out, alert: &AlertRecord) -> io::Result<()> {
    let text = format!("{}  {}", clock(alert.ts), line(alert));
    let painted = out.paint().apply(style(&alert.severity, alert.state), &text);
    writeln!(out, "{painted}")
}

/// All that fires.
pub(crate) fn firing(out: &mut Out, firing: &[&Instance], now: Timestamp) -> io::Result<()> {
    let left = |title| Column { title, align: Align::Left };
    let mut table = Table::new(["FIRING", "ALERT", "ABOUT", "FOR", "SUMMARY"].map(left).to_vec());
    for instance in firing {
        let alert = instance.alert.as_ref();
        let severity = alert.map_or("-", |alert| alert.severity.as_str());
        let since = alert.map_or(instance.last, |alert| alert.since);
        let held = Duration::try_from_secs_f64(now.seconds_since(since)).unwrap_or_default();
        table.row(vec![
            Cell::styled(severity, style(severity, AlertState::Firing)),
            Cell::new(&instance.rule),
            Cell::new(instance.name()),
            Cell::new(duration_text(held)),
            Cell::maybe(alert.map(|alert| summary(&alert.summary))),
        ]);
    }
    table.write(out)
}

/// The colour of a severity.
pub(crate) fn style(severity: &str, state: AlertState) -> Style {
    let colour = match (state, severity) {
        (AlertState::Resolved, _) => AnsiColor::Green,
        (_, "critical") => AnsiColor::Red,
        (_, "high") => AnsiColor::Magenta,
        (_, "info") => AnsiColor::Cyan,
        _ => AnsiColor::Yellow,
    };
    let bold = severity == "critical" && state == AlertState::Firing;
    let style = Style::new().fg_color(Some(colour.into()));
    if bold { style.bold() } else { style }
}

/// The time of day, UTC.
fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// What a process printed may stand in a summary, and must not steer the terminal.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escape).collect()
}
