//! A notification as JSON lines, for programs.

use fleet_notify::Notification;

/// One `alert` record a line; a notification that is about no alert is a line itself.
pub(crate) fn lines(notification: &Notification) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for alert in &notification.alerts {
        serde_json::to_writer(&mut text, alert)?;
        text.push(b'\n');
    }
    if notification.alerts.is_empty() {
        serde_json::to_writer(&mut text, notification)?;
        text.push(b'\n');
    }
    Ok(text)
}
