//! Which curves are read.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fleet_census::Seen;
use fleet_cli::{Exit, Failure, Selection, talk};
use fleet_core::{Id, RunKey};
use fleet_curve::{Curves, Owner, Patterns};
use fleet_registry::Home;

use crate::args::CurvesArgs;

/// Standard input, where a file is asked for.
const STDIN: &str = "-";

/// What is read.
pub(crate) struct Sources {
    pub(crate) curves: Vec<Curves>,
    /// A log on standard input as well.
    pub(crate) stdin: bool,
    /// How the tool ends for what was not found.
    pub(crate) exit: Exit,
    processes: Option<Processes>,
    patterns: Patterns,
    wanted: Vec<String>,
}

struct Processes {
    home: Home,
    selection: Selection,
    /// No selector was typed.
    all: bool,
    known: HashSet<RunKey>,
}

impl Sources {
    /// Finds what was asked for.
    ///
    /// # Errors
    /// A file is not there, a selector is none, or the registry cannot be read.
    pub(crate) fn find(args: &CurvesArgs, patterns: Patterns) -> anyhow::Result<Sources> {
        let mut sources = Sources {
            curves: Vec::new(),
            stdin: args.file.iter().any(|file| file == Path::new(STDIN)),
            exit: Exit::Yes,
            processes: None,
            patterns,
            wanted: args.metric.clone(),
        };
        if args.file.is_empty() {
            let processes = Processes {
                home: args.home.locate()?,
                selection: args.select.read()?,
                all: args.select.selectors.is_empty(),
                known: HashSet::new(),
            };
            if args.select.is_empty() {
                sources.curves.push(Curves::of_home(&processes.home));
            }
            sources.processes = Some(processes);
            sources.first()?;
        } else {
            sources.files(args)?;
        }
        Ok(sources)
    }

    fn files(&mut self, args: &CurvesArgs) -> Result<(), Failure> {
        let several = args.file.len() > 1;
        for file in args.file.iter().filter(|file| *file != Path::new(STDIN)) {
            if !file.exists() && !args.follow {
                let words = format!("cannot read '{}': there is no such file", file.display());
                return Err(Failure::new(Exit::CouldNot, words));
            }
            let owner = match several {
                true => Owner::file(file.to_string_lossy()),
                false => Owner::default(),
            };
            let (patterns, wanted) = (self.patterns.clone(), self.wanted.clone());
            self.curves.push(Curves::of_files(owner, [file.clone()], patterns, wanted));
        }
        Ok(())
    }

    /// The processes to begin with; says what matched nothing.
    fn first(&mut self) -> anyhow::Result<()> {
        let unmatched = self.join()?;
        for selector in &unmatched {
            talk(format_args!("no process matches '{selector}'"));
            self.exit = Exit::No;
        }
        Ok(())
    }

    /// Takes up the processes that are new, and names the selectors that match none.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn join(&mut self) -> anyhow::Result<Vec<String>> {
        let Some(processes) = &mut self.processes else { return Ok(Vec::new()) };
        let seen = fleet_census::take(&processes.home)?.seen;
        let newest = processes.all.then(|| newest(&seen));
        let (chosen, unmatched) = processes.selection.filter(seen, |seen| &seen.record);
        for one in chosen {
            let key = one.record.key();
            let is_newest = newest.as_ref().is_none_or(|n| n.get(&key.id) == Some(&key.run));
            if !is_newest || !processes.known.insert(key) {
                continue;
            }
            let (patterns, wanted) = (self.patterns.clone(), self.wanted.clone());
            self.curves.push(Curves::of_run(&processes.home, &one.record, patterns, wanted));
        }
        Ok(unmatched)
    }
}

fn newest(seen: &[Seen]) -> HashMap<Id, u32> {
    let mut newest: HashMap<Id, u32> = HashMap::new();
    for record in seen.iter().map(|seen| &seen.record) {
        let run = newest.entry(record.id.clone()).or_default();
        *run = record.run.max(*run);
    }
    newest
}
