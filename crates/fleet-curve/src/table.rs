//! CSV files, as Lightning's CSVLogger and Keras write them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fleet_core::Timestamp;

use crate::feed::Feed;
use crate::number::Number;
use crate::pairs::MAX_NAME;
use crate::point::{Found, Point, Source};
use crate::words;

/// A longer file of this kind is no table of a training.
const MAX_FILE: u64 = 256 << 20;

/// The points of a table with a head: each row is one, its empty cells are no values.
///
/// Lightning writes the whole file anew when a column turns up, so that after each change it is
/// read from its beginning and the rows that were handed out are passed over. It is another table
/// when its first row says something else.
pub struct TableFeed {
    path: PathBuf,
    seen: Option<Seen>,
    /// Rows that were handed out.
    given: usize,
    /// What the first of them said.
    first: Option<Found>,
    problems: Vec<String>,
}

/// By what a change of the file is known.
#[derive(Clone, Copy, PartialEq)]
struct Seen {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl TableFeed {
    /// From the first row on.
    pub fn new(path: &Path) -> TableFeed {
        TableFeed { path: path.to_owned(), seen: None, given: 0, first: None, problems: Vec::new() }
    }

    /// The text of the file if it has changed.
    fn changed(&mut self) -> io::Result<Option<(Vec<u8>, Timestamp)>> {
        let mut file = match File::open(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let meta = file.metadata()?;
        let changed = (meta.mtime(), meta.mtime_nsec());
        let seen = Some(Seen { inode: meta.ino(), size: meta.len(), changed });
        if seen == self.seen {
            return Ok(None);
        }
        self.seen = seen;
        if meta.len() > MAX_FILE {
            let (path, size) = (self.path.display(), fleet_core::size_text(meta.len()));
            self.problems.push(format!("'{path}' is left out: {size} is too large for a table"));
            return Ok(None);
        }
        let mut text = Vec::new();
        file.by_ref().take(MAX_FILE).read_to_end(&mut text)?;
        // What is being written at this moment has no newline yet.
        text.truncate(memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1));
        let nanos = changed.0.saturating_mul(1_000_000_000).saturating_add(changed.1);
        Ok(Some((text, Timestamp::from_nanos(nanos))))
    }
}

impl Feed for TableFeed {
    fn poll(&mut self, sink: &mut dyn FnMut(Point)) -> io::Result<()> {
        let Some((text, ts)) = self.changed()? else { return Ok(()) };
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
        let Ok(head) = rows.byte_headers().cloned() else { return Ok(()) };
        let mut number = 0;
        for row in rows.byte_records() {
            // The reader of bytes fails only where the text does, which is in memory.
            let Ok(row) = row else { break };
            let found = found(&head, &row);
            if number == 0 && self.first.as_ref().is_some_and(|first| !is_same(first, &found)) {
                self.given = 0;
            }
            if number == 0 {
                self.first = Some(found.clone());
            }
            number += 1;
            if number > self.given {
                self.given = number;
                if !found.values.is_empty() {
                    sink(Point::new(ts, Source::Csv, found));
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, _sink: &mut dyn FnMut(Point)) {}

    fn problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }
}

/// Whether two readings are of one row: its columns may have moved.
fn is_same(a: &Found, b: &Found) -> bool {
    let sorted = |found: &Found| {
        let mut all: Vec<_> =
            found.values.iter().map(|(name, n)| (name.clone(), n.value().to_bits())).collect();
        all.sort();
        (found.step, all)
    };
    sorted(a) == sorted(b)
}

fn found(head: &csv::ByteRecord, row: &csv::ByteRecord) -> Found {
    let mut found = Found::default();
    let mut rank = usize::MAX;
    let mut epoch = None;
    for (name, cell) in head.iter().zip(row) {
        let Some(number) = Number::parse(cell.trim_ascii()) else { continue };
        let name = name.trim_ascii();
        match (words::step_rank(name), number) {
            (Some(of), Number::Whole(step)) => {
                if of < rank {
                    (rank, found.step) = (of, Some(step));
                }
                continue;
            }
            (None, Number::Whole(whole)) if words::is_epoch(name) => epoch = Some(whole),
            _ => {}
        }
        if !name.is_empty() && name.len() <= MAX_NAME {
            found.values.push((String::from_utf8_lossy(name).into_owned(), number));
        }
    }
    found.step = found.step.or(epoch);
    found
}

/// Whether the file is a table by its name.
pub(crate) fn is_metrics_table(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "metrics.csv")
        && fs::metadata(path).is_ok_and(|m| m.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Table {
        dir: tempfile::TempDir,
        feed: TableFeed,
    }

    impl Table {
        fn new() -> Table {
            let dir = tempfile::tempdir().unwrap();
            let feed = TableFeed::new(&dir.path().join("metrics.csv"));
            Table { dir, feed }
        }

        fn after(&mut self, text: impl AsRef<[u8]>) -> Vec<(Option<i64>, String)> {
            fs::write(self.dir.path().join("metrics.csv"), text).unwrap();
            self.feed.seen = None;
            let mut points = Vec::new();
            let mut sink = |p: Point| {
                let values = p.found.values.iter().map(|(k, n)| format!("{k}={} ", n.value()));
                points.push((p.found.step, values.collect()));
            };
            self.feed.poll(&mut sink).unwrap();
            points
        }
    }

    #[test]
    fn a_table_that_is_written_anew_gives_no_row_twice() {
        let mut table = Table::new();
        let one = "epoch,step,loss\n0,4,1.5\n0,9,nan\n";
        assert_eq!(
            table.after(one),
            [(Some(4), "epoch=0 loss=1.5 ".into()), (Some(9), "epoch=0 loss=NaN ".into())]
        );
        assert!(table.after(&one[..one.len() - 3]).is_empty());
        assert!(table.after("epoch,st").is_empty());
        let two = "acc,epoch,step,loss\n,0,4,1.5\n,0,9,nan\n0.5,0,9,\n,1,1";
        assert_eq!(table.after(two), [(Some(9), "acc=0.5 epoch=0 ".into())]);
        let other = "epoch,step,loss\n0,4,1.25\n";
        assert_eq!(table.after(other), [(Some(4), "epoch=0 loss=1.25 ".into())]);
        assert_eq!(table.after("epoch,loss\n7,0.5\n"), [(Some(7), "epoch=7 loss=0.5 ".into())]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_table_or_not(text in "[a,\"\n0-9.]{0,60}", bytes: Vec<u8>) {
            let mut table = Table::new();
            table.after(text);
            table.after(bytes);
        }
    }
}
