//! The `sms` channel: short messages by Twilio's form, or by what takes the same form.

use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Verdict};
use serde_json::Value;
use toml::Spanned;
use ureq::http::Method;

use crate::answer::Answer;
use crate::error::ChannelError;
use crate::excerpt::{self, cut};
use crate::gsm;
use crate::http::{Ask, Client, Trust, Unanswered};
use crate::keys::Keys;
use crate::login::basic;
use crate::parts::Parts;
use crate::render::{lines, title};
use crate::secret::Secret;
use crate::url;

/// The service that is asked unless the file names another.
const TWILIO: &str = "https://api.twilio.com";
/// Longest text that is taken, in characters.
const BODY: usize = 1600;
/// Longest line of it: a person reads this at night on a telephone, and each 153 characters are paid for.
const LINE: usize = 200;
/// Most alerts that are named.
const ALERTS: usize = 5;

/// An account that sends short messages.
#[derive(Clone, Debug)]
pub struct Sms {
    url: String,
    /// The account, or the name of an API key.
    user: String,
    token: Secret,
    /// The key of the form and the number or service that it is sent from.
    from: (&'static str, String),
    to: Vec<String>,
    trust: Trust,
}

impl Sms {
    pub(crate) fn load(keys: &mut Keys) -> Result<Sms, Fault> {
        let account = keys.text("account")?.ok_or_else(|| {
            Fault::new(keys.at(), "an sms channel needs the id of its account")
                .hint("write account = \"AC…\", as the console of the service shows it")
        })?;
        let at = account.span().start;
        let account = account.into_inner();
        if account.is_empty() || !account.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(Fault::new(at, "the id of an account has letters and digits only"));
        }
        let user = keys.text("user")?.map_or_else(|| account.clone(), Spanned::into_inner);
        let base = match keys.text("url")? {
            Some(base) => url::plain(base.span().start, base.into_inner())?,
            None => TWILIO.to_owned(),
        };
        let base = base.trim_end_matches('/');
        Ok(Sms {
            url: format!("{base}/2010-04-01/Accounts/{account}/Messages.json"),
            user,
            token: Secret::load(keys, "token")?,
            from: from(keys)?,
            to: to(keys)?,
            trust: Trust::load(keys)?,
        })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Texter, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let token = client.hide(self.token.read()?);
        let login = basic(&self.user, &token, &mut client);
        Ok(Texter { client, sms: self.clone(), login, parts: Parts::default() })
    }
}

fn from(keys: &mut Keys) -> Result<(&'static str, String), Fault> {
    match (keys.text("from")?, keys.text("service")?) {
        (Some(from), None) => Ok(("From", from.into_inner())),
        (None, Some(service)) => Ok(("MessagingServiceSid", service.into_inner())),
        _ => Err(Fault::new(keys.at(), "an sms channel is sent from a number or by a service")
            .hint("write from = \"+15550100\" or service = \"MG…\", not both")),
    }
}

fn to(keys: &mut Keys) -> Result<Vec<String>, Fault> {
    let hint = "write to = [\"+4915550100\"]: a plus, the country and the number, only digits";
    let to = keys
        .texts("to")?
        .ok_or_else(|| Fault::new(keys.at(), "an sms channel needs numbers").hint(hint))?;
    let at = to.span().start;
    let to = to.into_inner();
    if to.is_empty() {
        return Err(Fault::new(at, "there is no number").hint(hint));
    }
    match to.iter().find(|number| !is_number(number)) {
        Some(bad) => Err(Fault::new(at, format!("'{bad}' is no telephone number")).hint(hint)),
        None => Ok(to),
    }
}

/// Whether it is a number by E.164, which has at most 15 digits.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (4..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Sends messages.
pub(crate) struct Texter {
    client: Client,
    sms: Sms,
    login: String,
    parts: Parts,
}

impl Carrier for Texter {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let Texter { client, sms, login, parts } = self;
        let text = text(notification);
        let deadline = client.deadline();
        parts.deliver(&notification.id, sms.to.len(), |part| {
            let Some(to) = sms.to.get(part) else { return Verdict::Delivered };
            let form = form(sms, to, &text);
            let headers = vec![
                ("content-type", "application/x-www-form-urlencoded"),
                ("authorization", login.as_str()),
            ];
            let ask = Ask { method: Method::POST, url: &sms.url, headers, body: form.as_bytes() };
            client.ask(&ask, deadline).map_or_else(unanswered, |answer| verdict(&answer))
        })
    }
}

fn form(sms: &Sms, to: &str, text: &str) -> String {
    let (key, from) = &sms.from;
    form_urlencoded::Serializer::new(String::new())
        .append_pair("To", to)
        .append_pair(key, from)
        .append_pair("Body", text)
        .finish()
}

/// A message that may be on its way already is not sent again: the service has no key by which it
/// would know the second for the first.
fn unanswered(unanswered: Unanswered) -> Verdict {
    if unanswered.unsent {
        return unanswered.into();
    }
    Verdict::Refused {
        why: format!(
            "{}, after the message was sent; it may have arrived, so it is not sent again",
            unanswered.why
        ),
    }
}

/// 201 is queued; 429 was never processed; a wrong account or token will not mend itself.
fn verdict(answer: &Answer) -> Verdict {
    let code = serde_json::from_str::<Value>(&answer.body).ok();
    let code = code.as_ref().and_then(|said| said.get("code")).and_then(Value::as_u64);
    match (answer.status, code) {
        // Of old, too many messages at once were a 400 with the same code.
        (_, Some(20_429)) => answer.again(true),
        // Wrong user, suspended account, no such account.
        (400.., Some(20_003 | 20_005 | 20_404)) => Verdict::Dead { why: answer.words() },
        _ => answer.verdict(&[401, 403, 404]),
    }
}

/// The message: the title and a line for each alert, in letters that a short message holds cheaply.
fn text(notification: &Notification) -> String {
    let mut all = vec![title(notification)];
    match notification.alerts.as_slice() {
        [alert] => all.push(excerpt::line(&alert.summary, LINE)),
        _ => all.extend(lines(notification, ALERTS)),
    }
    all.push(format!("from {}", notification.host));
    let all: Vec<String> = all
        .iter()
        .map(|line| cut(&gsm::friendly(line), LINE))
        .filter(|line| !line.is_empty())
        .collect();
    gsm::friendly(&cut(&all.join("\n"), BODY - 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;
    use crate::samples::{answered, empty, notification, severe};
    use fleet_notify::Reason;
    use proptest::prelude::*;

    const WHOLE: &str = "account = 'AC1'\ntoken_env = 'T'\nfrom = '+15550100'\nto = ['+15550101']";

    #[test]
    fn the_form_is_that_of_twilio() {
        let sms = Sms::load(&mut keys(WHOLE)).unwrap();
        assert_eq!(sms.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(sms.user, "AC1");
        let form = form(&sms, "+15550101", "a b&c\nä");
        assert_eq!(form, "To=%2B15550101&From=%2B15550100&Body=a+b%26c%0A%C3%A4");
    }

    #[test]
    fn what_is_missing_or_no_number_is_refused() {
        for (from, to) in [
            ("'+15550101'", "'015550101'"),
            ("['+15550101']", "[]"),
            ("'AC1'", "'../x'"),
            ("from = '+15550100'", ""),
            ("token_env = 'T'", "token = 'hunter2'"),
            ("from =", "service = 'MG1'\nfrom ="),
        ] {
            let fault = Sms::load(&mut keys(&WHOLE.replace(from, to))).unwrap_err();
            assert!(!fault.message.contains("hunter2"), "{}", fault.message);
        }
    }

    #[test]
    fn answers_mean_what_twilio_says_they_do() {
        for (status, body, word) in [
            (201, r#"{"sid":"SM1","status":"queued"}"#, "Delivered"),
            (400, r#"{"code":21211,"message":"invalid To"}"#, "Refused"),
            (400, r#"{"code":20429}"#, "Again"),
            (401, r#"{"code":20003}"#, "Dead"),
            (404, r#"{"code":20404}"#, "Dead"),
            (429, r#"{"code":20429}"#, "Again"),
            (500, "", "Again"),
            (503, "", "Again"),
        ] {
            answered(verdict, status, body, word);
        }
    }

    #[test]
    fn what_may_have_been_sent_is_not_sent_again() {
        let lost = |unsent| unanswered(Unanswered { why: "gave no answer".to_owned(), unsent });
        assert!(matches!(lost(true), Verdict::Again { channel: true, .. }));
        let Verdict::Refused { why } = lost(false) else { panic!("it is sent again") };
        assert!(why.contains("may have arrived"), "{why}");
    }

    #[test]
    fn the_text_is_short_and_says_what_how_bad_and_where() {
        let mut told = severe("loss_nan", "critical");
        told.summary = "loss is NaN — “bad” 🔥".to_owned();
        let text = text(&notification(vec![told]));
        assert_eq!(text, "[critical] loss_nan: web-1\nloss is NaN - \"bad\"\nfrom workstation");
    }

    proptest! {
        #[test]
        fn no_text_is_too_long(summary in ".{0,300}", count in 0usize..9) {
            let mut told = severe("x", "high");
            told.summary = summary.repeat(9);
            prop_assert!(text(&notification(vec![told; count])).chars().count() <= 1600);
            prop_assert!(text(&empty(Reason::Test, &summary)).chars().count() <= 1600);
        }
    }
}
