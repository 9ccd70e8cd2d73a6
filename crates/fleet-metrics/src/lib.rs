//! `fleet-metrics`: one `sample` record for each process of a fleet, one for the fleet as a whole and
//! one for its host.
//!
//! # Theory of operation
//!
//! Each round takes a census, chooses, samples (see [`fleet_sampler`]) and prints. A one-shot is
//! one round; `--follow` and `--count` take rounds on a fixed beat, each with a new census, so that
//! new processes join. The counters of each round are kept in `metrics/last.json`, where the next
//! one-shot finds what to compare with. With `--record` the samples are stored, see
//! [`fleet_history`], and with `--since` stored ones are read and none is taken.
//!
//! Collectors (`collectors.toml`) measure what only the user knows. A one-shot asks them all at once
//! and waits for them, at most as long as the slowest may take; with `--follow` they work beside the
//! rounds, and a round takes what they said last.
//!
//! With `--listen` each round is also what scrapers get until the next one, from a thread of its own
//! (see [`fleet_exposition`]): no scraper makes a round, and none waits for one.
//!
//! Where a GPU's driver is loaded, `fleet-gpus` is asked at the beginning of each round and its answer
//! taken at the end (see [`fleet_gpu`]): a driver that hangs costs a round two seconds, once, and its
//! own values. With `--curves` a round has the points of training curves as well, which
//! [`fleet_curve`] finds.
//!
//! Ended processes are sampled too, with their state and `exit` and without usage, until
//! `--ended-for` is over: a job that failed between two runs of cron is seen, and as no reading
//! consumes anything, it is seen by everybody.

mod args;
mod collect;
mod columns;
mod curves;
mod depth;
mod gpus;
mod history_args;
mod listen;
mod past;
mod print;
mod round;
mod schedule;
mod shape;
mod told;
mod view;

use fleet_cli::{Exit, talk};

pub use args::{Memory, MetricsArgs};
pub use collect::CollectArgs;
pub use depth::DepthArgs;
pub use history_args::HistoryArgs;
pub use listen::ListenArgs;
pub use shape::ShapeArgs;
pub use view::View;

use fleet_history::Recorder;
use listen::Listening;
use print::Printer;
use round::Rounds;
use schedule::Schedule;
use shape::Shape;

/// Samples and prints until there are no more rounds.
///
/// # Errors
/// The registry cannot be read, something typed makes no sense, or the output fails.
pub fn sample(args: MetricsArgs) -> anyhow::Result<Exit> {
    if args.collect.check {
        return collect::check(&args.collect, &args.output);
    }
    if let Some(since) = args.history.since {
        return past::show(&args, since);
    }
    let mut rounds = Rounds::new(&args)?;
    let mut recorder = args.history.recorder(&args.home.locate()?);
    let mut printer = Printer::open(&args)?;
    let mut listening = Listening::start(&args)?;
    let mut shape = Shape::new(&args.shape, args.rounds() == Some(1));
    let mut schedule = Schedule::start(args.interval(), args.rounds(), printer.is_read());
    loop {
        let samples = rounds.take()?;
        recorder.iter_mut().flat_map(|recorder| recorder.store(&samples)).for_each(talk);
        let samples = shape.round(samples);
        listening.round(&samples);
        printer.round(&samples)?;
        if !schedule.wait()? {
            break;
        }
    }
    let stored = recorder.as_ref().is_none_or(Recorder::is_storing);
    recorder.map(Recorder::finish).unwrap_or_default().into_iter().for_each(talk);
    printer.finish()?;
    // What was to be stored and is not is no success, whatever was printed.
    Ok(if stored { rounds.verdict() } else { Exit::CouldNot })
}
