//! Standard output, or the file that stands for it.

use std::error::Error;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, LineWriter, Stdout, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anstyle::Style;
use tempfile::TempPath;

/// Whether to write in colour. Decided once, about standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint(pub bool);

impl Paint {
    /// The text in this style, or plain.
    pub fn apply(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

/// Where a tool's records go: standard output, or with `--output-file` a file that takes the
/// place of the old one only when it is complete.
///
/// Standard output is flushed at every line when a person or a following pipe waits for it,
/// and in blocks otherwise.
pub struct Out {
    sink: Sink,
    terminal: bool,
    paint: Paint,
}

enum Sink {
    Lines(LineWriter<Stdout>),
    Blocks(BufWriter<Stdout>),
    File { file: BufWriter<File>, temporary: TempPath, target: PathBuf },
}

impl Out {
    /// Standard output; `lines` asks for a flush at every line even into a pipe.
    pub fn stdout(lines: bool, paint: Paint) -> Out {
        let terminal = io::stdout().is_terminal();
        let sink = if lines || terminal {
            Sink::Lines(LineWriter::new(io::stdout()))
        } else {
            Sink::Blocks(BufWriter::with_capacity(64 << 10, io::stdout()))
        };
        Out { sink, terminal, paint }
    }

    /// A file that appears under its name when [`Out::finish`] is called. Its mode is that of a file
    /// that a shell makes with `>`: who reads it (node_exporter, a web server) is often another user.
    ///
    /// # Errors
    /// No file can be made beside the target.
    pub fn file(target: PathBuf) -> io::Result<Out> {
        let folder = target.parent().filter(|p| !p.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| ".".as_ref());
        let mode = Permissions::from_mode(0o666);
        let made = tempfile::Builder::new().permissions(mode).tempfile_in(folder);
        let (file, temporary) = made.map_err(plain)?.into_parts();
        let sink = Sink::File { file: BufWriter::new(file), temporary, target };
        Ok(Out { sink, terminal: false, paint: Paint(false) })
    }

    /// Whether a person looks at it.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether it is standard output, whose reader may leave.
    pub fn is_stdout(&self) -> bool {
        !matches!(self.sink, Sink::File { .. })
    }

    /// Whether to write in colour.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Columns of the terminal, if it is one.
    pub fn width(&self) -> Option<usize> {
        if !self.terminal {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
    }

    /// Rows of the terminal, if it is one.
    pub fn height(&self) -> Option<usize> {
        if !self.terminal {
            return None;
        }
        terminal_size::terminal_size().map(|(_, height)| usize::from(height.0))
    }

    /// Writes what is still held back and puts a file in its place.
    ///
    /// # Errors
    /// The reader left, the disk is full, or the file cannot be renamed.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match self.sink {
            Sink::File { temporary, target, .. } => {
                temporary.persist(&target).map_err(|e| unwritten(&target, e.error))
            }
            Sink::Lines(_) | Sink::Blocks(_) => Ok(()),
        }
    }

    fn sink(&mut self) -> &mut dyn Write {
        match &mut self.sink {
            Sink::Lines(w) => w,
            Sink::Blocks(w) => w,
            Sink::File { file, .. } => file,
        }
    }

    fn wrong(&self, error: io::Error) -> io::Error {
        match &self.sink {
            Sink::File { target, .. } => unwritten(target, error),
            Sink::Lines(_) | Sink::Blocks(_) => marked(error),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink().write(bytes).map_err(|e| self.wrong(e))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink().flush().map_err(|e| self.wrong(e))
    }
}

/// The reader of our standard output left. A broken pipe anywhere else is a real error.
#[derive(Debug)]
pub(crate) struct ReaderLeft;

impl fmt::Display for ReaderLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of standard output left")
    }
}

impl Error for ReaderLeft {}

impl ReaderLeft {
    /// Whether this link of an error chain is the marker.
    pub(crate) fn caused(error: &(dyn Error + 'static)) -> bool {
        let io = error.downcast_ref::<io::Error>();
        error.is::<ReaderLeft>()
            || io.and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<ReaderLeft>())
    }
}

/// The error without the random name of the temporary file, which `tempfile` puts in: who follows
/// says each sentence once, and must know it again.
fn plain(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() { error } else { error.kind().into() }
}

fn unwritten(target: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write '{}': {error}", target.display()))
}

fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderLeft),
        kind => io::Error::new(kind, format!("cannot write the output: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_finished() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let mut out = Out::file(target.clone()).unwrap();
        out.write_all(b"half").unwrap();
        assert!(!target.exists());
        out.finish().unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"half");
        let beside = dir.path().join("beside");
        std::fs::write(&beside, "").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&target), mode(&beside));
    }

    #[test]
    fn a_full_disk_is_told_in_the_same_words_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        let told = || {
            let mut out = Out::file(target.clone()).unwrap();
            let full = File::options().write(true).open("/dev/full").unwrap();
            if let Sink::File { file, .. } = &mut out.sink {
                *file = BufWriter::new(full);
            }
            out.write_all(b"text").and_then(|()| out.finish()).unwrap_err().to_string()
        };
        let space = "No space left on device (os error 28)";
        assert_eq!(told(), format!("cannot write '{}': {space}", target.display()));
        let nowhere = || Out::file("/proc/self/out".into()).err().unwrap().to_string();
        assert_eq!(nowhere(), nowhere());
    }

    #[test]
    fn only_our_own_broken_pipe_is_quiet() {
        let plain = io::Error::from(ErrorKind::BrokenPipe);
        assert!(!ReaderLeft::caused(&plain));
        assert!(ReaderLeft::caused(&marked(plain)));
    }
}
