//! The lower end of a terminal, out of which lines come.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use memchr::memchr3;

use crate::bar::{Bar, parse, parse_drawn};
use crate::frame::{Escape, escape, plain};
use crate::row::{Row, has_ink};

/// So many rows are remembered: as many as a terminal has.
const MAX_ROWS: usize = 48;

/// A row that holds more is given, ended or not.
const MAX_ROW: usize = 1 << 20;

/// A row that was not touched for so long is not drawn any more, unless it is a bar on its way.
const QUIET_NANOS: i64 = 2_000_000_000;

/// A line that comes out.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown<T> {
    /// The mark of what was written to it last.
    pub mark: T,
    /// Its text, with its colours.
    pub text: Vec<u8>,
    /// It was ended by a newline.
    pub ended: bool,
}

/// Whether a line draws: moves the cursor within the line or to others.
pub fn draws(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr3(b'\r', 0x08, 0x1b, rest) {
        let behind = &rest[at + 1..];
        if rest[at] != 0x1b {
            return true;
        }
        let (length, what) = escape(behind);
        if matches!(what, Escape::Up(_) | Escape::UpHome(_) | Escape::Home) {
            return true;
        }
        rest = &behind[length..];
    }
    false
}

/// What a bar has of which each state is a line of its own, and few other lines have: of tqdm (with
/// a total that is known, is not, and without one), wget, pip, Keras and cargo.
const SIGNS: [&str; 9] =
    ["%|", "/? [", "/s]", "%[", ".......... ", "━━", "/step", " - ETA: ", "=> "];

static SIGN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(SIGNS).ok());

/// Whether a line that does not draw may be a bar all the same.
pub(crate) fn may_be_bar(text: &[u8]) -> bool {
    SIGN.as_ref().is_some_and(|sign| sign.is_match(text))
}

/// The lines that a terminal would show in the end of what a program wrote up to one newline.
pub fn screen(text: &[u8]) -> Vec<Cow<'_, [u8]>> {
    if !draws(text) {
        return vec![Cow::Borrowed(text)];
    }
    let (mut folder, mut lines) = (Folder::default(), Vec::new());
    folder.write((), 0, text, true, &mut lines);
    folder.finish(&mut lines);
    lines.into_iter().map(|line| Cow::Owned(line.text)).collect()
}

/// Folds what one program writes to one stream: see the theory of operation.
///
/// A line of text comes out when it ends. A bar comes out when it is full and ends its line. One
/// that is not full, or is drawn among others, waits: until text is written below it, until it was
/// not drawn for two seconds after it became full, or until [`Folder::finish`].
#[derive(Clone, Debug)]
pub struct Folder<T> {
    rows: VecDeque<Line<T>>,
    /// The row of the cursor.
    at: usize,
    /// The row that was written to last.
    last: usize,
    /// The cursor was moved up.
    in_place: bool,
}

#[derive(Clone, Debug)]
struct Line<T> {
    row: Row,
    mark: Option<T>,
    stamp_nanos: i64,
    ended: bool,
    /// What was given of it.
    given: Option<Vec<u8>>,
    /// The bar that it showed when the cursor left it.
    bar: Option<Bar>,
}

impl<T> Default for Line<T> {
    fn default() -> Line<T> {
        let row = Row::default();
        Line { row, mark: None, stamp_nanos: 0, ended: false, given: None, bar: None }
    }
}

impl<T> Default for Folder<T> {
    fn default() -> Folder<T> {
        Folder { rows: VecDeque::from([Line::default()]), at: 0, last: 0, in_place: false }
    }
}

impl<T: Clone> Folder<T> {
    /// Whether this line, or part of one, needs a folder that holds nothing.
    pub fn needed(text: &[u8]) -> bool {
        draws(text) || may_be_bar(text)
    }

    /// Whether it holds nothing, so that a line that needs no folder can pass by.
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1 && self.rows.iter().all(|line| line.mark.is_none())
    }

    /// Takes a line without its newline, or a part of one that has not ended; what comes out
    /// is put into `out`.
    pub fn write(
        &mut self,
        mark: T,
        stamp_nanos: i64,
        text: &[u8],
        ended: bool,
        out: &mut Vec<Shown<T>>,
    ) {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | 0x08 | 0x1b));
            let (ink, behind) = rest.split_at(end.unwrap_or(rest.len()));
            if !ink.is_empty() {
                self.touch(&mark, stamp_nanos).put(ink);
            }
            rest = self.control(&mark, stamp_nanos, behind, out);
        }
        if ended {
            self.rows[self.at].mark.get_or_insert(mark);
            self.end_row(stamp_nanos, out);
        } else if self.rows[self.at].row.len() > MAX_ROW {
            self.give(self.at, out);
            self.rows[self.at] = Line::default();
        }
    }

    /// The line that was begun goes on no more.
    pub fn cut(&mut self, out: &mut Vec<Shown<T>>) {
        let line = &self.rows[self.at];
        if line.mark.is_some() {
            self.end_row(line.stamp_nanos, out);
        }
    }

    /// What was drawn last and did not come out yet.
    pub fn live(&self) -> Option<(&T, &[u8])> {
        let line = self.rows.get(self.last)?;
        let shown = line.row.shown();
        let news = has_ink(shown) && line.given.as_deref() != Some(shown);
        Some((line.mark.as_ref().filter(|_| news)?, shown))
    }

    /// Gives all that it holds, and is empty.
    pub fn finish(&mut self, out: &mut Vec<Shown<T>>) {
        for at in 0..self.rows.len() {
            self.give(at, out);
        }
        *self = Folder::default();
    }

    /// Acts on the control character that the text begins with, and answers with what is behind
    /// it.
    fn control<'a>(
        &mut self,
        mark: &T,
        stamp: i64,
        text: &'a [u8],
        out: &mut Vec<Shown<T>>,
    ) -> &'a [u8] {
        let Some((&byte, behind)) = text.split_first() else { return text };
        let row = &mut self.rows[self.at].row;
        match byte {
            b'\r' => row.go_home(),
            0x08 => row.go_back(),
            0x1b => return self.sequence(mark, stamp, behind),
            _ => self.end_row(stamp, out),
        }
        behind
    }

    fn sequence<'a>(&mut self, mark: &T, stamp: i64, text: &'a [u8]) -> &'a [u8] {
        let (length, what) = escape(text);
        let (sequence, behind) = text.split_at(length);
        match what {
            Escape::Look => {
                let row = self.touch(mark, stamp);
                row.put(b"\x1b");
                row.put(sequence);
            }
            Escape::Erase => self.rows[self.at].row.erase(),
            Escape::Home => self.rows[self.at].row.go_home(),
            Escape::Up(rows) | Escape::UpHome(rows) => self.go_up(rows),
            Escape::Other => {}
        }
        behind
    }

    /// Notes that the cursor's row is written to.
    fn touch(&mut self, mark: &T, stamp_nanos: i64) -> &mut Row {
        self.last = self.at;
        let line = &mut self.rows[self.at];
        (line.mark, line.stamp_nanos, line.ended) = (Some(mark.clone()), stamp_nanos, false);
        &mut line.row
    }

    fn go_up(&mut self, rows: isize) {
        self.in_place |= rows > 0;
        let at = self.at as isize - rows;
        // Above the first row are those that came out before.
        let more = MAX_ROWS.saturating_sub(self.rows.len());
        for _ in 0..usize::try_from(-at).unwrap_or(0).min(more) {
            self.rows.push_front(Line { given: Some(Vec::new()), ..Line::default() });
            self.last += 1;
        }
        self.at = usize::try_from(at).unwrap_or(0).min(self.rows.len() - 1);
        self.rows[self.at].row.enter();
    }

    fn end_row(&mut self, now: i64, out: &mut Vec<Shown<T>>) {
        self.rows[self.at].ended = true;
        match self.fate() {
            Fate::Move => {}
            Fate::Hold(bar) => self.hold(bar),
            Fate::Give(bar) => {
                self.hold(bar);
                self.give_down_to_cursor(out);
            }
        }
        self.at += 1;
        if self.at == self.rows.len() {
            self.rows.push_back(Line::default());
        }
        self.rows[self.at].row.enter();
        self.scroll(now, out);
    }

    /// What becomes of the cursor's row at a newline.
    fn fate(&self) -> Fate {
        let line = &self.rows[self.at];
        let below = self.at + 1 < self.rows.len();
        let shown = line.row.shown();
        if !has_ink(shown) {
            let erased = self.in_place && !line.row.erased().is_empty();
            return if below || erased { Fate::Move } else { Fate::Give(None) };
        }
        if line.given.as_deref() == Some(shown) {
            return Fate::Move;
        }
        let bar = if line.row.drawn || self.in_place {
            parse_drawn(&plain(shown))
        } else {
            may_be_bar(shown).then(|| parse(&plain(shown))).flatten()
        };
        match bar {
            Some(bar) if bar.is_full() && !self.in_place && line.given.is_none() => {
                Fate::Give(Some(bar))
            }
            Some(bar) => Fate::Hold(Some(bar)),
            // A row of a table that is drawn again and again.
            None if line.given.is_some() => Fate::Hold(None),
            None => Fate::Give(None),
        }
    }

    /// Keeps the cursor's row for later. Where it is a later state of the bar above, as of bars that
    /// end each state with a newline, it takes its place.
    fn hold(&mut self, bar: Option<Bar>) {
        let above = self.at.checked_sub(1).and_then(|above| self.rows.get(above));
        let before = above.and_then(|line| line.bar.as_ref().filter(|_| line.given.is_none()));
        let later = |(bar, before): (&Bar, &Bar)| bar.is_later_than(before);
        let follows = !self.in_place && bar.as_ref().zip(before).is_some_and(later);
        self.rows[self.at].bar = bar;
        if follows {
            self.rows.remove(self.at - 1);
            self.at -= 1;
            self.last = self.last.min(self.at);
        }
    }

    /// Gives the cursor's row, and before it what is held above.
    fn give_down_to_cursor(&mut self, out: &mut Vec<Shown<T>>) {
        for at in 0..self.at {
            self.give(at, out);
        }
        let line = &mut self.rows[self.at];
        let shown = line.row.shown();
        let text = if has_ink(shown) || !line.row.drawn { shown } else { line.row.erased() };
        let text = text.to_vec();
        line.given = Some(shown.to_vec());
        if let Some(mark) = line.mark.clone() {
            out.push(Shown { mark, text, ended: line.ended });
        }
        // What was erased below is free again.
        while self.rows.len() > self.at + 1
            && self.rows.back().is_some_and(|line| !has_ink(line.row.shown()))
        {
            self.rows.pop_back();
        }
    }

    /// Gives a row that shows something that was not given.
    fn give(&mut self, at: usize, out: &mut Vec<Shown<T>>) {
        let Some(line) = self.rows.get_mut(at) else { return };
        let shown = line.row.shown();
        if !has_ink(shown) || line.given.as_deref() == Some(shown) {
            return;
        }
        let text = shown.to_vec();
        line.given = Some(text.clone());
        if let Some(mark) = line.mark.clone() {
            out.push(Shown { mark, text, ended: line.ended });
        }
    }

    /// Lets go the first rows that will not be drawn again.
    fn scroll(&mut self, now: i64, out: &mut Vec<Shown<T>>) {
        while self.at > 0 {
            let Some(line) = self.rows.front() else { return };
            let crowded = self.rows.len() > MAX_ROWS;
            let quiet = now.saturating_sub(line.stamp_nanos) > QUIET_NANOS;
            let running = line.bar.as_ref().is_some_and(|bar| !bar.is_full());
            let over = if self.in_place { quiet && !running } else { line.is_settled() };
            if !over && !crowded {
                return;
            }
            self.give(0, out);
            self.rows.pop_front();
            (self.at, self.last) = (self.at - 1, self.last.saturating_sub(1));
        }
        if self.rows.len() == 1 {
            *self = Folder::default();
        }
    }
}

/// What becomes of a row that ends.
enum Fate {
    /// It is no news: the cursor only moves down.
    Move,
    /// It may be drawn again.
    Hold(Option<Bar>),
    /// It is a line.
    Give(Option<Bar>),
}

impl<T> Line<T> {
    /// Whether nothing of it waits.
    fn is_settled(&self) -> bool {
        let shown = self.row.shown();
        !has_ink(shown) || self.given.as_deref() == Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(of: Vec<Cow<'_, [u8]>>) -> Vec<String> {
        of.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    #[test]
    fn a_line_shows_what_was_drawn_last() {
        for (text, shown) in [
            ("plain\x1b[31mred\x1b[0m\x1b[K", "plain\x1b[31mred\x1b[0m\x1b[K"),
            ("dos\r", "dos"),
            ("\r 33%|###\r 66%|###", " 66%|###"),
            ("\r100%|###\r100%|###|  ", "100%|###|"),
            ("\r50%|#\r      \rwritten", "written"),
            ("50%\r\x1b[K", "50%"),
            ("50%\r\x1b[K60%", "60%"),
            ("a longer one\rshort", "short"),
            ("a|\x08/\x08-\x08b", "ab"),
            ("abc\x08 \x08", "ab"),
            ("\r\x1b[1m1/9\x1b[0m\x08\x08\x08\r\x1b[1m9/9\x1b[0m", "\x1b[1m9/9\x1b[0m"),
            ("\r\r", ""),
            ("", ""),
        ] {
            assert_eq!(texts(screen(text.as_bytes())), [shown], "{text:?}");
        }
        assert_eq!(texts(screen(b"one\x1b[1Btwo\x1b[3Ax\ry")), ["y", "two"]);
    }

    fn bar(name: &str, count: u32) -> Vec<u8> {
        format!("{name}: {}%|##| {count}/10 [00:01<00:01, 1it/s]", count * 10).into_bytes()
    }

    #[test]
    fn a_bar_of_many_lines_is_one_before_the_text_below_it() {
        let (mut folder, mut out) = (Folder::default(), Vec::new());
        for count in 0..9 {
            folder.write(count, 0, &bar("train", count), true, &mut out);
        }
        assert!(out.is_empty() && !folder.is_empty());
        folder.write(9, 0, b"Traceback", true, &mut out);
        folder.write(10, 0, b"", true, &mut out);
        let marks: Vec<_> = out.iter().map(|shown| (shown.mark, shown.text.len())).collect();
        assert_eq!(marks, [(8, bar("train", 8).len()), (9, 9), (10, 0)]);
        assert!(folder.is_empty());
    }

    #[test]
    fn what_is_drawn_now_is_live_until_it_comes_out() {
        let (mut folder, mut out) = (Folder::default(), Vec::new());
        assert_eq!(folder.live(), None);
        folder.write(1, 0, &[b"\r", &bar("train", 1)[..]].concat(), false, &mut out);
        assert_eq!(folder.live(), Some((&1, &bar("train", 1)[..])));
        folder.write(2, 0, &[b"\r", &bar("train", 10)[..]].concat(), true, &mut out);
        assert_eq!((folder.live(), out.len(), folder.is_empty()), (None, 1, true));
        folder.write(3, 0, b"\rhalf", false, &mut out);
        folder.cut(&mut out);
        assert_eq!(out.pop().map(|shown| shown.text), Some(b"half".to_vec()));
    }

    #[test]
    fn a_full_bar_among_others_comes_out_when_it_is_quiet() {
        let (mut folder, mut out) = (Folder::default(), Vec::new());
        let mut write = |seconds: i64, parts: &[&[u8]]| {
            let text = parts.concat();
            folder.write((), seconds * 1_000_000_000, &text, false, &mut out);
            out.len()
        };
        // Drawn at the end of its loop where the outer bar stood, which moves down.
        let nested = |count| [b"\n\r", &bar("inner", count)[..], b"\x1b[A"].concat();
        write(0, &[b"\r", &bar("outer", 1), &nested(1)]);
        assert_eq!(write(0, &[b"\r", &bar("inner", 10), b"\n\r", &bar("outer", 2)]), 0);
        assert_eq!(write(1, &[&nested(1)]), 0);
        assert_eq!(write(9, &[&nested(2)]), 1);
        assert_eq!(out[0].text, bar("inner", 10));
    }

    proptest! {
        #[test]
        fn lines_that_draw_nothing_come_out_at_once_as_they_are(
            lines in prop::collection::vec("[ -~é]{0,20}", 0..9),
        ) {
            let (mut folder, mut out) = (Folder::default(), Vec::new());
            for (at, line) in lines.iter().enumerate() {
                folder.write(at, 0, line.as_bytes(), true, &mut out);
                prop_assert_eq!(out.len(), at + 1);
            }
            for (shown, line) in out.iter().zip(&lines) {
                prop_assert_eq!(&shown.text, line.as_bytes());
            }
        }

        #[test]
        fn whatever_is_drawn_is_bounded(
            parts in prop::collection::vec(
                ("(\x1b\\[[0-9]{0,3}[A-Km]|[\r\x08]|\x1b|[a-z ]|9%\\|){0,9}", any::<bool>()), 0..60,
            ),
            bytes: Vec<u8>,
        ) {
            let (mut folder, mut out) = (Folder::default(), Vec::new());
            for (part, ended) in &parts {
                folder.write((), 0, part.as_bytes(), *ended, &mut out);
                let _ = folder.live();
                prop_assert!(folder.rows.len() <= MAX_ROWS + 1 && folder.at < folder.rows.len());
            }
            folder.write((), 0, &bytes, true, &mut out);
            folder.finish(&mut out);
            prop_assert!(folder.is_empty());
        }
    }
}
