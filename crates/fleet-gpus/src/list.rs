//! The list for people and programs.

use std::time::Duration;

use anyhow::Context;
use fleet_cli::{Exit, Format, Records, talk};
use fleet_core::{Sample, Timestamp};
use fleet_gpu::{Answer, GpuError, Missing, answer_once};

use crate::args::GpusArgs;
use crate::fleet::{Fleet, Stake};
use crate::table::table;

const FORMATS: &[Format] = &[Format::Table, Format::Wide, Format::Jsonl, Format::Json];

/// A driver that has to wake up many GPUs needs seconds.
const DEADLINE: Duration = Duration::from_secs(10);

/// Prints all GPUs.
///
/// # Errors
/// Their driver does not answer, the registry cannot be read, or the output fails.
pub(crate) fn list(args: &GpusArgs) -> anyhow::Result<Exit> {
    let format = args.output.format(FORMATS)?;
    let answer = match answer_once(DEADLINE) {
        Err(none @ GpuError::NoDriver) => {
            talk(none);
            return Ok(Exit::No);
        }
        answer => answer?,
    };
    answer.problems.iter().for_each(talk);
    if answer.gpus.is_empty() {
        talk("the driver is loaded and knows no GPU");
        return Ok(Exit::No);
    }
    if answer.foreign_pids {
        talk(
            "this is a PID namespace of its own, and NVIDIA's driver knows processes by the \
             host's numbers: who is on a GPU cannot be told from here",
        );
    }
    let home = args.home.locate()?;
    let fleet = Fleet::of(&home).context("cannot tell whose processes are on the GPUs")?;
    let stakes: Vec<Stake> = answer.gpus.iter().map(|gpu| fleet.stake(&answer, gpu)).collect();
    let missing = fleet.missing(&answer);
    missing.iter().for_each(|one| talk(one.words()));
    let mut out = args.output.open(false)?;
    match format {
        Format::Table | Format::Wide => {
            table(&mut out, format == Format::Wide, &answer.gpus, &stakes)?;
        }
        Format::Json => {
            Records::array(&mut out).write_all(samples(&answer, &stakes, &missing))?;
        }
        _ => {
            Records::lines(&mut out).write_all(samples(&answer, &stakes, &missing))?;
        }
    }
    out.finish()?;
    Ok(Exit::Yes)
}

fn samples(answer: &Answer, stakes: &[Stake], missing: &[Missing]) -> impl Iterator<Item = Sample> {
    let now = Timestamp::now();
    let there = answer.gpus.iter().zip(stakes).map(move |(gpu, stake)| {
        let mut sample = gpu.sample(now);
        stake.add_to(&mut sample);
        sample
    });
    there.chain(missing.iter().map(move |one| one.sample(now)))
}
