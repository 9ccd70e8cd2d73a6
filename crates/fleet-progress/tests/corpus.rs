//! What real programs wrote, into a pipe and to a terminal, folded and read.
//!
//! Each recording in `data` stands beside what must become of it: the lines that are left, and the
//! last state of each bar. `BLESS=1` writes these files anew, to be looked at before they are
//! committed. The bars of `lightning.pipe` were drawn by tqdm with the settings of Lightning.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use fleet_progress::{Bar, Folder, Shown, bars, drawings};
use proptest::prelude::*;

fn recordings() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|f| f.extension().unwrap() != "expected").collect();
    files.sort();
    assert!(files.len() >= 19);
    files
}

/// The lines that a stream becomes, written in the pieces that the cuts make of it.
fn folded(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let (mut folder, mut out) = (Folder::default(), Vec::new());
    let mut at = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let (text, ended) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
        let mut from = 0;
        for cut in cuts.iter().filter(|&&cut| (at..at + text.len()).contains(&cut)) {
            folder.write((), 0, &text[from..cut - at], false, &mut out);
            from = cut - at;
        }
        folder.write((), 0, &text[from..], ended, &mut out);
        at += line.len();
    }
    folder.finish(&mut out);
    let text = |shown: &Shown<()>| drawings(&shown.text).next().unwrap_or_default();
    out.iter().map(text).collect()
}

fn expected(bytes: &[u8]) -> String {
    let mut text = folded(bytes, &[]).join("\n") + "\n---\n";
    let mut known: Vec<Bar> = Vec::new();
    for bar in bytes.split(|&b| b == b'\n').flat_map(bars) {
        known.retain(|before| !before.is_same(&bar));
        known.push(bar);
    }
    for bar in known {
        writeln!(text, "{}", serde_json::to_string(&bar).unwrap()).unwrap();
    }
    text
}

#[test]
fn recordings_become_the_lines_and_bars_that_they_should() {
    for file in recordings() {
        let becomes = expected(&fs::read(&file).unwrap());
        let beside = PathBuf::from(format!("{}.expected", file.display()));
        if std::env::var_os("BLESS").is_some() {
            fs::write(&beside, &becomes).unwrap();
        }
        assert_eq!(becomes, fs::read_to_string(&beside).unwrap(), "{}", file.display());
    }
}

proptest! {
    #[test]
    fn it_does_not_matter_in_which_pieces_they_come(
        which: prop::sample::Index, cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let files = recordings();
        let bytes = fs::read(&files[which.index(files.len())]).unwrap();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        // The shim keeps whole characters and sequences together no more than a pipe does.
        cuts.retain(|&cut| bytes[cut] & 0xC0 != 0x80 && !in_sequence(&bytes[..cut]));
        cuts.sort_unstable();
        prop_assert_eq!(folded(&bytes, &cuts), folded(&bytes, &[]));
    }
}

/// Whether an escape sequence goes on behind this.
fn in_sequence(before: &[u8]) -> bool {
    let escape = before.iter().rposition(|&b| b == 0x1b);
    escape.is_some_and(|at| !before[at..].iter().any(u8::is_ascii_alphabetic))
}
