//! `--list`: how alerts stand, where they were told and what holds the rest back.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use fleet_cli::{Align, Cell, Column, Exit, Format, Records, Table};
use fleet_core::{Timestamp, duration_text};
use fleet_notify::{Desk, Entry, Spool, Standing};
use fleet_rules::machine::Phase;
use fleet_rules::{AlertRecord, AlertState, Engine, Instance};
use serde::Serialize;

use crate::args::Args;
use crate::config::Config;
use crate::memory::Memory;
use crate::show;

/// One instance that is not ok, as programs get it.
#[derive(Debug, Serialize)]
struct Listed {
    kind: &'static str,
    alert: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// By channel, when it was last told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<String, Timestamp>,
    /// By channel, why it was not told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    held: BTreeMap<String, Held>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    flapping: bool,
    #[serde(skip)]
    name: String,
}

#[derive(Debug, Serialize)]
struct Held {
    reason: &'static str,
    text: String,
}

/// Prints what the memory holds; nothing is changed.
pub(crate) fn report(config: Config, args: &Args) -> anyhow::Result<Exit> {
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let folder = args.home.locate()?.alerts();
    let (mut engine, mut desk) = (Engine::new(config.rules, false), Desk::new(config.policy));
    if folder.is_dir() {
        let mut memory = Memory::open(&folder);
        let locked = memory.lock();
        memory.take_over(locked.as_ref(), &mut engine, &mut desk);
    }
    let mut listed = listed(&engine, &desk, Timestamp::now());
    for entry in undelivered(&Spool::open(&folder))? {
        listed.iter_mut().for_each(|one| one.hear(&entry));
    }
    let mut out = args.output.open(false)?;
    match format {
        Format::Table => table(&listed).write(&mut out)?,
        Format::Json => out = Records::array(out).write_all(&listed)?,
        _ => out = Records::lines(out).write_all(&listed)?,
    }
    out.finish().context("cannot write the output")?;
    Ok(Exit::Yes)
}

/// What was made for channels and has not arrived there.
fn undelivered(spool: &Spool) -> anyhow::Result<Vec<Entry>> {
    let mut entries: Vec<Entry> =
        spool.dead()?.into_values().flat_map(|listing| listing.entries).collect();
    for channel in spool.channels()? {
        entries.extend(spool.entries(&channel)?.entries);
    }
    Ok(entries)
}

impl Listed {
    /// What was not delivered was not told.
    fn hear(&mut self, entry: &Entry) {
        let notification = &entry.notification;
        let mut alerts = notification.alerts.iter();
        let mine = alerts.any(|alert| self.fingerprint.as_ref() == Some(&alert.fingerprint));
        if !mine || self.told.remove(&notification.channel).is_none() {
            return;
        }
        let (reason, text) = match &entry.buried {
            Some(burial) => ("dead_letter", &burial.why),
            None => ("waiting", &entry.last_error),
        };
        let held = Held { reason, text: text.clone() };
        self.held.insert(notification.channel.clone(), held);
    }
}

fn listed(engine: &Engine, desk: &Desk, now: Timestamp) -> Vec<Listed> {
    let standing = desk.standing(now).map(|one| (one.alert.fingerprint.clone(), one));
    let mut standing: BTreeMap<String, Standing> = standing.collect();
    let mut listed: Vec<Listed> = engine
        .instances()
        .filter_map(|instance| {
            let name = instance.alert.as_ref().map(|alert| alert.fingerprint.as_str());
            one(instance, name.and_then(|name| standing.remove(name)))
        })
        .collect();
    listed.sort_by(|a, b| (&a.alert, &a.name).cmp(&(&b.alert, &b.name)));
    listed
}

fn one(instance: &Instance, standing: Option<Standing>) -> Option<Listed> {
    let phase = instance.phase?;
    // What an instance that is pending now was told of is another story, which is over.
    let alert = instance.alert.as_ref().filter(|_| phase.is_firing());
    let (told, held, flapping) =
        standing.map(|one| (one.told, one.held, one.flapping)).unwrap_or_default();
    let why =
        |held: fleet_notify::Decision| (held.channel, Held { reason: held.word, text: held.text });
    let text = |of: fn(&AlertRecord) -> &String| alert.map(|alert| of(alert).clone());
    Some(Listed {
        kind: "alert_standing",
        alert: instance.rule.clone(),
        state: state(phase, alert),
        severity: text(|alert| &alert.severity),
        id: instance.key.get("id").cloned(),
        since: phase.since(),
        summary: text(|alert| &alert.summary),
        fingerprint: text(|alert| &alert.fingerprint),
        told: told.into_iter().collect(),
        held: held.into_iter().map(why).collect(),
        flapping,
        name: instance.name(),
    })
}

fn state(phase: Phase, alert: Option<&AlertRecord>) -> &'static str {
    match phase {
        Phase::Pending { .. } => "pending",
        Phase::Recovering { .. } => "recovering",
        Phase::NoData { .. } => AlertState::NoData.word(),
        Phase::Firing { .. } => alert.map_or(AlertState::Firing, |alert| alert.state).word(),
    }
}

fn table(listed: &[Listed]) -> Table {
    let left = |title| Column { title, align: Align::Left };
    let titles = ["STATE", "SEVERITY", "ALERT", "ABOUT", "FOR", "TOLD", "HELD BACK", "SUMMARY"];
    let mut table = Table::new(titles.map(left).to_vec());
    let now = Timestamp::now();
    for one in listed {
        let (severity, summary) = (one.severity.as_deref(), one.summary.as_deref());
        let held = one.held.iter().map(|(channel, held)| format!("{channel} ({})", held.reason));
        let time = Duration::try_from_secs_f64(now.seconds_since(one.since)).unwrap_or_default();
        table.row(vec![
            Cell::styled(one.state, show::style(severity.unwrap_or_default(), AlertState::Firing)),
            Cell::maybe(severity),
            Cell::new(&one.alert),
            Cell::new(&one.name),
            Cell::new(duration_text(time)),
            Cell::new(words(one.told.keys().cloned())),
            Cell::new(words(held)),
            Cell::maybe(summary.filter(|summary| !summary.is_empty())),
        ]);
    }
    table
}

fn words(all: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = all.collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}
