//! `fleet-gpus`: list the GPUs of this machine, who uses them and who has reserved them.
//!
//! # Theory of operation
//!
//! The program is two. As a tool it lists GPUs and asks for them as every other tool does: it starts
//! itself with `--serve` (see [`fleet_gpu`]), so that a driver that hangs or crashes costs a sentence
//! on stderr and never the tool.
//!
//! With `--serve` it is the one program of fleet that loads a driver's library. It answers a line
//! of JSON with a line of JSON until its standard input ends. Each device has a thread of its own
//! that makes one call after the other: a call that fails loses its own value, a GPU that is lost
//! its own values, and one whose call does not return is told to be silent, while the others
//! answer in time. Who asks kills the whole program when not even that works.
//!
//! NVIDIA is asked through NVML, whose library stays loaded; when the driver itself is gone the
//! program ends, and whoever asks starts another. AMD's driver tells all in /sys, and of each process
//! in /proc.
//!
//! What a driver answers is held against what is known of drivers: numbers that stand for none,
//! shares above 100, samples that are older than what was seen already, processes that are on two
//! lists. 0 is never made up: a listed process used 0 % only when the driver was able to say who
//! used how much.

mod amd;
mod args;
mod crew;
mod fleet;
mod list;
mod nvidia;
mod pids;
mod serve;
mod table;

use fleet_cli::Exit;

pub use args::GpusArgs;

/// Lists the GPUs, or serves those who ask for them.
///
/// # Errors
/// There is no GPU to ask for, its driver does not answer, or the output fails.
pub fn gpus(args: GpusArgs) -> anyhow::Result<Exit> {
    if args.serve { serve::serve() } else { list::list(&args) }
}
