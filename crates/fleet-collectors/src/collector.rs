//! One collector, as it was understood.

use std::io::PipeReader;
use std::path::PathBuf;
use std::time::Duration;

use fleet_core::{Id, Labels};
use glob::Pattern;
use regex::Regex;

use crate::output::{Format, Output};

/// A named source of values.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Unique in its file.
    pub name: String,
    /// Where the values come from.
    pub source: Source,
    /// How they are written there.
    pub format: Format,
    /// What a bare number is called.
    pub metric: String,
    /// Names of values that are kept; all where there is none.
    pub only: Vec<Pattern>,
    /// From one question to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long the last good values go on after a failure.
    pub keep: Duration,
    /// Labels of all its samples.
    pub labels: Labels,
    /// The process that the values are of.
    pub id: Option<Id>,
}

/// Where values come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// What a command prints.
    Command {
        /// The argument vector.
        command: Vec<String>,
        /// Where it runs.
        folder: PathBuf,
    },
    /// What files hold.
    Files {
        /// Names, which may have wildcards.
        paths: Vec<String>,
        /// What is searched for in them; without it their whole text is read.
        pattern: Option<Regex>,
    },
    /// What a GET is answered.
    Http {
        /// The address.
        url: String,
        /// What is sent along.
        headers: Vec<Header>,
    },
}

/// A header of a request.
#[derive(Clone, Debug)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Stands before the secret, as `Bearer ` does.
    pub prefix: String,
    /// Where its value comes from.
    pub secret: Secret,
}

/// A text that may be nobody else's business.
#[derive(Clone, Debug)]
pub enum Secret {
    /// It stands in the file, so that it is none.
    Text(String),
    /// In a variable of the environment.
    Environment(String),
    /// In a file; the line end behind it is not part of it.
    File(PathBuf),
}

impl Source {
    /// The word for its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Source::Command { .. } => "command",
            Source::Files { .. } => "files",
            Source::Http { .. } => "http",
        }
    }

    /// What is asked, for people, without anything that may be secret.
    pub fn words(&self) -> String {
        match self {
            Source::Command { command, .. } => match command.as_slice() {
                [shell, flag, script] if shell == "sh" && flag == "-c" => script.clone(),
                words => words.join(" "),
            },
            Source::Files { paths, .. } => paths.join(" "),
            Source::Http { url, .. } => {
                url.split_once('?').map_or(url.as_str(), |(path, _)| path).to_owned()
            }
        }
    }
}

impl Collector {
    /// Asks, and waits for the answer at most as long as it may take; only files on a mount that
    /// hangs can hold the caller longer. When the other end of `dissolved` is closed, no command is
    /// waited for any more.
    pub(crate) fn ask(&self, dissolved: &PipeReader) -> Result<Output, String> {
        let mut output = match &self.source {
            Source::Command { command, folder } => {
                let printed =
                    crate::command::run(&self.name, command, folder, self.timeout, dissolved)?;
                self.format.read(&String::from_utf8_lossy(&printed), &self.metric)?
            }
            Source::Files { paths, pattern } => {
                crate::files::read(paths, pattern.as_ref(), self.format, &self.metric)?
            }
            Source::Http { url, headers } => {
                let body = crate::http::get(url, headers, self.timeout)?;
                self.format.read(&String::from_utf8_lossy(&body), &self.metric)?
            }
        };
        output.keep_only(&self.only);
        output.check()?;
        Ok(output)
    }
}
