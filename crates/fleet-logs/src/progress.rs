//! How far each progress bar is, instead of the lines.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_cli::{Align, Cell, Column, Exit, Failure, Format, Out, Records, Table};
use fleet_core::{Labels, Timestamp, duration_text, size_text};
use fleet_logfile::Stream;
use fleet_progress::{Bar, bars};
use serde::Serialize;

use crate::args::Args;
use crate::entry::{Entry, Face};
use crate::sink::Sink;

/// So many bars of one stream are told apart; the one that has not moved for longest goes first.
const MAX_BARS: usize = 64;

/// A record of the same bar is written no more often, and a table drawn no more often than a fifth of
/// this.
const EVERY: Duration = Duration::from_secs(1);

/// Columns of a bar as it is drawn in the table.
const DRAWN: usize = 12;

/// The latest state of each bar.
pub(crate) struct Progress {
    out: Out,
    format: Format,
    /// News are shown as they come.
    follow: bool,
    streams: HashMap<(*const Face, Stream), Vec<State>>,
    /// How many lines of a table are on the screen, and since when.
    drawn: Option<(usize, Instant)>,
}

/// A bar, and whose it is.
struct State {
    face: Arc<Face>,
    attempt: u32,
    stamp_nanos: i64,
    stream: Stream,
    bar: Bar,
    /// It has moved since it was told.
    news: bool,
    told: Option<Instant>,
}

impl Progress {
    /// As the arguments want it.
    ///
    /// # Errors
    /// The format is none of ours or has no end, or the output cannot be opened.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Progress> {
        let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
        let follow = args.follow || args.until_ended;
        if format == Format::Json && follow && !args.until_ended {
            let message = "'-o json' is an array, which has no end while following";
            return Err(Failure::new(Exit::CouldNot, message).hint("use -o jsonl").into());
        }
        let out = args.output.open(false)?;
        Ok(Progress { out, format, follow, streams: HashMap::new(), drawn: None })
    }

    fn moved(&mut self, entry: &Entry, bar: Bar) {
        let said = &entry.message;
        let states = self.streams.entry((Arc::as_ptr(&entry.face), said.stream)).or_default();
        let known = states.iter().position(|state| state.bar.is_same(&bar));
        let told = known.map(|at| states.remove(at)).and_then(|state| state.told);
        if states.len() >= MAX_BARS {
            states.remove(0);
        }
        states.push(State {
            face: Arc::clone(&entry.face),
            attempt: entry.attempt,
            stamp_nanos: said.stamp_nanos,
            stream: said.stream,
            bar,
            news: true,
            told,
        });
    }

    fn has_news(&self) -> bool {
        self.streams.values().flatten().any(|state| state.news)
    }

    /// Those that have moved, earlier first; `all` also where they were told a moment ago.
    fn news(&mut self, all: bool) -> Vec<&mut State> {
        let due = |state: &&mut State| {
            state.news && (all || state.told.is_none_or(|told| told.elapsed() >= EVERY))
        };
        let mut news: Vec<_> = self.streams.values_mut().flatten().filter(due).collect();
        news.sort_by_key(|state| state.stamp_nanos);
        news
    }

    fn tell(&mut self, all: bool) -> io::Result<()> {
        let mut lines = Vec::new();
        for state in self.news(all) {
            serde_json::to_writer(&mut lines, &ProgressRecord::new(state))?;
            lines.push(b'\n');
            (state.news, state.told) = (false, Some(Instant::now()));
        }
        self.out.write_all(&lines)?;
        self.out.flush()
    }

    /// Draws the table over the one before.
    fn draw(&mut self) -> io::Result<()> {
        let above = self.drawn.map_or(0, |(lines, _)| lines);
        let most = self.out.height().map(|height| height.saturating_sub(2).max(1));
        let (table, rows) = self.table(most);
        if above > 0 {
            write!(self.out, "\x1b[{above}A\r\x1b[J")?;
        }
        table.write(&mut self.out)?;
        self.out.flush()?;
        self.drawn = Some((rows + 1, Instant::now()));
        self.streams.values_mut().flatten().for_each(|state| state.news = false);
        Ok(())
    }

    /// A row for each bar by process, of more than `most` those that moved last; and how many.
    fn table(&self, most: Option<usize>) -> (Table, usize) {
        let mut states: Vec<&State> = self.streams.values().flatten().collect();
        states.sort_by_key(|state| std::cmp::Reverse(state.stamp_nanos));
        states.truncate(most.unwrap_or(usize::MAX));
        states.sort_by_key(|state| (state.face.name(), state.stamp_nanos));
        let left = |title| Column { title, align: Align::Left };
        let right = |title| Column { title, align: Align::Right };
        let mut table = Table::new(vec![
            left("ID"),
            left("BAR"),
            left(""),
            right("PERCENT"),
            right("N/TOTAL"),
            right("RATE"),
            right("ETA"),
            left("VALUES"),
        ]);
        for state in &states {
            table.row(state.row());
        }
        (table, states.len())
    }
}

impl Sink for Progress {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        if !entry.message.notice {
            bars(&entry.message.text).into_iter().for_each(|bar| self.moved(entry, bar));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.follow {
            return Ok(());
        }
        let rested = self.drawn.is_none_or(|(_, since)| since.elapsed() >= EVERY / 5);
        match self.format {
            Format::Jsonl => self.tell(false),
            Format::Table if self.out.is_terminal() && rested && self.has_news() => self.draw(),
            _ => Ok(()),
        }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        match self.format {
            Format::Jsonl => self.tell(true)?,
            Format::Json => {
                let news = self.news(true);
                let records: Vec<_> = news.iter().map(|state| ProgressRecord::new(state)).collect();
                let array = Records::array(Vec::new()).write_all(records)?;
                self.out.write_all(&array)?;
            }
            _ if self.drawn.is_some() => self.draw()?,
            _ => self.table(None).0.write(&mut self.out)?,
        }
        self.out.finish()
    }

    fn due(&self) -> Option<Duration> {
        let moved = self.streams.values().flatten().filter(|state| state.news);
        let last = |state: &State| match self.format {
            Format::Jsonl => state.told.map(|told| told + EVERY),
            _ => self.drawn.map(|(_, since)| since + EVERY / 5),
        };
        let at = |state| last(state).map_or(Duration::ZERO, |at| at.duration_since(Instant::now()));
        self.follow.then(|| moved.map(at).min()).flatten()
    }

    fn is_stdout(&self) -> bool {
        self.out.is_stdout()
    }

    fn is_terminal(&self) -> bool {
        self.out.is_terminal()
    }

    fn shows_beginnings(&self) -> bool {
        true
    }
}

impl State {
    fn row(&self) -> Vec<Cell> {
        let Bar { name, percent, current, total, eta_seconds, values, .. } = &self.bar;
        let count = |number: &f64| self.count_text(*number);
        let total = total.as_ref().map(|total| format!("/{}", count(total)));
        let eta = eta_seconds.and_then(|eta| Duration::try_from_secs_f64(eta).ok());
        let values: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        vec![
            Cell::new(self.face.name()),
            Cell::maybe(name.as_ref()),
            Cell::new(percent.map_or_else(String::new, drawn)),
            Cell::maybe(percent.map(|percent| format!("{percent:.0}%"))),
            Cell::maybe(current.as_ref().map(|n| count(n) + &total.unwrap_or_default())),
            Cell::maybe(self.rate_text()),
            Cell::maybe(eta.map(duration_text)),
            Cell::new(values.join(" ")),
        ]
    }

    fn counts_bytes(&self) -> bool {
        self.bar.unit.as_deref() == Some("bytes")
    }

    fn count_text(&self, number: f64) -> String {
        if self.counts_bytes() {
            return size_text(number as u64);
        }
        let (by, letter) = match number {
            1e9.. => (1e9, "G"),
            1e6.. => (1e6, "M"),
            _ => return format!("{}", (number * 100.0).round() / 100.0),
        };
        format!("{:.2}{letter}", number / by)
    }

    /// `8.3 it/s`, or where it takes longer `4.7 s/it`.
    fn rate_text(&self) -> Option<String> {
        let rate = self.bar.rate_per_second?;
        if self.counts_bytes() {
            return Some(size_text(rate as u64) + "/s");
        }
        let unit = self.bar.unit.as_deref().unwrap_or("it");
        Some(if rate > 0.0 && rate < 1.0 {
            format!("{:.1} s/{unit}", 1.0 / rate)
        } else {
            format!("{rate:.1} {unit}/s")
        })
    }
}

/// A bar of so many percent.
fn drawn(percent: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (percent.clamp(0.0, 100.0) / 100.0 * (DRAWN * 8) as f64).round() as usize;
    let part = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    let bar = "█".repeat(eighths / 8) + part;
    format!("{bar:░<DRAWN$}")
}

/// The `event` record of a bar.
#[derive(Serialize)]
struct ProgressRecord<'a> {
    kind: &'static str,
    /// When the line began that shows it: nine digits, as of log lines.
    ts: String,
    event_id: String,
    #[serde(rename = "type")]
    event: &'static str,
    id: &'a str,
    run: u32,
    attempt: u32,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    stream: &'static str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    /// Where it stands in a tree of progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(flatten)]
    bar: &'a Bar,
}

impl<'a> ProgressRecord<'a> {
    fn new(state: &'a State) -> ProgressRecord<'a> {
        let State { face, attempt, stamp_nanos, stream, bar, .. } = state;
        let name = bar.name.as_deref();
        let far = bar.current.or(bar.percent).unwrap_or_default();
        let (key, stream) = (&face.key, stream.word());
        ProgressRecord {
            kind: "event",
            ts: Timestamp::from_nanos(*stamp_nanos).to_nanos_text(),
            event_id: format!("{key}-{stream}-{stamp_nanos}-{}-{far}", name.unwrap_or_default()),
            event: "progress",
            id: key.id.as_str(),
            run: key.run,
            attempt: *attempt,
            labels: &face.labels,
            stream,
            data: Data { path: name, bar },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_drawn_to_the_eighth() {
        for (percent, bar) in [
            (0.0, "░░░░░░░░░░░░"),
            (50.0, "██████░░░░░░"),
            (55.0, "██████▋░░░░░"),
            (100.0, "████████████"),
            (f64::NAN, "░░░░░░░░░░░░"),
        ] {
            assert_eq!(drawn(percent), bar, "{percent}");
        }
    }
}
