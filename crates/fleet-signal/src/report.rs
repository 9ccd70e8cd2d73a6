//! Printing what became of each.

use fleet_cli::{Align, Cell, Column, Format, Out, Records, Table};

use crate::target::Target;

pub(crate) fn report(mut out: Out, format: Format, targets: &[Target]) -> anyhow::Result<()> {
    let records = targets.iter().map(|target| &target.record);
    match format {
        Format::Jsonl => drop(Records::lines(&mut out).write_all(records)?),
        Format::Json => drop(Records::array(&mut out).write_all(records)?),
        _ => table(&mut out, targets)?,
    }
    Ok(out.finish()?)
}

fn table(out: &mut Out, targets: &[Target]) -> anyhow::Result<()> {
    if targets.is_empty() {
        return Ok(());
    }
    let column = |title, align| Column { title, align };
    let mut table = Table::new(vec![
        column("ID", Align::Left),
        column("STATE", Align::Left),
        column("PID", Align::Right),
        column("ATTEMPT", Align::Right),
    ]);
    for Target { record, .. } in targets {
        let pid = record.pid.filter(|_| !record.state.has_ended());
        table.row(vec![
            Cell::new(record.id.as_str()),
            Cell::new(record.state.word()),
            Cell::maybe(pid.map(|pid| pid.to_string())),
            Cell::new(record.attempt.to_string()),
        ]);
    }
    Ok(table.write(out)?)
}
