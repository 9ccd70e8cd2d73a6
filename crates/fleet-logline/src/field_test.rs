//! Whether a structured line's field is as wanted.

use std::str::FromStr;

use memchr::memmem::Finder;
use regex::bytes::Regex;

use crate::json;
use crate::logfmt::{self, Part};
use crate::without_cr;

/// A test of one field: `level=error`, `user!=root`, `path~^/api`, `loss>2.5`, also `>=`, `<`,
/// `<=`.
///
/// `=` and `!=` compare what the line says letter by letter; the others than `~` compare numbers.
/// A line without the field passes no test, not even `!=`. A key with dots reaches into nested
/// objects, and is also found where a key has the dots in itself. Letters, digits and blanks that
/// a JSON line writes as `\u0065` are not recognised; no program writes them so.
#[derive(Clone, Debug)]
pub struct FieldTest {
    key: String,
    wanted: Wanted,
    literal: Option<Finder<'static>>,
}

#[derive(Clone, Debug)]
enum Wanted {
    Is(String),
    IsNot(String),
    Like(Regex),
    Above(f64),
    AtLeast(f64),
    Below(f64),
    AtMost(f64),
}

/// A test of a field was typed that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFieldTest {
    /// No comparison in it, or nothing before it.
    #[error("'{0}' tests no field: write key=value, key!=value, key~regex or key>number")]
    Form(String),
    /// The comparison needs a number.
    #[error("'{0}' is no number to compare '{1}' with")]
    Number(String, String),
    /// The regular expression is none.
    #[error("'{0}' does not match by a regular expression: {1}")]
    Regex(String, String),
}

impl FromStr for FieldTest {
    type Err = BadFieldTest;

    fn from_str(text: &str) -> Result<FieldTest, BadFieldTest> {
        let bad = || BadFieldTest::Form(text.to_owned());
        let at = text.find(['=', '!', '~', '<', '>']).filter(|at| *at > 0).ok_or_else(bad)?;
        let (key, rest) = text.split_at(at);
        let number = |typed: &str| {
            let bad = || BadFieldTest::Number(typed.to_owned(), key.to_owned());
            typed.parse().map_err(|_| bad())
        };
        let wanted = match rest.split_at(if rest[1..].starts_with('=') { 2 } else { 1 }) {
            ("!=", value) => Wanted::IsNot(value.to_owned()),
            (">=", value) => Wanted::AtLeast(number(value)?),
            ("<=", value) => Wanted::AtMost(number(value)?),
            (">", value) => Wanted::Above(number(value)?),
            ("<", value) => Wanted::Below(number(value)?),
            _ if rest.starts_with('=') => Wanted::Is(rest[1..].to_owned()),
            _ if rest.starts_with('~') => Wanted::Like(regex(text, &rest[1..])?),
            _ => return Err(bad()),
        };
        let literal = literal(key, &wanted).map(|bytes| Finder::new(bytes).into_owned());
        Ok(FieldTest { key: key.to_owned(), wanted, literal })
    }
}

fn regex(test: &str, pattern: &str) -> Result<Regex, BadFieldTest> {
    Regex::new(pattern).map_err(|e| BadFieldTest::Regex(test.to_owned(), e.to_string()))
}

/// The longest part of the value, or else of the key, that every line writes as it is.
fn literal<'a>(key: &'a str, wanted: &'a Wanted) -> Option<&'a [u8]> {
    let of_key = key.split('.').filter_map(as_written).max_by_key(|run| run.len());
    let of_value = match wanted {
        Wanted::Is(value) => as_written(value),
        _ => None,
    };
    // A short value is everywhere: the longer of the two tells more.
    match (of_value, of_key) {
        (Some(value), Some(key)) if value.len() < 3 && key.len() > value.len() => Some(key),
        (value, key) => value.or(key),
    }
}

/// The longest run of characters that no writer of JSON or logfmt escapes.
fn as_written(text: &str) -> Option<&[u8]> {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_-. ".contains(b);
    let runs = text.as_bytes().split(|b| !plain(b));
    runs.max_by_key(|run| run.len()).filter(|run| !run.is_empty())
}

impl FieldTest {
    /// The name of the field.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Bytes that every line contains that passes; blocks without them need no look.
    pub fn literal(&self) -> Option<&[u8]> {
        self.literal.as_ref().map(Finder::needle)
    }

    /// Whether the line has the field, as JSON or as `key=value`, and it is as wanted.
    pub fn matches(&self, text: &[u8]) -> bool {
        if self.literal.as_ref().is_some_and(|finder| finder.find(text).is_none()) {
            return false;
        }
        let text = without_cr(text).trim_ascii_start();
        match text.first() {
            Some(b'{') => self.in_object(text, self.key.as_bytes()),
            Some(_) => self.in_pairs(text),
            None => false,
        }
    }

    fn in_object(&self, object: &[u8], path: &[u8]) -> bool {
        for (key, value) in json::members(object).into_iter().flatten() {
            let Some(rest) = path.strip_prefix(key) else { continue };
            let met = match rest.strip_prefix(b".") {
                Some(path) => value.starts_with(b"{") && self.in_object(value, path),
                None => rest.is_empty() && self.takes(&json::said(value)),
            };
            if met {
                return true;
            }
        }
        false
    }

    fn in_pairs(&self, text: &[u8]) -> bool {
        logfmt::parts(text).any(|part| match part {
            Part::Pair(key, value) => key == self.key.as_bytes() && self.takes(&value.said()),
            Part::Word(_) => false,
        })
    }

    fn takes(&self, said: &[u8]) -> bool {
        let number = || std::str::from_utf8(said).ok().and_then(|text| text.parse::<f64>().ok());
        match &self.wanted {
            Wanted::Is(value) => said == value.as_bytes(),
            Wanted::IsNot(value) => said != value.as_bytes(),
            Wanted::Like(regex) => regex.is_match(said),
            Wanted::Above(bound) => number().is_some_and(|n| n > *bound),
            Wanted::AtLeast(bound) => number().is_some_and(|n| n >= *bound),
            Wanted::Below(bound) => number().is_some_and(|n| n < *bound),
            Wanted::AtMost(bound) => number().is_some_and(|n| n <= *bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passes(test: &str, line: &str) -> bool {
        test.parse::<FieldTest>().unwrap().matches(line.as_bytes())
    }

    #[test]
    fn fields_are_tested() {
        let json = r#"{"level":"error","http":{"status":503,"path":"/api/x"},"a.b":{"c":"1.50"},"t":true,"q":"say \"hi\"","none":null}"#;
        let logfmt = "ts=1 level=error msg=\"two words\" loss=0.25 path=/api/x \r";
        for (test, line, passed) in [
            ("level=error", json, true),
            ("level=erro", json, false),
            ("level!=info", json, true),
            ("level!=error", json, false),
            ("level~^(error|warn)$", json, true),
            ("http.status=503", json, true),
            ("http.status>=500", json, true),
            ("http.status<500", json, false),
            ("http.path~^/api", json, true),
            ("status=503", json, false),
            ("a.b.c>1.4", json, true),
            ("a.b.c<=1.5", json, true),
            ("t=true", json, true),
            ("none=null", json, true),
            ("q=say \"hi\"", json, true),
            ("missing!=x", json, false),
            ("http!=x", json, true),
            ("level=error", logfmt, true),
            ("msg=two words", logfmt, true),
            ("loss<0.3", logfmt, true),
            ("loss>0.3", logfmt, false),
            ("level=error", "no level=none field", false),
            ("level=error", "", false),
            ("x=", "{\"x\":\"\"}", true),
            ("x>1", "{\"x\":NaN}", false),
        ] {
            assert_eq!(passes(test, line), passed, "{test} {line}");
        }
    }

    #[test]
    fn what_is_typed_wrongly_is_refused() {
        for (test, said) in [
            (
                "level",
                "'level' tests no field: write key=value, key!=value, key~regex or key>number",
            ),
            ("=x", "'=x' tests no field: write key=value, key!=value, key~regex or key>number"),
            ("a!b", "'a!b' tests no field: write key=value, key!=value, key~regex or key>number"),
            ("a>b", "'b' is no number to compare 'a' with"),
        ] {
            assert_eq!(test.parse::<FieldTest>().unwrap_err().to_string(), said);
        }
        assert!("a~(".parse::<FieldTest>().is_err());
    }

    #[test]
    fn the_literal_is_what_every_writer_leaves_as_it_is() {
        let literal = |test: &str| {
            let test: FieldTest = test.parse().unwrap();
            test.literal().map(|l| String::from_utf8_lossy(l).into_owned())
        };
        assert_eq!(literal("level=error").as_deref(), Some("error"));
        assert_eq!(literal("http.status=5").as_deref(), Some("status"));
        assert_eq!(literal("path=/api/users<1>").as_deref(), Some("users"));
        assert_eq!(literal("loss>1").as_deref(), Some("loss"));
        assert_eq!(literal("ü=é"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(test in "[a.b]{1,4}(=|!=|<|>=|~)[a-z0-9.(]{0,4}", bytes: Vec<u8>,
                          line in "[{}\",:ab.= \\\\0-9]{0,40}") {
            if let Ok(test) = test.parse::<FieldTest>() {
                test.matches(&bytes);
                test.matches(line.as_bytes());
            }
        }

        #[test]
        fn a_field_passes_its_own_value(value in ".{0,10}", other in ".{0,10}") {
            let line = serde_json::json!({"other": other, "key": {"inner": value}}).to_string();
            let test = FieldTest::from_str(&format!("key.inner={value}")).unwrap();
            prop_assert!(test.matches(line.as_bytes()));
        }
    }
}
