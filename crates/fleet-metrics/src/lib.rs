//! `fleet-metrics`: one `sample` record for each process of a fleet, one for the fleet as a whole and
//! one for its host.
//!
//! # Theory of operation
//!
//! Each round takes a census, chooses, samples (see [`fleet_sampler`]) and prints. A one-shot is one
//! round; `--follow` and `--count` take rounds on a fixed beat, each with a new census, so that
//! new processes join. The counters of each round are kept in `metrics/last.json`, where the next
//! one-shot finds what to compare with; nothing else is stored, for `>> file` stores samples well.
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
mod columns;
mod curves;
mod depth;
mod gpus;
mod listen;
mod print;
mod round;
mod schedule;
mod shape;
mod told;
mod view;

use fleet_cli::Exit;

pub use args::{Memory, MetricsArgs};
pub use depth::DepthArgs;
pub use listen::ListenArgs;
pub use shape::ShapeArgs;
pub use view::View;

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
    let mut rounds = Rounds::new(&args)?;
    let mut printer = Printer::open(&args)?;
    let mut listening = Listening::start(&args)?;
    let mut shape = Shape::new(&args.shape);
    let mut schedule = Schedule::start(args.interval, args.rounds(), printer.is_read());
    loop {
        let samples = shape.round(rounds.take()?);
        listening.round(&samples);
        printer.round(&samples)?;
        if !schedule.wait()? {
            break;
        }
    }
    printer.finish()?;
    Ok(rounds.verdict())
}
