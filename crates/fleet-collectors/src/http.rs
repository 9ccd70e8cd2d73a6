//! Asking by a GET.

use std::env;
use std::fs;
use std::time::Duration;

use fleet_core::duration_text;
use ureq::{Agent, Error};

use crate::MOST_BYTES;
use crate::collector::{Header, Secret};

/// Longest answer to the question of what stands in a file for a secret.
const MOST_SECRET: u64 = 16 << 10;

/// The body of a good answer.
///
/// # Errors
/// In words, without what may be secret: no answer in time, another status, too large a body.
pub(crate) fn get(url: &str, headers: &[Header], timeout: Duration) -> Result<Vec<u8>, String> {
    let config = Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .max_redirects(3)
        .user_agent("fleet-metrics")
        // What is asked every half minute holds no connection meanwhile.
        .max_idle_connections(0)
        .proxy(None);
    let mut request = Agent::new_with_config(config.build()).get(url);
    for header in headers {
        request = request.header(&header.name, format!("{}{}", header.prefix, value(header)?));
    }
    let words = |error: Error| match error {
        Error::Timeout(_) => format!("no answer within {}", duration_text(timeout)),
        Error::BodyExceedsLimit(_) => format!("it answered more than {MOST_BYTES} bytes"),
        Error::Http(_) => "a header holds what no header can".to_owned(),
        other => other.to_string(),
    };
    let mut answer = request.call().map_err(words)?;
    if !answer.status().is_success() {
        return Err(format!("it answered with status {}", answer.status().as_u16()));
    }
    answer.body_mut().with_config().limit(MOST_BYTES).read_to_vec().map_err(words)
}

fn value(header: &Header) -> Result<String, String> {
    match &header.secret {
        Secret::Text(text) => Ok(text.clone()),
        Secret::Environment(name) => {
            env::var(name).map_err(|_| format!("the environment has no variable '{name}', a text"))
        }
        Secret::File(path) => {
            let failed = |why: String| format!("'{}': {why}", path.display());
            let meta = fs::metadata(path).map_err(|e| failed(e.to_string()))?;
            if !meta.is_file() || meta.len() > MOST_SECRET {
                return Err(failed("it is no file with a secret".to_owned()));
            }
            let text = fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
            Ok(text.trim_end_matches(['\r', '\n']).to_owned())
        }
    }
}
