//! `fleet-alert silence`: what people ask not to be told for a while.
//!
//! A silence is a line of a file in the fleet's home, written under the lock of the alerts'
//! memory and synced before the command ends. Streams look at that file in each of their turns,
//! so that nobody has to be told of it.

pub(crate) mod args;

use std::env;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use fleet_cli::{Align, Cell, Column, Exit, Failure, Format, OutputArgs, Records, Table, talk};
use fleet_config::did_you_mean;
use fleet_core::Timestamp;
use fleet_notify::{NotifyError, Silence, Silences};
use fleet_registry::make_dir;
use fleet_rules::{Locked, Store};
use nix::unistd::getuid;

use crate::config;
use args::{NewArgs, SilenceArgs, Then, later};

/// Does what was asked for.
///
/// # Errors
/// The silence would hold back all or nothing, or the file cannot be read or written.
pub(crate) fn run(args: &SilenceArgs) -> anyhow::Result<Exit> {
    match &args.then {
        None => add(args),
        Some(Then::List { home, output }) => list(&home.locate()?.alerts(), output),
        Some(Then::Expire { names, home }) => expire(&home.locate()?.alerts(), names),
    }
}

fn add(args: &SilenceArgs) -> anyhow::Result<Exit> {
    let now = Timestamp::now();
    let silence = wanted(&args.new, now)?;
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let folder = args.home.locate()?.alerts();
    make_dir(&folder).with_context(|| format!("cannot make the folder '{}'", folder.display()))?;
    let (_locked, mut silences) = open(&folder)?;
    let id = silences.add(silence.clone(), now).map_err(refused)?;
    // The first silence of a home makes the file: its name must be on the disk too.
    File::open(&folder).and_then(|folder| folder.sync_all()).context("cannot sync the folder")?;
    warn(&args.new);
    if args.output.is_chosen() {
        return write(&args.output, format, &[Silence { id, ..silence }]);
    }
    let mut out = args.output.open(false)?;
    std::io::Write::write_all(&mut out, format!("{id}\n").as_bytes())?;
    out.finish()?;
    Ok(Exit::Yes)
}

/// The silence that the arguments describe.
fn wanted(new: &NewArgs, now: Timestamp) -> Result<Silence, Failure> {
    let lacks = |message: &str, hint: &str| Failure::new(Exit::CouldNot, message).hint(hint);
    let until = match (new.lasts, new.until) {
        (Some(lasts), _) => later(new.starts.unwrap_or(now), lasts),
        (None, Some(until)) => until,
        (None, None) => {
            let hint =
                "say --for 2h or --until TIME; `fleet-alert silence list` lists those that hold";
            return Err(lacks("it is not said how long the silence lasts", hint));
        }
    };
    let why = new.why.as_deref().map(str::trim).filter(|why| !why.is_empty());
    let why = why.ok_or_else(|| {
        lacks("it is not said why", "say --why TEXT; whoever is not paged will ask")
    })?;
    let by = new.by.clone().unwrap_or_else(user);
    let silence = Silence {
        rule: new.rule.clone(),
        process: new.id.clone(),
        labels: new.labels.iter().cloned().map(|label| (label.key, label.value)).collect(),
        from: new.starts,
        ..Silence::new(until, why, &by)
    };
    if silence.is_about_all() && !new.all {
        return Err(lacks(
            "this silence would hold back every alert",
            "say which with --rule, --id or -l; or say --all",
        ));
    }
    Ok(silence)
}

/// Who runs this.
fn user() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"].into_iter();
    let named = |name| env::var(name).ok().filter(|name| !name.is_empty());
    names.filter_map(named).next().unwrap_or_else(|| format!("uid {}", getuid()))
}

/// Says where the silence may not do what its author thinks. A rules file that is not there, or
/// is refused, says nothing about that.
fn warn(new: &NewArgs) {
    let Some(glob) = &new.rule else { return };
    let Ok(pattern) = glob::Pattern::new(glob) else { return };
    let config = config::locate(new.rules.as_deref()).and_then(|path| config::load(&path));
    let Ok(config) = config else { return };
    let rules = &config.rules.rules;
    let meant: Vec<_> = rules.iter().filter(|rule| pattern.matches(&rule.name)).collect();
    if meant.is_empty() {
        let nearest = did_you_mean(glob, rules.iter().map(|rule| rule.name.as_str()));
        let nearest = nearest.map_or(String::new(), |nearest| format!("; {nearest}"));
        talk(format_args!("no rule is called '{glob}', so that this holds nothing back{nearest}"));
    }
    for rule in meant.iter().filter(|rule| rule.immediate) {
        talk(format_args!("rule '{}' is immediate: it is told in spite of silences", rule.name));
    }
}

fn list(folder: &Path, output: &OutputArgs) -> anyhow::Result<Exit> {
    let format = output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    if !folder.exists() {
        return write(output, format, &[]);
    }
    let (_locked, mut silences) = open(folder)?;
    let standing = silences.list(Timestamp::now())?;
    if let [first, ..] = silences.bad_lines() {
        talk(format_args!("passed over what is no silence in 'silences.jsonl', line {first}"));
    }
    write(output, format, &standing)
}

fn expire(folder: &Path, names: &[String]) -> anyhow::Result<Exit> {
    let mut worst = Exit::Yes;
    if !folder.exists() {
        talk("there are no silences");
        return Ok(Exit::No);
    }
    let (_locked, mut silences) = open(folder)?;
    for name in names {
        match silences.expire(name, Timestamp::now()) {
            Ok(_) => {}
            Err(NotifyError::Silence(message)) => {
                talk(message);
                worst = worst.max(Exit::No);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(worst)
}

/// The file, under the lock of the alerts' memory.
fn open(folder: &Path) -> anyhow::Result<(Locked, Silences)> {
    let locked = Store::open(folder)?.lock()?;
    Ok((locked, Silences::open(folder)))
}

/// A silence that cannot be is a mistake of whoever typed it.
fn refused(error: NotifyError) -> anyhow::Error {
    match error {
        NotifyError::Silence(message) => Failure::new(Exit::CouldNot, message).into(),
        error => error.into(),
    }
}

fn write(output: &OutputArgs, format: Format, silences: &[Silence]) -> anyhow::Result<Exit> {
    let mut out = output.open(false)?;
    let mut records = match format {
        Format::Table => {
            table(silences).write(&mut out)?;
            out.finish()?;
            return Ok(Exit::Yes);
        }
        Format::Json => Records::array(out),
        _ => Records::lines(out),
    };
    for silence in silences {
        records.write(silence)?;
    }
    records.finish()?.finish()?;
    Ok(Exit::Yes)
}

fn table(silences: &[Silence]) -> Table {
    let left = |title| Column { title, align: Align::Left };
    let titles = ["SILENCE", "RULE", "ID", "LABELS", "FROM", "UNTIL", "BY", "WHY"];
    let mut table = Table::new(titles.map(left).to_vec());
    for silence in silences {
        let labels: Vec<String> =
            silence.labels.iter().map(|(name, glob)| format!("{name}={glob}")).collect();
        let labels = (!labels.is_empty()).then(|| labels.join(","));
        table.row(vec![
            Cell::new(&silence.id),
            Cell::maybe(silence.rule.as_deref()),
            Cell::maybe(silence.process.as_deref()),
            Cell::maybe(labels),
            Cell::maybe(silence.from.map(seconds)),
            Cell::new(seconds(silence.until)),
            Cell::new(&silence.by),
            Cell::new(&silence.why),
        ]);
    }
    table
}

/// A moment to the second.
fn seconds(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or(text.clone(), |seconds| format!("{seconds}Z"))
}
