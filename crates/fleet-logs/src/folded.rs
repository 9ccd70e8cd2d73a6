//! Progress bars as one line each, whatever the lines go to.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fleet_logfile::{Message, Stream};
use fleet_progress::{Folder, Shown};

use crate::entry::{Entry, Face};
use crate::sink::{Sink, Tracebacks};

/// Folds the progress bars of each process and stream, and passes the lines on that come out.
pub(crate) struct Folded {
    sink: Box<dyn Sink>,
    /// Those that hold something.
    streams: HashMap<Key, Folding>,
    /// What is drawn now is shown while it moves.
    live: bool,
}

/// A face that is held has its place in memory for itself.
type Key = (*const Face, Stream);

#[derive(Default)]
struct Folding {
    folder: Folder<Head>,
    /// The last message was the beginning of a line.
    open: bool,
}

/// An entry without its text.
#[derive(Clone)]
struct Head {
    face: Arc<Face>,
    attempt: u32,
    stamp_nanos: i64,
    stream: Stream,
}

impl Folded {
    pub(crate) fn new(sink: Box<dyn Sink>, live: bool) -> Folded {
        Folded { sink, streams: HashMap::new(), live }
    }

    fn fold(&mut self, key: Key, entry: &Entry) -> io::Result<()> {
        let said = &entry.message;
        let mut out = Vec::new();
        let folding = self.streams.entry(key).or_default();
        if std::mem::replace(&mut folding.open, said.partial) && !said.continues {
            folding.folder.cut(&mut out);
        }
        let head = Head::of(entry);
        folding.folder.write(head, said.stamp_nanos, &said.text, !said.partial, &mut out);
        self.pass_on(out)?;
        let Some(folding) = self.streams.get(&key) else { return Ok(()) };
        let drawn = folding.folder.live().map(|(head, text)| head.entry(text.to_vec(), true));
        if folding.folder.is_empty() {
            self.streams.remove(&key);
        }
        if self.live { self.sink.live(drawn.or_else(|| self.newest()).as_ref()) } else { Ok(()) }
    }

    /// What was drawn last of all that is still drawn.
    fn newest(&self) -> Option<Entry> {
        let drawn = self.streams.values().filter_map(|folding| folding.folder.live());
        let (head, text) = drawn.max_by_key(|(head, _)| head.stamp_nanos)?;
        Some(head.entry(text.to_vec(), true))
    }

    fn pass_on(&mut self, lines: Vec<Shown<Head>>) -> io::Result<()> {
        for Shown { mark, text, ended } in lines {
            self.sink.take(&mark.entry(text, !ended))?;
        }
        Ok(())
    }

    /// Passes on what is held of the streams that `of` chooses, in order of time.
    fn let_go(&mut self, of: impl Fn(&Key) -> bool) -> io::Result<()> {
        let mut out = Vec::new();
        for (_, mut folding) in self.streams.extract_if(|key, _| of(key)) {
            folding.folder.finish(&mut out);
        }
        if self.live && !out.is_empty() {
            self.sink.live(None)?;
        }
        out.sort_by_key(|shown| shown.mark.stamp_nanos);
        self.pass_on(out)
    }
}

impl Sink for Folded {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        let said = &entry.message;
        if said.notice || entry.traceback.is_some() {
            return self.sink.take(entry);
        }
        let key = (Arc::as_ptr(&entry.face), said.stream);
        let held = !self.streams.is_empty() && self.streams.contains_key(&key);
        if held || !entry.plain && Folder::<Head>::needed(&said.text) {
            self.fold(key, entry)
        } else {
            self.sink.take(entry)
        }
    }

    fn line_up(&mut self, face: &Arc<Face>) {
        self.sink.line_up(face);
    }

    fn ended(&mut self, face: &Arc<Face>) -> io::Result<()> {
        let face_of = Arc::as_ptr(face);
        self.let_go(|(of, _)| *of == face_of)?;
        self.sink.ended(face)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn left_nothing(&mut self) -> io::Result<bool> {
        self.let_go(|_| true)?;
        self.sink.left_nothing()
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.let_go(|_| true)?;
        self.sink.finish()
    }

    fn tracebacks(&self) -> Tracebacks {
        self.sink.tracebacks()
    }

    fn is_stdout(&self) -> bool {
        self.sink.is_stdout()
    }

    fn is_terminal(&self) -> bool {
        self.sink.is_terminal()
    }

    fn due(&self) -> Option<Duration> {
        self.sink.due()
    }

    fn shows_beginnings(&self) -> bool {
        self.sink.shows_beginnings()
    }
}

impl Head {
    fn of(entry: &Entry) -> Head {
        let Message { stamp_nanos, stream, .. } = entry.message;
        Head { face: Arc::clone(&entry.face), attempt: entry.attempt, stamp_nanos, stream }
    }

    fn entry(&self, text: Vec<u8>, partial: bool) -> Entry {
        let message = Message {
            stamp_nanos: self.stamp_nanos,
            stream: self.stream,
            notice: false,
            partial,
            continues: false,
            text,
        };
        Entry::line(Arc::clone(&self.face), self.attempt, message)
    }
}
