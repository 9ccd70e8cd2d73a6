//! Asking files.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fleet_core::Labels;
use nix::fcntl::OFlag;
use regex::Regex;

use crate::MOST_BYTES;
use crate::output::{Format, Output, label_name};

/// So many files at a time.
const MOST_FILES: usize = 100;

/// Reads all files of these names. Where there may be several, the label `file` tells them apart.
///
/// # Errors
/// In words: there is none, or one of them cannot be read.
pub(crate) fn read(
    paths: &[String],
    pattern: Option<&Regex>,
    format: Format,
    metric: &str,
) -> Result<Output, String> {
    let found = find(paths)?;
    let several = paths.len() > 1 || paths.iter().any(|path| path.contains(['*', '?', '[']));
    let mut output = Output::default();
    for path in found {
        let shown = path.to_string_lossy();
        let failed = |e: String| format!("'{shown}': {e}");
        let text = text(&path, pattern.is_some()).map_err(failed)?;
        let said = match pattern {
            Some(pattern) => search(pattern, &text),
            None => format.read(&text, metric).map_err(failed)?,
        };
        output.absorb(said, several.then_some(("file", &*shown)));
    }
    Ok(output)
}

fn find(paths: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        let all = glob::glob(path).map_err(|e| format!("'{path}': {e}"))?;
        // One more than are read, to know that there are more.
        found.extend(all.flatten().filter(|path| !path.is_dir()).take(MOST_FILES + 1));
        if found.len() == before {
            return Err(format!("there is no file '{path}'"));
        }
    }
    found.sort();
    found.dedup();
    match found.len() > MOST_FILES {
        true => Err(format!("there are more than {MOST_FILES} files of these names")),
        false => Ok(found),
    }
}

/// The text of a file, or, for a search, the end of it.
fn text(path: &Path, end: bool) -> Result<String, String> {
    let plain = |e: std::io::Error| e.to_string();
    // What is no plain file must not hold us until somebody writes to it.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let mut file = options.open(path).map_err(plain)?;
    let meta = file.metadata().map_err(plain)?;
    if !meta.is_file() {
        return Err("it is no plain file".to_owned());
    }
    let surplus = meta.len().saturating_sub(MOST_BYTES);
    if end && surplus > 0 {
        file.seek(SeekFrom::Start(surplus)).map_err(plain)?;
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(plain)?;
    if !end && bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it is larger than {MOST_BYTES} bytes"));
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if end && surplus > 0 {
        // The first line is cut.
        return Ok(text.split_once('\n').map(|(_, rest)| rest.to_owned()).unwrap_or_default());
    }
    Ok(text)
}

/// What the named groups of a pattern found: numbers are values, anything else are labels. Files
/// grow at their end, so that of several finds under the same labels the last one holds.
fn search(pattern: &Regex, text: &str) -> Output {
    let mut output = Output::default();
    for found in pattern.captures_iter(text) {
        let groups = pattern.capture_names().flatten();
        let named = groups.filter_map(|name| Some((name, found.name(name)?.as_str())));
        let (mut labels, mut values) = (Labels::new(), Vec::new());
        for (name, text) in named {
            match text.trim().parse::<f64>() {
                Ok(value) => values.push((name, value)),
                Err(_) => drop(labels.insert(label_name(name), text.to_owned())),
            }
        }
        for (name, value) in values {
            output.set(labels.clone(), name, value);
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Figure;
    use std::fs;

    fn values(output: &Output) -> Vec<(String, String, f64)> {
        let of = |(labels, values): (&Labels, &std::collections::BTreeMap<String, Figure>)| {
            let labels: Vec<String> = labels.values().cloned().collect();
            let flat =
                |(name, value): (&String, &Figure)| (labels.join(","), name.clone(), value.0);
            values.iter().map(flat).collect::<Vec<_>>()
        };
        output.readings.iter().flat_map(of).collect()
    }

    #[test]
    fn several_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        fs::write(at("a.txt"), "7\n").unwrap();
        fs::write(at("b.txt"), "{\"x\": 8}").unwrap();
        let all = read(&[at("*.txt")], None, Format::Auto, "depth").unwrap();
        assert_eq!(
            values(&all),
            [(at("a.txt"), "depth".into(), 7.0), (at("b.txt"), "x".into(), 8.0)]
        );
        let one = read(&[at("a.txt")], None, Format::Auto, "depth").unwrap();
        assert_eq!(values(&one), [(String::new(), "depth".into(), 7.0)]);
    }

    #[test]
    fn a_pattern_finds_the_newest_values() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("train.log");
        let mut log = "x".repeat(MOST_BYTES as usize) + "\n";
        log += "gpu=0 loss=0.5\ngpu=a loss=0.4\ngpu=a loss=nan\n";
        fs::write(&path, log).unwrap();
        let pattern = Regex::new(r"gpu=(?<gpu>[a-z]) loss=(?<loss>\S+)").unwrap();
        let paths = [path.to_string_lossy().into_owned()];
        let found = read(&paths, Some(&pattern), Format::Auto, "x").unwrap();
        let found = values(&found);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("a", "loss"));
        assert!(found[0].2.is_nan());
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
        let error = |path: String| read(&[path], None, Format::Auto, "x").unwrap_err();
        assert!(error(at("none")).contains("there is no file"));
        nix::unistd::mkfifo(at("fifo").as_str(), nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(error(at("fifo")).ends_with("it is no plain file"));
        fs::write(at("large"), vec![b'1'; MOST_BYTES as usize + 1]).unwrap();
        assert!(error(at("large")).contains("larger than"));
        fs::write(at("bad"), "x y").unwrap();
        assert!(error(at("bad")).contains("bad': it said no metrics"), "{}", error(at("bad")));
        for n in 0..=MOST_FILES {
            fs::write(at(&format!("many{n}")), "1").unwrap();
        }
        assert!(error(at("many*")).contains("more than 100 files"));
    }
}
