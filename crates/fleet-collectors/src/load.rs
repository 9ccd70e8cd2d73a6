//! From a file of collectors to collectors, or to what is wrong with it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_config::{Fault, Mistake, did_you_mean};
use fleet_core::{Label, parse_duration};
use glob::Pattern;
use regex::Regex;
use toml::Spanned;
use ureq::http::{HeaderName, HeaderValue, Uri};

use crate::collector::{Collector, Header, Secret, Source};
use crate::output::Format;
use crate::raw::{FromEnvironment, FromFile, RawCollector, RawFile, RawHeader, Words};

/// What is not said.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(2);
const KEEP: Duration = Duration::from_secs(3600);

/// Whoever asks more often measures himself.
const SHORTEST: Duration = Duration::from_secs(1);

/// The collectors of a file.
#[derive(Clone, Debug, Default)]
pub struct CollectorFile {
    /// In the order of their names.
    pub collectors: Vec<Collector>,
}

/// Why there are no collectors.
#[derive(Debug, thiserror::Error)]
pub enum CollectorsError {
    /// The file cannot be read.
    #[error("cannot read the collectors '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Wrong(#[from] Mistake),
}

impl CollectorsError {
    /// What would be right, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            CollectorsError::Read { .. } => None,
            CollectorsError::Wrong(mistake) => mistake.hint.as_deref(),
        }
    }
}

impl CollectorFile {
    /// Reads a file of collectors.
    ///
    /// # Errors
    /// It cannot be read, or anything in it is wrong.
    pub fn load(path: &Path) -> Result<CollectorFile, CollectorsError> {
        let failed = |source| CollectorsError::Read { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        // Paths in it are relative to its own folder, wherever it is read from.
        let whole = fs::canonicalize(path).map_err(failed)?;
        CollectorFile::parse(path, whole.parent().unwrap_or(Path::new("/")), &text)
    }

    /// Reads the text of such a file in `folder`; the path is for messages.
    ///
    /// # Errors
    /// Anything in it is wrong.
    pub fn parse(path: &Path, folder: &Path, text: &str) -> Result<CollectorFile, CollectorsError> {
        let loader = Loader { text, folder };
        let file: Result<RawFile, _> = toml::from_str(text);
        let collectors = file.map_err(Fault::from).and_then(|file| {
            file.collector.into_iter().map(|(name, raw)| loader.collector(name, raw)).collect()
        });
        match collectors {
            Ok(collectors) => Ok(CollectorFile { collectors }),
            Err(fault) => Err(fault.locate(path, text).into()),
        }
    }
}

struct Loader<'t> {
    text: &'t str,
    folder: &'t Path,
}

impl Loader<'_> {
    fn collector(&self, name: Spanned<String>, raw: RawCollector) -> Result<Collector, Fault> {
        let at = name.span().start;
        let name = name.into_inner();
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            let rule = "letters, digits, '_', '-', '.' and ':'";
            return Err(Fault::new(at, format!("a collector's name holds only {rule}")));
        }
        let source = self.source(at, &raw)?;
        let (interval, timeout) = times(&raw)?;
        Ok(Collector {
            metric: raw.metric.as_ref().map_or(Ok(name.clone()), value_name)?,
            name,
            source,
            format: raw.format.as_ref().map_or(Ok(Format::Auto), format)?,
            only: raw.only.iter().map(wildcards).collect::<Result<_, _>>()?,
            interval,
            timeout,
            keep: raw.keep.as_ref().map_or(Ok(KEEP), duration)?,
            labels: raw.labels.into_iter().map(label).collect::<Result<_, _>>()?,
            id: raw.id.as_ref().map(id).transpose()?,
        })
    }

    fn source(&self, at: usize, raw: &RawCollector) -> Result<Source, Fault> {
        let said = [
            raw.command.as_ref().map(|command| command.span().start),
            raw.files.as_ref().map(|files| files.span().start),
            raw.http.as_ref().map(|http| http.span().start),
        ];
        let mut said = said.into_iter().flatten();
        let first = said.next();
        if let Some(second) = said.next() {
            let message = "a collector asks one source: command, files or http";
            return Err(Fault::new(first.unwrap_or(at).max(second), message));
        }
        if let (Some(pattern), None) = (&raw.pattern, &raw.files) {
            let message = "a pattern is searched for in files, and there are none";
            return Err(Fault::new(pattern.span().start, message));
        }
        if let (Some(headers), None) = (&raw.headers, &raw.http) {
            let message = "headers are sent along with http, and there is none";
            return Err(Fault::new(headers.span().start, message));
        }
        match (&raw.command, &raw.files, &raw.http) {
            (Some(command), _, _) => self.command(command),
            (_, Some(files), _) => self.files(files, raw.pattern.as_ref()),
            (_, _, Some(url)) => self.http(url, raw.headers.as_ref().map(Spanned::get_ref)),
            _ => Err(Fault::new(at, "a collector needs a source")
                .hint("write command = [\"prog\", \"arg\"], files = \"PATH\" or http = \"URL\"")),
        }
    }

    fn command(&self, said: &Spanned<Words>) -> Result<Source, Fault> {
        let command = match said.get_ref() {
            Words::Text(script) if script.trim().is_empty() => Vec::new(),
            Words::Text(script) => vec!["sh".to_owned(), "-c".to_owned(), script.clone()],
            Words::List(words) => words.clone(),
        };
        if command.first().is_none_or(String::is_empty) {
            return Err(Fault::new(said.span().start, "the command is empty"));
        }
        if command.iter().any(|word| word.contains('\0')) {
            return Err(Fault::new(said.span().start, "no command can hold a NUL"));
        }
        Ok(Source::Command { command, folder: self.folder.to_owned() })
    }

    fn files(
        &self,
        said: &Spanned<Words>,
        pattern: Option<&Spanned<String>>,
    ) -> Result<Source, Fault> {
        let paths = match said.get_ref() {
            Words::Text(path) => std::slice::from_ref(path),
            Words::List(paths) => paths.as_slice(),
        };
        if paths.is_empty() || paths.iter().any(String::is_empty) {
            return Err(Fault::new(said.span().start, "the name of a file is empty"));
        }
        let absolute = |path: &String| {
            let path = self.folder.join(path).to_string_lossy().into_owned();
            match Pattern::new(&path) {
                Ok(_) => Ok(path),
                Err(bad) => Err(Fault::new(said.span().start, format!("'{path}': {}", bad.msg))),
            }
        };
        let paths = paths.iter().map(absolute).collect::<Result<_, _>>()?;
        let pattern = pattern.map(|pattern| self.pattern(pattern)).transpose()?;
        Ok(Source::Files { paths, pattern })
    }

    fn pattern(&self, said: &Spanned<String>) -> Result<Regex, Fault> {
        let pattern = Regex::new(said.get_ref()).map_err(|error| {
            let (at, why) = mistake(&error.to_string());
            Fault::new(self.inside(said, at), format!("no regular expression: {why}"))
        })?;
        if pattern.capture_names().flatten().next().is_none() {
            let fault = Fault::new(said.span().start, "the pattern has no named group");
            return Err(fault.hint("write what is a value as (?<name>…)"));
        }
        Ok(pattern)
    }

    fn http(
        &self,
        said: &Spanned<String>,
        headers: Option<&BTreeMap<Spanned<String>, Spanned<RawHeader>>>,
    ) -> Result<Source, Fault> {
        let at = said.span().start;
        let url: Uri = said
            .get_ref()
            .parse()
            .map_err(|e| Fault::new(at, format!("this is no address: {e}")))?;
        let authority = url.authority().map_or("", |authority| authority.as_str());
        if !matches!(url.scheme_str(), Some("http" | "https")) || authority.is_empty() {
            return Err(Fault::new(at, "an address begins with http:// or https:// and a host"));
        }
        if authority.contains('@') {
            let fault = Fault::new(at, "an address is shown, and must hold no password");
            return Err(
                fault.hint("send it along: headers = { Authorization = { env = \"NAME\" } }")
            );
        }
        let headers = headers.into_iter().flatten().map(|(name, value)| self.header(name, value));
        Ok(Source::Http {
            url: said.get_ref().clone(),
            headers: headers.collect::<Result<_, _>>()?,
        })
    }

    fn header(&self, name: &Spanned<String>, value: &Spanned<RawHeader>) -> Result<Header, Fault> {
        if HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
            let message = format!("{:?} names no header", name.get_ref());
            return Err(Fault::new(name.span().start, message));
        }
        let (prefix, secret) = match value.get_ref() {
            RawHeader::Text(text) => (String::new(), Secret::Text(text.clone())),
            RawHeader::Environment(FromEnvironment { env, prefix }) => {
                (prefix.clone(), Secret::Environment(env.clone()))
            }
            RawHeader::File(FromFile { file, prefix }) => {
                (prefix.clone(), Secret::File(self.folder.join(file)))
            }
        };
        let shown = match &secret {
            Secret::Text(text) => text,
            _ => &prefix,
        };
        if HeaderValue::from_str(shown).is_err() {
            return Err(Fault::new(value.span().start, "a header holds no such characters"));
        }
        Ok(Header { name: name.get_ref().clone(), prefix, secret })
    }

    /// The byte of the file at which this byte of a value stands. In a value with escapes only
    /// its beginning can be told.
    fn inside(&self, value: &Spanned<String>, at: usize) -> usize {
        let written = self.text.get(value.span()).unwrap_or_default();
        written
            .find(value.get_ref())
            .map_or(value.span().start, |from| value.span().start + from + at)
    }
}

/// The place of what is wrong with a regular expression, in bytes, and why: its error is the
/// pattern, a line with a mark below it, and a sentence.
fn mistake(error: &str) -> (usize, String) {
    let lines: Vec<&str> = error.lines().collect();
    let is_mark = |line: &&&str| line.trim_start().starts_with('^');
    // Both are indented by four.
    let at = lines.iter().find(is_mark).and_then(|line| line.find('^')).map_or(0, |at| at - 4);
    let why = lines.last().map_or("", |line| line.trim().trim_start_matches("error: "));
    (at, why.to_owned())
}

/// From one question to the next, and how long an answer may take.
fn times(raw: &RawCollector) -> Result<(Duration, Duration), Fault> {
    let interval = raw.interval.as_ref().map_or(Ok(INTERVAL), duration)?;
    if let Some(said) = raw.interval.as_ref().filter(|_| interval < SHORTEST) {
        return Err(Fault::new(said.span().start, "the interval is at least 1s"));
    }
    let Some(said) = &raw.timeout else { return Ok((interval, TIMEOUT.min(interval))) };
    let timeout = duration(said)?;
    if timeout.is_zero() || timeout > interval {
        let message = "an answer takes longer than no time and at most the interval";
        return Err(Fault::new(said.span().start, message));
    }
    Ok((interval, timeout))
}

fn duration(said: &Spanned<String>) -> Result<Duration, Fault> {
    parse_duration(said.get_ref()).map_err(|bad| Fault::new(said.span().start, bad.to_string()))
}

fn format(said: &Spanned<String>) -> Result<Format, Fault> {
    let word = said.get_ref();
    Format::ALL.into_iter().find(|format| format.word() == word).ok_or_else(|| {
        let words = Format::ALL.map(Format::word);
        let fault = Fault::new(said.span().start, format!("there is no format '{word}'"));
        let known = || format!("there are: {}", words.join(", "));
        fault.hint(did_you_mean(word, words.into_iter()).unwrap_or_else(known))
    })
}

fn value_name(said: &Spanned<String>) -> Result<String, Fault> {
    let name = said.get_ref();
    match name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        true => Err(Fault::new(said.span().start, "'metric' is one word")),
        false => Ok(name.clone()),
    }
}

fn wildcards(said: &Spanned<String>) -> Result<Pattern, Fault> {
    Pattern::new(said.get_ref()).map_err(|bad| Fault::new(said.span().start, bad.msg))
}

fn label((key, value): (Spanned<String>, String)) -> Result<(String, String), Fault> {
    match format!("{}={value}", key.get_ref()).parse::<Label>() {
        Ok(label) if label.key == *key.get_ref() => Ok((label.key, label.value)),
        Ok(_) => Err(Fault::new(key.span().start, "a label's key holds no '='")),
        Err(bad) => Err(Fault::new(key.span().start, bad.to_string())),
    }
}

fn id(said: &Spanned<String>) -> Result<fleet_core::Id, Fault> {
    said.get_ref()
        .parse()
        .map_err(|bad: fleet_core::BadId| Fault::new(said.span().start, bad.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Vec<Collector>, CollectorsError> {
        CollectorFile::parse("c.toml".as_ref(), "/f".as_ref(), text).map(|file| file.collectors)
    }

    #[test]
    fn each_kind_is_understood() {
        let text = r#"
            [collector.queue]
            command = "redis-cli llen jobs"
            format = "number"
            labels = { queue = "jobs" }
            id = "worker"
            [collector.heat]
            files = ["heat", "/sys/*/temp"]
            pattern = '(?<celsius>\d+)'
            interval = "1m"
            timeout = "10s"
            [collector.llm]
            http = "https://localhost:8000/metrics?token=x"
            headers = { Authorization = { env = "TOKEN", prefix = "Bearer " }, X-Key = { file = "key" } }
            only = ["vllm:*"]
            interval = "1s"
        "#;
        let found = parse(text).unwrap();
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["heat", "llm", "queue"]);
        let [heat, llm, queue] = found.as_slice() else { panic!("three") };
        let Source::Files { paths, pattern: Some(_) } = &heat.source else { panic!("{heat:?}") };
        assert_eq!(*paths, ["/f/heat", "/sys/*/temp"]);
        assert_eq!((heat.interval.as_secs(), heat.timeout.as_secs()), (60, 10));
        let Source::Http { headers, .. } = &llm.source else { panic!("{llm:?}") };
        assert_eq!((headers.len(), llm.timeout.as_secs(), llm.only.len()), (2, 1, 1));
        assert_eq!(llm.source.words(), "https://localhost:8000/metrics");
        let Source::Command { command, folder } = &queue.source else { panic!("{queue:?}") };
        assert_eq!((command[1].as_str(), folder.as_path()), ("-c", "/f".as_ref()));
        assert_eq!((queue.metric.as_str(), queue.format), ("queue", Format::Number));
        assert_eq!((queue.interval, queue.timeout, queue.keep), (INTERVAL, TIMEOUT, KEEP));
        assert_eq!(queue.source.words(), "redis-cli llen jobs");
    }

    #[test]
    fn each_mistake_is_found_where_it_stands() {
        for (line, expected) in [
            ("comand = 'x'", "line 2 column 1: unknown field `comand`"),
            ("command = 3", "line 2 column 11: expected a text or a list of texts"),
            ("command = ' '", "line 2 column 11: the command is empty"),
            ("command = []", "line 2 column 11: the command is empty"),
            ("command = 'x'\nhttp = 'http://a/'", "line 3 column 8: a collector asks one source"),
            ("labels = {}", "line 1 column 12: a collector needs a source"),
            ("command = 'x'\nlabels = { 'a b' = '' }", "line 3 column 12: a label's key holds"),
            ("command = 'x'\nformat = 'jsn'", "line 3 column 10: there is no format 'jsn'"),
            ("command = 'x'\ninterval = 'soon'", "line 3 column 12: \"soon\" is no duration"),
            ("command = 'x'\ninterval = '10ms'", "line 3 column 12: the interval is at least 1s"),
            ("command = 'x'\ntimeout = '1m'", "line 3 column 11: an answer takes longer than no"),
            ("command = 'x'\nid = 'a b'", "line 3 column 6: a name holds only letters"),
            ("command = 'x'\nmetric = 'a b'", "line 3 column 10: 'metric' is one word"),
            (
                "command = 'x'\npattern = '(?<a>b)'",
                "line 3 column 11: a pattern is searched for in",
            ),
            ("command = 'x'\nheaders = {}", "line 3 column 11: headers are sent along with http"),
            ("command = 'x'\nonly = ['a***']", "line 3 column 9: "),
            ("files = ''", "line 2 column 9: the name of a file is empty"),
            ("files = 'a[b'", "line 2 column 9: '/f/a[b': invalid range pattern"),
            (
                "files = 'a'\npattern = '(?<a>b'",
                "line 3 column 12: no regular expression: unclosed",
            ),
            ("files = 'a'\npattern = 'b'", "line 3 column 11: the pattern has no named group"),
            ("http = 'localhost'", "line 2 column 8: an address begins with http:// or https://"),
            ("http = 'ftp://a/'", "line 2 column 8: an address begins with http:// or https://"),
            ("http = 'http://a:b@c/'", "line 2 column 8: an address is shown, and must hold no"),
            ("http = 'http://a/'\nheaders = { 'a b' = '' }", "line 3 column 13: \"a b\" names no"),
            (
                "http = 'http://a/'\nheaders = { a = { en = 'x' } }",
                "line 3 column 17: expected a text, {",
            ),
        ] {
            let error = parse(&format!("[collector.a]\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("'c.toml' {expected}")), "{line}: {error}");
        }
        let hint = parse("[collector.a]\ncomand = 'x'\n").unwrap_err();
        assert_eq!(hint.hint(), Some("did you mean 'command'?"));
        let name = parse("[collector.'a b']\ncommand = 'x'\n").unwrap_err().to_string();
        assert!(name.contains("line 1 column 12: a collector's name holds only"), "{name}");
        let top = parse("[colector.a]\ncommand = 'x'\n").unwrap_err();
        assert_eq!(top.hint(), Some("did you mean 'collector'?"));
    }

    proptest! {
        #[test]
        fn no_text_panics(
            text in ".*",
            tail in "(command|files|http|pattern|headers|=|'|\"|\n|\\{|\\}|\\[|\\]|\\(|x|\\?| ){0,30}",
        ) {
            let _ = parse(&text);
            let _ = parse(&format!("[collector.a]\n{tail}"));
            let _ = parse(&format!("[collector.a]\nfiles = 'x'\npattern = '{tail}'"));
        }
    }
}
