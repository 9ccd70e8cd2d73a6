//! `fleet-metrics`: one `sample` record for each process of a fleet and one for its host.
//!
//! # Theory of operation
//!
//! Each round takes a census, chooses, samples (see [`fleet_sampler`]) and prints. A one-shot is one
//! round; `--follow` and `--count` take rounds on a fixed beat, each with a new census, so that
//! new processes join. The counters of each round are kept in `metrics/last.json`, where the next
//! one-shot finds what to compare with; nothing else is stored, for `>> file` stores samples well.
//!
//! With `--curves` a round has the points of training curves as well, which [`fleet_curve`] finds.
//!
//! Ended processes are sampled too, with their state and `exit` and without usage, until
//! `--ended-for` is over: a job that failed between two runs of cron is seen, and as no reading
//! consumes anything, it is seen by everybody.

mod args;
mod columns;
mod curves;
mod print;
mod round;
mod schedule;

use fleet_cli::Exit;

pub use args::{Memory, MetricsArgs};

use print::Printer;
use round::Rounds;
use schedule::Schedule;

/// Samples and prints until there are no more rounds.
///
/// # Errors
/// The registry cannot be read, something typed makes no sense, or the output fails.
pub fn sample(args: MetricsArgs) -> anyhow::Result<Exit> {
    let mut rounds = Rounds::new(&args)?;
    let mut printer = Printer::open(&args)?;
    let read = !args.output.needs_end();
    let mut schedule = Schedule::start(args.interval, args.rounds(), read);
    loop {
        printer.round(rounds.take()?)?;
        if !schedule.wait()? {
            break;
        }
    }
    printer.finish()?;
    Ok(rounds.verdict())
}
