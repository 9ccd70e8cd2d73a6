//! `--spool`: what waits to be delivered, what could not be, and another chance for that.

use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use fleet_cli::{Align, Cell, Column, Exit, Format, Records, Table, talk};
use fleet_core::{Timestamp, duration_text};
use fleet_notify::{Entry, Listing, Spool};

use crate::args::Args;

/// Shows the spool, or does with its dead letters what was asked.
pub(crate) fn report(folder: &Path, args: &Args) -> anyhow::Result<Exit> {
    let spool = Spool::open(folder);
    if args.spool.retry {
        let many = spool.retry_dead(|_| true)?;
        talk(format_args!(
            "{} back in the spool; the next run of fleet-alert delivers, a stream within a minute",
            letters(many)
        ));
    } else if args.spool.drop {
        talk(format_args!("{} dropped", letters(spool.drop_dead(|_| true)?)));
    } else {
        show(&spool, args)?;
    }
    Ok(Exit::Yes)
}

fn letters(many: usize) -> String {
    if many == 1 { "1 dead letter".to_owned() } else { format!("{many} dead letters") }
}

fn show(spool: &Spool, args: &Args) -> anyhow::Result<()> {
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let mut entries = Vec::new();
    for channel in spool.channels()? {
        entries.extend(readable(&channel, spool.entries(&channel)?));
    }
    for (channel, listing) in spool.dead()? {
        entries.extend(readable(&channel, listing));
    }
    let mut out = args.output.open(false)?;
    match format {
        Format::Table => table(&entries).write(&mut out)?,
        Format::Json => out = Records::array(out).write_all(&entries)?,
        _ => out = Records::lines(out).write_all(&entries)?,
    }
    out.finish().context("cannot write the output")
}

fn readable(channel: &str, listing: Listing) -> Vec<Entry> {
    for (file, why) in &listing.passed_over {
        talk(format_args!("passed over '{file}' in the spool of channel '{channel}': {why}"));
    }
    listing.entries
}

fn table(entries: &[Entry]) -> Table {
    let left = |title| Column { title, align: Align::Left };
    let right = |title| Column { title, align: Align::Right };
    let mut table = Table::new(vec![
        left("CHANNEL"),
        left("STATE"),
        left("SINCE"),
        right("TRIES"),
        left("NEXT"),
        left("ABOUT"),
        left("LAST ERROR"),
    ]);
    let now = Timestamp::now();
    entries.iter().for_each(|entry| table.row(row(entry, now)));
    table
}

fn row(entry: &Entry, now: Timestamp) -> Vec<Cell> {
    let (state, style) = match entry.buried {
        Some(_) => ("dead", Style::new().fg_color(Some(AnsiColor::Red.into()))),
        None => ("waits", Style::new()),
    };
    let next = entry.next.filter(|_| entry.buried.is_none()).map(|at| span(at, now));
    let error = entry.buried.as_ref().map_or(entry.last_error.as_str(), |end| end.why.as_str());
    vec![
        Cell::new(&entry.notification.channel),
        Cell::styled(state, style),
        Cell::new(span(now, entry.since)),
        Cell::new(entry.tries.to_string()),
        Cell::maybe(next),
        Cell::new(about(entry)),
        Cell::maybe(Some(error).filter(|error| !error.is_empty())),
    ]
}

/// From one moment to a later one.
fn span(later: Timestamp, earlier: Timestamp) -> String {
    let time = Duration::try_from_secs_f64(later.seconds_since(earlier)).unwrap_or_default();
    duration_text(Duration::from_secs(time.as_secs()))
}

/// The first alert of a notification, and how many more there are; without alerts its text.
fn about(entry: &Entry) -> String {
    let notification = &entry.notification;
    let Some(alert) = notification.alerts.first() else { return notification.text.clone() };
    let id = alert.id.as_deref().map_or(String::new(), |id| format!(" {id}"));
    let more = match notification.alerts.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}{id}{more}", alert.state.word(), alert.alert)
}
