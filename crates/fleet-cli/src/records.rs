//! Writing records for programs.

use std::io::{self, Write};

use serde::Serialize;

/// Writes records as JSON lines, or as one JSON array.
pub struct Records<W: Write> {
    out: W,
    array: bool,
    first: bool,
}

impl<W: Write> Records<W> {
    /// One object a line.
    pub fn lines(out: W) -> Records<W> {
        Records { out, array: false, first: true }
    }

    /// One array of objects, an object a line.
    pub fn array(out: W) -> Records<W> {
        Records { out, array: true, first: true }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn write(&mut self, record: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_vec(record)?;
        self.write_json(&json)
    }

    /// Writes one record that is JSON already.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn write_json(&mut self, json: &[u8]) -> io::Result<()> {
        if self.array {
            self.out.write_all(if self.first { b"[\n" } else { b",\n" })?;
        }
        self.first = false;
        self.out.write_all(json)?;
        if self.array { Ok(()) } else { self.out.write_all(b"\n") }
    }

    /// Writes all of these, and closes.
    ///
    /// # Errors
    /// The output does not take them.
    pub fn write_all<T: Serialize>(
        mut self,
        records: impl IntoIterator<Item = T>,
    ) -> io::Result<W> {
        for record in records {
            self.write(&record)?;
        }
        self.finish()
    }

    /// Passes on what was written, while more may come.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Closes the array and returns the output.
    ///
    /// # Errors
    /// The output does not take it.
    pub fn finish(mut self) -> io::Result<W> {
        if self.array {
            self.out.write_all(if self.first { b"[]\n" } else { b"\n]\n" })?;
        }
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mut records: Records<Vec<u8>>, values: &[u32]) -> String {
        for value in values {
            records.write(value).unwrap();
        }
        String::from_utf8(records.finish().unwrap()).unwrap()
    }

    #[test]
    fn lines_and_arrays() {
        assert_eq!(written(Records::lines(Vec::new()), &[1, 2]), "1\n2\n");
        assert_eq!(written(Records::array(Vec::new()), &[1, 2]), "[\n1,\n2\n]\n");
        assert_eq!(written(Records::array(Vec::new()), &[]), "[]\n");
    }
}
