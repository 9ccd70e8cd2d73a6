//! What lines of text say: all forms that are known, and the user's own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use fleet_core::Sample;
use memchr::{memchr, memchr2, memchr3, memmem};

use crate::bars::{self, Bars, Frame};
use crate::dict::{self, Dict};
use crate::number::Number;
use crate::pairs::{self, Pair};
use crate::patterns::Patterns;
use crate::point::Found;
use crate::words;

/// So many dicts wait for the bar that tells their step.
const MAX_HELD: usize = 64;

/// And so long for one that may never come, while the lines are followed.
const NO_BAR: Duration = Duration::from_secs(3);

/// When a line came, and of which attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Nanoseconds since 1970.
    pub stamp_nanos: i64,
    /// The attempt, where it is known.
    pub attempt: Option<u32>,
}

/// What one line says by itself, without what the lines before it left for it to know.
pub fn one_line(text: &[u8]) -> Vec<Found> {
    let mut all = Vec::new();
    let mut extractor = Extractor::new(Patterns::default(), Vec::new());
    let mut sink = |_: Mark, found: Found| all.push(found);
    extractor.line(0, Mark::default(), text, &mut sink);
    extractor.finish(&mut sink);
    all
}

/// Finds the points in the lines of one program.
///
/// It remembers what lines leave out: the epoch that a line before named, the bar whose count is the
/// step of a Trainer's dict. Streams are told apart by number, 0 and 1.
#[derive(Debug)]
pub struct Extractor {
    patterns: Patterns,
    wanted: Vec<String>,
    streams: [Stream; 2],
    main: Main,
    held: VecDeque<Held>,
    cleaned: Vec<u8>,
}

#[derive(Debug, Default)]
struct Stream {
    bars: Bars,
    /// The epoch that a line of its own named, from 1.
    epoch: Option<i64>,
}

/// The bar of the whole training: the one with the largest total.
#[derive(Clone, Copy, Debug, Default)]
struct Main {
    count: i64,
    total: i64,
    /// How many epochs it counts, where that is known.
    epochs: Option<f64>,
}

/// A Trainer's dict that waits for the bar.
#[derive(Debug)]
struct Held {
    mark: Mark,
    stream: usize,
    found: Found,
    since: Instant,
    /// The counts of the bar before it and behind it.
    between: Option<(i64, i64)>,
}

/// What was found, and where.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Mark, Found);

impl Extractor {
    /// With the user's own patterns; names that are `wanted` are values wherever they have a number.
    pub fn new(patterns: Patterns, wanted: Vec<String>) -> Extractor {
        Extractor {
            patterns,
            wanted,
            streams: Default::default(),
            main: Main::default(),
            held: VecDeque::new(),
            cleaned: Vec::new(),
        }
    }

    /// Takes one line, or what was drawn of one, without its newline.
    pub fn line(&mut self, stream: usize, mark: Mark, text: &[u8], sink: Sink<'_>) {
        if memchr3(b'\r', 0x08, 0x1b, text).is_none() {
            return self.frame(stream, mark, text, sink);
        }
        let mut cleaned = std::mem::take(&mut self.cleaned);
        for frame in text.split(|b| *b == b'\r') {
            clean(frame, &mut cleaned);
            self.frame(stream, mark, &cleaned, sink);
        }
        self.cleaned = cleaned;
    }

    /// Hands out what was last drawn of bars, when nothing more is there for now.
    pub fn settle(&mut self, sink: Sink<'_>) {
        for stream in &mut self.streams {
            stream.bars.flush().into_iter().for_each(|(mark, found)| sink(mark, found));
        }
        let main = self.main;
        let late = |held: &Held| main.total == 0 && held.since.elapsed() > NO_BAR;
        while self.held.front().is_some_and(late) {
            self.release(sink);
        }
    }

    /// Hands out all that is held, when nothing more will come.
    pub fn finish(&mut self, sink: Sink<'_>) {
        self.settle(sink);
        while !self.held.is_empty() {
            self.release(sink);
        }
    }

    /// Hands out the oldest dict with what is known of its step.
    fn release(&mut self, sink: Sink<'_>) {
        let Some(mut held) = self.held.pop_front() else { return };
        let far = (self.main.total > 0).then_some((self.main.count, self.main.count));
        held.found.step = held.between.or(far).map(|between| self.main.step(&held.found, between));
        sink(held.mark, held.found);
    }

    fn frame(&mut self, stream: usize, mark: Mark, text: &[u8], sink: Sink<'_>) {
        if let Some(found) = self.patterns.find(text) {
            return sink(mark, found);
        }
        let Some(&first) = text.trim_ascii_start().first() else { return };
        if first.is_ascii_digit()
            && let Some(bar) = bars::keras(text)
        {
            let stream = &mut self.streams[stream & 1];
            let drawn = stream.bars.draw(mark, bar, stream.epoch);
            return drawn.into_iter().for_each(|(mark, found)| sink(mark, found));
        }
        if let Some(epoch) = epoch_alone(text) {
            self.streams[stream & 1].epoch = Some(epoch);
        } else if memchr2(b'[', b'{', text).is_none() || !self.bracketed(stream, mark, text, sink) {
            self.plain(mark, text, sink);
        }
    }

    /// A bar, an object, or an object behind a bar; whether there is one.
    fn bracketed(&mut self, stream: usize, mark: Mark, text: &[u8], sink: Sink<'_>) -> bool {
        let Some(bar) = bars::tqdm(text) else { return self.object(stream, mark, text, sink) };
        let rest = bar.rest;
        self.bar(stream, mark, bar, sink);
        self.object(stream, mark, rest, sink);
        true
    }

    fn plain(&mut self, mark: Mark, text: &[u8], sink: Sink<'_>) {
        if !pairs::may_have(text, &self.wanted) {
            return;
        }
        let mut pairs = Vec::new();
        pairs::scan(text, &mut pairs);
        if let Some(mut found) = pairs::found(&pairs, &self.wanted) {
            found.step = found.step.or_else(|| pairs::step_of(text, &pairs));
            sink(mark, found);
        }
    }

    /// An object anywhere in the line; whether there is one that is read.
    fn object(&mut self, stream: usize, mark: Mark, text: &[u8], sink: Sink<'_>) -> bool {
        if memchr(b'{', text).is_none() {
            return false;
        }
        let python = memmem::find(text, b"{'");
        let Some(at) = python.or_else(|| memmem::find(text, b"{\"")) else { return false };
        let Some(object) = dict::read(&text[at..], python.is_some()) else { return false };
        match object.kind {
            Some("sample") => {
                let mark = stamped(mark, object.ts);
                emitted(&object).into_iter().for_each(|found| sink(mark, found));
            }
            Some("process" | "event" | "log" | "alert") => {}
            _ => {
                let held = python.is_some().then_some(stream);
                self.judge(held, mark, &object, sink);
            }
        }
        true
    }

    /// `python` is the stream of a dict of Python, none for an object of JSON.
    fn judge(&mut self, python: Option<usize>, mark: Mark, object: &Dict<'_>, sink: Sink<'_>) {
        let pairs: Vec<Pair<'_>> = object.numbers.iter().map(|(k, n)| Pair::new(k, *n)).collect();
        let Some(mut found) = pairs::found(&pairs, &self.wanted) else { return };
        match python {
            // The Trainer's dict has no step: the bar is drawn anew right behind it.
            Some(stream) if found.step.is_none() && epoch_of(&found).is_some() => {
                let since = Instant::now();
                self.held.push_back(Held { mark, stream, found, since, between: None });
                if self.held.len() > MAX_HELD {
                    self.release(sink);
                }
                return;
            }
            Some(_) => {}
            None => found.step = found.step.or_else(|| pairs::epoch_of(&pairs)),
        }
        sink(mark, found);
    }

    fn bar(&mut self, stream: usize, mark: Mark, bar: Frame<'_>, sink: Sink<'_>) {
        let before = self.main;
        if self.main.moves(&bar) {
            let from = if before.total == self.main.total { before.count } else { 0 };
            for held in &mut self.held {
                let between = *held.between.get_or_insert((from, self.main.count));
                self.main.learn(&held.found, between);
            }
            while self.held.front().is_some_and(|held| self.main.can_tell(held, stream)) {
                self.release(sink);
            }
        }
        let drawn = self.streams[stream & 1].bars.draw(mark, bar, None);
        drawn.into_iter().for_each(|(mark, found)| sink(mark, found));
    }
}

impl Main {
    /// Moves with a drawing, if it is one of this bar.
    fn moves(&mut self, bar: &Frame<'_>) -> bool {
        let Some(total) = bar.total else { return false };
        let ended = self.count >= self.total && bar.count == 0;
        let ours = total >= self.total || ended;
        if ours {
            let epochs = self.epochs.filter(|_| total == self.total);
            *self = Main { count: bar.count, total, epochs };
        }
        ours
    }

    /// Learns how many epochs there are, where the counts before and behind a dict leave one choice.
    fn learn(&mut self, found: &Found, (before, behind): (i64, i64)) {
        let Some(epoch) = epoch_of(found).filter(|_| self.epochs.is_none() && before > 0) else {
            return;
        };
        let steps = epoch * self.total as f64;
        // A hair's breadth, because the epoch is printed with four digits.
        let least = (steps / behind as f64 - 0.001).ceil();
        let most = (steps / before as f64 + 0.001).floor();
        self.epochs = (least == most && least >= 1.0).then_some(least);
    }

    /// Whether more drawings would tell no more: in one pipe the next one is drawn at once, and
    /// what is behind the first drawing is near enough.
    fn can_tell(&self, held: &Held, stream: usize) -> bool {
        self.epochs.is_some() || held.stream == stream || held.between.is_some_and(|b| b.0 > 0)
    }

    /// The step of a dict: that of the bar that was drawn behind it. Where the bar has moved on
    /// between the two drawings, because drawings are folded to one a second, the dict's epoch tells
    /// which step in between it was.
    fn step(self, found: &Found, (before, behind): (i64, i64)) -> i64 {
        let by_epoch = || {
            let step = (epoch_of(found)? * self.total as f64 / self.epochs?).round() as i64;
            (before..=behind).contains(&step).then_some(step)
        };
        by_epoch().unwrap_or(behind)
    }
}

fn epoch_of(found: &Found) -> Option<f64> {
    let is_epoch = |(name, _): &&(String, Number)| words::is_epoch(name.as_bytes());
    found.values.iter().find(is_epoch).map(|(_, number)| number.value())
}

/// `Epoch 3/10` and nothing else.
fn epoch_alone(text: &[u8]) -> Option<i64> {
    let rest = text.strip_prefix(b"Epoch ")?;
    let (epoch, total) =
        std::str::from_utf8(rest.get(..rest.len().min(24))?).ok()?.split_once('/')?;
    total.trim_end().parse::<u32>().ok()?;
    epoch.parse().ok()
}

fn stamped(mark: Mark, ts: Option<&str>) -> Mark {
    let stamp = ts.and_then(|ts| fleet_logfile::cri::parse_stamp(ts.as_bytes()));
    Mark { stamp_nanos: stamp.unwrap_or(mark.stamp_nanos), ..mark }
}

/// A sample that the program wrote itself: all of its numbers are values.
fn emitted(object: &Dict<'_>) -> Option<Found> {
    let mut found = Found::default();
    for (name, number) in &object.numbers {
        match number {
            Number::Whole(step) if *name == "step" => found.step = Some(*step),
            number if !Sample::is_reserved(name) => {
                found.values.push(((*name).to_owned(), *number));
            }
            _ => {}
        }
    }
    (!found.values.is_empty()).then_some(found)
}

/// The frame without what moves a cursor or colours it.
fn clean(frame: &[u8], to: &mut Vec<u8>) {
    to.clear();
    let mut bytes = frame.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            0x1b if bytes.as_slice().first() == Some(&b'[') => {
                bytes.next();
                bytes.find(|b| (0x40..0x7f).contains(*b));
            }
            0x1b | 0x08 => {}
            _ => to.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Step and values of all lines; a line that begins with `!` is of the other stream.
    fn said(text: &str) -> Vec<String> {
        let mut extractor = Extractor::new(Patterns::default(), Vec::new());
        let mut points = Vec::new();
        let mut sink = |_: Mark, found: Found| {
            let step = found.step.map_or("-".to_owned(), |step| step.to_string());
            let values = found.values.iter().map(|(k, n)| format!(" {k}={}", n.value()));
            points.push(step + &values.collect::<String>());
        };
        for line in text.split('\n') {
            let (stream, line) = line.strip_prefix('!').map_or((0, line), |line| (1, line));
            extractor.line(stream, Mark::default(), line.as_bytes(), &mut sink);
        }
        extractor.finish(&mut sink);
        points
    }

    #[test]
    fn objects_of_a_program() {
        let lines = "{\"loss\": 1.2, \"step\": 100}\n\
            {\"kind\":\"sample\",\"ts\":\"2026-11-22T06:00:00Z\",\"subject\":\"custom\",\"step\":3,\"x\":1,\"pid\":2}\n\
            {\"level\":\"info\",\"port\":8080,\"took\":0.5}\n\
            {\"kind\":\"event\",\"loss\":1}\n\
            {\"epoch\": 2, \"val/acc\": 0.5, \"note\": {\"loss\": 3}}\n\
            INFO metrics {\"loss\": NaN, \"step\": 7}";
        let points = ["100 loss=1.2", "3 x=1", "2 epoch=2 val/acc=0.5", "7 loss=NaN"];
        assert_eq!(said(lines), points);
    }

    #[test]
    fn a_trainers_dict_has_the_step_of_the_bar() {
        let bar = |n: u32| format!("{:3}%|#| {n}/32 [00:00<00:01, 9.0it/s]", n * 100 / 32);
        // One pipe: the bar is drawn anew behind the dict.
        let dict = "{'loss': '1.8', 'epoch': '0.25'}";
        let one = format!("\r{}\r      \r{dict}\n\r{}\r   \r", bar(0), bar(4));
        assert_eq!(said(&one), ["4 loss=1.8 epoch=0.25"]);
        // Two streams, and the bar folded to one state a second.
        let dict = "{'loss': 1.8, 'epoch': 0.25}";
        let two = format!("!\r{}\n{dict}\n!\r{}", bar(3), bar(5));
        assert_eq!(said(&two), ["4 loss=1.8 epoch=0.25"]);
        // The first drawing comes after two dicts; later ones tell how many epochs there are.
        let late =
            |epoch: f64, n: u32| format!("{{'loss': 1.5, 'epoch': {epoch}}}\n!\r{}\n", bar(n));
        let late = format!("{dict}\n{}{}", late(0.5, 9), late(0.75, 13));
        let steps = ["4 loss=1.8 epoch=0.25", "8 loss=1.5 epoch=0.5", "12 loss=1.5 epoch=0.75"];
        assert_eq!(said(&late), steps);
        // On one line with a bar, as in transformers #28683; a shorter bar in between is not it.
        let line = format!(
            "{}{{'eval_loss': 0.5, 'epoch': 1.0}}\n\r 50%|#| 1/2 [00:00<00:01, 1it/s]\n",
            bar(16)
        );
        assert_eq!(said(&line), ["16 eval_loss=0.5 epoch=1"]);
        assert_eq!(said(dict), ["- loss=1.8 epoch=0.25"]);
    }

    #[test]
    fn keras_names_its_epoch_before() {
        let lines = "Epoch 2/3\n\r\x1b[1m2/8\x1b[0m \x1b[32m━━\x1b[0m \x1b[1m0s\x1b[0m 3ms/step - loss: 4.5\x08\x08\x08\r\
            \x1b[1m8/8\x1b[0m 0s 4ms/step - loss: 4.0 - val_loss: 3.5\nEpoch 3/3\n8/8 - 0s - 3ms/step - loss: 3.0";
        let points = ["10 epoch=2 loss=4.5", "16 epoch=2 loss=4 val_loss=3.5", "24 epoch=3 loss=3"];
        assert_eq!(said(lines), points);
    }

    #[test]
    fn nothing_is_dropped_when_steps_go_back() {
        let lines = "step=5 loss=1.5\nstep=3 loss=nan\nstep=3 loss=nan\nstep=-1 loss=0.5";
        assert_eq!(said(lines), ["5 loss=1.5", "3 loss=NaN", "3 loss=NaN", "-1 loss=0.5"]);
    }

    proptest! {
        #[test]
        fn any_lines_are_read(
            lines in proptest::collection::vec(
                "(\\{'loss': 0.5\\}|Epoch 1/2| 5/9 \\[00:01<00:01, 1it/s, x=1\\]|[\r\x08\x1b\\[{}'\":=a0-9 ]){0,12}", 0..12,
            ),
            bytes: Vec<u8>,
        ) {
            let mut extractor = Extractor::new(Patterns::default(), vec!["a".into()]);
            let mut count = 0;
            let mut sink = |_: Mark, found: Found| count += found.values.len();
            for (at, line) in lines.iter().enumerate() {
                extractor.line(at, Mark::default(), line.as_bytes(), &mut sink);
            }
            extractor.line(0, Mark::default(), &bytes, &mut sink);
            extractor.finish(&mut sink);
        }
    }
}
