//! The `healthchecks` channel: pings to healthchecks.io or a server of one's own.
//!
//! Its use is the dead-man switch (`[notify] heartbeat`): the server tells people when the pings stop.
//! Alerts that are routed to it are kept there as `/log`, which changes no state: a fired alert does
//! not mean that fleet-alert is dead.

use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Verdict};
use ureq::http::Method;

use crate::answer::Answer;
use crate::body::message;
use crate::error::ChannelError;
use crate::excerpt::cut;
use crate::http::{Ask, Client, Trust};
use crate::keys::Keys;
use crate::render::title;
use crate::secret::Secret;
use crate::url::{self, Url};

/// The server that a ping key is for unless the file names another.
const PINGS: &str = "https://hc-ping.com";
/// Longest body in characters: servers keep 10 to 100 kB.
const BODY: usize = 2500;
/// Statuses of a check that is not there, or of which there are two (409).
const DEAD: [u16; 5] = [401, 403, 404, 409, 410];

/// A check.
#[derive(Clone, Debug)]
pub struct Healthchecks {
    check: Check,
    trust: Trust,
}

/// How a check is named.
#[derive(Clone, Debug)]
enum Check {
    /// By its whole address.
    Address(Url),
    /// By the key of its project and its own name.
    Slug { base: String, key: Secret, slug: String },
}

impl Healthchecks {
    pub(crate) fn load(keys: &mut Keys) -> Result<Healthchecks, Fault> {
        let check = match (Secret::find(keys, "ping_key")?, keys.text("slug")?) {
            (None, None) => Check::Address(Url::load(keys, "healthchecks")?),
            (Some(key), Some(slug)) => {
                let at = slug.span().start;
                let slug = slug.into_inner();
                if slug.is_empty()
                    || !slug.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
                {
                    return Err(Fault::new(at, "a slug has letters, digits, '-' and '_' only"));
                }
                Check::Slug { base: base(keys)?, key, slug }
            }
            _ => {
                return Err(Fault::new(keys.at(), "a ping key and a slug go together")
                    .hint("write ping_key_env = \"VARIABLE\" and slug = \"…\", or url_env alone"));
            }
        };
        Ok(Healthchecks { check, trust: Trust::load(keys)? })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Heart, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let url = match &self.check {
            Check::Address(url) => client.hide_url(url.read()?),
            Check::Slug { base, key, slug } => {
                format!("{base}/{}/{slug}", client.hide(key.read()?))
            }
        };
        Ok(Heart { client, url: url.trim_end_matches('/').to_owned() })
    }
}

fn base(keys: &mut Keys) -> Result<String, Fault> {
    let base = keys.text("url")?;
    let base = base.map(|url| url::plain(url.span().start, url.into_inner())).transpose()?;
    Ok(base.unwrap_or_else(|| PINGS.to_owned()).trim_end_matches('/').to_owned())
}

/// Pings a check, to say that fleet-alert lives.
pub struct Heart {
    client: Client,
    url: String,
}

impl Heart {
    /// Says that all is well, or that it is not (`/fail`) and why.
    pub fn beat(&mut self, state: Result<(), &str>) -> Verdict {
        match state {
            Ok(()) => self.ping("", ""),
            Err(why) => self.ping("/fail", why),
        }
    }

    fn ping(&self, end: &str, body: &str) -> Verdict {
        let url = format!("{}{end}", self.url);
        let body = cut(body, BODY);
        let headers = vec![("content-type", "text/plain; charset=utf-8")];
        let ask = Ask { method: Method::POST, url: &url, headers, body: body.as_bytes() };
        let answer = self.client.ask(&ask, self.client.deadline());
        answer.map_or_else(Verdict::from, |answer| verdict(&answer))
    }
}

impl Carrier for Heart {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        self.ping("/log", &format!("{}\n{}\n", title(notification), message(notification)))
    }
}

/// Older servers answer 200 to what they do not take, and say so in the body.
fn verdict(answer: &Answer) -> Verdict {
    match answer.body.trim() {
        "OK (not found)" => Verdict::Dead { why: answer.words() },
        "OK (rate limited)" => answer.again(true),
        _ => answer.verdict(&DEAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;
    use crate::samples::answered;

    #[test]
    fn answers_mean_what_healthchecks_says_they_do() {
        for (status, body, word) in [
            (200, "OK", "Delivered"),
            (201, "Created", "Delivered"),
            (200, "OK (not found)", "Dead"),
            (200, "OK (rate limited)", "Again"),
            (404, "not found", "Dead"),
            (409, "ambiguous slug", "Dead"),
            (429, "rate limit exceeded", "Again"),
            (503, "", "Again"),
        ] {
            answered(verdict, status, body, word);
        }
    }

    #[test]
    fn a_check_is_named_by_its_address_or_by_key_and_slug() {
        let load = |text| Healthchecks::load(&mut keys(text)).is_ok();
        assert!(load("url_env = 'A'"));
        assert!(load("url = 'https://hc.example/ping/1'"));
        assert!(load("ping_key_env = 'A'\nslug = 'alerts'"));
        assert!(load("ping_key_env = 'A'\nslug = 'alerts'\nurl = 'https://hc.example/ping'"));
        for bad in [
            "",
            "slug = 'a'",
            "ping_key_env = 'A'",
            "ping_key = 'hunter2'\nslug = 'a'",
            "ping_key_env = 'A'\nslug = 'a/b'",
        ] {
            assert!(!load(bad), "{bad}");
        }
    }
}
