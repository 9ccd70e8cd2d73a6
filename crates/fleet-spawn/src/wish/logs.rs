//! What is wanted to be kept of the output.

use std::str::FromStr;

use fleet_core::{BadUnit, Compression, LogLimits, parse_duration};
use schemars::{Schema, json_schema};

use crate::wish::{Form, Wish};

/// When a log file is set aside for its age.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rotate {
    /// Each day, and packed and kept for a week unless something else is said.
    Daily,
    /// When it is so old, in seconds.
    After(f64),
}

/// Not an age of a file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRotate {
    /// It is no duration.
    #[error("{0:?} is no age of a log file; write daily, 1d, 12h or 30m")]
    Unit(String, #[source] BadUnit),
    /// It is none at all.
    #[error("no log file is younger than {0:?}; write daily, 1d, 12h or 30m")]
    Nothing(String),
}

impl FromStr for Rotate {
    type Err = BadRotate;

    fn from_str(text: &str) -> Result<Rotate, BadRotate> {
        if text == "daily" {
            return Ok(Rotate::Daily);
        }
        match parse_duration(text) {
            Err(unit) => Err(BadRotate::Unit(text.to_owned(), unit)),
            Ok(age) if age.is_zero() => Err(BadRotate::Nothing(text.to_owned())),
            Ok(age) => Ok(Rotate::After(age.as_secs_f64())),
        }
    }
}

impl Form for Rotate {
    fn form() -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": "^daily$|^ *[0-9]",
            "examples": ["daily", "1d", "12h"],
        })
    }
}

impl Form for Compression {
    fn form() -> Schema {
        let words = [Compression::None, Compression::Zstd, Compression::Gzip];
        json_schema!({ "enum": words.map(Compression::word) })
    }
}

impl Wish {
    /// What was said of log files, and the usual where nothing was. Who bounds them by age or by size
    /// in all does not mean three files.
    pub(crate) fn log_limits(&self) -> LogLimits {
        let rotate = self.log_rotate.as_ref().map(|typed| typed.value);
        let usual = match rotate {
            Some(Rotate::Daily) => LogLimits::DAILY,
            _ => LogLimits::default(),
        };
        let keep_for = self.log_keep_for.as_ref().map(|span| span.value.0.as_secs_f64());
        let total_bytes = self.log_total.as_ref().map(|size| size.value.0);
        let bounded = keep_for.is_some() || total_bytes.is_some();
        LogLimits {
            max_bytes: self.log_max_size.as_ref().map_or(usual.max_bytes, |s| s.value.0.max(1)),
            max_age_seconds: match rotate {
                Some(Rotate::After(seconds)) => Some(seconds),
                _ => usual.max_age_seconds,
            },
            keep: self.log_keep.unwrap_or(if bounded { u32::MAX } else { usual.keep }),
            keep_seconds: keep_for.or(usual.keep_seconds),
            total_bytes,
            compress: self.log_compress.as_ref().map_or(usual.compress, |typed| typed.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(json: &str) -> LogLimits {
        serde_json::from_str::<Wish>(json).unwrap().log_limits()
    }

    #[test]
    fn what_is_not_said_is_as_usual_or_as_each_day() {
        assert_eq!(limits("{}"), LogLimits::default());
        assert_eq!(limits(r#"{"log_rotate":"daily"}"#), LogLimits::DAILY);
        let json =
            r#"{"log_rotate":"daily","log_keep_for":"30d","log_compress":"gzip","log_keep":9}"#;
        let said = limits(json);
        assert_eq!((said.keep_seconds, said.keep), (Some(30.0 * 86400.0), 9));
        assert_eq!((said.compress, said.max_age_seconds), (Compression::Gzip, Some(86400.0)));
        let said = limits(r#"{"log_rotate":"12h"}"#);
        assert_eq!((said.max_age_seconds, said.keep), (Some(43200.0), 3));
        let said = limits(r#"{"log_total":"1G"}"#);
        assert_eq!((said.total_bytes, said.keep), (Some(1 << 30), u32::MAX));
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_would_be_right() {
        for text in ["weekly", "0s", "", "-1d"] {
            let why = text.parse::<Rotate>().expect_err(text).to_string();
            assert!(why.contains("write daily, 1d"), "{why}");
        }
        assert_eq!("90s".parse(), Ok(Rotate::After(90.0)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            let _ = text.parse::<Rotate>();
        }
    }
}
