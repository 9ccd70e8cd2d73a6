//! The `alertmanager` channel: alerts posted to Alertmanager's API v2, which routes and tells them itself.
//!
//! An Alertmanager forgets an alert that it does not hear of: each post says until when it is good,
//! four times the time after which it is refreshed (`ChannelPlan::refresh`), as Prometheus does. So
//! what a sender that died told of ends by itself. What is over is posted at each refresh too, for a
//! quarter of an hour, as Prometheus does: a member of a cluster that missed it hears of it then.

use std::thread;
use std::time::{Duration, Instant};

use fleet_config::Fault;
use fleet_core::{Timestamp, duration_text};
use fleet_notify::{Carrier, Notification, Verdict};
use fleet_rules::{AlertRecord, AlertState};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error::ChannelError;
use crate::http::{Ask, Client, Trust};
use crate::keys::Keys;
use crate::login::Login;
use crate::notice::told;
use crate::prometheus::{annotations, labels};
use crate::url::{self, Url};

/// Longest time between two posts of an alert that fires, and the one unless the file names another.
const REFRESH: Duration = Duration::from_secs(60);
/// Most alerts of one post, as Prometheus has it.
const BATCH: usize = 256;
/// Statuses of a server that does not know us, or is none that takes alerts.
const DEAD: [u16; 4] = [401, 403, 404, 405];

/// The members of a cluster of Alertmanagers.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    members: Vec<Url>,
    login: Login,
    trust: Trust,
    refresh: Duration,
}

impl Alertmanager {
    pub(crate) fn load(keys: &mut Keys) -> Result<Alertmanager, Fault> {
        Ok(Alertmanager {
            members: members(keys)?,
            login: Login::load(keys)?,
            trust: Trust::load(keys)?,
            refresh: refresh(keys)?,
        })
    }

    /// After how long it must hear again of what fires.
    pub(crate) fn refresh(&self) -> Duration {
        self.refresh
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Cluster, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let urls = self.members.iter().map(|member| {
            let base = client.hide_url(member.read()?);
            Ok(format!("{}/api/v2/alerts", base.trim_end_matches('/')))
        });
        let urls = urls.collect::<Result<_, ChannelError>>()?;
        let login = self.login.header(&mut client)?;
        Ok(Cluster { client, urls, login, refresh: self.refresh })
    }
}

/// Each member is posted to: what balances load between them would hide alerts from the others.
fn members(keys: &mut Keys) -> Result<Vec<Url>, Fault> {
    let at = keys.at();
    match (Url::find(keys)?, keys.texts("urls")?) {
        (Some(url), None) => Ok(vec![url]),
        (None, Some(urls)) if !urls.get_ref().is_empty() => {
            let at = urls.span().start;
            urls.into_inner().into_iter().map(|u| url::plain(at, u).map(Url::Plain)).collect()
        }
        _ => Err(Fault::new(at, "an alertmanager channel needs the address of one, or of all")
            .hint("write url = \"http://host:9093\", or urls = [\"…\", \"…\"] for a cluster")),
    }
}

fn refresh(keys: &mut Keys) -> Result<Duration, Fault> {
    let refresh = keys.duration("refresh")?.unwrap_or(REFRESH);
    if !(Duration::from_secs(1)..=REFRESH).contains(&refresh) {
        let message = format!("refresh = {} is not from 1s to 1m", duration_text(refresh));
        return Err(Fault::new(keys.at(), message));
    }
    Ok(refresh)
}

/// Posts to the members.
pub(crate) struct Cluster {
    client: Client,
    urls: Vec<String>,
    login: Option<String>,
    refresh: Duration,
}

impl Carrier for Cluster {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let now = Timestamp::now();
        let told = told(notification);
        let alerts: Vec<Value> =
            told.iter().map(|alert| post(alert, &notification.host, now, self.refresh)).collect();
        let deadline = self.client.deadline();
        let member = |url| self.member(url, &alerts, deadline);
        thread::scope(|scope| {
            let asked: Vec<_> =
                self.urls.iter().map(|url| scope.spawn(move || member(url))).collect();
            let verdicts = asked.into_iter().filter_map(|member| member.join().ok());
            // Where one member has it, the others hear of it at the next refresh.
            verdicts
                .min_by_key(badness)
                .unwrap_or_else(|| Verdict::Refused { why: "could not be asked".to_owned() })
        })
    }
}

/// The order in which verdicts of members count for the whole.
fn badness(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Delivered => 0,
        Verdict::Again { .. } => 1,
        Verdict::Refused { .. } => 2,
        Verdict::Dead { .. } => 3,
    }
}

impl Cluster {
    /// Posts all alerts to one member.
    fn member(&self, url: &str, alerts: &[Value], deadline: Instant) -> Verdict {
        let batches = alerts.chunks(BATCH).map(|batch| self.batch(url, batch, deadline));
        batches.max_by_key(badness).unwrap_or(Verdict::Delivered)
    }

    /// Posts a batch. A 400 says that some of it is wrong while the rest was stored, so then each is posted
    /// alone: the same alert twice is one, and the wrong one is named.
    fn batch(&self, url: &str, batch: &[Value], deadline: Instant) -> Verdict {
        let answer = match self.post(url, batch, deadline) {
            Ok(answer) if answer.status == 400 && batch.len() > 1 => answer,
            Ok(answer) => return answer.verdict(&DEAD),
            Err(verdict) => return verdict,
        };
        let mut refused = 0;
        for alert in batch {
            match self.post(url, std::slice::from_ref(alert), deadline) {
                Ok(one) if one.status == 400 => refused += 1,
                Ok(one) if one.verdict(&DEAD) == Verdict::Delivered => {}
                Ok(one) => return one.verdict(&DEAD),
                Err(verdict) => return verdict,
            }
        }
        let why =
            format!("took {} of {} alerts, {}", batch.len() - refused, batch.len(), answer.words());
        if refused == 0 { Verdict::Delivered } else { Verdict::Refused { why } }
    }

    fn post(&self, url: &str, alerts: &[Value], deadline: Instant) -> Result<Answer, Verdict> {
        let body = json!(alerts).to_string();
        let ask = Ask::json(url, body.as_bytes()).with("authorization", self.login.as_deref());
        self.client.ask(&ask, deadline).map_err(Verdict::from)
    }
}

/// An alert as the API takes it. One that is over names no start: the server knows it, and a start
/// that differed would make it another.
fn post(alert: &AlertRecord, host: &str, now: Timestamp, refresh: Duration) -> Value {
    let mut post = json!({
        "labels": labels(alert, host),
        "annotations": annotations(alert),
    });
    if alert.state == AlertState::Resolved {
        // An end that lies ahead of the server's clock would be none yet.
        post["endsAt"] = json!(alert.ts.min(now));
    } else {
        post["startsAt"] = json!(alert.ts);
        post["endsAt"] = json!(later(alert.ts.max(now), refresh * 4));
    }
    post
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let nanos = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(time.nanos().saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;
    use crate::samples::{now, resolved, severe};

    #[test]
    fn what_fires_is_good_for_four_refreshes_from_now() {
        let now = later(now(), REFRESH * 60);
        let firing = post(&severe("loss", "high"), "box", now, REFRESH);
        assert_eq!(firing["startsAt"], "2026-11-22T06:15:00.000000Z");
        assert_eq!(firing["endsAt"], "2026-11-22T07:19:00.000000Z");
        assert_eq!(firing["labels"]["alertname"], "loss");
        assert_eq!(firing["annotations"]["summary"], "web-1 is high");
        let over = post(&resolved("loss"), "box", now, REFRESH);
        assert_eq!(over["endsAt"], "2026-11-22T06:15:00.000000Z");
        assert!(over.get("startsAt").is_none());
        assert_eq!(over["labels"], firing["labels"]);
    }

    #[test]
    fn a_record_from_a_clock_ahead_ends_after_it_starts() {
        let now = now().minus(REFRESH * 60);
        let firing = post(&severe("loss", "high"), "box", now, REFRESH);
        assert_eq!(firing["endsAt"], "2026-11-22T06:19:00.000000Z");
        let over = post(&resolved("loss"), "box", now, REFRESH);
        assert_eq!(over["endsAt"], "2026-11-22T05:15:00.000000Z");
    }

    #[test]
    fn members_and_refresh_are_checked() {
        let load = |text| Alertmanager::load(&mut keys(text));
        assert_eq!(load("url = 'http://a'").unwrap().refresh(), REFRESH);
        assert_eq!(load("urls = ['http://a', 'http://b']").unwrap().members.len(), 2);
        for bad in ["", "urls = []", "urls = ['a']", "url = 'http://a'\nrefresh = '2m'"] {
            assert!(load(bad).is_err(), "{bad}");
        }
    }
}
