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
//! Whatever has arrived is taken in one *turn* (`session`), under the lock of the memory, so that of
//! two tools on one home neither tells what the other told:
//!
//! 1. take over what other runs wrote, and what a crash left owed;
//! 2. hold each line against the rules and write down what changed, as untold;
//! 3. print it, and give it to the desk ([`fleet_notify::Desk`]), which decides who is told;
//! 4. put its notifications into the spool, write down who was told, strike out what was untold;
//! 5. unlock, and send off the couriers.
//!
//! While input never pauses and nothing is to be told, a turn goes on for up to 200 ms before it is
//! written down, so that a flood is not slowed by its own bookkeeping. Who is killed (`kill -9`)
//! then loses what those lines added to `for`, to counts and to windows, and no alert.
//!
//! Whoever is killed between two of these repeats at most what one of them did, and the spool knows a
//! notification that it has seen. Between turns the tool sleeps in poll(2) until more arrives,
//! until the clock has something to do for an instance or the desk, or until couriers have news.
//!
//! **What is printed.** Into a pipe: one `alert` record for each change (firing, resolved, and
//! told again; pending too with `--explain`). As a table, which is the default on a terminal: one
//! line for each change and, when the input ends, a table of all that fires then, also of what
//! fired before this run. With `--tee` the input itself, as it is.
//!
//! **What is told.** A line on standard error, and the channels that routes, silences, groups and
//! limits leave. Deliveries have threads of their own (`post`) and hold up neither rules nor input.
//! When the input ends, what can be delivered within `--linger` is waited for; what is left stays
//! in the spool, which is said, and the next run goes on with it. A signal that ends the tool lets
//! it finish its turn and waits for no more than a few seconds.
//!
//! A memory or a spool that cannot be written, because the disk is full for example, is said once,
//! and the work goes on without it (`memory`).
//!
//! Lines that are no records are counted and said at the end; kinds that no rule is about are
//! passed over.

pub mod args;
mod cases;
mod check;
mod config;
mod dry;
pub mod dry_args;
mod heartbeat;
mod input;
mod list;
mod memory;
mod post;
mod replay;
mod send_test;
mod sentence;
mod session;
mod show;
mod silence;
mod spooled;
mod tally;
mod tell;
mod waker;
mod why;

use fleet_cli::Exit;

pub use args::Args;
pub use silence::args::Action;

/// Does the work of the tool.
///
/// # Errors
/// The rules are refused, the memory cannot be used, or input or output fail.
pub fn watch(args: Args) -> anyhow::Result<Exit> {
    if let Some(Action::Silence(args)) = &args.action {
        return silence::run(args);
    }
    if args.instead.spool {
        return spooled::report(&args.home.locate()?.alerts(), &args);
    }
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
    if let Some(channel) = &args.instead.send_test {
        return send_test::send(&config, channel);
    }
    if args.instead.list {
        return list::report(config, &args);
    }
    session::Session::open(config, &args)?.run()
}
