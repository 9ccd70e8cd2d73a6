//! What is kept of a process's output.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of the output is kept on disk, and how.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLimits {
    /// A file of this size is set aside and a new one begun.
    pub max_bytes: u64,
    /// A file whose first line is this old is set aside, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<f64>,
    /// How many files that were set aside are kept.
    pub keep: u32,
    /// How long they are kept after their last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_seconds: Option<f64>,
    /// How many bytes all files of the run may have together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// How files that were set aside are packed.
    #[serde(default, skip_serializing_if = "Compression::is_none")]
    pub compress: Compression,
}

impl LogLimits {
    /// Each day a file, packed and kept for a week.
    pub const DAILY: LogLimits = LogLimits {
        max_age_seconds: Some(24.0 * 60.0 * 60.0),
        keep: u32::MAX,
        keep_seconds: Some(7.0 * 24.0 * 60.0 * 60.0),
        compress: Compression::Zstd,
        ..LogLimits::USUAL
    };

    const USUAL: LogLimits = LogLimits {
        max_bytes: 10 << 20,
        max_age_seconds: None,
        keep: 3,
        keep_seconds: None,
        total_bytes: None,
        compress: Compression::None,
    };

    /// Whether more is to be done with files that were set aside than to remove the oldest of too
    /// many.
    pub fn want_care(&self) -> bool {
        self.keep_seconds.is_some() || self.total_bytes.is_some() || !self.compress.is_none()
    }
}

impl Default for LogLimits {
    fn default() -> LogLimits {
        LogLimits::USUAL
    }
}

/// How a log file is packed once it is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// It stays as it was written.
    #[default]
    None,
    /// With zstd, level 3.
    Zstd,
    /// With gzip, which more programs read.
    Gzip,
}

impl Compression {
    /// The word that is typed for it.
    pub fn word(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        }
    }

    /// Whether nothing is packed.
    pub fn is_none(&self) -> bool {
        *self == Compression::None
    }
}

/// Not a way to pack files.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no compression; write none, zstd or gzip")]
pub struct BadCompression(String);

impl FromStr for Compression {
    type Err = BadCompression;

    fn from_str(text: &str) -> Result<Compression, BadCompression> {
        [Compression::None, Compression::Zstd, Compression::Gzip]
            .into_iter()
            .find(|form| form.word() == text)
            .ok_or_else(|| BadCompression(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_limits_of_an_older_spec_are_read_and_written_as_they_were() {
        let old = r#"{"max_bytes":10485760,"keep":3}"#;
        let limits: LogLimits = serde_json::from_str(old).unwrap();
        assert_eq!(limits, LogLimits::default());
        assert_eq!(serde_json::to_string(&limits).unwrap(), old);
        assert!(!limits.want_care() && LogLimits::DAILY.want_care());
        let daily = serde_json::to_string(&LogLimits::DAILY).unwrap();
        assert_eq!(serde_json::from_str::<LogLimits>(&daily).unwrap(), LogLimits::DAILY);
    }

    #[test]
    fn a_compression_as_typed() {
        assert_eq!("zstd".parse(), Ok(Compression::Zstd));
        let why = "xz".parse::<Compression>().unwrap_err().to_string();
        assert_eq!(why, "\"xz\" is no compression; write none, zstd or gzip");
    }
}
