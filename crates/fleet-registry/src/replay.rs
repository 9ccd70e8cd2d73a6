//! Reading the registry.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use fleet_core::{Id, ProcessRecord};
use memchr::memchr_iter;
use serde::Deserialize;

use crate::append::RegistryError;
use crate::home::Home;
use crate::line::Line;
use crate::record_file::read_record;

/// Below this many runs, a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 400;

/// What is known of one run.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its newest record.
    pub record: Box<ProcessRecord>,
    /// The record as it was written, with fields that this build may not know.
    pub json: Line,
}

/// What the registry holds.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// One entry for each run, in the order in which they first appeared.
    pub entries: Vec<Entry>,
    /// What could not be read, each a sentence that names file and line.
    pub problems: Vec<String>,
    /// Lines of a newer version that this build cannot read: whoever rewrites the file keeps them.
    pub newer: Vec<Line>,
    /// Whether the file was missing and the entries come from the runs' folders.
    pub rebuilt: bool,
}

/// Reads the newest record of each run.
///
/// # Errors
/// The registry is there and cannot be read.
pub fn replay(home: &Home) -> Result<Replay, RegistryError> {
    let path = home.registry();
    match fs::read(&path) {
        Ok(text) => Ok(parse(&Arc::new(text), &path.display().to_string())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(from_folders(home)),
        Err(source) => Err(RegistryError::Read { path, source }),
    }
}

/// Bytes of a short line: more memory for the runs than such lines would need is never set aside.
const SHORT_LINE: usize = 512;

/// Where the lines of one run lie. Only the last of them is parsed, unless that turns out bad.
struct Lines {
    /// Line number and place of the newest line.
    last: (usize, Range<usize>),
    /// Which of the older lines is the one before.
    before: Option<usize>,
}

/// A line that is not the newest of its run: its place, and which of the older lines is the one
/// before. One list for all runs, because most have one or two of them.
type Older = (Range<usize>, Option<usize>);

fn parse(text: &Arc<Vec<u8>>, path: &str) -> Replay {
    let mut replay = Replay::default();
    let mut runs: HashMap<(&str, u32), usize> = HashMap::with_capacity(text.len() / SHORT_LINE);
    let mut lines: Vec<Lines> = Vec::new();
    let mut older: Vec<Older> = Vec::new();
    for (number, place, whole) in split(text) {
        if !whole {
            replay.problems.push(format!(
                "'{path}' line {number} is torn (a power loss, or a writer at this moment); the next writer mends it"
            ));
            continue;
        }
        match key(&text[place.clone()]) {
            Ok((id, run)) => match runs.get(&(id, run)) {
                Some(&at) => {
                    let line = &mut lines[at];
                    let (_, last) = std::mem::replace(&mut line.last, (number, place));
                    let before = line.before.replace(older.len());
                    older.push((last, before));
                }
                None => {
                    runs.insert((id, run), lines.len());
                    lines.push(Lines { last: (number, place), before: None });
                }
            },
            Err(why) => {
                replay.refused(&text[place], path, number, &why);
            }
        }
    }
    newest_of_all(text, path, (&lines, &older), &mut replay);
    replay
}

/// Parses the newest good line of each run; two threads share the work when there is much of it.
fn newest_of_all(
    text: &Arc<Vec<u8>>,
    path: &str,
    (lines, older): (&[Lines], &[Older]),
    replay: &mut Replay,
) {
    if lines.len() < WORTH_A_THREAD {
        return lines.iter().for_each(|run| newest(text, path, (run, older), replay));
    }
    let (first, second) = lines.split_at(lines.len() / 2);
    let rest = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut rest = Replay::default();
            second.iter().for_each(|run| newest(text, path, (run, older), &mut rest));
            rest
        });
        first.iter().for_each(|run| newest(text, path, (run, older), replay));
        other.join().unwrap_or_default()
    });
    replay.entries.extend(rest.entries);
    replay.problems.extend(rest.problems);
    replay.newer.extend(rest.newer);
}

/// Parses one line. Text that is checked as a whole need not be checked string by string.
fn record(line: &[u8]) -> Result<Box<ProcessRecord>, serde_json::Error> {
    match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(line),
    }
}

/// Parses the newest good line of a run.
fn newest(text: &Arc<Vec<u8>>, path: &str, (run, older): (&Lines, &[Older]), replay: &mut Replay) {
    let (number, place) = &run.last;
    let before = |at: Option<usize>| at.and_then(|at| older.get(at));
    let back = std::iter::successors(before(run.before), |(_, at)| before(*at));
    for place in std::iter::once(place).chain(back.map(|(place, _)| place)) {
        match record(&text[place.clone()]) {
            Ok(record) => {
                replay.entries.push(Entry { record, json: Line::of(text, place.clone()) });
                return;
            }
            // What a newer build knows of this run is not to be judged by what was known before.
            Err(why) => {
                if replay.refused(&text[place.clone()], path, *number, &why) {
                    return;
                }
            }
        }
    }
}

impl Replay {
    /// Says that a line cannot be read. A line of a newer version is kept, and true returned.
    fn refused(&mut self, line: &[u8], path: &str, number: usize, why: &serde_json::Error) -> bool {
        // serde_json counts lines within the record; beside our number its "line 1" would mislead.
        let why = why.to_string();
        let why = why.split(" at line ").next().unwrap_or_default();
        let version = version(line).filter(|&v| v > fleet_core::RECORD_VERSION);
        self.problems.push(match version {
            Some(v) => format!(
                "'{path}' line {number} is of version {v}, which this build cannot read; it is left as it is"
            ),
            None => format!("'{path}' line {number} is not a registry record: {why}"),
        });
        self.newer.extend(version.map(|_| line.to_vec().into()));
        version.is_some()
    }
}

/// The version that a line says it has.
fn version(line: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Version {
        v: Option<u32>,
    }
    serde_json::from_slice::<Version>(line).ok()?.v
}

/// The lines that are not empty: number from 1, place without the newline, whether it has one.
fn split(text: &[u8]) -> impl Iterator<Item = (usize, Range<usize>, bool)> {
    let mut begin = 0;
    let tail = text.last().is_some_and(|&b| b != b'\n').then_some(text.len());
    memchr_iter(b'\n', text)
        .map(|end| (end, true))
        .chain(tail.map(|end| (end, false)))
        .enumerate()
        .map(move |(at, (end, whole))| {
            let place = begin..end;
            begin = end + 1;
            (at + 1, place, whole)
        })
        .filter(|(_, place, _)| !place.is_empty())
}

/// The fields that tell whose line it is.
#[derive(Deserialize)]
struct Key<'a> {
    #[serde(borrow)]
    id: &'a str,
    run: u32,
}

/// Whose line it is. Lines of this build begin with `kind`, `ts`, `id`, `run`, which is looked at
/// without parsing the rest; anything else is parsed.
pub(crate) fn key(line: &[u8]) -> Result<(&str, u32), serde_json::Error> {
    if let Some(key) = quick_key(line) {
        return Ok(key);
    }
    let key: Key<'_> = serde_json::from_slice(line)?;
    Ok((key.id, key.run))
}

fn quick_key(line: &[u8]) -> Option<(&str, u32)> {
    let rest = line.strip_prefix(br#"{"kind":"process","ts":""#)?;
    let rest = &rest[memchr::memchr(b'"', rest)?..];
    let rest = rest.strip_prefix(br#"","id":""#)?;
    let (id, rest) = rest.split_at(memchr::memchr(b'"', rest)?);
    let rest = rest.strip_prefix(br#"","run":"#)?;
    let run = &rest[..memchr::memchr(b',', rest)?];
    let id = std::str::from_utf8(id).ok().filter(|id| !id.contains('\\'))?;
    // A line that lost its end is left to the parser, which says what is wrong with it.
    (line.last() == Some(&b'}')).then_some(())?;
    Some((id, std::str::from_utf8(run).ok()?.parse().ok()?))
}

/// The newest record of every run that has a folder, oldest spawn first.
pub(crate) fn from_folders(home: &Home) -> Replay {
    let mut replay = Replay { rebuilt: true, ..Replay::default() };
    let Ok(folders) = fs::read_dir(home.processes()) else { return replay };
    let ids = folders.flatten().filter_map(|f| f.file_name().to_str()?.parse::<Id>().ok());
    for id in ids {
        for run in home.runs(&id) {
            let dir = home.run(&id, run);
            match read_record(&dir) {
                Ok(record) => {
                    let json = serde_json::to_vec(&record).unwrap_or_default().into();
                    let record = Box::new(record);
                    replay.entries.push(Entry { record, json });
                }
                Err(e) => {
                    replay.problems.push(format!("cannot read '{}': {e}", dir.record().display()));
                }
            }
        }
    }
    replay.entries.sort_by_key(|e| (e.record.spawned_at, e.record.run));
    replay
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record_file::write_record;
    use fleet_core::{State, Timestamp};
    use proptest::prelude::*;

    pub(crate) fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.create().unwrap();
        (dir, home)
    }

    pub(crate) fn record(id: &str, run: u32, state: State) -> ProcessRecord {
        let json = serde_json::json!({
            "kind": "process", "ts": Timestamp::now(), "id": id, "run": run, "attempt": 1,
            "state": state, "boot": "b", "host": "h", "command": ["true"], "cwd": "/",
            "restarts": 0, "spawned_at": Timestamp::now(),
        });
        serde_json::from_value(json).unwrap()
    }

    fn line(id: &str, run: u32, state: State) -> String {
        serde_json::to_string(&record(id, run, state)).unwrap() + "\n"
    }

    #[test]
    fn the_last_line_of_each_run_wins() {
        let text = line("a", 1, State::Starting)
            + &line("b", 1, State::Running)
            + &line("a", 1, State::Running)
            + &line("a", 2, State::Starting);
        let replay = parse(&Arc::new(text.into_bytes()), "r");
        let found: Vec<_> =
            replay.entries.iter().map(|e| (e.record.key().to_string(), e.record.state)).collect();
        assert_eq!(
            found,
            [
                ("a#1".to_owned(), State::Running),
                ("b#1".to_owned(), State::Running),
                ("a#2".to_owned(), State::Starting)
            ]
        );
        assert!(replay.problems.is_empty());
    }

    #[test]
    fn garbage_costs_its_line_and_is_said_by_number() {
        let good = line("a", 1, State::Running);
        let torn = &line("a", 1, State::Stopping)[..90];
        let text = format!("{good}garbage\n{torn}\n{{\"kind\":\"process\"}}\n");
        let replay = parse(&Arc::new(text.into_bytes()), "r");
        assert_eq!(replay.entries[0].record.state, State::Running);
        let problems = replay.problems.join("\n");
        for part in ["line 2 is not", "line 3 is not", "line 4 is not", "missing field `id`"] {
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    #[test]
    fn a_bad_newest_line_leaves_the_one_before() {
        let odd = line("a", 1, State::Stopping).replace("\"stopping\"", "\"melting\"");
        let text = line("a", 1, State::Running) + &odd;
        let replay = parse(&Arc::new(text.into_bytes()), "r");
        assert_eq!(replay.entries[0].record.state, State::Running);
        assert!(replay.problems[0].contains("line 2"), "{:?}", replay.problems);
    }

    #[test]
    fn a_newer_line_that_cannot_be_read_is_kept_and_speaks_for_its_run() {
        let odd = line("a", 1, State::Stopping)
            .replace("\"attempt\":1", "\"attempt\":1,\"v\":2")
            .replace("\"stopping\"", "{\"is\":\"melting\"}");
        let keyless = "{\"v\":3,\"name\":\"a\"}\n";
        let text = line("a", 1, State::Running) + &odd + keyless;
        let replay = parse(&Arc::new(text.into_bytes()), "r");
        assert!(replay.entries.is_empty(), "{:?}", replay.entries);
        let kept: Vec<&[u8]> = replay.newer.iter().map(|line| &**line).collect();
        assert_eq!(kept, [keyless.trim_end().as_bytes(), odd.trim_end().as_bytes()]);
        assert!(replay.problems[1].contains("line 2 is of version 2"), "{:?}", replay.problems);
    }

    #[test]
    fn without_a_registry_the_folders_tell() {
        let (_dir, home) = home();
        for (id, run) in [("a", 1), ("a", 2), ("b", 1)] {
            let record = record(id, run, State::Completed);
            let dir = home.run_of(&record.key());
            crate::make_dir(dir.path()).unwrap();
            write_record(&dir, &record).unwrap();
        }
        let replay = replay(&home).unwrap();
        assert!(replay.rebuilt);
        let keys: Vec<_> = replay.entries.iter().map(|e| e.record.key().to_string()).collect();
        assert_eq!(keys, ["a#1", "a#2", "b#1"]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>) {
            parse(&Arc::new(text), "r");
        }

        #[test]
        fn the_quick_look_agrees_with_the_parser(
            id in "[a-z0-9][a-z0-9._-]{0,12}", run: u32, cut in 0usize..300,
        ) {
            let line = serde_json::to_vec(&record(&id, run, State::Running)).unwrap();
            prop_assert_eq!(quick_key(&line), Some((id.as_str(), run)));
            let torn = &line[..cut.min(line.len())];
            if let Some(key) = quick_key(torn) {
                prop_assert_eq!(key, (id.as_str(), run));
            }
        }
    }
}
