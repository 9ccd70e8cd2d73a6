//! `fleet-alert`: holds the records on standard input against rules, prints what changes and
//! tells channels.
//!
//! # Theory of operation
//!
//! ```text
//! fleet-metrics --follow | fleet-alert                       # as a service
//! */1 * * * *  fleet-metrics | fleet-alert                   # from cron: `for = "5m"` holds too
//! fleet-alert --rules alerts.toml --explain < recorded.jsonl # trying rules
//! ```
//!
//! Whatever has arrived is taken in one *turn* (`session`): lock the memory, take over what
//! other runs wrote, pay what a crash left owed, hold each line against the rules, tell what came
//! of it, write down, unlock. Between turns it sleeps in poll(2) until more arrives, or until the
//! clock has something to do for an instance, and not otherwise. Two tools on one home take
//! turns, so that neither tells what the other told.
//!
//! **What is printed.** Into a pipe: one `alert` record for each change (firing, resolved, and
//! told again; pending too with `--explain`). As a table, which is the default on a terminal: one
//! line for each change and, when the input ends, a table of all that fires then, also of what
//! fired before this run.
//!
//! **What is told.** A line on standard error and every channel of the rules file that takes the
//! severity. A channel's command has its time limit and is killed with its group after it. Its
//! failure is said and not tried again. A delivery holds up the input, at most by that limit.
//!
//! A memory that cannot be written, because the disk is full for example, is said once, and the
//! work goes on without it.
//!
//! Lines that are no records are counted and said at the end; kinds that no rule is about are
//! passed over.

pub mod args;
mod cases;
mod check;
mod config;
mod dry;
pub mod dry_args;
mod input;
mod replay;
mod session;
mod show;
mod tell;
mod why;

use fleet_cli::Exit;

pub use args::Args;

/// Does the work of the tool.
///
/// # Errors
/// The rules are refused, the memory cannot be used, or input or output fail.
pub fn watch(args: Args) -> anyhow::Result<Exit> {
    if let Some(cases) = &args.dry.test {
        return cases::report(cases, &args);
    }
    let path = config::locate(args.rules.as_deref())?;
    if args.dry.check {
        return check::report(&path, &args);
    }
    let config = config::load(&path)?;
    if args.dry.replay.is_some() {
        return replay::report(&config, &args);
    }
    if let Some(question) = &args.dry.why {
        return why::report(question, &config, &args);
    }
    session::Session::open(config, &args)?.run()
}
