//! Environment files.
//!
//! One `NAME=VALUE` a line, in UTF-8 or any other bytes; empty lines, lines that begin with `#`, a
//! carriage return at the end and `export ` before the name are passed over. A value in double
//! quotes may hold `\n \r \t \" \\ \$` and `` \` ``; one in single quotes is taken as it is; one
//! without quotes ends at a `#` with a blank before it. Nothing is ever put in for `$NAME`. What is
//! wrong is said by the number of its line and never shows the line, which may be a secret.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Why a file gives no environment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvFileError {
    /// It cannot be read.
    #[error("cannot read the environment file '{}': {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// A line of it is not as it should be.
    #[error("'{}' line {line}: {why}", path.display())]
    Line { path: PathBuf, line: usize, why: &'static str },
}

/// A variable and its value.
pub(crate) type Pair = (OsString, OsString);

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<Vec<Pair>, EnvFileError> {
    let text =
        fs::read(path).map_err(|source| EnvFileError::Read { path: path.to_owned(), source })?;
    parse(&text).map_err(|(line, why)| EnvFileError::Line { path: path.to_owned(), line, why })
}

/// All variables in their order, or the number of a bad line and what is wrong with it.
fn parse(text: &[u8]) -> Result<Vec<Pair>, (usize, &'static str)> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut pairs = Vec::new();
    for (at, line) in text.split(|&b| b == b'\n').enumerate() {
        pairs.extend(pair(line.trim_ascii()).map_err(|why| (at + 1, why))?);
    }
    Ok(pairs)
}

fn pair(line: &[u8]) -> Result<Option<Pair>, &'static str> {
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let exported = line.strip_prefix(b"export").filter(|rest| rest.starts_with(b" "));
    let line = exported.map_or(line, |rest| rest.trim_ascii_start());
    let at = line.iter().position(|&b| b == b'=').ok_or("expected NAME=VALUE")?;
    let name = &line[..at];
    let odd = |b: &u8| b.is_ascii_whitespace() || matches!(b, 0 | b'"' | b'\'');
    if name.is_empty() || name.iter().any(odd) {
        return Err("expected NAME=VALUE, and no blanks or quotes before the '='");
    }
    let value = value(line[at + 1..].trim_ascii_start())?;
    if value.contains(&0) {
        return Err("a value cannot hold a zero byte");
    }
    Ok(Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value))))
}

fn value(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (value, rest) = match text.first() {
        Some(b'"') => double_quoted(&text[1..])?,
        Some(b'\'') => single_quoted(&text[1..])?,
        _ => return Ok(unquoted(text).to_vec()),
    };
    match rest.trim_ascii_start() {
        [] | [b'#', ..] => Ok(value),
        _ => Err("there is more behind the closing quote"),
    }
}

const OPEN: &str = "a quote is opened and not closed on this line";

/// The value, and what follows its closing quote.
fn double_quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [] => return Err(OPEN),
            [b'"', rest @ ..] => return Ok((value, rest)),
            [b'\\', escaped, rest @ ..] => {
                match escaped {
                    b'n' => value.push(b'\n'),
                    b'r' => value.push(b'\r'),
                    b't' => value.push(b'\t'),
                    b'"' | b'\\' | b'$' | b'`' => value.push(*escaped),
                    other => value.extend([b'\\', *other]),
                }
                rest
            }
            [byte, rest @ ..] => {
                value.push(*byte);
                rest
            }
        };
    }
}

fn single_quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), &'static str> {
    let at = text.iter().position(|&b| b == b'\'').ok_or(OPEN)?;
    Ok((text[..at].to_vec(), &text[at + 1..]))
}

/// What is before a comment.
fn unquoted(text: &[u8]) -> &[u8] {
    if text.starts_with(b"#") {
        return &[];
    }
    let comment = text.windows(2).position(|two| two[0].is_ascii_whitespace() && two[1] == b'#');
    text[..comment.unwrap_or(text.len())].trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn only(line: &str) -> Result<String, &'static str> {
        let pairs = parse(line.as_bytes()).map_err(|(_, why)| why)?;
        Ok(pairs.into_iter().map(|(_, value)| value.into_string().unwrap()).collect())
    }

    #[test]
    fn quotes_comments_export_and_windows() {
        for (line, value) in [
            ("A=b", "b"),
            ("A=", ""),
            ("A= b \r", "b"),
            ("export A=b", "b"),
            ("export  A=b", "b"),
            ("A=b # why", "b"),
            ("A=b#c", "b#c"),
            ("A= # nothing", ""),
            ("A=x y", "x y"),
            ("A=$HOME", "$HOME"),
            (r#"A="b # c" # why"#, "b # c"),
            (r#"A="1\n2\t\"\\\$\x""#, "1\n2\t\"\\$\\x"),
            (r"A='b \n # c'  ", r"b \n # c"),
            ("A='it\"s'#x", "it\"s"),
            ("A=b=c", "b=c"),
            ("A=say \"hi\"", "say \"hi\""),
            ("\u{feff}A=b", "b"),
        ] {
            assert_eq!(only(line), Ok(value.to_owned()), "{line}");
        }
        assert_eq!(parse(b"export=1").unwrap()[0].0, "export");
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let text = "# one\r\nA=1\r\n\r\nB\r\n";
        assert_eq!(parse(text.as_bytes()).unwrap_err().0, 4);
        for line in ["A", "=1", "A b=1", "A =1", "A=\"b", "A='b", "A=\"b\" c", "A=\"b\\\"", "A=\0"]
        {
            assert!(only(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(value in "[^\0\n\r]*") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(only(&format!("A=\"{escaped}\"")).unwrap(), value.clone());
            if !value.contains('\'') {
                prop_assert_eq!(only(&format!("A='{value}' # x")).unwrap(), value);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            for (name, value) in parse(&bytes).unwrap_or_default() {
                prop_assert!(!name.is_empty());
                prop_assert!(!value.to_string_lossy().contains('\n') || bytes.contains(&b'\\'));
            }
        }
    }
}
