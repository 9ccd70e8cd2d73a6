//! The scalars of tfevents files, followed while they grow.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_core::Timestamp;
use prost::Message;

use crate::event::{Event, Head};
use crate::feed::Feed;
use crate::files::{BLOCK, Growing};
use crate::framing::{Framing, Record};
use crate::pairs::MAX_NAME;
use crate::point::{Found, Point, Source};

/// So many tags of one training are told apart.
const MAX_TAGS: usize = 10_000;

/// The scalars of a tfevents file, or of a folder of them: several files of one folder are one training,
/// read in the order of their names.
///
/// A damaged record is left out; behind a damaged length nothing can be found. Where a training
/// says that it begins anew at a step, what an earlier part of the files has from that step on
/// is stale and is left out, as far as it was not handed out already. Without such a word
/// everything is kept.
pub struct EventFeed {
    path: PathBuf,
    files: Vec<EventFile>,
    /// Where trainings begin anew in what is there at the first look: file, record, step.
    starts: Option<VecDeque<(usize, u64, i64)>>,
    tags: Tags,
    problems: Vec<String>,
}

struct EventFile {
    file: Growing,
    framing: Framing,
    records: u64,
    damaged: u64,
    told: u64,
}

/// What is known of the tags of a training.
#[derive(Default)]
struct Tags {
    /// Those that are no scalars.
    others: HashSet<String>,
    last: HashMap<String, i64>,
    /// It was said that steps go back.
    back: bool,
}

/// Whether the file is one by its name.
pub(crate) fn is_event_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("tfevents"))
}

impl EventFeed {
    /// From the first record of the file, or of the files of the folder, on.
    pub fn new(path: &Path) -> EventFeed {
        EventFeed {
            path: path.to_owned(),
            files: Vec::new(),
            starts: None,
            tags: Tags::default(),
            problems: Vec::new(),
        }
    }

    /// Takes up files that are new.
    fn look(&mut self) -> io::Result<()> {
        let mut found = Vec::new();
        if self.path.is_dir() {
            for entry in fs::read_dir(&self.path)? {
                let path = entry?.path();
                if is_event_file(&path) && path.is_file() {
                    found.push(path);
                }
            }
            found.sort();
        } else {
            found.push(self.path.clone());
        }
        for path in found {
            if !self.files.iter().any(|file| file.file.path() == path) {
                self.files.push(EventFile::new(&path));
            }
        }
        Ok(())
    }

    /// Finds where trainings begin anew in what is there.
    fn find_starts(&self) -> VecDeque<(usize, u64, i64)> {
        let mut starts = VecDeque::new();
        for (at, file) in self.files.iter().enumerate() {
            let mut copy = EventFile::new(file.file.path());
            // What cannot be read is said when it is read for its values.
            let _ = copy.each(&mut |number, payload| {
                let head = Head::decode(payload).unwrap_or_default();
                if head.session.is_some_and(|session| session.is_start()) {
                    starts.push_back((at, number, head.step));
                }
            });
        }
        starts
    }
}

impl Feed for EventFeed {
    fn poll(&mut self, sink: &mut dyn FnMut(Point)) -> io::Result<()> {
        self.look()?;
        if self.starts.is_none() && !self.files.is_empty() {
            self.starts = Some(self.find_starts());
        }
        let mut none = VecDeque::new();
        let starts = self.starts.as_mut().unwrap_or(&mut none);
        for (at, file) in self.files.iter_mut().enumerate() {
            let (tags, problems) = (&mut self.tags, &mut self.problems);
            let path = file.file.path().to_owned();
            file.each(&mut |number, payload| {
                while starts.front().is_some_and(|s| (s.0, s.1) <= (at, number)) {
                    starts.pop_front();
                }
                // Of a file that a writer of another kind made nothing can be said.
                let Ok(event) = Event::decode(payload) else { return };
                let stale = starts.iter().any(|start| event.step >= start.2);
                if !stale {
                    tags.points(&path, event, problems, sink);
                }
            })?;
            file.complain(problems);
        }
        Ok(())
    }

    fn finish(&mut self, _sink: &mut dyn FnMut(Point)) {}

    fn problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }
}

impl EventFile {
    fn new(path: &Path) -> EventFile {
        EventFile {
            file: Growing::new(path),
            framing: Framing::default(),
            records: 0,
            damaged: 0,
            told: 0,
        }
    }

    /// Hands out the number and the payload of each record that came since.
    fn each(&mut self, take: &mut dyn FnMut(u64, &[u8])) -> io::Result<()> {
        let mut block = vec![0; BLOCK];
        loop {
            let (count, fresh) = self.file.read(&mut block)?;
            if count == 0 {
                return Ok(());
            }
            if fresh {
                self.framing = Framing::default();
            }
            self.framing.push(&block[..count]);
            while let Some(record) = self.framing.next_record() {
                self.records += 1;
                match record {
                    Record::Whole(payload) => take(self.records, payload),
                    Record::TooLong => {}
                    Record::Damaged | Record::Broken => self.damaged += 1,
                }
            }
        }
    }

    fn complain(&mut self, problems: &mut Vec<String>) {
        let before = std::mem::replace(&mut self.told, self.damaged);
        if self.damaged == before {
            return;
        }
        let (path, count) = (self.file.path().display(), self.damaged - before);
        let end =
            if self.framing.is_broken() { "; the rest of the file cannot be read" } else { "" };
        problems.push(format!("'{path}': records with a wrong checksum left out: {count}{end}"));
    }
}

impl Tags {
    fn points(
        &mut self,
        path: &Path,
        event: Event,
        problems: &mut Vec<String>,
        sink: &mut dyn FnMut(Point),
    ) {
        let mut found = Found { step: Some(event.step), values: Vec::new() };
        for value in event.summary.unwrap_or_default().values {
            if let Some(plugin) = value.plugin()
                && plugin != "scalars"
                && self.others.len() < MAX_TAGS
            {
                self.others.insert(value.tag);
                continue;
            }
            let Some(number) = value.number() else { continue };
            if value.tag.len() > MAX_NAME || self.others.contains(&value.tag) {
                continue;
            }
            self.watch(path, &value.tag, event.step, problems);
            found.values.push((value.tag, number));
        }
        if !found.values.is_empty() {
            sink(Point::new(moment(event.wall_time), Source::Events, found));
        }
    }

    /// Says once that steps go back, because it is the reader's guess what that means.
    fn watch(&mut self, path: &Path, tag: &str, step: i64, problems: &mut Vec<String>) {
        if self.back {
            return;
        }
        let has_room = self.last.len() < MAX_TAGS;
        match self.last.get_mut(tag) {
            Some(last) if *last > step => {
                self.back = true;
                let path = path.display();
                problems.push(format!(
                    "'{path}': steps of '{tag}' go back from {last} to {step}; all points are kept"
                ));
            }
            Some(last) => *last = step,
            None if has_room => {
                self.last.insert(tag.to_owned(), step);
            }
            None => {}
        }
    }
}

fn moment(seconds: f64) -> Timestamp {
    // A double holds no more than microseconds of our century; what is out of range is its end.
    Timestamp::from_nanos(((seconds * 1e6).round() as i64).saturating_mul(1000))
}
