//! `fleet-gpus`: list the GPUs of this machine, who uses them and who has reserved them.
//!
//! # Theory of operation
//!
//! The program is two. As a tool it lists GPUs and asks for them as every other tool does: it starts
//! itself with `--serve` (see [`fleet_gpu`]), so that a driver that hangs or crashes costs a sentence
//! on stderr and never the tool.
//!
//! With `--serve` it is the one program of fleet that loads a driver's library. It answers a line
//! of JSON with a line of JSON until its standard input ends.

mod args;
mod holders;
mod list;
mod nvidia;
mod serve;

use fleet_cli::Exit;

pub use args::GpusArgs;

/// Lists the GPUs, or serves those who ask for them.
///
/// # Errors
/// There is no GPU to ask for, its driver does not answer, or the output fails.
pub fn gpus(args: GpusArgs) -> anyhow::Result<Exit> {
    if args.serve { serve::serve() } else { list::list(&args) }
}
