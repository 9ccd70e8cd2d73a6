//! The file that a reader is in, and the one behind it.

use std::io;

use crate::content::{Bytes, Content, beginning};
use crate::files::{Listed, Position};

#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) content: Content,
    /// Where it begins: what it is known by.
    pub(crate) file: Position,
    /// As it was listed when it was opened: with the name that it keeps, or as the one being
    /// written.
    pub(crate) listed: Listed,
    /// Where the next read begins.
    pub(crate) offset: u64,
    pub(crate) head: Vec<u8>,
}

impl Open {
    pub(crate) fn new(mut content: Content, listed: &Listed, offset: u64) -> io::Result<Open> {
        let file = content.beginning(listed)?;
        let head = content.head()?;
        Ok(Open { content, file, listed: listed.clone(), offset, head })
    }

    /// Whether it has the name that it keeps.
    pub(crate) fn is_named(&self) -> bool {
        self.listed.first.is_some()
    }

    /// What became of the file when `count` bytes had been read of it. Its first line has a stamp of
    /// its own, so that its first bytes tell a file that was cut and filled anew even where it is
    /// longer than before. A file that was set aside is left alone by all.
    pub(crate) fn fate(&mut self, count: usize) -> io::Result<Fate> {
        if self.is_named() {
            return Ok(Fate::Grows);
        }
        let len = if count == 0 { self.content.len()? } else { u64::MAX };
        let short = len < self.offset;
        let head = self.content.head()?;
        let other = !head.starts_with(&self.head);
        if short || other || head.len() > self.head.len() {
            self.file = beginning(&head, self.file.inode, &self.listed);
        }
        self.head = head;
        Ok(match () {
            () if other => Fate::Replaced,
            // Without a head it cannot be told from another.
            () if short && self.file.head.is_none() => Fate::Replaced,
            () if short => Fate::CutBack(len),
            () => Fate::Grows,
        })
    }
}

/// What became of a file that is being read.
pub(crate) enum Fate {
    /// It is as it was, and may be longer.
    Grows,
    /// What was written last was taken back, as from a full disk; what is left, up to this length,
    /// was read.
    CutBack(u64),
    /// It was cut and filled anew.
    Replaced,
}

/// What stands behind a file.
pub(crate) enum After {
    Nothing,
    /// It was renamed or removed meanwhile.
    Gone,
    /// It is opened, and its number in the list; the file itself was found, too.
    Next {
        found: Option<usize>,
        at: usize,
        open: Box<Open>,
    },
}

/// Opens the file behind the one that begins at this place. That may have been removed already;
/// names tell what is younger, and the file being written always is.
pub(crate) fn open_after(files: &[Listed], ours: &Position) -> io::Result<After> {
    let mut found = files.iter().position(|f| f.first.is_some() && f.first == ours.first);
    let younger = |f: &Listed| f.first.is_none() || f.first > ours.first;
    let behind = |at: usize| at + 1;
    let from = found.map(behind).or_else(|| files.iter().position(younger));
    let from = from.unwrap_or(files.len());
    for (at, listed) in files.iter().enumerate().skip(from) {
        let Some(content) = Content::open(listed)? else { return Ok(After::Gone) };
        let open = Open::new(content, listed, 0)?;
        if !open.file.same_file(ours) {
            return Ok(After::Next { found, at, open: Box::new(open) });
        }
        found = Some(at);
    }
    Ok(After::Nothing)
}
