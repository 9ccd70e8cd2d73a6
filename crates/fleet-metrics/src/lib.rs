//! `fleet-metrics`: one `sample` record for each process of a fleet and one for its host.
//!
//! # Theory of operation
//!
//! Each round takes a census, chooses, samples (see [`fleet_sampler`]) and prints. A one-shot is
//! one round; `--follow` and `--count` take rounds on a fixed beat, each with a new census, so that
//! new processes join. The counters of each round are kept in `metrics/last.json`, where the next
//! one-shot finds what to compare with. With `--record` the samples are stored, see
//! [`fleet_history`], and with `--since` stored ones are read and none is taken.
//!
//! Ended processes are sampled too, with their state and `exit` and without usage, until
//! `--ended-for` is over: a job that failed between two runs of cron is seen, and as no reading
//! consumes anything, it is seen by everybody.

mod args;
mod columns;
mod history_args;
mod past;
mod print;
mod round;
mod schedule;

use fleet_cli::{Exit, talk};

pub use args::{Memory, MetricsArgs};
pub use history_args::HistoryArgs;

use fleet_history::Recorder;
use print::Printer;
use round::Rounds;
use schedule::Schedule;

/// Samples and prints until there are no more rounds.
///
/// # Errors
/// The registry cannot be read, something typed makes no sense, or the output fails.
pub fn sample(args: MetricsArgs) -> anyhow::Result<Exit> {
    if let Some(since) = args.history.since {
        return past::show(&args, since);
    }
    let mut rounds = Rounds::new(&args)?;
    let mut recorder = args.history.recorder(&args.home.locate()?);
    // Who stores samples need not print them, too.
    let prints = recorder.is_none() || args.output.is_chosen();
    let mut printer = prints.then(|| Printer::open(&args)).transpose()?;
    let read = prints && !args.output.needs_end();
    let mut schedule = Schedule::start(args.interval(), args.rounds(), read);
    loop {
        let samples = rounds.take()?;
        recorder.iter_mut().flat_map(|recorder| recorder.store(&samples)).for_each(talk);
        printer.as_mut().map_or(Ok(()), |printer| printer.round(samples))?;
        if !schedule.wait()? {
            break;
        }
    }
    recorder.map(Recorder::finish).unwrap_or_default().into_iter().for_each(talk);
    printer.map_or(Ok(()), Printer::finish)?;
    Ok(rounds.verdict())
}
