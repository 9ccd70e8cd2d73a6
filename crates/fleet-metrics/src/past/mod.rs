//! Stored samples: as they are, or window by window.

mod choice;
mod samples;
mod windows;

use std::path::Path;

use fleet_cli::{Exit, Failure, Format, talk};
use fleet_core::Timestamp;

use crate::args::MetricsArgs;
use choice::Choice;

const FORMATS: &[Format] = &[Format::Table, Format::Wide, Format::Jsonl, Format::Json, Format::Csv];

/// Prints what was stored since then.
///
/// # Errors
/// Something typed makes no sense, the history cannot be read, or the output fails.
pub(crate) fn show(args: &MetricsArgs, since: Timestamp) -> anyhow::Result<Exit> {
    if let Some(until) = args.history.until.filter(|until| *until <= since) {
        let what = format!("--until {until} is not after --since {since}");
        return Err(Failure::new(Exit::CouldNot, what).hint("swap them").into());
    }
    let choice = Choice::read(args)?;
    let folder = args.home.locate()?.metrics();
    let past = Past { args, choice: &choice, folder: &folder, since };
    let (found, problems) = match args.history.window {
        Some(window) => windows::show(&past, window)?,
        None => samples::show(&past)?,
    };
    problems.iter().for_each(talk);
    Ok(past.verdict(found))
}

/// What is asked of which history.
struct Past<'a> {
    args: &'a MetricsArgs,
    choice: &'a Choice,
    folder: &'a Path,
    since: Timestamp,
}

impl Past<'_> {
    /// Says what was asked for and not found.
    fn verdict(&self, found: bool) -> Exit {
        let missing = self.choice.unmatched();
        for selector in &missing {
            talk(format!("no sample of '{selector}' is stored since {}", self.since));
        }
        if !found && missing.is_empty() {
            let folder = self.folder.display();
            talk(format!("'{folder}' holds no sample since {} that was asked for", self.since));
        }
        if found && missing.is_empty() { Exit::Yes } else { Exit::No }
    }
}

/// A moment for people: to the second, in UTC.
fn time_text(ts: Timestamp) -> String {
    let text = ts.to_string();
    text.split_once('.').map_or(text.clone(), |(seconds, _)| format!("{seconds}Z"))
}
