//! Tables for people.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::out::Out;

/// On which side a column is flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// The head of a column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Its side.
    pub align: Align,
}

/// One field of a row.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A plain field. Control characters, which a command line may hold, are written as escapes.
    pub fn new(text: impl AsRef<str>) -> Cell {
        Cell { text: printable(text.as_ref()), style: Style::new() }
    }

    /// A coloured field.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Cell {
        Cell { text: printable(text.as_ref()), style }
    }

    /// A field that is `-` when there is nothing to show.
    pub fn maybe(text: Option<impl AsRef<str>>) -> Cell {
        text.map_or_else(|| Cell::new("-"), Cell::new)
    }
}

fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Rows under aligned heads; the last column is cut at the edge of a terminal.
pub struct Table {
    columns: Vec<(Cow<'static, str>, Align)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table; every row must have as many cells as there are columns.
    pub fn new(columns: Vec<Column>) -> Table {
        let columns = columns.into_iter().map(|c| (Cow::Borrowed(c.title), c.align)).collect();
        Table { columns, rows: Vec::new() }
    }

    /// An empty table whose titles come from what is shown.
    pub fn titled(columns: impl IntoIterator<Item = (String, Align)>) -> Table {
        let titled = |(title, align): (String, Align)| (Cow::Owned(printable(&title)), align);
        Table { columns: columns.into_iter().map(titled).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Writes the table.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn write(&self, out: &mut Out) -> io::Result<()> {
        let widths = self.widths();
        let head: Vec<Cell> = self
            .columns
            .iter()
            .map(|(title, _)| Cell::styled(title, Style::new().dimmed()))
            .collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let line = self.line(row, &widths, out);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let cell = |at: usize| {
            let widest = self.rows.iter().map(|row| row[at].text.width()).max();
            widest.unwrap_or(0).max(self.columns[at].0.width())
        };
        (0..self.columns.len()).map(cell).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], out: &Out) -> String {
        let mut line = String::new();
        let mut used = 0;
        for (at, (cell, (_, align))) in row.iter().zip(&self.columns).enumerate() {
            let last = at + 1 == row.len();
            let text = match out.width() {
                Some(width) if last => cut(&cell.text, width.saturating_sub(used)),
                _ => cell.text.clone(),
            };
            let pad = " ".repeat(widths[at].saturating_sub(text.width()));
            let painted = out.paint().apply(cell.style, &text);
            let _ = match align {
                Align::Right => write!(line, "{pad}{painted}"),
                Align::Left if last => write!(line, "{painted}"),
                Align::Left => write!(line, "{painted}{pad}"),
            };
            if !last {
                line.push_str("  ");
                used += widths[at] + 2;
            }
        }
        line.push('\n');
        line
    }
}

/// As much of the text as fits, with an ellipsis where some is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width || width < 2 {
        return text.to_owned();
    }
    let mut room = width - 1;
    let kept: String = text
        .chars()
        .take_while(|c| {
            let wide = c.width().unwrap_or(0);
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        })
        .collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_reach_the_terminal() {
        assert_eq!(Cell::new("a\x1b[2Jb\n").text, "a\\u{1b}[2Jb\\n");
    }

    #[test]
    fn a_cut_text_shows_that_it_is_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
    }
}
