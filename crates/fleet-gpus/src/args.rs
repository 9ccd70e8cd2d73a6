//! What can be typed.

use clap::Parser;
use fleet_cli::{HomeArgs, OutputArgs};

const EXAMPLES: &str = "\
Examples:
  fleet-gpus                         the GPUs of this machine, and who is on them
  fleet-gpus | jq -r 'select(.gpu_percent < 5) | .name'
                                     the UUIDs of those that idle

UTIL is the share of time in which anything ran, which is not how much of the GPU was busy: a single
small kernel makes it 100%. POWER tells more. USED BY are the processes of the fleet as the driver
sees them, RESERVED BY those that were given the GPU by fleet-spawn --gpus.";

/// List the GPUs of this machine, who uses them and who has reserved them
#[derive(Clone, Debug, Parser)]
#[command(name = "fleet-gpus", version, after_help = EXAMPLES)]
pub struct GpusArgs {
    /// Answer one question a line until standard input ends; what the other tools start
    #[arg(long, hide = true)]
    pub serve: bool,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        GpusArgs::command().debug_assert();
    }
}
