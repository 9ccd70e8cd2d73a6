//! One line of a terminal that is drawn again and again: the bar that moved last.

use std::io::{self, Write};

use fleet_cli::Out;
use unicode_width::UnicodeWidthChar;

/// To the beginning of the line above.
const UP: &str = "\x1b[1A\r";

/// Erases the rest of the line.
const ERASE: &str = "\x1b[K";

/// The live line. The cursor stands below it, so that who interrupts the tool finds it whole and
/// their shell on a line of its own.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// What it shows, if there is one.
    text: Option<String>,
    /// It is on the screen, right above the cursor.
    drawn: bool,
}

impl Live {
    /// Shows this, or nothing more.
    pub(super) fn show(&mut self, text: Option<String>, out: &mut Out) -> io::Result<()> {
        if self.text == text {
            return Ok(());
        }
        self.text = text;
        match self.text {
            Some(_) => self.draw(out),
            None => self.clear(out),
        }
    }

    /// Draws it below the lines that were written since.
    pub(super) fn draw(&mut self, out: &mut Out) -> io::Result<()> {
        let Some(text) = &self.text else { return Ok(()) };
        let up = if std::mem::replace(&mut self.drawn, true) { UP } else { "" };
        // A column is left free, because some terminals wrap in the last one.
        let most = out.width().map_or(79, |width| width.saturating_sub(1));
        out.write_all(format!("{up}{}{ERASE}\n", cut(text, most)).as_bytes())
    }

    /// Takes it off the screen: an ordinary line comes in its place.
    pub(super) fn clear(&mut self, out: &mut Out) -> io::Result<()> {
        if std::mem::take(&mut self.drawn) {
            out.write_all(format!("{UP}{ERASE}").as_bytes())?;
        }
        Ok(())
    }

    /// Whether it is to be drawn anew.
    pub(super) fn is_off(&self) -> bool {
        self.text.is_some() && !self.drawn
    }
}

/// As much of a text with colours as fits; whatever colour it had, it ends plain.
fn cut(text: &str, most: usize) -> String {
    let (mut kept, mut used, mut in_escape, mut coloured) = (String::new(), 0, false, false);
    for c in text.chars() {
        if c == '\x1b' {
            (in_escape, coloured) = (true, true);
        } else if in_escape {
            in_escape = !c.is_ascii_alphabetic();
        } else {
            used += c.width().unwrap_or(0);
            if used > most {
                break;
            }
        }
        kept.push(c);
    }
    if coloured {
        kept.push_str("\x1b[0m");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_by_what_is_seen_of_it() {
        assert_eq!(cut("abcdef", 4), "abcd");
        assert_eq!(cut("日本語", 5), "日本");
        assert_eq!(cut("\x1b[31mab\x1b[0mcd", 3), "\x1b[31mab\x1b[0mc\x1b[0m");
        assert_eq!(cut("", 0), "");
    }
}
