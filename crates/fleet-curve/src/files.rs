//! Files of text that others write: read in lines, across rotation and truncation.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use memchr::memchr2_iter;

/// Bytes read at a time.
pub(crate) const BLOCK: usize = 256 << 10;

/// What is longer is no line of a log: its rest is passed over.
const MAX_LINE: usize = 1 << 20;

/// Cuts bytes into lines; a carriage return ends one as well, because a bar is one drawing each.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    rest: Vec<u8>,
    /// The line is too long, and was handed out as far as it is held.
    passing: bool,
}

impl Cutter {
    /// Hands out the lines that these bytes complete.
    pub(crate) fn cut(&mut self, bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
        let mut from = 0;
        for end in memchr2_iter(b'\n', b'\r', bytes) {
            let line = &bytes[from..end];
            from = end + 1;
            if std::mem::take(&mut self.passing) {
                continue;
            }
            if self.rest.is_empty() {
                take(line);
            } else {
                self.rest.extend_from_slice(line);
                take(&self.rest);
                self.rest.clear();
            }
        }
        if self.passing {
            return;
        }
        self.rest.extend_from_slice(&bytes[from..]);
        if self.rest.len() > MAX_LINE {
            self.unfinished(take);
            self.passing = true;
        }
    }

    /// Hands out a last line that nothing ended.
    pub(crate) fn unfinished(&mut self, take: &mut dyn FnMut(&[u8])) {
        if !self.rest.is_empty() {
            take(&self.rest);
            self.rest = Vec::new();
        }
    }
}

/// Hands out all lines of a stream.
///
/// # Errors
/// It cannot be read.
pub(crate) fn cut_all(from: &mut dyn Read, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut cutter = Cutter::default();
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => break,
            Ok(count) => cutter.cut(&block[..count], take),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    cutter.unfinished(take);
    Ok(())
}

/// A file that is read as far as it goes and then asked again.
#[derive(Debug)]
pub(crate) struct Growing {
    path: PathBuf,
    open: Option<Open>,
    /// How often it was found cut short, and read anew.
    pub(crate) cuts: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    inode: u64,
    offset: u64,
}

impl Growing {
    pub(crate) fn new(path: &Path) -> Growing {
        Growing { path: path.to_owned(), open: None, cuts: 0 }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the open file.
    pub(crate) fn metadata(&self) -> Option<Metadata> {
        self.open.as_ref()?.file.metadata().ok()
    }

    /// Opens the file if it is there and not open, so that it is ours whatever it is named later.
    pub(crate) fn attend(&mut self) -> io::Result<bool> {
        if self.open.is_none() {
            match File::open(&self.path) {
                Ok(file) => {
                    let inode = file.metadata()?.ino();
                    self.open = Some(Open { file, inode, offset: 0 });
                }
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// The inode of the open file.
    pub(crate) fn inode(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.inode)
    }

    /// Reads on into the block; 0 at the end of what is written. `fresh` says that what is read is the
    /// beginning of a file: of another one, or of this one after it was cut short.
    pub(crate) fn read(&mut self, block: &mut [u8]) -> io::Result<(usize, bool)> {
        if !self.attend()? {
            return Ok((0, false));
        }
        let count = self.read_on(block)?;
        if count > 0 {
            return Ok((count, self.is_first(count)));
        }
        if self.is_named()? {
            return self.again_if_cut(block);
        }
        // Renamed since: what came before that is its end.
        let count = self.read_on(block)?;
        if count > 0 {
            return Ok((count, false));
        }
        if !self.path.exists() {
            return Ok((0, false));
        }
        self.open = None;
        self.attend()?;
        Ok((self.read_on(block)?, true))
    }

    fn is_first(&self, count: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.offset == count as u64)
    }

    fn read_on(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let Some(open) = &mut self.open else { return Ok(0) };
        let count = loop {
            match open.file.read_at(block, open.offset) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                count => break count?,
            }
        };
        open.offset += count as u64;
        Ok(count)
    }

    /// Whether our file still has the name.
    fn is_named(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Ok(meta) => Ok(Some(meta.ino()) == self.inode()),
            // It may come back.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn again_if_cut(&mut self, block: &mut [u8]) -> io::Result<(usize, bool)> {
        let Some(open) = &mut self.open else { return Ok((0, false)) };
        if open.file.metadata()?.len() >= open.offset {
            return Ok((0, false));
        }
        open.offset = 0;
        self.cuts += 1;
        Ok((self.read_on(block)?, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn lines(file: &mut Growing, cutter: &mut Cutter) -> Vec<String> {
        let mut lines = Vec::new();
        let mut block = [0; 5];
        loop {
            let (count, fresh) = file.read(&mut block).unwrap();
            let mut take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
            if fresh {
                cutter.unfinished(&mut take);
            }
            if count == 0 {
                return lines;
            }
            cutter.cut(&block[..count], &mut take);
        }
    }

    #[test]
    fn each_line_comes_once_across_rotation_and_truncation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let append = |name: &str, text: &str| {
            let mut options = fs::OpenOptions::new();
            let mut file = options.append(true).create(true).open(dir.path().join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let (mut file, mut cutter) = (Growing::new(&path), Cutter::default());
        assert!(lines(&mut file, &mut cutter).is_empty());
        append("log", "one\ntw");
        assert_eq!(lines(&mut file, &mut cutter), ["one"]);
        append("log", "o\n");
        fs::rename(&path, dir.path().join("old")).unwrap();
        append("old", "late\n");
        assert_eq!(lines(&mut file, &mut cutter), ["two", "late"]);
        append("log", "three\n");
        assert_eq!(lines(&mut file, &mut cutter), ["three"]);
        fs::write(&path, "x\n").unwrap();
        assert_eq!(lines(&mut file, &mut cutter), ["x"]);
        assert_eq!(file.cuts, 1);
    }

    proptest! {
        #[test]
        fn any_blocks_give_the_same_lines(text in "[a\n\r]{0,40}", size in 1usize..9) {
            let (mut cutter, mut lines) = (Cutter::default(), Vec::new());
            for block in text.as_bytes().chunks(size) {
                cutter.cut(block, &mut |line| lines.push(line.to_vec()));
            }
            cutter.unfinished(&mut |line| lines.push(line.to_vec()));
            let mut wanted: Vec<&[u8]> =
                text.as_bytes().split(|b| matches!(b, b'\n' | b'\r')).collect();
            if wanted.last().is_some_and(|last| last.is_empty()) {
                wanted.pop();
            }
            prop_assert_eq!(lines, wanted);
        }
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let (mut cutter, mut count) = (Cutter::default(), 0);
        for _ in 0..100 {
            cutter.cut(&vec![b'x'; BLOCK], &mut |_| count += 1);
            assert!(cutter.rest.len() <= MAX_LINE);
        }
        cutter.cut(b"\nnext\n", &mut |line| {
            assert_eq!(line, b"next");
            count += 1;
        });
        assert_eq!(count, 2);
    }
}
