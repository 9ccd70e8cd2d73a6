//! What real runtimes print when programs fail, in whole groups; `tests/corpus` tells how it was
//! recorded.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fleet_traceback::{Frame, Grouped, Grouper, Said, Traceback};

struct Line {
    number: usize,
    text: Vec<u8>,
}

impl Said for Line {
    fn text(&self) -> &[u8] {
        &self.text
    }

    fn lane(&self) -> usize {
        0
    }
}

/// The tracebacks of a recording with their first and last line, from 1.
fn groups(recording: &[u8]) -> Vec<(Traceback, Vec<usize>)> {
    let mut grouper = Grouper::default();
    let (mut groups, mut lines) = (Vec::new(), 0);
    let mut take = |grouped| match grouped {
        Grouped::Line(_) => lines += 1,
        Grouped::Traceback(traceback, of_it) => {
            lines += of_it.len();
            groups.push((*traceback, of_it.into_iter().map(|line: Line| line.number).collect()));
        }
    };
    let text = recording.strip_suffix(b"\n").unwrap_or(recording);
    let all = text.split(|&b| b == b'\n');
    for (at, text) in all.clone().enumerate() {
        grouper.push(Line { number: at + 1, text: text.to_vec() }, &mut take);
    }
    grouper.finish(&mut take);
    assert_eq!(lines, all.count(), "no line is lost");
    groups
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Names of all shapes: `python/plain`.
fn shapes() -> Vec<String> {
    let files = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let languages = files(&corpus()).filter(|path| path.is_dir());
    let recordings = languages.flat_map(|folder| files(&folder));
    let name = |path: PathBuf| {
        let path = path.strip_prefix(corpus()).unwrap().to_str()?.to_owned();
        path.strip_suffix(".1.txt").map(str::to_owned)
    };
    let mut shapes: Vec<String> = recordings.filter_map(name).collect();
    shapes.sort();
    shapes
}

fn recording(shape: &str, turn: u8) -> Vec<u8> {
    fs::read(corpus().join(format!("{shape}.{turn}.txt"))).unwrap()
}

/// One line for what is known of a group.
fn told((traceback, lines): &(Traceback, Vec<usize>)) -> String {
    let of = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |t| format!("{t:?}"));
    let frame = |frame: &Frame| {
        let line = frame.line.map_or("-".to_owned(), |line| line.to_string());
        format!("{} {} {line}", of(&frame.function), of(&frame.file))
    };
    let frames = &traceback.frames;
    let ends = [frames.first(), frames.last()].map(|f| f.map_or("-".to_owned(), frame));
    let mut text = format!(
        "  {}-{} {} type {} message {}\n      {} frames: {} .. {}\n      fingerprint {}",
        lines.first().unwrap(),
        lines.last().unwrap(),
        traceback.language.word(),
        of(&traceback.kind),
        of(&traceback.message),
        frames.len(),
        ends[0],
        ends[1],
        traceback.fingerprint,
    );
    for word in [&traceback.rank.clone(), &traceback.cut.then(|| "cut".to_owned())] {
        text.extend(word.iter().flat_map(|word| [" ", word]));
    }
    text
}

/// `tests/corpus/expected.txt` holds what was read by a person; with `BLESS=1` it is written.
#[test]
fn each_recording_has_just_its_groups() {
    let mut found = String::new();
    for shape in shapes() {
        writeln!(found, "{shape}").unwrap();
        for group in groups(&recording(&shape, 1)) {
            writeln!(found, "{}", told(&group)).unwrap();
        }
    }
    let path = corpus().join("expected.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn the_corpus_has_many_shapes_of_each_language() {
    let shapes = shapes();
    for (language, least) in
        [("python", 25), ("rust", 8), ("go", 8), ("java", 8), ("node", 9), ("native", 12)]
    {
        let count = shapes.iter().filter(|shape| shape.starts_with(language)).count();
        assert!(count >= least, "{language}: {count}");
        for shape in shapes.iter().filter(|shape| shape.starts_with(language)) {
            let quiet = ["rust/result"].contains(&shape.as_str());
            assert_eq!(groups(&recording(shape, 1)).is_empty(), quiet, "{shape}");
        }
    }
}

/// The second turn has other numbers, addresses, pids and folders.
#[test]
fn fingerprints_are_the_same_in_another_run() {
    let mut same = Vec::new();
    for shape in shapes() {
        let [first, second] = [1, 2].map(|turn| groups(&recording(&shape, turn)));
        let prints = |groups: &[(Traceback, Vec<usize>)]| -> Vec<String> {
            groups.iter().map(|(traceback, _)| traceback.fingerprint.clone()).collect()
        };
        assert_eq!(prints(&first), prints(&second), "{shape}");
        same.extend((recording(&shape, 1) == recording(&shape, 2)).then_some(shape));
    }
    assert!(same.len() < 20, "recorded once only: {same:?}");
}

/// Carriage returns and a rank's prefix change nothing, wherever they come from.
#[test]
fn what_stands_around_lines_does_not_matter() {
    for shape in shapes() {
        let plain = recording(&shape, 1);
        let around = |before: &str, after: &str| -> Vec<u8> {
            let lines = plain.strip_suffix(b"\n").unwrap_or(&plain).split(|&b| b == b'\n');
            let around = |line: &[u8]| [before.as_bytes(), line, after.as_bytes(), b"\n"].concat();
            lines.flat_map(around).collect()
        };
        let ends = |groups: Vec<(Traceback, Vec<usize>)>| -> Vec<(Option<String>, Vec<usize>)> {
            groups.into_iter().map(|(traceback, lines)| (traceback.kind, lines)).collect()
        };
        assert_eq!(ends(groups(&around("", "\r"))), ends(groups(&plain)), "{shape}");
    }
}
