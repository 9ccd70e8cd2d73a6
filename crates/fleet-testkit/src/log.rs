//! What a process's log holds, read by a strict parser of the tests' own.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// Length of a stamp: `2026-11-22T06:00:00.123456789Z`.
const STAMP: usize = 30;

/// One line of a log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When its first byte came.
    pub stamp: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// `F` (whole), `P` (to be continued) or `F:fleet` (a notice of the supervisor's).
    pub tag: String,
    /// What was printed.
    pub text: Vec<u8>,
}

/// A whole log, from the oldest file to the current one.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// All lines as they stand.
    pub lines: Vec<Line>,
    /// How many files it was.
    pub files: usize,
}

impl Log {
    /// Reads the files of a run's `log` folder.
    ///
    /// # Panics
    /// A line is not a Kubernetes CRI line.
    pub fn read(folder: &Path) -> Log {
        Log::read_files(folder, false)
    }

    /// The same while somebody writes: a last line without its end may be half written, or about
    /// to be taken back from a full disk.
    ///
    /// # Panics
    /// A whole line is not a Kubernetes CRI line.
    pub fn read_growing(folder: &Path) -> Log {
        Log::read_files(folder, true)
    }

    fn read_files(folder: &Path, grows: bool) -> Log {
        let mut names: Vec<String> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| {
                let stamp = [".log", ".log.zst", ".log.gz"].map(|end| name.strip_suffix(end));
                stamp.into_iter().flatten().next().map(|stamp| format!("{stamp}.log"))
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names.push("current".to_owned());
        let mut log = Log::default();
        for name in &names {
            // A file that is set aside at this moment is met under its new name next time.
            let Some(mut bytes) = read_packed_or_not(&folder.join(name)) else { continue };
            if grows && name == "current" {
                bytes.truncate(bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1));
            }
            log.files += 1;
            log.lines.extend(parse(&bytes, name));
        }
        log
    }

    /// All that was printed on stdout, pieces joined, with a newline only where one was printed.
    pub fn stdout(&self) -> Vec<u8> {
        self.printed("stdout")
    }

    /// All that was printed on stderr.
    pub fn stderr(&self) -> Vec<u8> {
        self.printed("stderr")
    }

    /// Stdout as text, for messages and for what is known to be text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout()).into_owned()
    }

    /// What the supervisor itself put into the log.
    pub fn notices(&self) -> Vec<String> {
        let ours = self.lines.iter().filter(|line| line.tag == "F:fleet");
        ours.map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
    }

    fn printed(&self, stream: &str) -> Vec<u8> {
        let mut text = Vec::new();
        for line in self.lines.iter().filter(|l| l.stream == stream && l.tag != "F:fleet") {
            text.extend_from_slice(&line.text);
            if line.tag == "F" {
                text.push(b'\n');
            }
        }
        text
    }
}

/// The plain file where there is one, else the packed one.
fn read_packed_or_not(path: &Path) -> Option<Vec<u8>> {
    let packed = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        File::open(name).ok()
    };
    if let Ok(bytes) = fs::read(path) {
        return Some(bytes);
    }
    let mut bytes = Vec::new();
    if let Some(file) = packed(".zst") {
        zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap();
    } else {
        MultiGzDecoder::new(packed(".gz")?).read_to_end(&mut bytes).unwrap();
    }
    Some(bytes)
}

fn parse(bytes: &[u8], name: &str) -> Vec<Line> {
    let lines = bytes.split_inclusive(|&b| b == b'\n').enumerate();
    lines
        .map(|(at, line)| {
            parse_line(line).unwrap_or_else(|why| {
                let head = String::from_utf8_lossy(&line[..line.len().min(120)]);
                panic!("{name}, line {}: {why}: {head:?}", at + 1)
            })
        })
        .collect()
}

fn parse_line(line: &[u8]) -> Result<Line, &'static str> {
    let line = line.strip_suffix(b"\n").ok_or("it has no end")?;
    let mut parts = line.splitn(4, |&b| b == b' ');
    let mut part = || parts.next().ok_or("it has fewer than four parts");
    let (stamp, stream, tag, text) = (part()?, part()?, part()?, part()?);
    let word = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| "it is no text");
    let line =
        Line { stamp: word(stamp)?, stream: word(stream)?, tag: word(tag)?, text: text.to_vec() };
    if line.stamp.len() != STAMP || !line.stamp.ends_with('Z') || &line.stamp[10..11] != "T" {
        return Err("its stamp is no time");
    }
    if !matches!(line.stream.as_str(), "stdout" | "stderr") {
        return Err("its stream is unknown");
    }
    if !matches!(line.tag.as_str(), "F" | "P" | "F:fleet") {
        return Err("its tag is unknown");
    }
    Ok(line)
}
