//! Addresses of receivers.

use fleet_config::Fault;
use ureq::http::Uri;

use crate::error::ChannelError;
use crate::keys::Keys;
use crate::secret::Secret;

/// Where a receiver is reached. For some, who knows the address may write there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Url {
    /// It stands in the configuration.
    Plain(String),
    /// It is a secret.
    Hidden(Secret),
}

impl Url {
    /// Reads `url`, `url_env` or `url_file`.
    pub(crate) fn find(keys: &mut Keys) -> Result<Option<Url>, Fault> {
        let hidden = Secret::elsewhere(keys, "url")?;
        match (keys.text("url")?, hidden) {
            (Some(url), Some(_)) => Err(Fault::new(
                url.span().start,
                "there is one url too many: it is a secret or not",
            )),
            (Some(url), None) => {
                let at = url.span().start;
                Ok(Some(Url::Plain(plain(at, url.into_inner())?)))
            }
            (None, hidden) => Ok(hidden.map(Url::Hidden)),
        }
    }

    /// As [`Url::find`], but there must be one.
    pub(crate) fn load(keys: &mut Keys, kind: &str) -> Result<Url, Fault> {
        let at = keys.at();
        Url::find(keys)?.ok_or_else(|| {
            Fault::new(at, format!("a channel of type {kind} needs a url")).hint(
                "write url = \"https://…\", or where the address is a secret url_env = \"VARIABLE\" \
                 or url_file = \"path\"",
            )
        })
    }

    /// The address itself, and whether it is a secret.
    pub(crate) fn read(&self) -> Result<(String, bool), ChannelError> {
        match self {
            Url::Plain(url) => Ok((url.clone(), false)),
            Url::Hidden(secret) => {
                let url = secret.read()?;
                fault(&url)
                    .map_or(Ok((url, true)), |what| Err(ChannelError::Form { key: "url", what }))
            }
        }
    }
}

/// An address that stands in the configuration at this byte, if it is one.
pub(crate) fn plain(at: usize, url: String) -> Result<String, Fault> {
    match fault(&url) {
        None => Ok(url),
        Some(what) => Err(Fault::new(at, format!("this is {what}"))
            .hint("an address looks like https://host/path; a password in it is written apart")),
    }
}

/// What is wrong with an address.
fn fault(url: &str) -> Option<&'static str> {
    let Ok(uri) = url.parse::<Uri>() else { return Some("no address of a web server") };
    match uri.authority() {
        _ if !matches!(uri.scheme_str(), Some("http" | "https")) => {
            Some("no address that begins with http:// or https://")
        }
        None => Some("an address without a host"),
        Some(authority) if authority.as_str().contains('@') => {
            Some("an address with a password in it, which would be shown in errors")
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;
    use proptest::prelude::*;

    #[test]
    fn only_addresses_of_web_servers_are_taken() {
        assert_eq!(fault("https://a.example:8443/b?c=d"), None);
        assert_eq!(fault("http://[::1]:9093"), None);
        for bad in
            ["", "a.example", "ftp://a.example", "/path", "https://u:p@a.example", "https://a b"]
        {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_plain_or_a_secret() {
        let read = |text| Url::load(&mut keys(text), "webhook").map_err(|fault| fault.message);
        assert_eq!(read("url = 'http://a'"), Ok(Url::Plain("http://a".to_owned())));
        let hidden = Url::Hidden(Secret::Environment("A".to_owned()));
        assert_eq!(read("url_env = 'A'"), Ok(hidden));
        assert!(read("url = 'http://a'\nurl_env = 'A'").is_err());
        assert!(read("").unwrap_err().contains("needs a url"));
        assert!(!read("url = 'https://u:hunter2@a'").unwrap_err().contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_address_panics(text in "(https?://)?.{0,40}") {
            let _ = fault(&text);
        }
    }
}
