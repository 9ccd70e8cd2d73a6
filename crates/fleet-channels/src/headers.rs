//! Headers that a user adds to requests: plain ones, and secrets as `NAME_env` or `NAME_file`.

use std::path::PathBuf;

use fleet_config::Fault;
use ureq::http::{HeaderName, HeaderValue};

use crate::error::ChannelError;
use crate::http::Client;
use crate::keys::Keys;
use crate::secret::Secret;

/// Headers that say how a request is sent, or whose value is a secret that has a key of its own.
const OURS: [&str; 7] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "transfer-encoding",
];

/// Headers of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers(Vec<(String, Text)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Text {
    Plain(String),
    Hidden(Secret),
}

impl Headers {
    /// Reads `headers = { NAME = "text", NAME_env = "VARIABLE", NAME_file = "path" }`.
    pub(crate) fn load(keys: &mut Keys) -> Result<Headers, Fault> {
        let at = keys.at();
        let all = keys.table("headers")?.into_iter().map(|(key, text)| {
            let (name, text) = if let Some(name) = key.strip_suffix("_env") {
                (name, Text::Hidden(Secret::Environment(text)))
            } else if let Some(name) = key.strip_suffix("_file") {
                (name, Text::Hidden(Secret::File(PathBuf::from(text))))
            } else {
                (key.as_str(), Text::Plain(text))
            };
            check(name, &text)
                .map_err(|why| Fault::new(at, format!("the header '{name}' {why}")))?;
            Ok((name.to_owned(), text))
        });
        Ok(Headers(all.collect::<Result<_, Fault>>()?))
    }

    /// Names and values. The client learns what it must never show.
    pub(crate) fn read(&self, client: &mut Client) -> Result<Vec<(String, String)>, ChannelError> {
        let read = |(name, text): &(String, Text)| {
            let value = match text {
                Text::Plain(text) => text.clone(),
                Text::Hidden(secret) => client.hide(secret.read()?),
            };
            HeaderValue::from_str(&value).map_err(|_| ChannelError::Form {
                key: "headers",
                what: "not of the letters that a header holds",
            })?;
            Ok((name.clone(), value))
        };
        self.0.iter().map(read).collect()
    }
}

fn check(name: &str, text: &Text) -> Result<(), &'static str> {
    if HeaderName::try_from(name).is_err() {
        return Err("has a name that no header has");
    }
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) {
        return Err(
            "is not written here: there are token_env, user and password_env, content_type",
        );
    }
    match text {
        Text::Plain(text) if HeaderValue::from_str(text).is_err() => {
            Err("has a value that no header has")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Trust;
    use crate::keys::tests::keys;
    use std::time::Duration;

    #[test]
    fn headers_are_plain_or_secrets() {
        let headers =
            Headers::load(&mut keys("headers = { X-A = 'b', X-Key_env = 'PATH' }")).unwrap();
        let mut client = Client::open(&Trust::default(), Duration::from_secs(1)).unwrap();
        let read = headers.read(&mut client).unwrap();
        let path = std::env::var("PATH").unwrap();
        let expected = [("X-A", "b"), ("X-Key", path.as_str())];
        assert_eq!(read, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(client.scrub(&format!("it said {path}!")), "it said …!");
    }

    #[test]
    fn headers_that_would_break_a_request_are_refused() {
        for bad in ["Host = 'a'", "'a b' = 'c'", "X-A = \"a\\nb\"", "Authorization = 'Bearer x'"] {
            assert!(Headers::load(&mut keys(&format!("headers = {{ {bad} }}"))).is_err(), "{bad}");
        }
    }
}
