//! One line: a series and its value.

use super::{Point, Wrong};

/// The first word and what is behind it.
pub(super) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

/// The text with its escapes resolved; of an unknown one the backslash stays.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(one) = characters.next() {
        if one != '\\' {
            plain.push(one);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some(escaped @ ('\\' | '"')) => plain.push(escaped),
            other => {
                plain.push('\\');
                plain.extend(other);
            }
        }
    }
    plain
}

/// What is left of a line.
pub(super) struct Rest<'t> {
    pub(super) line: &'t str,
    /// The next byte.
    pub(super) at: usize,
}

impl<'t> Rest<'t> {
    fn left(&self) -> &'t str {
        &self.line[self.at..]
    }

    pub(super) fn end(&self) -> bool {
        self.at >= self.line.len()
    }

    pub(super) fn blanks(&mut self) {
        self.at += self.left().len() - self.left().trim_start_matches([' ', '\t']).len();
    }

    /// Takes this character, if it is the next one.
    pub(super) fn takes(&mut self, character: char) -> bool {
        let next = self.left().starts_with(character);
        self.at += usize::from(next) * character.len_utf8();
        next
    }

    pub(super) fn point(&mut self) -> Result<Point, Wrong> {
        let mut name = None;
        if !self.left().starts_with('{') {
            name = Some(self.word(true).ok_or(Wrong::Metric)?);
            self.blanks();
        }
        let mut labels = Vec::new();
        if self.takes('{') {
            self.labels(&mut name, &mut labels)?;
        }
        let name = name.ok_or(Wrong::Metric)?;
        self.blanks();
        let value = self.number()?;
        self.timestamp()?;
        Ok(Point { name, labels, value })
    }

    /// Everything up to the closing brace. The name of a metric may stand there in quotes.
    fn labels(
        &mut self,
        name: &mut Option<String>,
        labels: &mut Vec<(String, String)>,
    ) -> Result<(), Wrong> {
        loop {
            self.blanks();
            if self.takes('}') {
                return Ok(());
            }
            let before = self.at;
            let quoted = self.left().starts_with('"');
            let key = match quoted {
                true => self.quoted()?,
                false => self.word(false).ok_or(Wrong::Label)?,
            };
            self.blanks();
            if self.takes('=') {
                if labels.iter().any(|(known, _)| *known == key) {
                    self.at = before;
                    return Err(Wrong::Twice);
                }
                self.blanks();
                labels.push((key, self.quoted()?));
            } else if quoted && name.is_none() {
                *name = Some(key);
            } else {
                return Err(Wrong::Equals);
            }
            self.blanks();
            if !self.takes(',') && !self.left().starts_with('}') {
                return Err(Wrong::Comma);
            }
        }
    }

    /// The name of a metric, which may hold colons, or of a label.
    fn word(&mut self, of_metric: bool) -> Option<String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (of_metric && c == ':');
        let left = self.left();
        let word = &left[..left.find(|c| !fits(c)).unwrap_or(left.len())];
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        self.at += word.len();
        Some(word.to_owned())
    }

    fn quoted(&mut self) -> Result<String, Wrong> {
        if !self.takes('"') {
            return Err(Wrong::Quote);
        }
        let mut escaped = false;
        for (at, byte) in self.left().bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    let text = unescaped(&self.left()[..at]);
                    self.at += at + 1;
                    return Ok(text);
                }
                _ => {}
            }
        }
        Err(Wrong::Open)
    }

    fn number(&mut self) -> Result<f64, Wrong> {
        let (word, _) = split_word(self.left());
        let number = word.parse().map_err(|_| Wrong::Number)?;
        self.at += word.len();
        Ok(number)
    }

    /// Passes over a timestamp and over an exemplar.
    fn timestamp(&mut self) -> Result<(), Wrong> {
        self.blanks();
        if !self.end() && !self.left().starts_with('#') {
            self.number().map_err(|_| Wrong::End)?;
            self.blanks();
        }
        if self.end() || self.left().starts_with('#') { Ok(()) } else { Err(Wrong::End) }
    }
}
