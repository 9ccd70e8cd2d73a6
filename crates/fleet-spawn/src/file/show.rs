//! Printing what is in a file, and what differs from what runs.

use std::io::Write;

use fleet_cli::{Align, Cell, Column, Exit, Format, OutputArgs, Records, Table, talk};
use fleet_core::{Id, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::diff::Difference;
use super::load::Loaded;
use super::member::Member;
use crate::wish::Words;

const FORMATS: [Format; 3] = [Format::Table, Format::Jsonl, Format::Json];

/// A process that a file wants. Variables are told by their names.
#[derive(Serialize)]
struct Wanted<'a> {
    kind: &'static str,
    ts: Timestamp,
    id: &'a Id,
    #[serde(flatten)]
    wish: Value,
}

/// A difference as a record.
#[derive(Serialize)]
struct Differing<'a> {
    kind: &'static str,
    ts: Timestamp,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// Prints the chosen processes of a good file.
pub(super) fn contents(
    output: &OutputArgs,
    file: &Loaded,
    chosen: &[&Member],
) -> anyhow::Result<Exit> {
    let format = output.format(&FORMATS)?;
    let mut out = output.open(false)?;
    let ts = Timestamp::now();
    let wanted: Vec<Wanted<'_>> = chosen
        .iter()
        .map(|member| Ok(Wanted { kind: "wanted", ts, id: &member.id, wish: shown(file, member)? }))
        .collect::<anyhow::Result<_>>()?;
    let titles = ["ID", "AFTER", "RESTART", "COMMAND"];
    let row = |member: &&Member| {
        let after: Vec<String> = member.wish.after.iter().map(ToString::to_string).collect();
        let restart = member.wish.restart.as_ref().map(|restart| restart.value.to_string());
        let after = (!after.is_empty()).then(|| after.join(", "));
        let command = match &member.wish.command {
            Some(Words::List(words)) => words.join(" "),
            _ => String::new(),
        };
        vec![
            Cell::new(member.id.as_str()),
            Cell::maybe(after),
            Cell::maybe(restart),
            Cell::new(command),
        ]
    };
    write(&mut out, format, &wanted, &titles, chosen.iter().map(row))?;
    out.finish()?;
    Ok(Exit::Yes)
}

/// What the file says of a process, without the values of variables.
fn shown(file: &Loaded, member: &Member) -> anyhow::Result<Value> {
    let mut wish = member.origin(&file.path)?.wish;
    for key in ["env", "env_file"] {
        if let Some(table) = wish.get_mut(key) {
            let names = table.as_object().into_iter().flatten().map(|(name, _)| name.clone());
            *table = names.collect();
        }
    }
    Ok(wish)
}

/// Prints the differences; whether there are none.
pub(super) fn differences(output: &OutputArgs, found: &[Difference]) -> anyhow::Result<Exit> {
    let format = output.format(&FORMATS)?;
    let mut out = output.open(false)?;
    let ts = Timestamp::now();
    let records: Vec<Differing<'_>> =
        found.iter().map(|difference| Differing { kind: "difference", ts, difference }).collect();
    let titles = ["ID", "WHAT", "KEY", "OLD", "NEW"];
    let row = |difference: &Difference| {
        vec![
            Cell::new(difference.id.as_str()),
            Cell::new(difference.what.word()),
            Cell::maybe(difference.key.as_deref()),
            Cell::maybe(difference.old.as_ref().map(plain)),
            Cell::maybe(difference.new.as_ref().map(plain)),
        ]
    };
    write(&mut out, format, &records, &titles, found.iter().map(row))?;
    out.finish()?;
    if found.is_empty() {
        talk("all runs as the file says");
        return Ok(Exit::Yes);
    }
    Ok(Exit::No)
}

/// A text without quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn write(
    out: &mut fleet_cli::Out,
    format: Format,
    records: &[impl Serialize],
    titles: &[&'static str],
    rows: impl Iterator<Item = Vec<Cell>>,
) -> anyhow::Result<()> {
    match format {
        Format::Table if records.is_empty() => {}
        Format::Table => {
            let columns = titles.iter().map(|&title| Column { title, align: Align::Left });
            let mut table = Table::new(columns.collect());
            rows.for_each(|row| table.row(row));
            table.write(out)?;
        }
        format => {
            let array = format == Format::Json;
            let out: &mut dyn Write = out;
            let written = if array { Records::array(out) } else { Records::lines(out) };
            written.write_all(records)?;
        }
    }
    Ok(())
}
