//! `--why`: what happened to an alert, who was told, and why the others were not.
//!
//! The question is a rule, a process or a fingerprint, or a glob of one. The answer is put together
//! from the history (what changed, what was decided, what became of each try), from what the desk
//! says of it now, from what is pending, and from what waits in the spool or was given up. Where
//! nothing of it is known, that is said with what could be the matter. What the desk takes for told
//! and waits in the spool, or died there, was not told: the spool has the last word.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

use fleet_cli::{Exit, Format, Out, Records, talk};
use fleet_core::Timestamp;
use fleet_notify::{Decided, Desk, Entry, Happened, History, Ledger, Silences, Spool};
use fleet_rules::{AlertRecord, Instance, Store};
use glob::Pattern;

use crate::args::Args;
use crate::config::Config;
use words::{idle, moment, nothing, sentence, stands, waits};

/// The most happenings that people are shown of one alert.
const MOST: usize = 40;

/// Answers the question.
pub(crate) fn report(question: &str, config: &Config, args: &Args) -> anyhow::Result<Exit> {
    let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
    let folder = args.home.locate()?.alerts();
    let now = Timestamp::now();
    let answer = Answer::find(question, config, &folder, now)?;
    if answer.is_empty() {
        talk(nothing(question, config, &folder));
        return Ok(Exit::No);
    }
    let mut out = args.output.open(false)?;
    match format {
        Format::Table => answer.write(&mut out, config, now)?,
        _ => {
            let lines = answer.past.iter().chain(&answer.present);
            let mut records =
                if format == Format::Json { Records::array(out) } else { Records::lines(out) };
            lines.map(Happened::json).try_for_each(|json| records.write_json(&json?))?;
            out = records.finish()?;
        }
    }
    out.finish()?;
    Ok(Exit::Yes)
}

/// All that is known of what is asked about.
struct Answer {
    past: Vec<Happened>,
    /// What the desk decided last, of each channel.
    present: Vec<Happened>,
    /// What the rules remember: pending, firing, recovering.
    instances: Vec<Instance>,
    /// What waits to be delivered.
    waiting: Vec<Entry>,
    /// What was given up.
    dead: Vec<Entry>,
}

impl Answer {
    fn find(
        question: &str,
        config: &Config,
        folder: &Path,
        now: Timestamp,
    ) -> anyhow::Result<Answer> {
        let asked = Asked::new(question);
        let (mut past, mut names) = (Vec::new(), BTreeSet::new());
        let bad = History::new(folder).read(|happened| {
            if asked.takes(&happened, &mut names) {
                past.push(happened);
            }
        })?;
        if bad > 0 {
            talk(format_args!("passed over {bad} lines of the history that cannot be read"));
        }
        let mut answer = Answer {
            past,
            present: Vec::new(),
            instances: Vec::new(),
            waiting: Vec::new(),
            dead: Vec::new(),
        };
        if folder.is_dir() {
            answer.remembered(&asked, config, folder, now)?;
        }
        Ok(answer)
    }

    /// What the rules, the desk and the spool know now.
    fn remembered(
        &mut self,
        asked: &Asked<'_>,
        config: &Config,
        folder: &Path,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        let mut store = Store::open(folder)?;
        let locked = store.lock()?;
        let remembered = store.reload(&locked, |_| true)?;
        let mut desk = Desk::new(config.policy.clone());
        Ledger::open(folder).reload(&mut desk)?;
        if let Some(silences) = Silences::open(folder).reload(now)? {
            desk.silences(silences);
        }
        drop(locked);
        let instances = remembered.map_or_else(Vec::new, |remembered| remembered.instances);
        self.instances =
            instances.into_iter().filter(|instance| asked.is_about(instance)).collect();
        let decisions = desk.explain(now, |alert| asked.fits(alert)).into_iter();
        let spool = Spool::open(folder);
        let fits = |entry: &Entry| entry.notification.alerts.iter().any(|alert| asked.fits(alert));
        for channel in spool.channels()? {
            self.waiting.extend(spool.entries(&channel)?.entries.into_iter().filter(fits));
        }
        let dead = spool.dead()?.into_values().flat_map(|listing| listing.entries);
        self.dead = dead.filter(fits).collect();
        let decided = decisions.map(|one| Decided::of(one, now));
        let decided = decided.filter(|one| !self.is_undelivered(one));
        self.present = decided.map(Happened::Decided).collect();
        Ok(())
    }

    /// Whether it is said that a channel was told, to which it is still to be delivered.
    fn is_undelivered(&self, decided: &Decided) -> bool {
        let about = |entry: &Entry| {
            let mut alerts = entry.notification.alerts.iter();
            entry.notification.channel == decided.channel
                && alerts.any(|alert| alert.fingerprint == decided.fingerprint)
        };
        let told = ["told_already", "waits_repeat", "over"].contains(&decided.word.as_str());
        told && self.waiting.iter().chain(&self.dead).any(about)
    }

    fn is_empty(&self) -> bool {
        self.past.is_empty()
            && self.instances.is_empty()
            && self.waiting.is_empty()
            && self.dead.is_empty()
    }

    fn write(&self, out: &mut Out, config: &Config, now: Timestamp) -> io::Result<()> {
        let past = together(&self.past);
        let earlier = past.len().saturating_sub(MOST);
        if earlier > 0 {
            writeln!(out, "({earlier} earlier ones: -o jsonl)")?;
        }
        for happened in &past[earlier..] {
            writeln!(out, "{}  {}", moment(happened.ts()), sentence(happened))?;
        }
        for rule in self.rules() {
            idle(rule, config).map_or(Ok(()), |text| writeln!(out, "now  {text}"))?;
        }
        for instance in &self.instances {
            writeln!(out, "now  {}", stands(instance, config, now))?;
        }
        for happened in together(&self.present) {
            writeln!(out, "now  {}", sentence(&happened))?;
        }
        for entry in self.waiting.iter().chain(&self.dead) {
            writeln!(out, "now  {}", waits(entry))?;
        }
        Ok(())
    }

    /// The rules that it is about.
    fn rules(&self) -> BTreeSet<&str> {
        let told = self.past.iter().chain(&self.present).filter_map(|happened| match happened {
            Happened::Alert(alert) => Some(alert.alert.as_str()),
            Happened::Decided(decided) => Some(decided.alert.as_str()),
            Happened::Tried(_) => None,
        });
        told.chain(self.instances.iter().map(|instance| instance.rule.as_str())).collect()
    }
}

/// What was decided of several channels alike is one happening, of all of them.
fn together(all: &[Happened]) -> Vec<Happened> {
    let mut joined: Vec<Happened> = Vec::new();
    // Where in the joined ones it stands, by all that must be alike.
    let mut places: BTreeMap<(Timestamp, &str, &str, &str), usize> = BTreeMap::new();
    for happened in all {
        let Happened::Decided(decided) = happened else {
            joined.push(happened.clone());
            continue;
        };
        let alike = (decided.ts, &*decided.fingerprint, &*decided.word, &*decided.text);
        let place = *places.entry(alike).or_insert(joined.len());
        match joined.get_mut(place) {
            Some(Happened::Decided(first)) => first.channel += &format!(", {}", decided.channel),
            _ => joined.push(happened.clone()),
        }
    }
    joined
}

/// What somebody asks about.
struct Asked<'q> {
    text: &'q str,
    glob: Option<Pattern>,
}

impl Asked<'_> {
    fn new(text: &str) -> Asked<'_> {
        Asked { text, glob: Pattern::new(text).ok() }
    }

    fn is(&self, name: &str) -> bool {
        name == self.text || self.glob.as_ref().is_some_and(|glob| glob.matches(name))
    }

    fn fits(&self, alert: &AlertRecord) -> bool {
        self.is(&alert.alert)
            || alert.id.as_ref().is_some_and(|id| self.is(id))
            || self.is(&alert.fingerprint)
    }

    fn is_about(&self, instance: &Instance) -> bool {
        let of_a_rule = !instance.rule.is_empty();
        of_a_rule && self.is(&instance.rule) || instance.key.values().any(|value| self.is(value))
    }

    /// Whether a happening is about it; `names` knows the fingerprints of the alerts that are.
    fn takes(&self, happened: &Happened, names: &mut BTreeSet<String>) -> bool {
        match happened {
            Happened::Alert(alert) => {
                let fits = self.fits(alert);
                if fits {
                    names.insert(alert.fingerprint.clone());
                }
                fits
            }
            Happened::Decided(Decided { alert, id, fingerprint, .. }) => {
                self.is(alert) || id.as_ref().is_some_and(|id| self.is(id)) || self.is(fingerprint)
            }
            Happened::Tried(tried) => tried.fingerprints.iter().any(|name| names.contains(name)),
        }
    }
}
