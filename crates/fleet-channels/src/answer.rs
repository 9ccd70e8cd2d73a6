//! What a receiver answered, and what that means for a notification.

use std::time::Duration;

use chrono::DateTime;
use fleet_core::Timestamp;
use fleet_notify::Verdict;
use ureq::http::HeaderMap;
use ureq::http::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::excerpt::cut;

/// Longest part of an answer that is shown, in characters.
const SHOWN: usize = 200;

/// What a receiver answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// Whether it says that its body is JSON.
    pub(crate) json: bool,
    /// How long it asked to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Its beginning, without secrets.
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: String) -> Answer {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let json = text(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        let wait = text(RETRY_AFTER).and_then(|wait| retry_after(wait, Timestamp::now()));
        Answer { status, json, retry_after: wait, body }
    }

    /// The answer as the second half of a sentence.
    pub(crate) fn words(&self) -> String {
        match self.excerpt() {
            body if body.is_empty() => format!("answered {}", self.status),
            body => format!("answered {}: {body}", self.status),
        }
    }

    /// The beginning of the body on one line.
    pub(crate) fn excerpt(&self) -> String {
        let plain: String =
            self.body.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        cut(&plain.split_whitespace().collect::<Vec<_>>().join(" "), SHOWN)
    }

    /// What it means where the receiver says nothing better than a status. With a status of
    /// `dead`, no other notification would arrive either.
    pub(crate) fn verdict(&self, dead: &[u16]) -> Verdict {
        match self.status {
            200..=299 => Verdict::Delivered,
            300..=399 => Verdict::Refused {
                why: format!(
                    "answered {}, a redirect, which is not followed; name the last address itself",
                    self.status
                ),
            },
            status if dead.contains(&status) => Verdict::Dead { why: self.words() },
            // One that always fails on this notification must not hold up the others.
            408 | 425 | 500 | 501 | 505.. => self.again(false),
            429 | 502..=504 => self.again(true),
            _ => Verdict::Refused { why: self.words() },
        }
    }

    /// To be tried again when the receiver says, or by the courier's own schedule.
    pub(crate) fn again(&self, channel: bool) -> Verdict {
        Verdict::Again { after: self.retry_after, channel, why: self.words() }
    }
}

/// Reads the header `Retry-After`: seconds or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    let seconds = Timestamp::from(date.to_utc()).seconds_since(now);
    Some(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(status: u16) -> Answer {
        let retry_after = Some(Duration::from_secs(3));
        Answer { status, json: false, retry_after, body: "a\n b".to_owned() }
    }

    #[test]
    fn a_status_has_one_meaning() {
        for (status, word) in [
            (200, "delivered"),
            (202, "delivered"),
            (204, "delivered"),
            (301, "refused"),
            (307, "refused"),
            (400, "refused"),
            (401, "dead"),
            (404, "refused"),
            (408, "again"),
            (410, "dead"),
            (413, "refused"),
            (429, "again, channel"),
            (500, "again"),
            (502, "again, channel"),
            (503, "again, channel"),
            (504, "again, channel"),
            (599, "again"),
        ] {
            let said = match answer(status).verdict(&[401, 410]) {
                Verdict::Delivered => "delivered",
                Verdict::Again { channel: true, .. } => "again, channel",
                Verdict::Again { .. } => "again",
                Verdict::Refused { .. } => "refused",
                Verdict::Dead { .. } => "dead",
            };
            assert_eq!(said, word, "{status}");
        }
    }

    #[test]
    fn what_is_to_be_tried_again_says_when_and_why() {
        let after = Some(Duration::from_secs(3));
        let why = "answered 429: a b".to_owned();
        assert_eq!(answer(429).verdict(&[]), Verdict::Again { after, channel: true, why });
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Timestamp::parse("2026-11-22T06:00:00Z", Timestamp::now()).unwrap();
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 22 Nov 2026 06:01:00 GMT", Some(60)),
            ("Sun, 22 Nov 2026 05:00:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_retry_after_panics(text in ".{0,40}") {
            retry_after(&text, Timestamp::now());
        }
    }
}
