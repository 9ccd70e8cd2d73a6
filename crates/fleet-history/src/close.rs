//! Closing a day: compressed, with its roll-ups.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::HistoryError;
use crate::cells::{Cells, Keep};
use crate::files::{Part, ROLLUPS, sync_folder};
use crate::lines::{Line, Lines};
use crate::names::Names;
use crate::rollup::{Rollups, SHORT};
use crate::scan::{Scanner, Span};
use crate::series::Series;

/// How hard zstd tries: a seventh smaller than by its default, in twice the time, which is still no
/// more than a second for a day of fifty processes. Beyond this there is little to gain.
const LEVEL: i32 = 6;

/// A file under a name that nobody reads, until it is whole.
struct Compressed {
    to: zstd::Encoder<'static, BufWriter<File>>,
    path: PathBuf,
}

impl Compressed {
    fn new(path: PathBuf) -> Result<Compressed, HistoryError> {
        let temporary = temporary(&path);
        let open = || {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&temporary)?;
            let mut to = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
            to.include_checksum(true)?;
            Ok(to)
        };
        match open() {
            Ok(to) => Ok(Compressed { to, path }),
            Err(source) => Err(HistoryError::Write { path: temporary, source }),
        }
    }

    /// Brings it to the disk under its own name.
    fn publish(self) -> Result<(), HistoryError> {
        let temporary = temporary(&self.path);
        let publish = |to: zstd::Encoder<BufWriter<File>>| {
            let file = to.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
            file.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        publish(self.to).map_err(|source| HistoryError::Write { path: self.path.clone(), source })
    }
}

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Passes on what is read of one to the other.
struct Copying<'a> {
    from: File,
    to: &'a mut Compressed,
}

impl Read for Copying<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(bytes)?;
        self.to.write_all(&bytes[..count])?;
        Ok(count)
    }
}

/// Closes a part that is over and that nobody writes any more. It may be killed at any step and
/// done again.
///
/// # Errors
/// The samples cannot be read, or there is no room beside them; they are as they were then.
pub(crate) fn close(folder: &Path, part: &Part) -> Result<(), HistoryError> {
    let files =
        [part.rollup(folder, ROLLUPS[1].1), part.rollup(folder, ROLLUPS[0].1), part.closed(folder)];
    // The samples last: roll-ups without closed samples mean nothing to a reader.
    let closed = compress(folder, part, &files)
        .and_then(|made| made.into_iter().try_for_each(Compressed::publish));
    if closed.is_err() {
        // What there is of them takes room that the samples of today need.
        for path in &files {
            let _ = fs::remove_file(temporary(path));
        }
    }
    closed?;
    let open = part.open(folder);
    sync_folder(folder)
        .and_then(|()| fs::remove_file(&open))
        .map_err(|source| HistoryError::Write { path: open, source })
}

/// Writes the roll-ups and the compressed samples, in one pass.
fn compress(
    folder: &Path,
    part: &Part,
    [short, long, samples]: &[PathBuf; 3],
) -> Result<[Compressed; 3], HistoryError> {
    let open = part.open(folder);
    let from =
        File::open(&open).map_err(|source| HistoryError::Read { path: open.clone(), source })?;
    let mut samples = Compressed::new(samples.clone())?;
    let rollups = Rollups::new(Compressed::new(short.clone())?, Compressed::new(long.clone())?);
    let lines = Lines::new(Copying { from, to: &mut samples });
    let [short, long] = roll_up(lines, part, rollups)
        .map_err(|source| HistoryError::Write { path: part.closed(folder), source })?;
    Ok([short, long, samples])
}

fn roll_up<W: Write>(
    mut lines: Lines<impl Read>,
    part: &Part,
    mut rollups: Rollups<W>,
) -> io::Result<[W; 2]> {
    let all = |_: &str| true;
    let itself = |series: &Series| Some(series.clone());
    let span = Span { since: i64::MIN, until: i64::MAX };
    let cells = Cells::new(SHORT, Keep::Sketch);
    let mut scanner = Scanner::new(Names::new(&all), cells, &itself, part.begin(), span);
    while let Some(line) = lines.next()? {
        // What is no sample is told to who reads it; here it is kept as it is.
        if let Line::Whole(line) | Line::Tail(line) = line
            && let Some(at) = scanner.sample(line)
        {
            rollups.reach(&mut scanner.board, at)?;
        }
    }
    rollups.finish(&mut scanner.board)
}
