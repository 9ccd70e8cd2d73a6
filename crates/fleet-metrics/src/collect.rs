//! The user's own collectors: which file, who works when, and what they say in a round.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use fleet_cli::{Align, Cell, Column, Exit, Failure, OutputArgs, Table, talk};
use fleet_collectors::{Collector, CollectorFile, CollectorsError, Team};
use fleet_core::{Sample, Timestamp, duration_text};
use fleet_os::before_end;
use fleet_registry::Home;

/// Measures of the user's own.
#[derive(Args, Clone, Debug)]
pub struct CollectArgs {
    /// Ask these collectors, too [default: $XDG_CONFIG_HOME/fleet/collectors.toml, else
    /// ~/.config/fleet/collectors.toml, where there is one]
    #[arg(long, value_name = "FILE", help_heading = "Collectors")]
    pub collectors: Option<PathBuf>,
    /// Ask no collectors
    #[arg(long, conflicts_with = "collectors", help_heading = "Collectors")]
    pub no_collectors: bool,
    /// Check the file of collectors, print what is in it, and ask nothing
    #[arg(long, conflicts_with = "no_collectors", help_heading = "Collectors")]
    pub check: bool,
}

/// The collectors at work.
pub(crate) struct Collecting {
    team: Team,
    /// Asked beside the rounds, which then wait for nobody.
    follows: bool,
}

impl Collecting {
    /// Reads the file, if there is one, and begins. `follows` says that there are several rounds;
    /// where processes are selected, as `choosy` says, only collectors of processes work.
    ///
    /// # Errors
    /// The file is refused, or there are no descriptors left.
    pub(crate) fn begin(
        args: &CollectArgs,
        home: &Home,
        boot: &str,
        follows: bool,
        choosy: bool,
    ) -> anyhow::Result<Option<Collecting>> {
        let path =
            if args.no_collectors { None } else { args.collectors.clone().or_else(own_file) };
        let Some(path) = path else { return Ok(None) };
        let mut collectors = load(&path)?;
        collectors.retain(|collector| !choosy || collector.id.is_some());
        if collectors.is_empty() {
            return Ok(None);
        }
        let memory = home.metrics().join("collectors.json");
        let (team, problem) = Team::new(collectors, boot.to_owned(), &memory)?;
        if let Some(problem) = problem {
            talk(format!("{:#}", anyhow::Error::from(problem)));
        }
        before_end(team.dissolver()).context("cannot watch for signals")?;
        if follows {
            team.follow();
        }
        Ok(Some(Collecting { team, follows }))
    }

    /// Asks them and waits for them, where there is but one round.
    pub(crate) fn ask(&self) {
        if !self.follows {
            self.team.ask_once();
        }
    }

    /// What they said last.
    pub(crate) fn samples(&self, ts: Timestamp) -> Vec<Sample> {
        self.team.samples(ts)
    }

    /// What is to be said, after what they said is kept for the next one-shot.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        let kept = self.team.keep().map_err(|e| format!("{:#}", anyhow::Error::from(e)));
        self.team.problems().into_iter().chain(kept.err()).collect()
    }
}

/// The user's own file, where there is one.
fn own_file() -> Option<PathBuf> {
    let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
    folder.map(|folder| folder.join("fleet/collectors.toml")).filter(|path| path.exists())
}

fn load(path: &Path) -> Result<Vec<Collector>, Failure> {
    CollectorFile::load(path).map(|file| file.collectors).map_err(|error| {
        let message = match &error {
            CollectorsError::Read { source, .. } => format!("{error}: {source}"),
            CollectorsError::Wrong(_) => error.to_string(),
        };
        let failure = Failure::new(Exit::CouldNot, message);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// Prints the collectors of the file as a table and says that they are in order.
///
/// # Errors
/// There is no file, or it is refused, or the output fails.
pub(crate) fn check(args: &CollectArgs, output: &OutputArgs) -> anyhow::Result<Exit> {
    let path = args.collectors.clone().or_else(own_file).ok_or_else(|| {
        Failure::new(Exit::CouldNot, "there is no file of collectors to check")
            .hint("name it with --collectors FILE; configs/collectors.toml is one to begin with")
    })?;
    let collectors = load(&path)?;
    let left = |title| Column { title, align: Align::Left };
    let titles = ["COLLECTOR", "ASKS", "FORMAT", "EVERY", "TIMEOUT", "WHAT"];
    let mut table = Table::new(titles.map(left).to_vec());
    for one in &collectors {
        let (every, timeout) = (duration_text(one.interval), duration_text(one.timeout));
        let (kind, format) = (one.source.kind(), one.format.word());
        let cells = [&one.name, kind, format, &every, &timeout, &one.source.words()];
        table.row(cells.map(Cell::new).to_vec());
    }
    let mut out = output.open(false)?;
    table.write(&mut out).context("cannot write the table")?;
    out.finish()?;
    talk(format_args!("'{}' is in order; collectors: {}", path.display(), collectors.len()));
    Ok(Exit::Yes)
}
