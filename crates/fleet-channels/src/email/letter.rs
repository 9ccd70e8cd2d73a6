//! A notification as the bytes of a letter (RFC 5322), with the headers that thread it.

use std::time::{Duration, SystemTime};

use fleet_notify::{Notification, Status};
use fleet_rules::template::Template;
use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue, Headers};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};

use super::page::Page;
use super::{html, text};
use crate::{body, excerpt, render};

/// Most characters of a subject.
const MOST_SUBJECT: usize = 150;

/// Most alerts whose threads a letter joins.
const MOST_THREADS: usize = 20;

/// Writes the letter. Two letters of one notification differ only where parts are divided.
pub(super) fn write(
    notification: &Notification,
    from: &Mailbox,
    to: &[Mailbox],
    template: Option<&Template>,
) -> Result<Vec<u8>, lettre::error::Error> {
    let page = Page::of(notification);
    let since_1970 = Duration::from_nanos(u64::try_from(notification.created.nanos()).unwrap_or(0));
    let letter = Message::builder()
        .from(from.clone())
        .date(SystemTime::UNIX_EPOCH + since_1970)
        .subject(subject(notification, template));
    let letter = to.iter().fold(letter, |letter, to| letter.to(to.clone()));
    let letter = threaded(letter, notification, from.email.domain());
    let body = MultiPart::alternative_plain_html(text::write(&page), html::write(&page));
    let mut letter = letter.multipart(body)?;
    marked(letter.headers_mut(), notification);
    Ok(letter.formatted())
}

/// What the user's template makes of it; where that is nothing, or there is none, the title:
/// `[critical] gpu_idle: train-7 — what it says`.
fn subject(notification: &Notification, template: Option<&Template>) -> String {
    let written = template.map(|template| template.render(&body::fields(notification)));
    let written = written.map(|text| excerpt::line(text.trim(), MOST_SUBJECT));
    written.filter(|text| !text.is_empty()).unwrap_or_else(|| usual(notification))
}

fn usual(notification: &Notification) -> String {
    let title = render::title(notification);
    let subject = match notification.alerts.as_slice() {
        [alert] if !alert.summary.is_empty() => {
            format!("{title} — {}", excerpt::line(&alert.summary, MOST_SUBJECT))
        }
        _ => title,
    };
    excerpt::line(&subject, MOST_SUBJECT)
}

/// Names the letter after the notification, and the threads that it belongs to after its alerts
/// and, within a day, its group.
fn threaded(letter: MessageBuilder, of: &Notification, domain: &str) -> MessageBuilder {
    let letter = letter.message_id(Some(named(&of.id, domain)));
    let mut threads: Vec<String> = Vec::new();
    if !of.group.is_empty() {
        let pairs: Vec<String> =
            of.group.iter().map(|(name, value)| format!("{name}={value}")).collect();
        threads.push(named(&format!("{}.{}", of.created.day(), pairs.join(".")), domain));
    }
    threads.extend(
        of.alerts
            .iter()
            .take(MOST_THREADS)
            .map(|alert| named(&format!("{}.{}", alert.fingerprint, alert.since.nanos()), domain)),
    );
    match threads.last() {
        None => letter,
        Some(parent) => letter.in_reply_to(parent.clone()).references(threads.join(" ")),
    }
}

/// A name as it may stand in `Message-ID`: what is no plain character is a `_`.
fn named(name: &str, domain: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".=-".contains(c) { c } else { '_' };
    let name: String = name.chars().take(100).map(plain).collect();
    format!("<fleet.{name}@{domain}>")
}

/// What other programs want to know: that no person wrote this, that nobody should answer by
/// itself (RFC 3834), and what a filter may sort by.
fn marked(headers: &mut Headers, notification: &Notification) {
    let mut put = |name: &'static str, value: &str| {
        let value = excerpt::line(value, MOST_SUBJECT);
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    put("Auto-Submitted", "auto-generated");
    put("X-Auto-Response-Suppress", "All");
    put("X-Fleet-Host", &notification.host);
    put("X-Fleet-Reason", notification.reason.word());
    let firing = notification.status() == Status::Firing;
    if !notification.alerts.is_empty() {
        put("X-Fleet-Status", if firing { "firing" } else { "resolved" });
        put("X-Fleet-Severity", notification.severity());
    }
    if firing && notification.severity() == "critical" {
        put("Importance", "high");
    }
}
