//! Lines for people.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use chrono::{DateTime, Local, Utc};
use fleet_cli::Out;
use fleet_core::{RunKey, Timestamp};
use fleet_logfile::{MAX_MESSAGE, Stream};

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

/// Lines for people.
pub(crate) struct Text {
    pub(super) out: Out,
    pub(super) ids: bool,
    pub(super) timestamps: Timestamps,
    /// Columns that the names take.
    pub(super) pad: usize,
    /// A group of lines around one that was found was shown.
    pub(super) begun: bool,
    pub(super) live: Live,
}

impl Text {
    /// Makes room for a name.
    pub(super) fn line_up(&mut self, face: &Face) {
        self.pad = self.pad.max(face.name().len()).min(MAX_PAD);
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
        let line = self.line(entry) + "\n";
        self.out.write_all(line.as_bytes())
    }

    /// Shows a line that will be drawn again.
    pub(super) fn live(&mut self, drawn: Option<&Entry>) -> io::Result<()> {
        let line = drawn.map(|entry| self.line(entry));
        self.live.show(line, &mut self.out)
    }

    /// Passes all on, the live line below the others.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.live.is_off() {
            self.live.draw(&mut self.out)?;
        }
        self.out.flush()
    }

    fn line(&self, entry: &Entry) -> String {
        format!("{}{}{}", self.time(entry), self.prefix(entry), self.body(entry))
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
        let name = format!("{:<width$}", entry.face.name(), width = self.pad);
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
        let text = String::from_utf8_lossy(&said.text);
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
