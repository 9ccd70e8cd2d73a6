//! `--replay`: what would have fired, and who would have been told.
//!
//! The stored samples, or with `-` the records on standard input, go through the rules and the desk
//! once more, with their own times as the clock. It begins with the first record, with nothing
//! remembered and nothing silenced, and ends with the last. What the tool remembers is neither
//! read nor written, and nobody is told.

mod episodes;
mod source;

use std::collections::BTreeSet;

use fleet_cli::{Exit, Failure, Format, Out, Records, talk};
use fleet_core::Timestamp;
use fleet_rules::Fed;

use crate::args::Args;
use crate::config::Config;
use crate::dry::{Dry, Event};
use episodes::Episodes;
use source::{Source, kind_of, time_of};

/// Replays and prints what came of it: alerts and decisions as records, or a table of alerts.
pub(crate) fn report(config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let source = Source::of(args)?;
    let shown = match format {
        Format::Table => Shown::Table(Episodes::default()),
        Format::Json => Shown::Records(Records::array(args.output.open(false)?)),
        _ => Shown::Records(Records::lines(args.output.open(false)?)),
    };
    let mut replay = Replay {
        config,
        dry: None,
        shown,
        lines: 0,
        bad: 0,
        told: 0,
        alerts: 0,
        kinds: BTreeSet::new(),
    };
    let problems = source.each(|line| replay.line(line))?;
    problems.iter().for_each(talk);
    replay.finish(&source, args)
}

/// Where what is seen goes.
enum Shown {
    Records(Records<Out>),
    Table(Episodes),
}

struct Replay<'c> {
    config: &'c Config,
    /// From the first record on.
    dry: Option<Dry>,
    shown: Shown,
    lines: u64,
    bad: u64,
    told: u64,
    alerts: u64,
    /// The kinds of record that came.
    kinds: BTreeSet<String>,
}

impl Replay<'_> {
    fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        self.lines += 1;
        let at = time_of(line);
        let config = self.config;
        let dry = self.dry.get_or_insert_with(|| {
            Dry::new(config, "replay", at.unwrap_or_else(Timestamp::now), false)
        });
        if let Some(at) = at.filter(|at| *at > dry.now()) {
            dry.advance(at);
        }
        if matches!(dry.feed(line), Fed::Bad(_)) {
            self.bad += 1;
        } else if !kind_of(line).is_none_or(|kind| self.kinds.contains(kind)) {
            self.kinds.extend(kind_of(line).map(str::to_owned));
        }
        let events = dry.events();
        self.show(events)
    }

    fn show(&mut self, events: Vec<Event>) -> anyhow::Result<()> {
        for event in events {
            self.told += u64::from(matches!(event, Event::Told(_)));
            self.alerts += u64::from(matches!(event, Event::Alert(_)));
            match &mut self.shown {
                Shown::Table(episodes) => episodes.take(event),
                Shown::Records(records) => {
                    if let Some(happened) = event.happened() {
                        records.write_json(&happened.json()?)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, source: &Source, args: &Args) -> anyhow::Result<Exit> {
        let Some(mut dry) = self.dry.take() else {
            let failure = Failure::new(
                Exit::No,
                format!("{} holds no record that was asked for", source.name()),
            );
            return Err(failure.hint("fleet-metrics --follow --record stores samples").into());
        };
        dry.settle();
        let end = dry.now();
        self.show(dry.events())?;
        self.say(source, end);
        match self.shown {
            Shown::Records(records) => records.finish()?.finish()?,
            Shown::Table(episodes) => {
                let mut out = args.output.open(false)?;
                episodes.table().write(&mut out)?;
                out.finish()?;
            }
        }
        Ok(Exit::Yes)
    }

    fn say(&self, source: &Source, end: Timestamp) {
        talk(format_args!(
            "records: {} up to {end}, changes of alerts: {}, notifications: {}; nobody was told",
            self.lines, self.alerts, self.told,
        ));
        if self.bad > 0 {
            talk(format_args!("passed over {} lines that are no records", self.bad));
        }
        let rules = self.config.rules.rules.iter().filter(|rule| rule.enabled);
        let idle: BTreeSet<&str> =
            rules.map(|rule| rule.on.as_str()).filter(|kind| !self.kinds.contains(*kind)).collect();
        if !idle.is_empty() {
            let list = idle.into_iter().collect::<Vec<_>>().join(", ");
            talk(format_args!(
                "{} holds no records for the rules on: {list}{}",
                source.name(),
                source.remedy()
            ));
        }
    }
}
