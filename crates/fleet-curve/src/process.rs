//! The curves of one run of a process: all of its feeds.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fleet_core::ProcessRecord;
use fleet_registry::Home;

use crate::emitted::EmitFeed;
use crate::events::{EventFeed, is_event_file};
use crate::feed::{Feed, for_file};
use crate::log::LogFeed;
use crate::owner::Owner;
use crate::patterns::Patterns;
use crate::point::Point;
use crate::table::{TableFeed, is_metrics_table};

/// New files are looked for no more often.
const SEARCH_EVERY: Duration = Duration::from_secs(2);

/// No more files of one process are followed.
const MAX_FEEDS: usize = 1000;

/// A search goes no deeper, and looks at no more entries.
const MAX_DEPTH: usize = 8;
const MAX_ENTRIES: usize = 20_000;

/// The curves of one run of a process, or of files.
///
/// Of a run these are its log, what it emitted, and tfevents files and `metrics.csv` in the process's
/// own folder; where it was spawned with `--curves`, the files and folders named there and what
/// it emitted.
pub struct Curves {
    /// Whose they are.
    pub owner: Owner,
    places: Vec<Place>,
    patterns: Patterns,
    wanted: Vec<String>,
    feeds: Vec<Box<dyn Feed>>,
    known: HashSet<PathBuf>,
    searched: Option<Instant>,
    problems: Vec<String>,
}

/// Where files are looked for.
enum Place {
    /// Below a folder, those whose names tell that they hold curves.
    Below(PathBuf),
    /// What a path or a glob names: files as they are, and what is below folders.
    Named(String),
}

impl Curves {
    /// Those of a run.
    pub fn of_run(
        home: &Home,
        record: &ProcessRecord,
        patterns: Patterns,
        wanted: Vec<String>,
    ) -> Curves {
        let run = home.run_of(&record.key());
        let mut feeds: Vec<Box<dyn Feed>> = vec![Box::new(EmitFeed::new(&run.emitted()))];
        let mut places = Vec::new();
        if record.curves.is_empty() {
            feeds.push(Box::new(LogFeed::new(&run, patterns.clone(), wanted.clone())));
            places.push(Place::Below(home.data(&record.id)));
        }
        places.extend(record.curves.iter().cloned().map(Place::Named));
        Curves::new(Owner::process(record), places, feeds, patterns, wanted)
    }

    /// What was emitted in a home outside of any process.
    pub fn of_home(home: &Home) -> Curves {
        let feeds: Vec<Box<dyn Feed>> = vec![Box::new(EmitFeed::new(&home.emitted()))];
        Curves::new(Owner::default(), Vec::new(), feeds, Patterns::default(), Vec::new())
    }

    /// Those of files and folders of any program.
    pub fn of_files(
        owner: Owner,
        paths: impl IntoIterator<Item = PathBuf>,
        patterns: Patterns,
        wanted: Vec<String>,
    ) -> Curves {
        let named = |path: PathBuf| glob::Pattern::escape(&path.to_string_lossy());
        let places = paths.into_iter().map(|path| Place::Named(named(path))).collect();
        Curves::new(owner, places, Vec::new(), patterns, wanted)
    }

    fn new(
        owner: Owner,
        places: Vec<Place>,
        feeds: Vec<Box<dyn Feed>>,
        patterns: Patterns,
        wanted: Vec<String>,
    ) -> Curves {
        Curves {
            owner,
            places,
            patterns,
            wanted,
            feeds,
            known: HashSet::new(),
            searched: None,
            problems: Vec::new(),
        }
    }

    /// Hands out every point that came since the last call.
    pub fn poll(&mut self, sink: &mut dyn FnMut(Point)) {
        if self.searched.is_none_or(|at| at.elapsed() >= SEARCH_EVERY) {
            self.searched = Some(Instant::now());
            self.search();
        }
        for feed in &mut self.feeds {
            if let Err(error) = feed.poll(sink) {
                self.problems.push(format!("cannot read a curve: {error}"));
            }
            self.problems.append(&mut feed.problems());
        }
    }

    /// Hands out what is held back, when nothing more will come.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Point)) {
        self.feeds.iter_mut().for_each(|feed| feed.finish(sink));
    }

    /// What was found wrong since the last call.
    pub fn problems(&mut self) -> Vec<String> {
        std::mem::take(&mut self.problems)
    }

    /// Takes up files that are new.
    fn search(&mut self) {
        let mut found = Found::default();
        for place in &self.places {
            match place {
                Place::Below(dir) => found.below(dir, 0),
                Place::Named(pattern) => found.named(pattern),
            }
        }
        found.paths.sort();
        for (kind, path) in found.paths {
            if self.known.len() >= MAX_FEEDS || !self.known.insert(path.clone()) {
                continue;
            }
            self.feeds.push(match kind {
                Kind::Events => Box::new(EventFeed::new(&path)),
                Kind::Table => Box::new(TableFeed::new(&path)),
                Kind::File => for_file(&path, &self.patterns, &self.wanted),
            });
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A folder with event files, or one of them.
    Events,
    /// A table of metrics.
    Table,
    /// Any file.
    File,
}

#[derive(Default)]
struct Found {
    paths: Vec<(Kind, PathBuf)>,
    entries: usize,
}

impl Found {
    fn below(&mut self, dir: &Path, depth: usize) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut has_events = false;
        for entry in entries.flatten() {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return;
            }
            let path = entry.path();
            // Links are not followed, so that no search runs in circles.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < MAX_DEPTH => self.below(&path, depth + 1),
                Ok(kind) if kind.is_dir() => {}
                _ if is_event_file(&path) => has_events = true,
                _ if is_metrics_table(&path) => self.paths.push((Kind::Table, path)),
                _ => {}
            }
        }
        if has_events {
            self.paths.push((Kind::Events, dir.to_owned()));
        }
    }

    fn named(&mut self, pattern: &str) {
        // The patterns were checked when they were typed.
        let Ok(paths) = glob::glob(pattern) else { return };
        for path in paths.flatten().take(MAX_ENTRIES) {
            if path.is_dir() {
                self.below(&path, 0);
            } else {
                self.paths.push((Kind::File, path));
            }
        }
    }
}
