//! tfevents files that are torn, damaged and begun anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::{Path, PathBuf};

use fleet_curve::{EventFeed, Feed, Point};

/// The bytes of a real file.
fn real() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tensor");
    let file = fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    fs::read(file.path()).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, number: u32) -> PathBuf {
        self.0.path().join(format!("events.out.tfevents.{number:010}.host"))
    }

    fn feed(&self) -> EventFeed {
        EventFeed::new(self.0.path())
    }
}

fn new_points(feed: &mut EventFeed) -> Vec<Point> {
    let mut points = Vec::new();
    feed.poll(&mut |point| points.push(point)).unwrap();
    points
}

#[test]
fn a_tail_torn_at_any_byte_is_waited_for() {
    let bytes = real();
    let folder = Folder::new();
    fs::write(folder.file(1), &bytes).unwrap();
    let whole = new_points(&mut folder.feed());
    assert_eq!(whole.len(), 10);
    for cut in 0..=bytes.len() {
        fs::write(folder.file(1), &bytes[..cut]).unwrap();
        let mut feed = folder.feed();
        let mut points = new_points(&mut feed);
        assert!(points.len() <= whole.len() && feed.problems().is_empty(), "{cut}");
        fs::write(folder.file(1), &bytes).unwrap();
        points.extend(new_points(&mut feed));
        assert_eq!(points, whole, "{cut}");
        assert!(feed.problems().is_empty(), "{cut}");
    }
}

#[test]
fn a_damaged_byte_costs_its_record_or_the_rest_and_is_told() {
    let bytes = real();
    let folder = Folder::new();
    fs::write(folder.file(1), &bytes).unwrap();
    let whole = new_points(&mut folder.feed());
    // The first record names the writer and holds no value.
    let head = 16 + usize::from(bytes[0]);
    for at in 0..bytes.len() {
        for bit in [0, 7] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            fs::write(folder.file(1), &damaged).unwrap();
            let mut feed = folder.feed();
            let points = new_points(&mut feed);
            // What is handed out was written so: no damage becomes a value.
            assert!(points.iter().all(|point| whole.contains(point)), "{at}");
            assert!(points.len() < whole.len() || at < head, "{at}");
            let problems = feed.problems();
            assert_eq!(problems.len(), 1, "{at}: {problems:?}");
            assert!(problems[0].contains("wrong checksum left out: 1"), "{problems:?}");
        }
    }
}

/// One record with this payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    let masked = |bytes: &[u8]| {
        crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
    };
    let length = (payload.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), payload, &masked(payload)].concat()
}

/// `loss` = `loss` at a step below 128.
fn scalar(step: u8, loss: f32) -> Vec<u8> {
    let value = [&b"\x0a\x04loss\x15"[..], &loss.to_le_bytes()].concat();
    let summary = [&[0x0a, value.len() as u8][..], &value].concat();
    framed(&[&[0x10, step, 0x2a, summary.len() as u8][..], &summary].concat())
}

/// A session begins at a step below 128.
fn start(step: u8) -> Vec<u8> {
    framed(&[0x10, step, 0x3a, 2, 0x08, 1])
}

fn steps(points: &[Point]) -> Vec<i64> {
    points.iter().map(|point| point.found.step.unwrap()).collect()
}

#[test]
fn what_a_new_session_begins_again_is_stale() {
    let folder = Folder::new();
    let first: Vec<u8> = (1..=5).flat_map(|step| scalar(step, 1.0)).collect();
    fs::write(folder.file(1), first).unwrap();
    fs::write(folder.file(2), [start(4), scalar(4, 0.5), scalar(5, 0.4)].concat()).unwrap();
    let mut feed = folder.feed();
    assert_eq!(steps(&new_points(&mut feed)), [1, 2, 3, 4, 5]);
    assert!(feed.problems().is_empty());
}

#[test]
fn without_a_word_everything_is_kept_and_that_is_said() {
    let folder = Folder::new();
    fs::write(folder.file(1), [scalar(1, 1.0), scalar(2, 1.0)].concat()).unwrap();
    let mut feed = folder.feed();
    assert_eq!(steps(&new_points(&mut feed)), [1, 2]);
    // Both files grow, as those of a trainer and its evaluation do.
    fs::write(folder.file(2), [scalar(1, f32::NAN), scalar(1, f32::NAN)].concat()).unwrap();
    let more = [scalar(1, 1.0), scalar(2, 1.0), scalar(3, 1.0)].concat();
    fs::write(folder.file(1), more).unwrap();
    assert_eq!(steps(&new_points(&mut feed)), [3, 1, 1]);
    let problems = feed.problems();
    assert!(problems.len() == 1 && problems[0].contains("go back from 3 to 1"), "{problems:?}");
}
