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

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::backward::tail;
    use crate::files::{Packing, list};
    use crate::index::Index;
    use crate::reader::Reader;
    use crate::testing::{Log, texts};

    /// A file of so many lines, set aside, and its texts.
    fn aside(log: &Log, from: i64, lines: i64) -> Vec<String> {
        for second in from..from + lines {
            log.write(second, "stdout F", &format!("n{second} {}", "x".repeat(500)));
        }
        log.rotate(from);
        (from..from + lines).map(|n| format!("n{n} {}", "x".repeat(500))).collect()
    }

    #[test]
    fn a_file_that_is_compressed_while_it_is_read_is_read_once() {
        for (packing, named) in [(Packing::Zstd, true), (Packing::Gzip, false)] {
            let log = Log::new();
            let mut expected = if named { aside(&log, 0, 200) } else { Vec::new() };
            let mut reader = Reader::new(log.dir());
            if named {
                reader.next_line().unwrap().unwrap();
                expected.remove(0);
            } else {
                log.write(0, "stdout F", "first");
                assert_eq!(texts(&mut reader), ["first"]);
                expected.extend(aside(&log, 0, 1)[..].to_vec());
            }
            let place = reader.position().unwrap();
            log.pack(0, packing, 4096);
            expected.extend(aside(&log, 300, 2));
            log.pack(300, packing, 100);
            log.write(400, "stdout F", "last");
            expected.push("last".to_owned());
            let mut again = Reader::at(log.dir(), place).unwrap();
            assert_eq!(texts(&mut reader), expected);
            assert_eq!(texts(&mut again), expected);
            assert!(!reader.lost_files() && !again.lost_files());
            assert_eq!(reader.position(), again.position());
        }
    }

    #[test]
    fn a_file_that_was_named_otherwise_than_its_first_line_is_known_again() {
        let log = Log::new();
        aside(&log, 100, 2);
        // The clock was set back: the writer names it a moment after the one before.
        log.write(50, "stdout F", "set back");
        let mut reader = Reader::new(log.dir());
        assert_eq!(texts(&mut reader).len(), 3);
        let name = log.dir().join("1970-01-01T00:01:40.000000001Z.log");
        fs::rename(log.dir().join("current"), &name).unwrap();
        let packed = crate::testing::pack(&fs::read(&name).unwrap(), Packing::Zstd, 100);
        fs::write(name.with_extension("log.zst"), packed).unwrap();
        fs::remove_file(&name).unwrap();
        log.write(60, "stdout F", "next");
        let mut again = Reader::at(log.dir(), reader.position().unwrap()).unwrap();
        assert_eq!(texts(&mut reader), ["next"]);
        assert_eq!(texts(&mut again), ["next"]);
        assert!(!reader.lost_files() && !again.lost_files());
    }

    #[test]
    fn of_a_file_that_was_cut_short_all_that_can_be_is_read_and_it_is_said() {
        for packing in [Packing::Zstd, Packing::Gzip] {
            let log = Log::new();
            let lines = aside(&log, 0, 100);
            log.pack(0, packing, 10_000);
            let path = list(log.dir()).unwrap().remove(0).path;
            let whole = fs::read(&path).unwrap();
            for cut in [whole.len() - 1, whole.len() / 2, 3] {
                fs::write(&path, &whole[..cut]).unwrap();
                log.write(200, "stdout F", "behind");
                let mut reader = Reader::new(log.dir());
                let mut got = texts(&mut reader);
                assert_eq!(reader.damaged().len(), 1, "{packing:?} {cut}");
                assert_eq!(got.pop().as_deref(), Some("behind"));
                // The last may be torn.
                let torn = got.pop().unwrap_or_default();
                assert!(lines.iter().any(|line| line.starts_with(&torn)));
                assert_eq!(got, lines[..got.len()]);
                assert!(got.len() + 20 >= lines.len() * cut / whole.len());
                let start = tail(log.dir(), 1000, None, None, |_| true).unwrap();
                let mut back = Reader::at(log.dir(), start.place.unwrap()).unwrap();
                assert_eq!(texts(&mut back), texts(&mut Reader::new(log.dir())));
                fs::remove_file(log.dir().join("current")).unwrap();
            }
        }
    }

    #[test]
    fn an_index_that_does_not_fit_is_made_anew() {
        let log = Log::new();
        aside(&log, 0, 5000);
        let plain = Index::ensure(&list(log.dir()).unwrap()[0]).unwrap().unwrap();
        assert_eq!(plain.blocks.len(), 3);
        log.pack(0, Packing::Zstd, 1 << 20);
        let listed = list(log.dir()).unwrap().remove(0);
        let index = Index::ensure(&listed).unwrap().unwrap();
        let lines = |index: &Index| -> Vec<(u64, u64)> {
            index.blocks.iter().map(|b| (b.plain, b.lines)).collect()
        };
        assert_eq!(index.plain_bytes, plain.plain_bytes);
        assert_eq!(lines(&index).iter().map(|b| b.1).sum::<u64>(), 5000);
        assert!(index.blocks.iter().all(|b| !b.torn && b.levels != u8::MAX));
        let good = fs::read(log.index(0)).unwrap();
        for at in (0..good.len()).step_by(5) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            for bad in [&bad[..], &good[..at]] {
                fs::write(log.index(0), bad).unwrap();
                assert_eq!(Index::ensure(&listed).unwrap().unwrap(), index, "byte {at}");
                assert_eq!(fs::read(log.index(0)).unwrap(), good);
            }
        }
    }
}
