//! Lines for people.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Local, Utc};
use fleet_cli::{Out, Paint};
use fleet_core::{RunKey, Timestamp};
use fleet_logfile::{MAX_MESSAGE, Stream};
use fleet_logline::Level;

use super::clean::clean;
use super::live::Live;
use crate::args::Timestamps;
use crate::entry::{Entry, Face};

/// Names longer than this are not lined up with.
const MAX_PAD: usize = 24;

/// Colours that are read well on dark and on light, and mean nothing by themselves; red does.
const COLOURS: [AnsiColor; 10] = [
    AnsiColor::Cyan,
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::BrightCyan,
    AnsiColor::BrightGreen,
    AnsiColor::BrightYellow,
    AnsiColor::BrightBlue,
    AnsiColor::BrightMagenta,
];

/// What stands before the lines of a run, those of stdout and of stderr. The face is held so that
/// no other has its place in memory.
type Prefixes = (Arc<Face>, [String; 2]);

/// Lines for people.
pub(crate) struct Text {
    pub(super) out: Out,
    ids: bool,
    timestamps: Timestamps,
    /// Columns that the names take.
    pad: usize,
    /// For each run: they are the same a million times, and few are found quicker without a hash.
    prefixes: BTreeMap<*const Face, Prefixes>,
    /// A group of lines around one that was found was shown.
    begun: bool,
    /// The line being made.
    line: Vec<u8>,
    live: Live,
}

impl Text {
    pub(super) fn new(out: Out, ids: bool, timestamps: Timestamps) -> Text {
        let (prefixes, line) = (BTreeMap::new(), Vec::new());
        Text { out, ids, timestamps, pad: 0, prefixes, begun: false, line, live: Live::default() }
    }

    /// Makes room for a name.
    pub(super) fn line_up(&mut self, face: &Face) {
        self.pad = self.pad.max(face.name().len()).min(MAX_PAD);
        self.prefixes.clear();
    }

    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let said = &entry.message;
        // The line was shown without its end, and the end is nothing but the newline.
        if said.continues && said.text.is_empty() && !said.partial {
            return Ok(());
        }
        self.live.clear(&mut self.out)?;
        if entry.gap && std::mem::replace(&mut self.begun, true) {
            self.out.write_all(b"--\n")?;
        }
        if entry.traceback.is_none() {
            return self.one(entry, &said.text);
        }
        said.text.split(|&b| b == b'\n').try_for_each(|line| self.one(entry, line))
    }

    /// Writes one line of an entry.
    fn one(&mut self, entry: &Entry, text: &[u8]) -> io::Result<()> {
        self.make(entry, text)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// Shows a line that will be drawn again.
    pub(super) fn live(&mut self, drawn: Option<&Entry>) -> io::Result<()> {
        let mut line = None;
        if let Some(entry) = drawn {
            self.make(entry, &entry.message.text)?;
            line = Some(String::from_utf8_lossy(&self.line).into_owned());
        }
        self.live.show(line, &mut self.out)
    }

    /// Passes all on, the live line below the others.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.live.is_off() {
            self.live.draw(&mut self.out)?;
        }
        self.out.flush()
    }

    fn make(&mut self, entry: &Entry, text: &[u8]) -> io::Result<()> {
        self.line.clear();
        self.time(entry)?;
        self.prefix(entry);
        self.body(entry, text)
    }

    fn time(&mut self, entry: &Entry) -> io::Result<()> {
        let stamp = || Timestamp::from_nanos(entry.message.stamp_nanos);
        let utc = || DateTime::<Utc>::from(stamp());
        let text = match self.timestamps {
            Timestamps::None => return Ok(()),
            Timestamps::Utc => utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            Timestamps::Local => {
                utc().with_timezone(&Local).format("%Y-%m-%d %H:%M:%S%.3f").to_string()
            }
            Timestamps::Relative => {
                format!("{:+12.3}s", stamp().seconds_since(entry.face.spawned_at))
            }
        };
        let text = self.out.paint().apply(Style::new().dimmed(), &text);
        write!(self.line, "{text} ")
    }

    fn prefix(&mut self, entry: &Entry) {
        if !self.ids {
            return;
        }
        let face = &entry.face;
        let paint = self.out.paint();
        let pad = self.pad;
        let made = || (Arc::clone(face), prefixes(face, pad, paint));
        let (_, prefixes) = self.prefixes.entry(Arc::as_ptr(face)).or_insert_with(made);
        let said = &entry.message;
        let red = said.stream == Stream::Stderr && !said.notice;
        self.line.extend_from_slice(prefixes[usize::from(red)].as_bytes());
    }

    fn body(&mut self, entry: &Entry, text: &[u8]) -> io::Result<()> {
        let said = &entry.message;
        let paint = self.out.paint();
        if entry.plain && !paint.0 {
            self.line.extend_from_slice(&said.text);
            return Ok(());
        }
        let dimmed = Style::new().dimmed();
        let text = String::from_utf8_lossy(text);
        let text = clean(&text, paint.0);
        if said.notice {
            let notice = paint.apply(dimmed, &format!("fleet: {text}"));
            return self.line.write_all(notice.as_bytes());
        }
        let marked = paint.0 && !text.contains('\x1b');
        match marked.then(|| grave(entry)).flatten() {
            Some(style) => write!(self.line, "{style}{text}{style:#}")?,
            None => self.line.extend_from_slice(text.as_bytes()),
        }
        if said.partial && said.text.len() + 4 >= MAX_MESSAGE {
            // A line too long to hold goes on in the next.
            self.line.extend_from_slice(paint.apply(dimmed, "…").as_bytes());
        }
        Ok(())
    }
}

/// The name, and a bar that is red for standard error.
fn prefixes(face: &Face, pad: usize, paint: Paint) -> [String; 2] {
    let name = paint.apply(colour(&face.key), &format!("{:<pad$}", face.name()));
    let red = paint.apply(AnsiColor::Red.on_default(), "|");
    [format!("{name} | "), format!("{name} {red} ")]
}

/// How lines look that call for attention, and have no colours of their own.
fn grave(entry: &Entry) -> Option<Style> {
    match entry.level()? {
        Level::Error | Level::Critical => Some(AnsiColor::Red.on_default()),
        Level::Warning => Some(AnsiColor::Yellow.on_default()),
        _ => None,
    }
}

/// The same for a process each time, whatever others there are (FNV-1a).
fn colour(key: &RunKey) -> Style {
    let hash = key.id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    COLOURS[(hash % COLOURS.len() as u64) as usize].on_default()
}
