//! Files of other programs, with the same filters and outputs as what fleet keeps itself.
//!
//! # Theory of operation
//!
//! Each file (`file`) is a source like a run's log. Its bytes (`bytes`) come as they are, unpacked,
//! or from a pipe; the first lines tell its form (`form`): that of Kubernetes, Docker's, or plain. A
//! plain line's time is what it says at its beginning; one that says none, as the lines of a
//! traceback, has that of the line before. Where the file is large and in order of time, what is too
//! old is never read (`seek`).
//!
//! Following looks again at each change of the folders. A file whose name was given to another is
//! read to its end first, and one that was cut short from its start.

mod bytes;
mod file;
mod form;
mod paths;
mod seek;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_cli::{Exit, talk};
use fleet_os::{Changes, Watch};

use crate::args::Args;
use crate::filter::Filter;
use crate::sink::Sink;
use crate::{Plan, Shown};
use file::{How, LogFile};
use paths::Names;

/// All is looked at so often even where no change was announced.
const SWEEP: Duration = Duration::from_secs(1);

/// A traceback that has been quiet for so long is complete.
const QUIET: Duration = Duration::from_millis(200);

/// So many lines of each file are shown before others are looked at again.
const BATCH: usize = 10_000;

/// Shows the files that were named.
///
/// # Errors
/// Nothing could be read, or the output cannot be written.
pub(crate) fn show(args: &Args, filter: Arc<Filter>, sink: Box<dyn Sink>) -> anyhow::Result<Exit> {
    let mut exit = Exit::Yes;
    let paths = paths::files(&args.source.files, &mut exit);
    let plan = Plan::new(args, filter, sink.as_ref(), paths.len());
    let how = How { follow: args.follow && !args.until_ended, raw: args.raw };
    let mut files = Files {
        asked: args.source.files.clone(),
        plan,
        how,
        sink,
        exit,
        any: false,
        names: Names::default(),
        files: Vec::new(),
        known: HashSet::new(),
        watch: Watch::new(),
        folders: HashMap::new(),
    };
    if how.follow {
        // Before the first look, so that no change falls between the two.
        paths.iter().for_each(|path| files.attend(path));
    }
    for path in paths {
        files.open(path);
    }
    files.run()
}

/// The files that are shown.
struct Files {
    /// Files and folders as they were typed.
    asked: Vec<PathBuf>,
    plan: Plan,
    how: How,
    sink: Box<dyn Sink>,
    exit: Exit,
    /// Anything was shown.
    any: bool,
    names: Names,
    files: Vec<LogFile>,
    /// Device and number of all files that were opened: one that is renamed is no new one.
    known: HashSet<(u64, u64)>,
    watch: Watch,
    /// The folders that are watched.
    folders: HashMap<PathBuf, u64>,
}

impl Files {
    fn open(&mut self, path: PathBuf) {
        let id = self.names.of(&path);
        match LogFile::open(path.clone(), id, &self.plan, self.how) {
            Ok(file) => {
                self.known.extend(file.inode());
                self.sink.line_up(&file.face);
                self.files.push(file);
            }
            Err(error) => {
                talk(format_args!("cannot read '{}': {error}", path.display()));
                self.exit = Exit::CouldNot;
            }
        }
    }

    fn run(mut self) -> anyhow::Result<Exit> {
        // What is piped in is shown as it comes, unless it has to be merged with what is there.
        if let [only] = self.files.as_mut_slice() {
            only.do_not_wait();
        }
        loop {
            self.print()?;
            if self.how.follow {
                self.files.iter_mut().for_each(LogFile::do_not_wait);
            }
            if self.files.iter().all(LogFile::is_over) && !self.may_grow() {
                return Ok(self.exit.max(crate::end(self.sink, &self.plan, self.any)?));
            }
            self.sink.flush()?;
            if self.wait()? {
                return Ok(self.exit);
            }
        }
    }

    /// Whether new files may join although all that are there are read.
    fn may_grow(&self) -> bool {
        self.how.follow && self.asked.iter().any(|path| path.is_dir())
    }

    fn print(&mut self) -> anyhow::Result<()> {
        let most = if self.how.follow { BATCH } else { usize::MAX };
        let Shown { exit, any } = crate::print(self.files.iter_mut(), most, self.sink.as_mut())?;
        self.exit = self.exit.max(exit);
        self.any |= any;
        let inodes = self.files.iter().filter_map(LogFile::inode);
        self.known.extend(inodes);
        Ok(())
    }

    /// Sleeps until there may be more; answers whether the reader of the output left.
    fn wait(&mut self) -> anyhow::Result<bool> {
        if self.files.iter().any(LogFile::has_more) {
            return Ok(false);
        }
        let holds = self.files.iter().any(LogFile::holds);
        let most = if holds { QUIET } else { SWEEP };
        let quiet = match self.files.iter().find_map(LogFile::stream) {
            Some(stream) => !fleet_os::readable_until(stream, Instant::now() + most)?,
            None => {
                let stdout = io::stdout();
                let output = self.sink.is_stdout().then(|| stdout.as_fd());
                let woken = self.watch.wait(most, output, &[])?;
                if woken.reader_left {
                    return Ok(true);
                }
                woken.changed.is_empty()
            }
        };
        if quiet && holds {
            self.files.iter_mut().for_each(LogFile::settle);
        }
        if self.how.follow {
            self.join();
        }
        Ok(false)
    }

    /// Adds files that are new in the folders that were named.
    fn join(&mut self) {
        let folders: Vec<PathBuf> = self.asked.iter().filter(|p| p.is_dir()).cloned().collect();
        for path in paths::files(&folders, &mut self.exit) {
            let Ok(meta) = path.metadata() else { continue };
            let inode = (meta.dev(), meta.ino());
            // What was packed was read before it was.
            let packed = path.extension().is_some_and(|e| e == "gz" || e == "zst");
            let named = self.files.iter().any(|file| file.path == path);
            if !packed && !named && meta.len() > 0 && self.known.insert(inode) {
                self.plan.lines = None;
                self.open(path);
            }
        }
    }

    /// Watches the folder of a file.
    fn attend(&mut self, path: &Path) {
        let folder = match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
            Some(folder) => folder.to_owned(),
            None => return,
        };
        let number = self.folders.len() as u64;
        if !self.folders.contains_key(&folder)
            && self.watch.add(&folder, Changes::Contents, number).is_ok()
        {
            self.folders.insert(folder, number);
        }
    }
}
