//! The `ntfy` channel: a webhook whose template is ready, the JSON form of ntfy's publishing.

use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Status, Verdict, rank};
use serde_json::json;

use crate::body::message;
use crate::error::ChannelError;
use crate::excerpt::cut;
use crate::http::{Ask, Client, Trust};
use crate::keys::Keys;
use crate::login::Login;
use crate::render::{severity, title};
use crate::secret::Secret;
use crate::url::Url;
use crate::webhook::DEAD;

/// The server unless the file names another.
const NTFY: &str = "https://ntfy.sh";
/// Longest message in bytes; a longer one would become a file that nobody opens.
const MESSAGE: usize = 4096;

/// A topic of an ntfy server.
#[derive(Clone, Debug)]
pub struct Ntfy {
    url: Url,
    topic: Topic,
    login: Login,
    trust: Trust,
}

/// On a public server, who knows the topic may read it.
#[derive(Clone, Debug)]
enum Topic {
    Plain(String),
    Hidden(Secret),
}

impl Ntfy {
    pub(crate) fn load(keys: &mut Keys) -> Result<Ntfy, Fault> {
        Ok(Ntfy {
            url: Url::find(keys)?.unwrap_or(Url::Plain(NTFY.to_owned())),
            topic: topic(keys)?,
            login: Login::load(keys)?,
            trust: Trust::load(keys)?,
        })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Publisher, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let topic = match &self.topic {
            Topic::Plain(topic) => topic.clone(),
            Topic::Hidden(secret) => client.hide(secret.read()?),
        };
        Ok(Publisher {
            url: client.hide_url(self.url.read()?),
            login: self.login.header(&mut client)?,
            topic,
            client,
        })
    }
}

fn topic(keys: &mut Keys) -> Result<Topic, Fault> {
    let hidden = Secret::elsewhere(keys, "topic")?;
    match (keys.text("topic")?, hidden) {
        (Some(topic), None) => Ok(Topic::Plain(topic.into_inner())),
        (None, Some(secret)) => Ok(Topic::Hidden(secret)),
        _ => Err(Fault::new(keys.at(), "an ntfy channel needs one topic")
            .hint("write topic = \"name\", or topic_env = \"VARIABLE\" where it is a secret")),
    }
}

/// Publishes to the topic.
pub(crate) struct Publisher {
    client: Client,
    url: String,
    topic: String,
    login: Option<String>,
}

impl Carrier for Publisher {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let body = payload(notification, &self.topic);
        let ask =
            Ask::json(&self.url, body.as_bytes()).with("authorization", self.login.as_deref());
        let answer = self.client.ask(&ask, self.client.deadline());
        answer.map_or_else(Verdict::from, |answer| answer.verdict(&DEAD))
    }
}

fn payload(notification: &Notification, topic: &str) -> String {
    let over = notification.status() == Status::Resolved;
    let (priority, tag) = match rank(severity(notification)) {
        _ if over => (3, "white_check_mark"),
        0 => (2, "information_source"),
        1 => (3, "warning"),
        2 => (3, "warning"),
        3 => (4, "warning"),
        _ => (5, "rotating_light"),
    };
    // A character has at most four bytes.
    let text = message(notification);
    let text = if text.len() > MESSAGE { cut(&text, MESSAGE / 4) } else { text };
    json!({
        "topic": topic,
        "title": cut(&title(notification), 250),
        "message": text,
        "priority": priority,
        "tags": [tag],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;
    use crate::samples::{notification, resolved, severe};
    use serde_json::Value;

    #[test]
    fn what_is_bad_is_urgent_and_what_is_over_is_not() {
        for (told, priority, tag) in [
            (severe("a", "info"), 2, "information_source"),
            (severe("a", "warning"), 3, "warning"),
            (severe("a", "high"), 4, "warning"),
            (severe("a", "critical"), 5, "rotating_light"),
            (resolved("a"), 3, "white_check_mark"),
        ] {
            let body: Value =
                serde_json::from_str(&payload(&notification(vec![told]), "t")).unwrap();
            assert_eq!((&body["topic"], &body["priority"]), (&json!("t"), &json!(priority)));
            assert_eq!(body["tags"], json!([tag]));
        }
    }

    #[test]
    fn a_long_message_stays_a_message() {
        let mut told = severe("a", "high");
        told.summary = "ä".repeat(9000);
        let told = notification(vec![told; 100]);
        let body: Value = serde_json::from_str(&payload(&told, "t")).unwrap();
        assert!(body["message"].as_str().unwrap().len() <= MESSAGE);
    }

    #[test]
    fn a_topic_is_named_or_a_secret() {
        assert!(Ntfy::load(&mut keys("topic = 'a'")).is_ok());
        assert!(Ntfy::load(&mut keys("topic_env = 'A'")).is_ok());
        assert!(Ntfy::load(&mut keys("")).is_err());
        assert!(Ntfy::load(&mut keys("topic = 'a'\ntopic_env = 'A'")).is_err());
    }
}
