//! How a channel says who it is: nothing, a bearer token, or a user and a password.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fleet_config::Fault;
use ureq::http::HeaderValue;

use crate::error::ChannelError;
use crate::http::Client;
use crate::keys::Keys;
use crate::secret::Secret;

/// How a channel says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// Not at all.
    Nobody,
    /// By a token (RFC 6750).
    Bearer(Secret),
    /// By user and password (RFC 7617).
    Basic { user: String, password: Secret },
}

impl Login {
    /// Reads `token_env`, or `user` and `password_env`; `_file` too.
    pub(crate) fn load(keys: &mut Keys) -> Result<Login, Fault> {
        let token = Secret::find(keys, "token")?;
        let user = keys.text("user")?;
        let password = Secret::find(keys, "password")?;
        match (token, user, password) {
            (None, None, None) => Ok(Login::Nobody),
            (Some(token), None, None) => Ok(Login::Bearer(token)),
            (None, Some(user), Some(password)) => {
                let at = user.span().start;
                let user = user.into_inner();
                if user.contains(':') {
                    return Err(Fault::new(at, "a user's name holds no ':' (RFC 7617)"));
                }
                Ok(Login::Basic { user, password })
            }
            _ => Err(Fault::new(keys.at(), "this is half of a login, or two of them")
                .hint("write token_env = \"VARIABLE\", or user = \"…\" and password_env = \"…\"")),
        }
    }

    /// The value of the header `Authorization`. The client learns what it must never show.
    pub(crate) fn header(&self, client: &mut Client) -> Result<Option<String>, ChannelError> {
        match self {
            Login::Nobody => Ok(None),
            Login::Bearer(token) => {
                let header = format!("Bearer {}", client.hide(token.read()?));
                let what = "not of the letters that a header holds";
                let header = HeaderValue::from_str(&header).is_ok().then_some(header);
                header.map(Some).ok_or(ChannelError::Form { key: "token", what })
            }
            Login::Basic { user, password } => {
                Ok(Some(basic(user, &client.hide(password.read()?), client)))
            }
        }
    }
}

/// The value of the header `Authorization` for a user and a password.
pub(crate) fn basic(user: &str, password: &str, client: &mut Client) -> String {
    format!("Basic {}", client.hide(BASE64_STANDARD.encode(format!("{user}:{password}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;

    #[test]
    fn a_login_is_whole_or_refused() {
        let read = |text| Login::load(&mut keys(text)).map_err(|fault| fault.message);
        assert_eq!(read(""), Ok(Login::Nobody));
        let token = Secret::Environment("T".to_owned());
        assert_eq!(read("token_env = 'T'"), Ok(Login::Bearer(token)));
        assert!(matches!(read("user = 'u'\npassword_env = 'P'"), Ok(Login::Basic { .. })));
        for bad in [
            "user = 'u'",
            "password_env = 'P'",
            "user = 'a:b'\npassword_env = 'P'",
            "token_env = 'T'\nuser = 'u'\npassword_env = 'P'",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
