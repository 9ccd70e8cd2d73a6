//! Starting a process of the fleet.
//!
//! # Theory of operation
//!
//! What was typed becomes a [`fleet_core::Spec`], checked before anything starts. Under the
//! registry's lock the name is claimed, ports and GPUs are chosen, the run's folder is made and its first
//! record is appended (`claim`). Then the supervisor that was forked at the very beginning is
//! given its order and the run's lock, and this program waits until it says that the command was
//! executed, or why not. From then on nothing here matters to the process any more. A fleet in a
//! file goes the same way, all of it at once (`file`).

mod args;
mod claim;
mod command;
mod confine;
mod env_file;
mod file;
mod gpus;
mod kernel;
mod order;
mod placeholders;
mod ports;
mod surroundings;
mod wait;
mod wanted;
mod wish;

use std::io::{self, BufRead, BufReader, Read, Write};

use anyhow::Context;
use fleet_cli::{Exit, Failure, Out, Paint, talk};
use fleet_core::{Id, RunKey, Timestamp};
use fleet_registry::{Home, Keep};
use fleet_shim::Nursery;

pub use args::{Args, Deed, FileArgs, Wait};
use claim::{Candidate, Claim, Claims};
pub use wish::{
    Form, HealthWish, LimitsWish, Place, Prepared, Rotate, Size, Span, Status, Typed, Url, Wish,
    WithPorts, Words,
};

/// Starts what was asked for, prints its id, and waits as long as was asked.
///
/// # Errors
/// It cannot be started; the error carries the exit status.
pub fn spawn(args: Args, nursery: io::Result<Nursery>) -> anyhow::Result<Exit> {
    if args.file.schema {
        return file::print_schema(&args.output);
    }
    if args.command.is_empty() {
        let Some(path) = &args.file.file else { return Err(no_command(&args.file.selectors)) };
        return file::run(path, &args, nursery);
    }
    if !args.file.selectors.is_empty() {
        return Err(no_command(&args.file.selectors));
    }
    one(args, nursery)
}

fn no_command(words: &[String]) -> anyhow::Error {
    let failure = Failure::new(Exit::CouldNot, "there is no command");
    let command = if words.is_empty() { "COMMAND".to_owned() } else { words.join(" ") };
    failure.hint(format!("write -- before it: fleet-spawn -- {command}")).into()
}

/// Starts one process.
fn one(mut args: Args, nursery: io::Result<Nursery>) -> anyhow::Result<Exit> {
    let home = args.home.locate()?;
    if !args.wish.profile.is_empty() {
        args.wish = file::with_profiles(args.file.file.as_deref(), args.wish)?;
    }
    let spec = wanted::spec(&args.wish, &args.command, Id::near("new"))?;
    let health = args.wish.health.prepare()?;
    let devices = gpus::ask(spec.gpu_wish.is_some())?;
    prepare(&home)?;
    let ports = kernel::wanted_ports(&args.wish)?.map(|ports| (ports, args.wish.port_range()));
    let name = args.name.as_ref();
    let connection_file = args.wish.connection_file == Some(true);
    let after = &args.wish.after;
    let reuse = args.reuse;
    let candidate = Candidate { name, reuse, ports, connection_file, after, health, spec };
    let claim = Claims::begin(&home, devices)?.claim(candidate)?;
    let run = match claim {
        Claim::Reused(id) => RunKey { run: home.runs(&id).last().copied().unwrap_or(0), id },
        Claim::New(spec, lock) => {
            let run = spec.key();
            let nursery = nursery.context("cannot make a supervisor")?;
            let answer =
                nursery.order(&home, &run, &lock, true).context("the supervisor was killed")?;
            drop(lock);
            started(&home, &run, answer)?;
            run
        }
    };
    print_id(&run.id)?;
    wait::until(&home, &run, args.wait, args.wait_timeout)
}

/// Makes the home ready for another process.
fn prepare(home: &Home) -> anyhow::Result<()> {
    home.create()?;
    surroundings::warn_once(home);
    if fleet_registry::is_large(home) {
        compact(home);
    }
    Ok(())
}

/// What is lost by not compacting is time, so that a failure is told and no more.
fn compact(home: &Home) {
    match fleet_census::prune(home, Keep::default(), Timestamp::now()) {
        Ok(pruned) => pruned.problems.iter().for_each(talk),
        Err(e) => talk(format!("cannot compact the registry: {e}")),
    }
}

/// Waits for the shim's word on the first attempt.
fn started(home: &Home, run: &RunKey, report: impl Read) -> anyhow::Result<()> {
    let mut line = String::new();
    // A line with a path in it; whatever is longer is none of ours.
    BufReader::new(report.take(64 << 10)).read_line(&mut line).context("cannot hear the shim")?;
    let line = line.trim_end();
    if line.starts_with("ok ") || line == "queued" {
        return Ok(());
    }
    let Some((status, words)) = line.strip_prefix("err ").and_then(|rest| rest.split_once(' '))
    else {
        // The shim was killed before it could tell; its successor puts it in the record.
        return wait::until_started(home, run);
    };
    let exit = match status {
        "1" => Exit::No,
        "126" => Exit::NotExecutable,
        "127" => Exit::NotFound,
        _ => Exit::CouldNot,
    };
    Err(Failure::new(exit, words).into())
}

fn print_id(id: &Id) -> anyhow::Result<()> {
    let mut out = Out::stdout(true, Paint(false));
    let printed = writeln!(out, "{id}").and_then(|()| out.finish());
    printed.with_context(|| format!("'{id}' runs, but its name cannot be printed"))
}
