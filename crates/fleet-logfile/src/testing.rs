//! A small writer of log folders for the tests of this crate.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use fleet_core::Timestamp;
use proptest::prelude::*;

use crate::backward::{Skip, tail};
use crate::cri::Stream;
use crate::files::{CURRENT, Packing};
use crate::join::{Joiner, Message};
use crate::reader::Reader;

/// A log folder that is removed at the end.
pub(crate) struct Log(tempfile::TempDir);

impl Log {
    pub(crate) fn new() -> Log {
        Log(tempfile::tempdir().unwrap())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn append(&self, bytes: &[u8]) {
        let path = self.dir().join(CURRENT);
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    pub(crate) fn write(&self, seconds: i64, head: &str, text: &str) {
        self.append(&line(seconds, head, text.as_bytes()));
    }

    fn aside(&self, seconds: i64) -> PathBuf {
        self.dir().join(format!("{}.log", stamp(seconds)))
    }

    /// Where the side index of a file that was set aside lies.
    pub(crate) fn index(&self, first: i64) -> PathBuf {
        self.dir().join(format!("{}.idx", stamp(first)))
    }

    pub(crate) fn rotate(&self, first: i64) {
        fs::rename(self.dir().join(CURRENT), self.aside(first)).unwrap();
    }

    pub(crate) fn remove(&self, first: i64) {
        fs::remove_file(self.aside(first)).unwrap();
    }

    /// Compresses a file that was set aside, in frames of about so many plain bytes that end with
    /// lines; an odd number ends them anywhere.
    pub(crate) fn pack(&self, first: i64, packing: Packing, frame: usize) {
        let plain = fs::read(self.aside(first)).unwrap();
        let packed = pack(&plain, packing, frame);
        let ending = if packing == Packing::Zstd { "zst" } else { "gz" };
        fs::write(self.dir().join(format!("{}.log.{ending}", stamp(first))), packed).unwrap();
        self.remove(first);
    }

    pub(crate) fn truncate(&self) {
        OpenOptions::new().write(true).open(self.dir().join(CURRENT)).unwrap().set_len(0).unwrap();
    }
}

/// Packs bytes in frames.
pub(crate) fn pack(plain: &[u8], packing: Packing, frame: usize) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut rest = plain;
    while !rest.is_empty() {
        let mut end = frame.min(rest.len());
        if frame.is_multiple_of(2) {
            let newline = memchr::memchr(b'\n', &rest[end - 1..]);
            end = newline.map_or(rest.len(), |at| end + at);
        }
        match packing {
            Packing::Zstd => packed.extend(zstd::stream::encode_all(&rest[..end], 1).unwrap()),
            _ => {
                let level = flate2::Compression::fast();
                let mut member = flate2::write::GzEncoder::new(&mut packed, level);
                member.write_all(&rest[..end]).unwrap();
                member.finish().unwrap();
            }
        }
        rest = &rest[end..];
    }
    packed
}

fn stamp(seconds: i64) -> String {
    Timestamp::from_nanos(seconds * 1_000_000_000).to_nanos_text()
}

pub(crate) fn line(seconds: i64, head: &str, text: &[u8]) -> Vec<u8> {
    let mut line = format!("{} {head} ", stamp(seconds)).into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
}

/// The texts of all lines that can be read now.
pub(crate) fn texts(reader: &mut Reader) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        texts.push(String::from_utf8_lossy(line.text).into_owned());
    }
    texts
}

/// All that can be read now, joined; what has no end comes last.
fn messages(mut reader: Reader, mut skip: Skip) -> Vec<Message> {
    let mut joiner = Joiner::default();
    let mut messages = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        messages.extend(joiner.push(&line));
    }
    messages.extend(joiner.cut());
    messages.retain(|message| !skip.passes_over(message));
    messages
}

/// A line that was printed: how many pieces were written up to its last, and whether it has ended.
type Printed = (i64, bool, Stream, Vec<u8>);

/// Writes what a process printed as a shim would, in small pieces, and returns its lines in the
/// order of their last pieces.
fn written(
    log: &Log,
    printed: &[(bool, Vec<u8>)],
    per_file: usize,
    packings: &[(Packing, usize)],
) -> Vec<Printed> {
    let mut packings = packings.iter().cycle();
    let mut open: [Option<Printed>; 2] = [None, None];
    let (mut lines, mut count, mut first) = (Vec::new(), 0, 0);
    for (err, bytes) in printed {
        let stream = if *err { Stream::Stderr } else { Stream::Stdout };
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let text = piece.strip_suffix(b"\n");
            let (tag, text) = (if text.is_some() { "F" } else { "P" }, text.unwrap_or(piece));
            log.append(&line(count, &format!("{} {tag}", stream.word()), text));
            count += 1;
            let slot = &mut open[stream as usize];
            let so_far = slot.get_or_insert((0, false, stream, Vec::new()));
            so_far.3.extend_from_slice(text);
            (so_far.0, so_far.1) = (count, tag == "F");
            lines.extend(slot.take_if(|line| line.1));
            if (count as usize).is_multiple_of(per_file) {
                log.rotate(first);
                if let Some((packing, frame)) = packings.next()
                    && *packing != Packing::Plain
                {
                    log.pack(first, *packing, *frame);
                }
                first = count;
            }
        }
    }
    lines.extend(open.into_iter().flatten());
    lines.sort();
    lines
}

/// The texts of lines that have ended, or of those that have not.
fn those(lines: &[Printed], ended: bool) -> Vec<(Stream, Vec<u8>)> {
    let mut those: Vec<_> =
        lines.iter().filter(|l| l.1 == ended).map(|l| (l.2, l.3.clone())).collect();
    if !ended {
        those.sort();
    }
    those
}

fn read(reader: Reader, skip: Skip) -> Vec<Printed> {
    messages(reader, skip).into_iter().map(|m| (0, !m.partial, m.stream, m.text)).collect()
}

proptest! {
    #[test]
    fn what_was_printed_comes_back_to_the_byte_and_its_end_alone_too(
        printed in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n')], 1..20)),
            0..20,
        ),
        per_file in 1usize..9,
        wanted in 1usize..9,
        packings in proptest::collection::vec(
            (prop_oneof![Just(Packing::Plain), Just(Packing::Zstd), Just(Packing::Gzip)], 1usize..400),
            0..4,
        ),
    ) {
        let log = Log::new();
        let lines = written(&log, &printed, per_file, &packings);
        let all = read(Reader::new(log.dir()), Skip::default());
        prop_assert_eq!(those(&all, true), those(&lines, true));
        prop_assert_eq!(those(&all, false), those(&lines, false));

        let start = tail(log.dir(), wanted, None, None, |_| true).unwrap();
        let last = start.place.map_or(Vec::new(), |place| {
            read(Reader::at(log.dir(), place).unwrap(), start.skip)
        });
        let lines = &lines[lines.len().saturating_sub(wanted)..];
        prop_assert_eq!(those(&last, true), those(lines, true));
        // The other stream's line without an end may lie among the pieces of a wanted one.
        let open = those(&last, false);
        prop_assert!(those(lines, false).iter().all(|line| open.contains(line)));
    }
}
