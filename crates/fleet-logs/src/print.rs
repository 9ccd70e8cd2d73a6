//! Writing lines: as text for people, as records for programs, or as the bytes they were.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Local, Utc};
use fleet_cli::{Out, Records};
use fleet_core::{RunKey, Timestamp};
use fleet_logfile::{MAX_MESSAGE, Stream, last_frame};

use crate::args::Timestamps;
use crate::clean::clean;
use crate::run::{Entry, Face};
use crate::wire::LogRecord;

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

/// Where lines go.
pub(crate) enum Printer {
    /// For people.
    Text(Text),
    /// A record a line.
    Lines(Out),
    /// One array of records.
    Array(Records<Out>),
    /// The bytes as they were written.
    Raw(Out),
}

/// Lines for people.
pub(crate) struct Text {
    pub(crate) out: Out,
    pub(crate) ids: bool,
    pub(crate) timestamps: Timestamps,
    /// Columns that the names take.
    pub(crate) pad: usize,
}

impl Printer {
    pub(crate) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        match self {
            Printer::Text(text) => text.write(entry),
            Printer::Lines(out) => {
                let mut json = serde_json::to_vec(&LogRecord::new(entry))?;
                json.push(b'\n');
                out.write_all(&json)
            }
            Printer::Array(records) => records.write(&LogRecord::new(entry)),
            Printer::Raw(out) => {
                out.write_all(&entry.message.text)?;
                if entry.message.partial { Ok(()) } else { out.write_all(b"\n") }
            }
        }
    }

    /// Passes on all that was written; an array alone has readers that wait for its end.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Printer::Text(Text { out, .. }) | Printer::Lines(out) | Printer::Raw(out) => {
                out.flush()
            }
            Printer::Array(_) => Ok(()),
        }
    }

    /// Whether it writes to standard output, whose reader may leave.
    pub(crate) fn is_stdout(&self) -> bool {
        match self {
            Printer::Text(Text { out, .. }) | Printer::Lines(out) | Printer::Raw(out) => {
                out.is_stdout()
            }
            // Its reader gets all of it at the end or nothing.
            Printer::Array(_) => false,
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Printer::Text(Text { out, .. }) | Printer::Lines(out) | Printer::Raw(out) => {
                out.finish()
            }
            Printer::Array(records) => records.finish()?.finish(),
        }
    }

    /// Makes room for a name.
    pub(crate) fn line_up(&mut self, face: &Face) {
        if let Printer::Text(text) = self {
            text.pad = text.pad.max(name(face).len()).min(MAX_PAD);
        }
    }
}

fn name(face: &Face) -> String {
    if face.numbered { face.key.to_string() } else { face.key.id.to_string() }
}

impl Text {
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let said = &entry.message;
        // The line was shown without its end, and the end is nothing but the newline.
        if said.continues && said.text.is_empty() && !said.partial {
            return Ok(());
        }
        let line = format!("{}{}{}\n", self.time(entry), self.prefix(entry), self.body(entry));
        self.out.write_all(line.as_bytes())
    }

    fn time(&self, entry: &Entry) -> String {
        let stamp = Timestamp::from_nanos(entry.message.stamp_nanos);
        let utc = DateTime::<Utc>::from(stamp);
        let text = match self.timestamps {
            Timestamps::None => return String::new(),
            Timestamps::Utc => utc.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            Timestamps::Local => {
                utc.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S%.3f").to_string()
            }
            Timestamps::Relative => {
                format!("{:+12.3}s", stamp.seconds_since(entry.face.spawned_at))
            }
        };
        self.out.paint().apply(Style::new().dimmed(), &text) + " "
    }

    fn prefix(&self, entry: &Entry) -> String {
        if !self.ids {
            return String::new();
        }
        let paint = self.out.paint();
        let name = format!("{:<width$}", name(&entry.face), width = self.pad);
        let bar = match entry.message.stream {
            Stream::Stderr if !entry.message.notice => {
                paint.apply(AnsiColor::Red.on_default(), "|")
            }
            _ => "|".to_owned(),
        };
        format!("{} {bar} ", paint.apply(colour(&entry.face.key), &name))
    }

    fn body(&self, entry: &Entry) -> String {
        let said = &entry.message;
        let text = String::from_utf8_lossy(last_frame(&said.text));
        let text = clean(&text, self.out.paint().0);
        let dimmed = |text: &str| self.out.paint().apply(Style::new().dimmed(), text);
        if said.notice {
            dimmed(&format!("fleet: {text}"))
        } else if said.partial && said.text.len() + 4 >= MAX_MESSAGE {
            // A line too long to hold goes on in the next.
            text + &dimmed("…")
        } else {
            text
        }
    }
}

/// The same for a process each time, whatever others there are (FNV-1a).
fn colour(key: &RunKey) -> Style {
    let hash = key.id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    COLOURS[(hash % COLOURS.len() as u64) as usize].on_default()
}
