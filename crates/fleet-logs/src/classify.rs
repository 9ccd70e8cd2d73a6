//! What the class of its process makes of each line, and whether it is unlike those before.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fleet_cli::{Exit, Failure, talk};
use fleet_core::RunKey;
use fleet_logclass::{Class, Classes, ClassesError, Detector, Happened, Reading};
use fleet_logline::{Level, fields, plain};

use crate::args::Args;
use crate::entry::{Entry, Face, Noted};
use crate::sink::{Sink, Tracebacks};

/// So many runs are remembered; a fleet that has more begins anew with what it knows of them.
const MAX_RUNS: usize = 4096;

/// The category of a traceback that says nothing more.
const CRASH: &str = "crash";

/// Notes on each line what its class makes of it, and passes on those that are wanted.
pub(crate) struct Classify {
    inner: Box<dyn Sink>,
    classes: Classes,
    /// Only these categories; all where there is none.
    categories: Vec<String>,
    /// Only what is unlike before.
    anomalies: bool,
    /// The lines were chosen, so that a pause between them means something.
    chosen: bool,
    runs: HashMap<RunKey, Known>,
    /// Some line was wanted.
    passed: bool,
    /// What was said of classes that there are not.
    said: HashSet<String>,
}

/// What is known of a run.
struct Known {
    class: Arc<Class>,
    detector: Detector,
}

impl Classify {
    /// Before a sink.
    ///
    /// # Errors
    /// The user's own classes cannot be read, or are refused.
    pub(crate) fn before(inner: Box<dyn Sink>, args: &Args) -> Result<Classify, Failure> {
        let count = &args.count;
        let classes = match &count.logs_config {
            Some(path) => Classes::load(path),
            None => Classes::of_user(),
        };
        let classes = classes.map_err(refused)?;
        count.category.iter().try_for_each(|category| check(category, &classes))?;
        Ok(Classify {
            inner,
            classes,
            categories: count.category.clone(),
            anomalies: count.anomalies,
            chosen: !args.search.patterns.is_empty() || !count.category.is_empty(),
            runs: HashMap::new(),
            passed: false,
            said: HashSet::new(),
        })
    }

    /// Whether only some lines are passed on.
    fn is_choosy(&self) -> bool {
        !self.categories.is_empty() || self.anomalies
    }

    fn known(&mut self, face: &Face) -> &mut Known {
        if self.runs.len() >= MAX_RUNS && !self.runs.contains_key(&face.key) {
            self.runs.clear();
        }
        let (classes, chosen, said) = (&self.classes, self.chosen, &mut self.said);
        self.runs.entry(face.key.clone()).or_insert_with(|| {
            if let Some(unknown) = classes.unknown(&face.labels)
                && said.insert(unknown.clone())
            {
                talk(unknown);
            }
            let detector = if chosen { Detector::with_pauses() } else { Detector::default() };
            Known { class: Arc::clone(classes.of(&face.labels)), detector }
        })
    }

    fn note(&mut self, entry: &Entry) -> Noted {
        // What fleet itself notes is no word of the process.
        if entry.message.notice {
            return Noted::default();
        }
        let known = self.known(&entry.face);
        let read = read(&known.class, entry);
        let mut said = fields(&entry.message.text).unwrap_or_default();
        let by_class = !read.fields.is_empty();
        for (name, value) in read.fields {
            said.entry(name).or_insert(value);
        }
        let traceback = entry.traceback.is_some();
        let level = entry.own_level().or(read.level);
        let mut noted = Noted {
            category: read.category.or_else(|| traceback.then(|| CRASH.to_owned())),
            level: level.or(traceback.then_some(Level::Error)),
            fields: said,
            by_class,
            anomaly: None,
        };
        noted.anomaly = known.detector.take(Happened {
            stamp_nanos: entry.message.stamp_nanos,
            level: noted.level,
            category: noted.category.as_deref(),
            fields: &noted.fields,
        });
        noted
    }

    fn wants(&self, noted: &Noted) -> bool {
        let category = noted.category.as_ref();
        (self.categories.is_empty() || category.is_some_and(|c| self.categories.contains(c)))
            && (!self.anomalies || noted.anomaly.is_some())
    }
}

/// What a class makes of a line, or of the error of a traceback: its source lines say nothing of
/// what happened.
fn read(class: &Class, entry: &Entry) -> Reading {
    match entry.traceback.as_deref().map(|t| (t.kind.as_deref(), t.message.as_deref())) {
        Some((Some(kind), message)) => {
            class.read(format!("{kind}: {}", message.unwrap_or_default()).as_bytes())
        }
        _ => class.read(&plain(&entry.message.text).text),
    }
}

/// Refuses a category that no line can have: an empty answer would look like good news.
fn check(category: &str, classes: &Classes) -> Result<(), Failure> {
    let mut known = classes.categories();
    known.insert(CRASH);
    if known.contains(category) {
        return Ok(());
    }
    let message = format!("'{category}' is no category that a class gives");
    let list = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(Failure::new(Exit::CouldNot, message).hint(format!("there are: {list}")))
}

fn refused(error: ClassesError) -> Failure {
    match &error {
        ClassesError::Read { source, .. } => {
            Failure::new(Exit::CouldNot, format!("{error}: {source}"))
                .hint("configs/logs.toml is one to begin with")
        }
        ClassesError::Wrong(_) => Failure::new(Exit::CouldNot, error.to_string()),
    }
}

impl Sink for Classify {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        let noted = self.note(entry);
        let wanted = self.wants(&noted);
        // Nobody else notes anything.
        let _ = entry.noted.set(Box::new(noted));
        self.passed |= wanted;
        if wanted { self.inner.take(entry) } else { Ok(()) }
    }

    fn line_up(&mut self, face: &Arc<Face>) {
        self.known(face);
        self.inner.line_up(face);
    }

    fn live(&mut self, drawn: Option<&Entry>) -> io::Result<()> {
        self.inner.live(drawn)
    }

    fn ended(&mut self, face: &Arc<Face>) -> io::Result<()> {
        self.inner.ended(face)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn left_nothing(&mut self) -> io::Result<bool> {
        Ok(self.is_choosy() && !self.passed)
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.inner.finish()
    }

    fn is_stdout(&self) -> bool {
        self.inner.is_stdout()
    }

    fn tracebacks(&self) -> Tracebacks {
        // What a traceback is, it is as a whole.
        if self.is_choosy() { Tracebacks::Records } else { self.inner.tracebacks() }
    }

    fn is_terminal(&self) -> bool {
        self.inner.is_terminal()
    }

    fn due(&self) -> Option<Duration> {
        self.inner.due()
    }

    fn shows_beginnings(&self) -> bool {
        self.inner.shows_beginnings() && !self.is_choosy()
    }
}
