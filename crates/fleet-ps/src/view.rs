//! How a process looks to people and to programs.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use fleet_census::Seen;
use fleet_cli::{Align, Cell, Column, Out, Table};
use fleet_core::{GpuShare, Health, Id, Observed, ProcessRecord, State, Timestamp, duration_text};
use serde_json::{Value, json};

use crate::needs_care;
use crate::place::Places;
use crate::usage::Cells;

/// For each run, whether it is the newest of its id.
pub(crate) fn are_newest(seen: &[Seen]) -> Vec<bool> {
    let mut newest = HashMap::with_capacity(seen.len());
    for Seen { record, .. } in seen {
        let run = newest.entry(&record.id).or_insert(0);
        *run = record.run.max(*run);
    }
    seen.iter().map(|one| newest.get(&one.record.id) == Some(&one.record.run)).collect()
}

/// Whether all is well with it.
pub(crate) fn is_well(seen: &Seen) -> bool {
    !needs_care(seen.observed) && seen.record.health != Some(Health::Unhealthy)
}

const fn left(title: &'static str) -> Column {
    Column { title, align: Align::Left }
}

const fn right(title: &'static str) -> Column {
    Column { title, align: Align::Right }
}

/// What fits a terminal.
pub(crate) fn table(out: &mut Out, chosen: &[Seen], places: &Places) -> io::Result<()> {
    let now = Timestamp::now();
    let mut columns = vec![
        left("ID"),
        left("STATE"),
        right("PID"),
        right("UPTIME"),
        right("RESTARTS"),
        right("PORT"),
        left("WHAT"),
    ];
    // A column for what few have is there only when one of them is listed.
    let with_health = chosen.iter().any(|seen| seen.record.health.is_some());
    if with_health {
        columns.insert(2, left("HEALTH"));
    }
    let names = Names::of(chosen);
    let mut table = Table::new(columns);
    for seen in chosen {
        let mut row = vec![
            names.cell(&seen.record),
            state(seen),
            pid(seen),
            uptime(seen, now),
            Cell::new(seen.record.restarts.to_string()),
            Cell::maybe(ports(&seen.record)),
            Cell::new(what(seen, now, places)),
        ];
        if with_health {
            row.insert(2, Cell::maybe(seen.record.health.map(Health::word)));
        }
        table.row(row);
    }
    table.write(out)
}

/// Everything that a line can hold.
pub(crate) fn wide(out: &mut Out, chosen: &[Seen], places: &Places) -> io::Result<()> {
    let now = Timestamp::now();
    let columns = [
        left("ID"),
        right("RUN"),
        right("ATTEMPT"),
        left("STATE"),
        left("HEALTH"),
        right("PID"),
        right("UPTIME"),
        right("MEMORY"),
        right("CPU"),
        right("PIDS"),
        right("PORT"),
        left("GPUS"),
        left("LABELS"),
        left("CONNECTION FILE"),
        left("SPAWNED"),
        left("CWD"),
        left("COMMAND"),
        left("WHAT"),
    ];
    let mut table = Table::new(columns.to_vec());
    for seen in chosen {
        let record = &seen.record;
        let [memory, cpu, pids] = Cells::of(seen, now).0;
        table.row(vec![
            Cell::new(record.id.as_str()),
            Cell::new(record.run.to_string()),
            Cell::new(record.attempt.to_string()),
            state(seen),
            Cell::maybe(record.health.map(Health::word)),
            pid(seen),
            uptime(seen, now),
            Cell::maybe(memory),
            Cell::maybe(cpu),
            Cell::maybe(pids),
            Cell::maybe(ports(record)),
            Cell::maybe(gpus(record)),
            Cell::maybe(labels(record)),
            Cell::maybe(record.connection_file.as_ref()),
            Cell::new(record.spawned_at.to_string()),
            Cell::new(&record.cwd),
            Cell::new(record.command.join(" ")),
            Cell::new(what(seen, now, places)),
        ]);
    }
    table.write(out)
}

/// How each is.
pub(crate) fn health_table(out: &mut Out, chosen: &[Seen], places: &Places) -> io::Result<()> {
    let now = Timestamp::now();
    let columns = [left("ID"), left("STATE"), left("HEALTH"), right("UPTIME"), left("WHAT")];
    let names = Names::of(chosen);
    let mut table = Table::new(columns.to_vec());
    for seen in chosen {
        let health = match (seen.record.health, is_well(seen)) {
            (Some(health), _) => health.word(),
            (None, true) => "well",
            (None, false) => "not well",
        };
        table.row(vec![
            names.cell(&seen.record),
            state(seen),
            Cell::styled(health, style(is_well(seen), seen.observed.is_living())),
            uptime(seen, now),
            Cell::new(seen.record.health_reason.clone().unwrap_or_else(|| what(seen, now, places))),
        ]);
    }
    table.write(out)
}

/// Raw values under the names of the record's fields.
pub(crate) fn csv(out: &mut Out, chosen: &[Seen]) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "id",
        "run",
        "attempt",
        "state",
        "health",
        "health_reason",
        "pid",
        "uptime_seconds",
        "restarts",
        "ports",
        "labels",
        "spawned_at",
        "ended_at",
        "exit_code",
        "exit_signal",
        "reason",
        "limit_memory_bytes",
        "limit_cpus",
        "limit_pids",
        "cwd",
        "command",
        "gpus",
    ])?;
    for seen in chosen {
        let record = &seen.record;
        let exit = record.exit.as_ref();
        let text = |value: Option<String>| value.unwrap_or_default();
        writer.write_record([
            record.id.to_string(),
            record.run.to_string(),
            record.attempt.to_string(),
            seen.observed.to_string(),
            text(record.health.map(|h| h.word().to_owned())),
            text(record.health_reason.clone()),
            text(record.pid.filter(|_| seen.observed.is_living()).map(|p| p.to_string())),
            text(uptime_seconds(seen, now).map(|s| s.to_string())),
            record.restarts.to_string(),
            text(ports(record)),
            text(labels(record)),
            record.spawned_at.to_string(),
            text(record.ended_at.map(|t| t.to_string())),
            text(exit.and_then(|e| e.code).map(|c| c.to_string())),
            text(exit.and_then(|e| e.signal).map(|s| s.to_string())),
            text(exit.map(|e| e.reason.clone()).or_else(|| record.waiting.clone())),
            text(record.limits.memory_bytes.map(|n| n.to_string())),
            text(record.limits.cpus.map(|n| n.to_string())),
            text(record.limits.pids.map(|n| n.to_string())),
            record.cwd.clone(),
            record.command.join(" "),
            text(gpus(record)),
        ])?;
    }
    Ok(writer.flush()?)
}

/// The record as it was written, with the state that the kernel confirms, the uptime and the place
/// in line; put behind what `json` holds.
pub(crate) fn json(
    seen: &Seen,
    now: Timestamp,
    places: &Places,
    json: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let uptime = uptime_seconds(seen, now);
    let place = places.get(seen).map(|place| place.place);
    if let (Observed::AsRecorded(_), Some(body)) = (seen.observed, seen.json.strip_suffix(b"}")) {
        json.extend_from_slice(body);
        if let Some(seconds) = uptime {
            write!(json, ",\"uptime_seconds\":{seconds}").map_err(serde_json::Error::io)?;
        }
        if let Some(at) = place {
            write!(json, ",\"place\":{at}").map_err(serde_json::Error::io)?;
        }
        json.push(b'}');
        return Ok(());
    }
    let mut value: Value = serde_json::from_slice(&seen.json)?;
    value["recorded_state"] = value["state"].take();
    value["state"] = json!(seen.observed.word());
    if let Some(uptime) = uptime {
        value["uptime_seconds"] = json!(uptime);
    }
    if let Some(place) = place {
        value["place"] = json!(place);
    }
    serde_json::to_writer(json, &value)
}

/// How to name runs: by id, with the run where several runs of an id are shown.
struct Names<'a> {
    repeated: HashSet<&'a Id>,
}

impl<'a> Names<'a> {
    fn of(chosen: &'a [Seen]) -> Names<'a> {
        let mut once = HashSet::with_capacity(chosen.len());
        let repeated = chosen.iter().map(|seen| &seen.record.id).filter(|id| !once.insert(*id));
        Names { repeated: repeated.collect() }
    }

    fn cell(&self, record: &ProcessRecord) -> Cell {
        if self.repeated.contains(&record.id) {
            Cell::new(record.key().to_string())
        } else {
            Cell::new(record.id.as_str())
        }
    }
}

fn state(seen: &Seen) -> Cell {
    Cell::styled(seen.observed.word(), style(is_well(seen), seen.observed.is_living()))
}

fn style(well: bool, living: bool) -> Style {
    match (well, living) {
        (true, true) => AnsiColor::Green.on_default(),
        (true, false) => Style::new(),
        (false, true) => AnsiColor::Yellow.on_default(),
        (false, false) => AnsiColor::Red.on_default(),
    }
}

fn pid(seen: &Seen) -> Cell {
    Cell::maybe(seen.record.pid.filter(|_| seen.observed.is_living()).map(|pid| pid.to_string()))
}

/// Time since the current attempt started, while it runs.
fn uptime_seconds(seen: &Seen, now: Timestamp) -> Option<f64> {
    let runs = seen.observed.is_living() && seen.record.pid.is_some();
    let since = seen.record.started_at.filter(|_| runs)?;
    Some((now.seconds_since(since).max(0.0) * 1e3).round() / 1e3)
}

fn uptime(seen: &Seen, now: Timestamp) -> Cell {
    let duration = uptime_seconds(seen, now).map(Duration::from_secs_f64);
    Cell::maybe(duration.map(duration_text))
}

fn ports(record: &ProcessRecord) -> Option<String> {
    match record.ports.as_slice() {
        [] => None,
        [port] => Some(port.to_string()),
        [first, .., last] => Some(format!("{first}-{last}")),
    }
}

fn gpus(record: &ProcessRecord) -> Option<String> {
    let share =
        |gpu: &GpuShare| format!("{}{}", gpu.uuid, if gpu.shared { " (shared)" } else { "" });
    let all: Vec<String> = record.gpus.iter().map(share).collect();
    (!all.is_empty()).then(|| all.join(","))
}

fn labels(record: &ProcessRecord) -> Option<String> {
    let all: Vec<String> = record.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// What a person wants to know next: what it runs, when it will be tried again, why it ended.
fn what(seen: &Seen, now: Timestamp, places: &Places) -> String {
    let record = &seen.record;
    let reason = || record.exit.as_ref().map_or_else(String::new, |exit| exit.reason.clone());
    match seen.observed {
        Observed::AsRecorded(State::Queued) | Observed::Orphaned(State::Queued) => {
            places.what(seen)
        }
        Observed::AsRecorded(State::Backoff) => {
            let left = record.retry_at.map_or(0.0, |at| at.seconds_since(now).max(0.0));
            let left = duration_text(Duration::from_secs_f64(left));
            format!("{}; next attempt in {left}", reason())
        }
        Observed::AsRecorded(State::Paused) => {
            let since = record.paused_at.map_or(0.0, |at| now.seconds_since(at).max(0.0));
            let since = duration_text(Duration::from_secs_f64(since));
            format!("paused for {since} · {}", record.command.join(" "))
        }
        Observed::AsRecorded(State::Stopping) => {
            let stop = record.stop.as_ref();
            match stop.filter(|stop| !stop.unkillable.is_empty()) {
                Some(stop) => format!("unkillable: {}", stop.unkillable.join(", ")),
                None => {
                    let what = if stop.is_some_and(|s| s.restart) { "restart" } else { "stop" };
                    format!("{what} asked by {}", stop.map_or("somebody", |s| s.by.as_str()))
                }
            }
        }
        Observed::Lost { reboot: true } => "the machine was started anew while it ran".to_owned(),
        Observed::Lost { reboot: false } => "vanished without a word".to_owned(),
        Observed::AsRecorded(state) if state.has_ended() => {
            let ago = record.ended_at.map_or(0.0, |at| now.seconds_since(at).max(0.0));
            let ago = duration_text(Duration::from_secs_f64(ago));
            // The last line of a traceback says what it was.
            let last = record.exit.as_ref().and_then(|exit| exit.stderr_tail.last());
            let last = last.map_or(String::new(), |line| format!(": {}", line.trim()));
            format!("{}, {ago} ago{last}", reason())
        }
        _ if record.health == Some(Health::Unhealthy) => {
            format!("unhealthy: {}", record.health_reason.as_deref().unwrap_or_default())
        }
        _ => match &record.status {
            Some(status) => format!("{status} · {}", record.command.join(" ")),
            None => record.command.join(" "),
        },
    }
}
