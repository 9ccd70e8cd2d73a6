//! The `webhook` channel: a request with a form that the receiver knows.

use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Verdict};
use ring::hmac;
use toml::Spanned;
use ureq::http::Method;

use crate::body::Form;
use crate::error::ChannelError;
use crate::headers::Headers;
use crate::http::{Ask, Client, Trust};
use crate::keys::Keys;
use crate::login::Login;
use crate::secret::Secret;
use crate::url::Url;

/// Statuses of a receiver that is gone or does not know us.
pub(crate) const DEAD: [u16; 4] = [401, 403, 404, 410];

/// A web server that is told.
#[derive(Clone, Debug)]
pub struct Webhook {
    url: Url,
    method: Method,
    form: Form,
    headers: Headers,
    login: Login,
    /// The key by which the receiver can tell our requests from others.
    signature: Option<Secret>,
    trust: Trust,
}

impl Webhook {
    pub(crate) fn load(keys: &mut Keys) -> Result<Webhook, Fault> {
        Ok(Webhook {
            url: Url::load(keys, "webhook")?,
            method: method(keys.text("method")?)?,
            form: Form::load(keys)?,
            headers: Headers::load(keys)?,
            login: Login::load(keys)?,
            signature: Secret::find(keys, "signature")?,
            trust: Trust::load(keys)?,
        })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Hook, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let signature = self.signature.as_ref().map(Secret::read).transpose()?;
        Ok(Hook {
            url: client.hide_url(self.url.read()?),
            headers: self.headers.read(&mut client)?,
            login: self.login.header(&mut client)?,
            signature: signature.map(|key| client.hide(key)),
            method: self.method.clone(),
            form: self.form.clone(),
            client,
        })
    }
}

fn method(word: Option<Spanned<String>>) -> Result<Method, Fault> {
    let Some(word) = word else { return Ok(Method::POST) };
    match word.get_ref().as_str() {
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        other => Err(Fault::new(word.span().start, format!("'{other}' sends no body"))
            .hint("method is POST, PUT or PATCH")),
    }
}

/// Asks the web server.
pub(crate) struct Hook {
    client: Client,
    url: String,
    method: Method,
    form: Form,
    headers: Vec<(String, String)>,
    login: Option<String>,
    signature: Option<String>,
}

impl Carrier for Hook {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let (body, content_type) = self.form.body(notification);
        let signature = self.signature.as_ref().map(|key| sign(key, body.as_bytes()));
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        // The same for each try, so that the receiver can tell a repeat.
        headers.extend([("content-type", content_type), ("idempotency-key", &notification.id)]);
        let ask =
            Ask { method: self.method.clone(), url: &self.url, headers, body: body.as_bytes() }
                .with("authorization", self.login.as_deref())
                .with("x-fleet-signature", signature.as_deref());
        let answer = self.client.ask(&ask, self.client.deadline());
        answer.map_or_else(Verdict::from, |answer| answer.verdict(&DEAD))
    }
}

/// `sha256=` and the HMAC of the body (RFC 2104) in hexadecimal digits, as GitHub signs its own.
fn sign(key: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn only_methods_with_a_body_are_taken() {
        for (word, taken) in [("POST", true), ("PUT", true), ("GET", false), ("post", false)] {
            let text = format!("url = 'http://a'\nmethod = '{word}'");
            assert_eq!(Webhook::load(&mut keys(&text)).is_ok(), taken, "{word}");
        }
    }
}
