//! The bytes of a file: as they are, unpacked, or as they come.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::read::MultiGzDecoder;

/// Bytes read at a time.
const BLOCK: usize = 128 << 10;

/// So many bytes tell a file from one that was written in its place.
const HEAD: usize = 64;

/// Where bytes come from.
pub(super) enum Bytes {
    /// A file, which may grow.
    File(Growing),
    /// A file that is unpacked on the way.
    Packed(Box<dyn Read>),
    /// Standard input or a FIFO.
    Stream {
        /// What is read.
        from: File,
        /// Reading waits for more.
        waits: bool,
    },
}

/// What an attempt to read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// Bytes.
    More,
    /// None, now.
    Nothing,
    /// None, ever.
    End,
    /// The file was cut short; it is read from its start.
    Truncated,
    /// Another file has its name, and is read from its start.
    Replaced,
}

impl Bytes {
    /// Opens a file by its looks; `-` is standard input.
    pub(super) fn open(path: &Path) -> io::Result<Bytes> {
        if path.as_os_str() == "-" {
            use std::os::fd::AsFd;
            let from = File::from(io::stdin().as_fd().try_clone_to_owned()?);
            return Ok(Bytes::Stream { from, waits: true });
        }
        let mut file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_fifo() || kind.is_char_device() || kind.is_socket() {
            return Ok(Bytes::Stream { from: file, waits: true });
        }
        let mut magic = [0; 4];
        let read = file.read_at(&mut magic, 0)?;
        Ok(match magic[..read] {
            [0x1f, 0x8b, ..] => Bytes::Packed(Box::new(MultiGzDecoder::new(file))),
            [0x28, 0xb5, 0x2f, 0xfd] => Bytes::Packed(Box::new(zstd::Decoder::new(file)?)),
            _ => {
                let head = read_head(&mut file)?;
                Bytes::File(Growing { inode: inode(&file)?, file, path: path.into(), head, at: 0 })
            }
        })
    }

    /// Appends what there is to read, a block at the most.
    pub(super) fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<Filled> {
        let from = buffer.len();
        let read = match self {
            Bytes::File(file) => return file.fill(buffer),
            Bytes::Stream { from, waits: false }
                if !fleet_os::readable_until(&*from, Instant::now())? =>
            {
                return Ok(Filled::Nothing);
            }
            Bytes::Stream { from: input, .. } => {
                buffer.resize(from + BLOCK, 0);
                read(&mut buffer[from..], |to| input.read(to))
            }
            Bytes::Packed(input) => {
                buffer.resize(from + BLOCK, 0);
                read(&mut buffer[from..], |to| input.read(to))
            }
        };
        buffer.truncate(from + *read.as_ref().unwrap_or(&0));
        Ok(if read? == 0 { Filled::End } else { Filled::More })
    }
}

fn read(to: &mut [u8], mut from: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match from(to) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn inode(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

fn read_head(file: &mut File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD];
    let read = read(&mut head, |to| file.read_at(to, 0))?;
    head.truncate(read);
    Ok(head)
}

/// A file that is read as far as it is written, and found again under its name when that is given
/// to another.
pub(super) struct Growing {
    file: File,
    path: PathBuf,
    inode: (u64, u64),
    /// Its first bytes.
    head: Vec<u8>,
    /// Where the next read begins.
    pub(super) at: u64,
}

impl Growing {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Device and number of the file that is open.
    pub(super) fn inode(&self) -> (u64, u64) {
        self.inode
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<Filled> {
        let from = buffer.len();
        buffer.resize(from + BLOCK, 0);
        let got = read(&mut buffer[from..], |to| self.file.read_at(to, self.at));
        buffer.truncate(from + *got.as_ref().unwrap_or(&0));
        self.at += got? as u64;
        Ok(if buffer.len() > from { Filled::More } else { Filled::Nothing })
    }

    /// Looks whether, behind the end that was met, the file goes on elsewhere.
    pub(super) fn look(&mut self, buffer: &mut Vec<u8>) -> io::Result<Filled> {
        if self.is_rewritten()? {
            self.at = 0;
            self.head = read_head(&mut self.file)?;
            return Ok(Filled::Truncated);
        }
        // Whoever wrote the old file goes on with it until it has opened the new one: only when
        // that has something in it nothing more is awaited of the old.
        let named = fs::metadata(&self.path);
        let other = named.is_ok_and(|m| (m.dev(), m.ino()) != self.inode && m.len() > 0);
        if !other {
            return Ok(Filled::Nothing);
        }
        if self.fill(buffer)? == Filled::More {
            return Ok(Filled::More);
        }
        let mut file = File::open(&self.path)?;
        (self.inode, self.head, self.at) = (inode(&file)?, read_head(&mut file)?, 0);
        self.file = file;
        Ok(Filled::Replaced)
    }

    /// Whether it is shorter than what was read of it, or begins with something else.
    fn is_rewritten(&mut self) -> io::Result<bool> {
        let head = read_head(&mut self.file)?;
        if self.file.metadata()?.len() < self.at || !head.starts_with(&self.head) {
            return Ok(true);
        }
        self.head = head;
        Ok(false)
    }
}
