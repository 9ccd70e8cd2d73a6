//! Lines of a file of any content, within bounds of memory.

use std::io::{self, BufRead, BufReader, Read};

use memchr::memchr;

/// A record is some hundred bytes long; what is longer than this is none.
const LONGEST: usize = 1 << 20;

/// How much is read at once.
const BLOCK: usize = 256 << 10;

/// One line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line.
    Whole(&'a [u8]),
    /// What follows the last line end: a line that is being written, or that was torn.
    Tail(&'a [u8]),
    /// A line that is too long to be one. It was passed over.
    Endless,
}

/// Reads lines into one buffer.
pub(crate) struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
    used: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(from: R) -> Lines<R> {
        Lines { from: BufReader::with_capacity(BLOCK, from), line: Vec::new(), used: 0 }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, or is not what its ending says.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.from.consume(std::mem::take(&mut self.used));
        self.line.clear();
        let mut endless = false;
        loop {
            let block = self.from.fill_buf()?;
            if block.is_empty() {
                return Ok(if endless {
                    Some(Line::Endless)
                } else if self.line.is_empty() {
                    None
                } else {
                    Some(Line::Tail(&self.line))
                });
            }
            match memchr(b'\n', block) {
                // Nearly all lines lie within the block and are lent as they are.
                Some(at) if self.line.is_empty() && !endless => {
                    self.used = at + 1;
                    return Ok(Some(Line::Whole(&self.from.buffer()[..at])));
                }
                Some(at) => {
                    if !endless {
                        self.line.extend_from_slice(&block[..at]);
                    }
                    self.from.consume(at + 1);
                    return Ok(Some(if endless { Line::Endless } else { Line::Whole(&self.line) }));
                }
                None => {
                    let length = block.len();
                    endless |= self.line.len() + length > LONGEST;
                    if endless {
                        self.line.clear();
                    } else {
                        self.line.extend_from_slice(block);
                    }
                    self.from.consume(length);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives a few bytes at a time, as a decompressor may.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = to.len().min(3).min(self.0.len());
            to[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(text in "[ab\n]{0,40}") {
            let mut lines = Lines::new(Drops(text.as_bytes()));
            let mut again = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                match line {
                    Line::Whole(line) => again.extend([line, b"\n"].concat()),
                    Line::Tail(line) => again.extend(line),
                    Line::Endless => unreachable!(),
                }
            }
            prop_assert_eq!(again, text.into_bytes());
        }
    }

    #[test]
    fn what_never_ends_is_passed_over_and_what_follows_is_read() {
        let text = [vec![b'x'; 3 * LONGEST].as_slice(), b"\nnext\n"].concat();
        let mut lines = Lines::new(text.as_slice());
        assert_eq!(lines.next().unwrap(), Some(Line::Endless));
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"next")));
        assert_eq!(lines.next().unwrap(), None);
    }
}
