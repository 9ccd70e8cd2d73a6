//! A notification as lines that a person reads on a terminal.

use fleet_notify::Notification;
use fleet_rules::AlertRecord;

use crate::excerpt;

/// Most characters of a line.
const MOST: usize = 300;

/// One line for each alert: `firing critical memory_usage_high mission-a: summary`; then what is
/// told beside them.
pub(crate) fn lines(notification: &Notification) -> Vec<String> {
    let mut lines: Vec<String> = notification.alerts.iter().map(line).collect();
    if !notification.text.is_empty() {
        lines.push(excerpt::line(&notification.text, MOST));
    }
    if notification.held_back > 0 {
        lines.push(format!("{} changes more were held back", notification.held_back));
    }
    lines
}

fn line(alert: &AlertRecord) -> String {
    let about = alert.id.as_deref().map_or(String::new(), |id| format!(" {id}"));
    let head = format!("{} {} {}{about}", alert.state.word(), alert.severity, alert.alert);
    let said = if alert.summary.is_empty() { &alert.reason } else { &alert.summary };
    format!("{}: {}", excerpt::line(&head, MOST), excerpt::line(said, MOST))
}
