//! One row of a terminal.

use crate::frame::{Escape, escape};

/// A row, as far as it matters to a log: not where each letter stands, but which text was drawn last.
/// A drawing that begins at the first column takes the place of all that was there, even where it is
/// shorter: programs that draw into a pipe often do not erase the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// What is being drawn.
    text: Vec<u8>,
    /// What was drawn before it.
    under: Vec<u8>,
    /// The cursor is at the first column: what comes takes the place of the text.
    home: bool,
    /// What was under the text was erased.
    erased: bool,
    /// The cursor stands so many characters before the end.
    back: usize,
    /// Something was drawn over something else.
    pub(crate) drawn: bool,
}

impl Row {
    /// The cursor comes from another row.
    pub(crate) fn enter(&mut self) {
        (self.home, self.back) = (true, 0);
    }

    /// A carriage return.
    pub(crate) fn go_home(&mut self) {
        self.drawn = true;
        self.enter();
    }

    /// A backspace.
    pub(crate) fn go_back(&mut self) {
        self.drawn = true;
        self.back += 1;
    }

    /// Text without control characters, or the escape sequence of a colour.
    pub(crate) fn put(&mut self, text: &[u8]) {
        self.begin();
        self.take_back();
        self.text.extend_from_slice(text);
    }

    /// Erases what is right of the cursor, or all: who erases what is left of it draws anew, too.
    pub(crate) fn erase(&mut self) {
        if self.home {
            self.begin();
            self.erased = true;
        }
        self.take_back();
    }

    /// How much it holds.
    pub(crate) fn len(&self) -> usize {
        self.text.len() + self.under.len()
    }

    /// What is seen of it.
    pub(crate) fn shown(&self) -> &[u8] {
        let text: &[u8] = if has_ink(&self.text) || !self.drawn {
            &self.text
        } else if self.erased || self.text.contains(&b' ') {
            &[]
        } else {
            &self.under
        };
        if self.drawn { text.trim_ascii_end() } else { text }
    }

    /// What was seen of it before it was erased.
    pub(crate) fn erased(&self) -> &[u8] {
        self.under.trim_ascii_end()
    }

    fn begin(&mut self) {
        if !std::mem::take(&mut self.home) {
            return;
        }
        if has_ink(&self.text) {
            std::mem::swap(&mut self.under, &mut self.text);
            self.erased = false;
        } else {
            self.erased |= self.text.contains(&b' ');
        }
        self.text.clear();
    }

    fn take_back(&mut self) {
        for _ in 0..std::mem::take(&mut self.back) {
            drop_colours(&mut self.text);
            while self.text.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
        }
    }
}

/// Takes the sequences of colours from the end.
fn drop_colours(text: &mut Vec<u8>) {
    while text.last() == Some(&b'm')
        && let Some(at) = memchr::memrchr(0x1b, text)
        && escape(&text[at + 1..]) == (text.len() - at - 1, Escape::Look)
    {
        text.truncate(at);
    }
}

/// Whether anything of it is seen: not blanks and colours alone.
pub(crate) fn has_ink(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            0x1b => &behind[escape(behind).0..],
            0..=b' ' | 0x7f => behind,
            _ => return true,
        };
    }
    false
}
