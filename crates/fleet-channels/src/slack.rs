//! The `slack` channel: an incoming webhook of Slack, or of what speaks like it (Mattermost, Rocket.Chat, Zulip).
//!
//! Limits are those of Slack's reference of Block Kit and of incoming webhooks.

use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Verdict};
use fleet_rules::AlertRecord;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error::ChannelError;
use crate::excerpt::{block, cut};
use crate::http::{Ask, Client, Trust};
use crate::keys::Keys;
use crate::render::{colour, in_brackets, name, notes, title, word};
use crate::secret::Secret;
use crate::url::Url;

/// Most alerts of one message: each is a block, of which there may be 50.
const ALERTS: usize = 20;
/// Longest text of a block, in characters after escaping.
const TEXT: usize = 3000;
/// Longest summary of one alert; twenty of them stay below the 40,000 characters of a message.
const SUMMARY: usize = 1500;
/// Statuses of a hook that was revoked, or whose channel is gone.
const DEAD: [u16; 4] = [401, 403, 404, 410];
/// Errors of the Web API that say the same.
const DEAD_WORDS: [&str; 8] = [
    "account_inactive",
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_auth",
    "is_archived",
    "no_service",
    "token_revoked",
];

/// An incoming webhook.
#[derive(Clone, Debug)]
pub struct Slack {
    url: Url,
    trust: Trust,
}

impl Slack {
    pub(crate) fn load(keys: &mut Keys) -> Result<Slack, Fault> {
        // Who knows the address may post, so it is never plain.
        let url = Url::Hidden(Secret::load(keys, "url")?);
        Ok(Slack { url, trust: Trust::load(keys)? })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Poster, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let url = client.hide_url(self.url.read()?);
        Ok(Poster { client, url })
    }
}

/// Posts to the webhook.
pub(crate) struct Poster {
    client: Client,
    url: String,
}

impl Carrier for Poster {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let body = payload(notification).to_string();
        let ask = Ask::json(&self.url, body.as_bytes());
        self.client.ask(&ask, self.client.deadline()).map_or_else(Verdict::from, |a| verdict(&a))
    }
}

/// What the answer means: the status, but where the answer is JSON what stands in that.
fn verdict(answer: &Answer) -> Verdict {
    let said: Option<Value> =
        serde_json::from_str(&answer.body).ok().filter(|_| answer.json && answer.status < 300);
    let Some(said) = said.filter(|said| said.get("ok") == Some(&Value::Bool(false))) else {
        return answer.verdict(&DEAD);
    };
    let why = answer.words();
    match said.get("error").and_then(Value::as_str).unwrap_or_default() {
        "ratelimited" | "rate_limited" => answer.again(true),
        "fatal_error" | "internal_error" | "service_unavailable" => answer.again(false),
        error if DEAD_WORDS.contains(&error) => Verdict::Dead { why },
        _ => Verdict::Refused { why },
    }
}

/// The message: its title as text, which is what a notification and a screen reader say, and a
/// coloured list of the alerts.
fn payload(notification: &Notification) -> Value {
    let mut blocks: Vec<Value> =
        notification.alerts.iter().take(ALERTS).map(|alert| section(&about(alert))).collect();
    if notification.alerts.is_empty() && !notification.text.is_empty() {
        blocks.push(section(&escaped(&notification.text, TEXT)));
    }
    blocks.push(context(notification));
    json!({
        "text": escaped(&title(notification), TEXT),
        "attachments": [{"color": colour(notification), "blocks": blocks}],
    })
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

/// The last line: where it comes from and what was left out.
fn context(notification: &Notification) -> Value {
    let more = notification.alerts.len().saturating_sub(ALERTS);
    let more = (more > 0).then(|| format!("and {more} more alerts"));
    let from = format!("from {}", notification.host);
    let all: Vec<String> = more.into_iter().chain(notes(notification)).chain([from]).collect();
    let text = escaped(&all.join(" · "), TEXT);
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text}]})
}

/// An alert in Slack's markup.
fn about(alert: &AlertRecord) -> String {
    let head = format!("[{}] {}", word(alert), name(alert));
    let head = format!("*{}*{}", escaped(&head, 300), in_brackets(alert));
    let text = [head, summary(&alert.summary), links(alert)].join("\n");
    text.trim_end().to_owned()
}

/// A summary: its first line, and below it the ends of what else there is, as it stands.
fn summary(summary: &str) -> String {
    let mut lines = block(summary, 12, SUMMARY / 3).into_iter();
    let first = escaped(&lines.next().unwrap_or_default(), SUMMARY / 3);
    let rest = lines.collect::<Vec<_>>().join("\n");
    if rest.is_empty() {
        return first;
    }
    // Three backticks would end the block.
    format!("{first}\n```{}```", escaped(&rest.replace("```", "'''"), SUMMARY / 2))
}

/// The annotations that are addresses.
fn links(alert: &AlertRecord) -> String {
    let link = |(name, url): (&String, &String)| {
        let plain = !url.contains(['<', '>', '|', ' ', '\n']) && url.len() < 300;
        let web = url.starts_with("https://") || url.starts_with("http://");
        (web && plain).then(|| format!("<{url}|{}>", escaped(name, 50)))
    };
    alert.annotations.iter().filter_map(link).take(5).collect::<Vec<_>>().join(" · ")
}

/// A text with `&`, `<` and `>` escaped, cut before that so that no escape is cut in two.
fn escaped(text: &str, limit: usize) -> String {
    let width = |c: char| match c {
        '&' => 5,
        '<' | '>' => 4,
        _ => 1,
    };
    let mut room = limit;
    let fits = text.chars().take_while(|c| {
        room = room.saturating_sub(width(*c));
        room > 0
    });
    let text = cut(text, fits.count().max(1));
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{answered, empty, notification, resolved, severe};
    use fleet_notify::Reason;
    use proptest::prelude::*;

    #[test]
    fn answers_mean_what_slack_says_they_do() {
        for (status, body, word) in [
            (200, "ok", "Delivered"),
            (200, r#"{"ok":true}"#, "Delivered"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "Again"),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, "Dead"),
            (200, r#"{"ok":false,"error":"invalid_blocks"}"#, "Refused"),
            (302, "", "Refused"),
            (400, "invalid_payload", "Refused"),
            (400, "no_text", "Refused"),
            (403, "action_prohibited", "Dead"),
            (404, "no_service", "Dead"),
            (410, "channel_is_archived", "Dead"),
            (429, "", "Again"),
            (500, "rollup_error", "Again"),
            (503, "", "Again"),
        ] {
            answered(verdict, status, body, word);
        }
    }

    #[test]
    fn a_message_says_it_all_in_its_text_and_shows_each_alert() {
        let mut told = severe("loss<1", "critical");
        told.summary = "a & b\nTraceback\nValueError: ```".to_owned();
        let payload = payload(&notification(vec![told]));
        assert_eq!(payload["text"], "[critical] loss&lt;1: web-1");
        let attachment = &payload["attachments"][0];
        assert_eq!(attachment["color"], "#c62828");
        assert_eq!(
            attachment["blocks"][0]["text"]["text"],
            "*[critical] loss&lt;1: web-1* (for 10m00s)\na &amp; b\n```Traceback\nValueError: '''```\n\
             <https://runbooks.example/memory|runbook>"
        );
        assert_eq!(attachment["blocks"][1]["elements"][0]["text"], "from workstation");
    }

    #[test]
    fn a_test_message_has_its_text() {
        let payload = payload(&empty(Reason::Test, "does it arrive?"));
        assert_eq!(payload["text"], "[test] from workstation");
        assert_eq!(payload["attachments"][0]["blocks"][0]["text"]["text"], "does it arrive?");
    }

    /// Holds a message against the limits of Slack.
    fn check(payload: &Value) {
        let blocks = payload["attachments"][0]["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            let text = block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str());
            let length = text.unwrap().chars().count();
            assert!((1..=3000).contains(&length), "{length} characters");
        }
        assert!(payload["text"].as_str().unwrap().chars().count() <= 3000);
        assert!(payload.to_string().chars().count() < 60_000);
    }

    #[test]
    fn a_crowd_of_alerts_stays_within_the_limits() {
        let mut long = resolved("x");
        long.summary = "<\n".repeat(5000);
        long.alert = "&".repeat(4000);
        let payload = payload(&notification(vec![long; 500]));
        check(&payload);
        let last = payload["attachments"][0]["blocks"].as_array().unwrap().last().unwrap();
        assert!(last.to_string().contains("and 480 more alerts"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_limits(summary in "(?s).{0,400}", times in 1usize..30) {
            let mut told = severe("x", "high");
            told.summary = summary.repeat(times);
            check(&payload(&notification(vec![told.clone(), told])));
        }

        #[test]
        fn escaped_text_has_its_limit(text in "[<>&a]{0,60}", limit in 6usize..40) {
            prop_assert!(escaped(&text, limit).len() <= limit + "…".len());
        }
    }
}
