//! The side index of a closed file: where in it what is to be found.
//!
//! One entry for about each MiB of plain text: where it begins in the plain text and in the packed
//! file, the stamps and levels of its lines, and how many they are. It lies beside its file as
//! `<first-stamp>.idx`, sealed JSON lines: a [`Header`] and the blocks. What it says can be had from
//! the file itself, so that one that is missing, was made by another version, is damaged, or
//! belongs to a file of another length is made anew. Where it cannot be stored it is made each
//! time.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use fleet_logline::{Level, level};
use fleet_traceback::{Grouper, Said};
use serde::{Deserialize, Serialize};

use crate::compressed::{Frames, is_damage};
use crate::cri;
use crate::files::{self, Listed, Packing};
use crate::sealed::{unseal, write_sealed};

/// Plain bytes of a block, as near as the ends of lines or frames allow.
const BLOCK: u64 = 1 << 20;

/// Bytes read at a time.
const CHUNK: usize = 128 << 10;

/// Of a longer line the beginning is looked at.
const MAX_LINE: usize = 64 << 10;

/// A block whose lines may have any level.
const ANY_LEVEL: u8 = u8::MAX;

/// The version of the form. The version of fleet counts, too: which level a line has is decided
/// by rules that change.
const VERSION: u32 = 1;

/// What is in a closed file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Bytes of the whole file when unpacked, as far as it can be.
    pub plain_bytes: u64,
    /// The blocks in order; the first begins at 0.
    pub blocks: Vec<Block>,
}

/// Some lines of a file, about a MiB of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Where it begins in the plain text.
    pub plain: u64,
    /// Where the frame that it begins with lies in the file; in a plain file the same.
    pub packed: u64,
    /// The first stamp of its lines, `None` where no line has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// The latest stamp of its lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<i64>,
    /// A bit for each level that its lines have, as in `LevelRange::mask`. A block that cannot be
    /// judged alone has all bits: a traceback or a line goes on in it that began before.
    pub levels: u8,
    /// How many lines begin in it.
    pub lines: u64,
    /// It begins within a line: the file was not packed by fleet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub torn: bool,
}

/// The first line of an index.
#[derive(Serialize, Deserialize)]
struct Header {
    /// Version of the form.
    v: u32,
    /// Version of fleet that made it.
    made_by: String,
    /// Length of the file that it belongs to.
    packed_bytes: u64,
    plain_bytes: u64,
    blocks: usize,
}

impl Index {
    /// Makes the index of a closed file and stores it, unless one that fits is there. `None` for
    /// the file being written, and when the file is gone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn ensure(listed: &Listed) -> io::Result<Option<Index>> {
        let (Some(path), Some(file)) = (listed.index_path(), listed.open_plain()?) else {
            return Ok(None);
        };
        Index::of(&Arc::new(file), listed.packing, Some(&path)).map(Some)
    }

    /// Reads the index at the path, or makes it.
    pub(crate) fn of(file: &Arc<File>, packing: Packing, path: Option<&Path>) -> io::Result<Index> {
        let packed_bytes = file.metadata()?.len();
        if let Some(index) = path.and_then(|path| Index::load(path, packed_bytes)) {
            return Ok(index);
        }
        let index = Index::build(file, packing)?;
        // A home that may not be written is read all the same.
        let _ = path.map(|path| index.store(path, packed_bytes));
        Ok(index)
    }

    /// The block in which this plain offset is.
    pub fn block_at(&self, offset: u64) -> Option<&Block> {
        let behind = self.blocks.partition_point(|block| block.plain <= offset);
        self.blocks.get(behind.checked_sub(1)?)
    }

    fn load(path: &Path, packed_bytes: u64) -> Option<Index> {
        let bytes = fs::read(path).ok()?;
        let text = unseal(&bytes)?;
        let (head, rest) = text.split_at(memchr::memchr(b'\n', text)? + 1);
        let header: Header = serde_json::from_slice(head).ok()?;
        let fits = header.v == VERSION
            && header.made_by == env!("CARGO_PKG_VERSION")
            && header.packed_bytes == packed_bytes;
        if !fits {
            return None;
        }
        let lines = rest.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        let blocks: Result<Vec<Block>, _> = lines.map(serde_json::from_slice).collect();
        let index = Index { plain_bytes: header.plain_bytes, blocks: blocks.ok()? };
        (index.blocks.len() == header.blocks && index.is_sound()).then_some(index)
    }

    fn is_sound(&self) -> bool {
        let rises =
            |pair: &[Block]| pair[0].plain < pair[1].plain && pair[0].packed < pair[1].packed;
        let begins = self.blocks.first().is_none_or(|b| (b.plain, b.packed) == (0, 0));
        begins
            && self.blocks.windows(2).all(rises)
            && self.blocks.last().is_none_or(|b| b.plain < self.plain_bytes)
    }

    fn store(&self, path: &Path, packed_bytes: u64) -> io::Result<()> {
        let header = Header {
            v: VERSION,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            packed_bytes,
            plain_bytes: self.plain_bytes,
            blocks: self.blocks.len(),
        };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.push(b'\n');
        for block in &self.blocks {
            serde_json::to_writer(&mut bytes, block)?;
            bytes.push(b'\n');
        }
        write_sealed(path, bytes, false)
    }

    fn build(file: &Arc<File>, packing: Packing) -> io::Result<Index> {
        let mut builder = Builder::default();
        match packing {
            Packing::Plain => builder.read_plain(file)?,
            packed => builder.read_packed(Frames::new(Arc::clone(file), packed, 0))?,
        }
        Ok(builder.finish())
    }
}

/// A line of the log as the grouper looks at it.
struct Text {
    lane: usize,
    text: Vec<u8>,
}

impl Said for Text {
    fn text(&self) -> &[u8] {
        &self.text
    }

    fn lane(&self) -> usize {
        self.lane
    }
}

#[derive(Default)]
struct Builder {
    blocks: Vec<Block>,
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Plain bytes so far.
    plain: u64,
    /// Per stream: its line goes on in the next piece.
    open: [bool; 2],
    grouper: Grouper<Text>,
}

impl Builder {
    fn read_plain(&mut self, file: &File) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = files::read_at(file, &mut chunk, self.plain)?;
            let mut rest = &chunk[..count];
            if count == 0 {
                return Ok(());
            }
            while let Some(end) = memchr::memchr(b'\n', rest) {
                self.begin_block(None);
                self.take(&rest[..=end]);
                rest = &rest[end + 1..];
            }
            self.begin_block(None);
            self.take(rest);
        }
    }

    fn read_packed(&mut self, mut frames: Frames) -> io::Result<()> {
        match self.read_frames(&mut frames) {
            Err(e) if is_damage(&e) => Ok(()),
            read => read,
        }
    }

    fn read_frames(&mut self, frames: &mut Frames) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some(place) = frames.place() {
            if !frames.open_frame()? {
                break;
            }
            loop {
                let count = frames.read_frame(&mut chunk)?;
                if count == 0 {
                    break;
                }
                self.begin_block(Some(place));
                let mut rest = &chunk[..count];
                while let Some(end) = memchr::memchr(b'\n', rest) {
                    self.take(&rest[..=end]);
                    rest = &rest[end + 1..];
                }
                self.take(rest);
            }
        }
        Ok(())
    }

    /// Begins a block here if the last one is full. In a packed file it must be at the beginning
    /// of a frame, which lies at `frame`; in a plain one of a line.
    fn begin_block(&mut self, frame: Option<u64>) {
        let torn = !self.begun.is_empty();
        if let Some(last) = self.blocks.last() {
            let held = self.plain - last.plain;
            let due = match frame {
                Some(frame) => frame > last.packed && held >= BLOCK / 2,
                None => !torn && held >= BLOCK,
            };
            if !due {
                return;
            }
        }
        let alone = !torn && self.open == [false; 2] && !self.grouper.holds();
        if torn && let Some(last) = self.blocks.last_mut() {
            last.levels = ANY_LEVEL;
        }
        self.blocks.push(Block {
            plain: self.plain,
            packed: frame.unwrap_or(self.plain),
            first: None,
            last: None,
            levels: if alone { 0 } else { ANY_LEVEL },
            lines: 0,
            torn,
        });
    }

    /// Takes a line or a part of one.
    fn take(&mut self, bytes: &[u8]) {
        self.plain += bytes.len() as u64;
        let Some(line) = bytes.strip_suffix(b"\n") else {
            let room = MAX_LINE - self.begun.len().min(MAX_LINE);
            self.begun.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return;
        };
        if self.begun.is_empty() {
            return self.line(line);
        }
        let mut whole = std::mem::take(&mut self.begun);
        let room = MAX_LINE - whole.len().min(MAX_LINE);
        whole.extend_from_slice(&line[..line.len().min(room)]);
        self.line(&whole);
    }

    fn line(&mut self, line: &[u8]) {
        let parsed = cri::parse(line);
        let levels = match &parsed {
            Some(line) => self.levels(line),
            None => self.levels_of(0, line),
        };
        let levels = if line.len() >= MAX_LINE { ANY_LEVEL } else { levels };
        let Some(block) = self.blocks.last_mut() else { return };
        block.lines += 1;
        block.levels |= levels;
        if let Some(line) = parsed {
            block.first.get_or_insert(line.stamp_nanos);
            block.last = block.last.max(Some(line.stamp_nanos));
        }
    }

    fn levels(&mut self, line: &cri::Line<'_>) -> u8 {
        let lane = line.stream as usize;
        if line.notice {
            return bit(level(line.text));
        }
        let alone = !line.partial && !self.open[lane];
        self.open[lane] = line.partial;
        let levels = self.levels_of(lane, line.text);
        if alone { levels } else { ANY_LEVEL }
    }

    fn levels_of(&mut self, lane: usize, text: &[u8]) -> u8 {
        let said = bit(level(text));
        if self.grouper.passes(lane, text) {
            return said;
        }
        self.grouper.push(Text { lane, text: text.to_vec() }, &mut |_| {});
        said | bit(Some(Level::Error))
    }

    fn finish(mut self) -> Index {
        let rest = std::mem::take(&mut self.begun);
        if !rest.is_empty() {
            self.line(&rest);
        }
        Index { plain_bytes: self.plain, blocks: self.blocks }
    }
}

/// A bit for each level, as in `LevelRange::mask`.
fn bit(level: Option<Level>) -> u8 {
    1 << level.map_or(7, |level| level as u8)
}
