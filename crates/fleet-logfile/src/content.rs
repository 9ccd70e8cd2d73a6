//! The plain bytes of a log file, whatever it is packed in.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compressed::Packed;
use crate::cri;
use crate::files::{self, HEAD, Listed, Packing, Position};
use crate::index::Index;

/// What can be read at any place.
pub(crate) trait Bytes: Sized {
    /// Opens a listed file; `None` when it is gone, its name means another by now, or it is
    /// packed and only plain ones are read.
    fn open(listed: &Listed) -> io::Result<Option<Self>>;

    /// Its inode.
    fn inode(&self) -> u64;

    /// How many plain bytes there are now.
    fn len(&mut self) -> io::Result<u64>;

    /// Reads at an offset until the buffer is full or the file ends, and says how much it got.
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The first bytes of it, of its first line alone.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; HEAD];
        let count = self.read_at(&mut head, 0)?;
        head.truncate(memchr::memchr(b'\n', &head[..count]).map_or(count, |at| at + 1));
        Ok(head)
    }

    /// The place where it begins.
    fn beginning(&mut self, listed: &Listed) -> io::Result<Position> {
        let head = self.head()?;
        Ok(beginning(&head, self.inode(), listed))
    }
}

/// The place where a file with this head begins.
///
/// The file being written will be named for its first line, but never earlier than the file before
/// it. A head without a whole line, or without a stamp, does not tell a file from others.
pub(crate) fn beginning(head: &[u8], inode: u64, listed: &Listed) -> Position {
    let stamp = memchr::memchr(b' ', head).and_then(|end| cri::parse_stamp(&head[..end]));
    let after = listed.current.and_then(|(_, before)| before).map(|before| before + 1);
    let complete = head.len() == HEAD || head.last() == Some(&b'\n');
    Position {
        inode,
        first: listed.first.or(stamp.max(after)),
        head: (complete && stamp.is_some()).then(|| files::hash(head)),
        offset: 0,
    }
}

/// Finds and opens the file of a place.
pub(crate) fn find<B: Bytes>(files: &[Listed], place: &Position) -> io::Result<Option<(usize, B)>> {
    let named = |f: &Listed| f.first.is_some() && f.first == place.first;
    let by_name = files.iter().position(named);
    let current = files.len().checked_sub(1).filter(|&at| files[at].first.is_none());
    // A file whose first line has no stamp is named for the time when it was set aside.
    let later = |f: &Listed| f.first.is_some() && f.first > place.first;
    let by_head = files.iter().enumerate().filter(|(_, f)| later(f)).map(|(at, _)| at);
    for at in by_name.into_iter().chain(current).chain(by_head) {
        let Some(mut bytes) = B::open(&files[at])? else { continue };
        let found = bytes.beginning(&files[at])?;
        let same = match place.head {
            None if by_name == Some(at) => true,
            _ => found.same_file(place),
        };
        if same {
            return Ok(Some((at, bytes)));
        }
    }
    Ok(None)
}

/// A plain file. Who reads only such needs no decompression.
#[derive(Debug)]
pub(crate) struct PlainFile {
    file: Arc<File>,
    inode: u64,
}

impl PlainFile {
    fn new(file: File) -> io::Result<PlainFile> {
        let inode = file.metadata()?.ino();
        Ok(PlainFile { file: Arc::new(file), inode })
    }
}

impl Bytes for PlainFile {
    fn open(listed: &Listed) -> io::Result<Option<PlainFile>> {
        if listed.packing != Packing::Plain {
            return Ok(None);
        }
        listed.open_plain()?.map(PlainFile::new).transpose()
    }

    fn inode(&self) -> u64 {
        self.inode
    }

    fn len(&mut self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        files::read_at(&self.file, buffer, offset)
    }
}

/// An open log file, plain or packed. It stays readable when its name is removed.
#[derive(Debug)]
pub struct Content {
    plain: PlainFile,
    packed: Option<Box<Packed>>,
    index: Option<Index>,
    index_path: Option<PathBuf>,
    /// Where the next sequential read begins.
    offset: u64,
}

impl Content {
    /// Opens a listed file, even where it was compressed since; `None` when it is gone.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(listed: &Listed) -> io::Result<Option<Content>> {
        for form in listed.forms() {
            if let Some(file) = form.open_plain()? {
                let content = Content::new(file, form.packing, form.index_path())?;
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// Opens a file of any name; its first bytes tell how it is packed.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn open_path(path: &Path) -> io::Result<Content> {
        let file = File::open(path)?;
        let mut head = [0; 4];
        let count = files::read_at(&file, &mut head, 0)?;
        Content::new(file, Packing::of(&head[..count]), None)
    }

    fn new(file: File, packing: Packing, index_path: Option<PathBuf>) -> io::Result<Content> {
        let plain = PlainFile::new(file)?;
        let packed = (packing != Packing::Plain)
            .then(|| Box::new(Packed::new(Arc::clone(&plain.file), packing)));
        Ok(Content { plain, packed, index: None, index_path, offset: 0 })
    }

    /// Whether it is compressed.
    pub fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Why a compressed file could not be read to its end: it is damaged or cut short. Known only
    /// when one has come to that place.
    pub fn damage(&self) -> Option<&str> {
        self.packed.as_ref()?.damage()
    }

    /// From which plain offset [`Read`] goes on.
    pub fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// How many plain bytes there are; of a compressed file its index tells.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn plain_len(&mut self) -> io::Result<u64> {
        self.len()
    }

    /// Reads plain bytes at an offset until the buffer is full or the file ends, and says how
    /// many it got.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_plain_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    /// Its side index, made if it is not there or does not fit; `None` for the file being
    /// written.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn index(&mut self) -> io::Result<Option<&Index>> {
        if self.index.is_none() && (self.index_path.is_some() || self.packed.is_some()) {
            let packing = self.packed.as_ref().map_or(Packing::Plain, |p| p.packing());
            let index = Index::of(&self.plain.file, packing, self.index_path.as_deref())?;
            self.index = Some(index);
        }
        Ok(self.index.as_ref())
    }

    /// Where to begin unpacking to come to a place.
    fn frame_before(&mut self, offset: u64) -> io::Result<(u64, u64)> {
        if offset == 0 {
            return Ok((0, 0));
        }
        let block = self.index()?.and_then(|index| index.block_at(offset));
        Ok(block.map_or((0, 0), |block| (block.packed, block.plain)))
    }
}

impl Bytes for Content {
    fn open(listed: &Listed) -> io::Result<Option<Content>> {
        Content::open(listed)
    }

    fn inode(&self) -> u64 {
        self.plain.inode
    }

    fn len(&mut self) -> io::Result<u64> {
        match self.is_packed() {
            true => Ok(self.index()?.map_or(0, |index| index.plain_bytes)),
            false => self.plain.len(),
        }
    }

    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(packed) = &self.packed else { return self.plain.read_at(buffer, offset) };
        if !packed.is_near(offset) {
            let (packed_offset, plain) = self.frame_before(offset)?;
            if let Some(packed) = &mut self.packed {
                packed.restart(packed_offset, plain);
            }
        }
        self.packed.as_mut().map_or(Ok(0), |packed| packed.read_at(buffer, offset))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
