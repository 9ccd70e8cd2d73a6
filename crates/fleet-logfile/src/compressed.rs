//! Reading a packed file as if it were plain.
//!
//! Such a file is a row of frames, each of which can be read without those before it. One goes
//! on from where the last read ended, or begins anew at the frame in which the wanted place is;
//! which that is, the side index tells.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use flate2::bufread::GzDecoder;

use crate::files::{self, Packing};

/// So many bytes are unpacked at a time.
const CHUNK: usize = 128 << 10;

/// Bytes of the packed file that are read at a time.
const INPUT: usize = 64 << 10;

/// So much of what was unpacked is held while one goes backwards.
const HOLD: usize = 1 << 20;

/// A packed file, read at any place of its plain bytes.
#[derive(Debug)]
pub(crate) struct Packed {
    file: Arc<File>,
    packing: Packing,
    frames: Option<Frames>,
    /// What was unpacked last; it ends where the next frame or part of one goes on.
    held: Vec<u8>,
    /// Where in the plain bytes what is held begins.
    start: u64,
    /// The place was moved backwards, so that what is before it will be wanted, too.
    backwards: bool,
    damage: Option<String>,
}

impl Packed {
    pub(crate) fn new(file: Arc<File>, packing: Packing) -> Packed {
        Packed {
            file,
            packing,
            frames: None,
            held: Vec::new(),
            start: 0,
            backwards: false,
            damage: None,
        }
    }

    /// Why not all of it could be read.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// Whether this place is reached by going on from where it is.
    pub(crate) fn is_near(&self, offset: u64) -> bool {
        let end = self.start + self.held.len() as u64;
        self.frames.is_some() && self.start <= offset && offset <= end + HOLD as u64
    }

    /// Begins anew at a frame: where it lies in the file, and in the plain bytes.
    pub(crate) fn restart(&mut self, packed: u64, plain: u64) {
        self.backwards = self.frames.is_some() && plain < self.start;
        self.frames = Some(Frames::new(Arc::clone(&self.file), self.packing, packed));
        self.held.clear();
        self.start = plain;
    }

    /// Reads on until the buffer is full or the file ends; the place must be at or behind where
    /// it began.
    pub(crate) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let count = self.copy(&mut buffer[filled..], offset + filled as u64);
            if count == 0 && !self.unpack()? {
                break;
            }
            filled += count;
        }
        Ok(filled)
    }

    /// Copies of what is held.
    fn copy(&self, buffer: &mut [u8], offset: u64) -> usize {
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let ready = self.held.get(from..).unwrap_or_default();
        let count = ready.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ready[..count]);
        count
    }

    /// Unpacks the next chunk; `false` at the end.
    fn unpack(&mut self) -> io::Result<bool> {
        let Some(frames) = &mut self.frames else { return Ok(false) };
        let keep = if self.backwards { HOLD } else { 0 };
        if self.held.len() >= 2 * keep {
            let over = self.held.len() - keep;
            self.held.drain(..over);
            self.start += over as u64;
        }
        let old = self.held.len();
        self.held.resize(old + CHUNK, 0);
        let read = frames.read(&mut self.held[old..]);
        self.held.truncate(old + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(count) => Ok(count > 0),
            Err(e) if is_damage(&e) => {
                self.damage.get_or_insert_with(|| e.to_string());
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }
}

/// Whether the bytes are at fault, not the reading of them.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// The frames of a packed file, one after the other.
pub(crate) struct Frames {
    state: State,
    packing: Packing,
}

enum State {
    /// Before a frame, or at the end.
    Between(Input),
    Zstd(zstd::stream::read::Decoder<'static, Input>),
    Gzip(GzDecoder<Input>),
    /// It was damaged.
    Over,
}

type Input = BufReader<At>;

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frames").field("packing", &self.packing).finish_non_exhaustive()
    }
}

impl Frames {
    /// From the frame that begins at this offset of the packed file on.
    pub(crate) fn new(file: Arc<File>, packing: Packing, offset: u64) -> Frames {
        let input = BufReader::with_capacity(INPUT, At { file, offset });
        Frames { state: State::Between(input), packing }
    }

    /// Between two frames: where the next one begins in the packed file.
    pub(crate) fn place(&self) -> Option<u64> {
        match &self.state {
            State::Between(input) => Some(input.get_ref().offset - input.buffer().len() as u64),
            _ => None,
        }
    }

    /// Reads some of the frame that is open, nothing at its end.
    pub(crate) fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.state {
            State::Zstd(frame) => frame.read(buffer),
            State::Gzip(frame) => frame.read(buffer),
            State::Between(_) | State::Over => return Ok(0),
        };
        if !matches!(read, Ok(count) if count > 0) {
            self.state = match std::mem::replace(&mut self.state, State::Over) {
                _ if read.is_err() => State::Over,
                State::Zstd(frame) => State::Between(frame.finish()),
                State::Gzip(frame) => State::Between(frame.into_inner()),
                other => other,
            };
        }
        read
    }

    /// Begins the next frame; `false` at the end of the file.
    pub(crate) fn open_frame(&mut self) -> io::Result<bool> {
        let State::Between(input) = &mut self.state else { return Ok(false) };
        if input.fill_buf()?.is_empty() {
            return Ok(false);
        }
        if let State::Between(input) = std::mem::replace(&mut self.state, State::Over) {
            self.state = match self.packing {
                Packing::Zstd => {
                    State::Zstd(zstd::stream::read::Decoder::with_buffer(input)?.single_frame())
                }
                _ => State::Gzip(GzDecoder::new(input)),
            };
        }
        Ok(true)
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.read_frame(buffer)?;
            if count > 0 || !self.open_frame()? {
                return Ok(count);
            }
        }
    }
}

/// A file that is read from a place on, whoever else reads it.
struct At {
    file: Arc<File>,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = files::read_at(&self.file, buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
