//! The list for people and programs.

use std::time::Duration;

use fleet_cli::{Align, Cell, Column, Exit, Format, Out, Records, Table, talk};
use fleet_core::{Timestamp, size_text};
use fleet_gpu::{Gpu, answer_once};

use crate::args::GpusArgs;

const FORMATS: &[Format] = &[Format::Table, Format::Jsonl, Format::Json];

/// A driver that wakes up its GPUs needs a second or two.
const DEADLINE: Duration = Duration::from_secs(10);

/// Prints all GPUs.
///
/// # Errors
/// There are none to ask for, their driver does not answer, or the output fails.
pub(crate) fn list(args: &GpusArgs) -> anyhow::Result<Exit> {
    let format = args.output.format(FORMATS)?;
    let answer = answer_once(DEADLINE)?;
    answer.problems.iter().for_each(talk);
    let mut out = args.output.open(false)?;
    match format {
        Format::Table => table(&mut out, &answer.gpus)?,
        _ => {
            let now = Timestamp::now();
            let samples = answer.gpus.iter().map(|gpu| gpu.sample(now));
            let records = match format {
                Format::Json => Records::array(&mut out),
                _ => Records::lines(&mut out),
            };
            records.write_all(samples)?;
        }
    }
    out.finish()?;
    Ok(Exit::Yes)
}

fn table(out: &mut Out, gpus: &[Gpu]) -> std::io::Result<()> {
    let left = |title| Column { title, align: Align::Left };
    let mut table = Table::new(vec![left("INDEX"), left("UUID"), left("PRODUCT"), left("MEM")]);
    for gpu in gpus {
        table.row(vec![
            Cell::maybe(Some(gpu.index.to_string())),
            Cell::maybe(Some(gpu.uuid.clone())),
            Cell::maybe(gpu.product.clone()),
            Cell::maybe(gpu.measures.gpu_memory_bytes.map(size_text)),
        ]);
    }
    table.write(out)
}
