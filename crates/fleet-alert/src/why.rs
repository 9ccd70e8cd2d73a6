//! `--why`: what happened to an alert, who was told, and why the others were not.
//!
//! The question is a rule, a process or a fingerprint, or a glob of one. The answer is put together
//! from the history (what changed, what was decided, what became of each try), from what the desk
//! says of it now, from what is pending, and from what waits in the spool or was given up. Where
//! nothing of it is known, that is said with what could be the matter.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use fleet_cli::{Exit, Format, Out, Records, talk};
use fleet_config::did_you_mean;
use fleet_core::{Timestamp, duration_text};
use fleet_notify::{Decided, Desk, Entry, Happened, History, Ledger, Silences, Spool};
use fleet_rules::machine::Phase;
use fleet_rules::{AlertRecord, Instance, Store};
use glob::Pattern;

use crate::args::Args;
use crate::config::Config;
use crate::show;

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
        Format::Table => answer.write(&mut out, now)?,
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
        self.present = decisions.map(|one| Happened::Decided(Decided::of(one, now))).collect();
        let spool = Spool::open(folder);
        let fits = |entry: &Entry| entry.notification.alerts.iter().any(|alert| asked.fits(alert));
        for channel in spool.channels()? {
            self.waiting.extend(spool.entries(&channel)?.entries.into_iter().filter(fits));
        }
        let dead = spool.dead()?.into_values().flat_map(|listing| listing.entries);
        self.dead = dead.filter(fits).collect();
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.past.is_empty()
            && self.instances.is_empty()
            && self.waiting.is_empty()
            && self.dead.is_empty()
    }

    fn write(&self, out: &mut Out, now: Timestamp) -> io::Result<()> {
        let earlier = self.past.len().saturating_sub(MOST);
        if earlier > 0 {
            writeln!(out, "({earlier} earlier ones: -o jsonl)")?;
        }
        for happened in &self.past[earlier..] {
            writeln!(out, "{}  {}", moment(happened.ts()), sentence(happened))?;
        }
        for instance in &self.instances {
            writeln!(
                out,
                "now  {} of {}: {}",
                instance.rule,
                instance.name(),
                stands(instance, now)
            )?;
        }
        for happened in &self.present {
            writeln!(out, "now  {}", sentence(happened))?;
        }
        for entry in &self.waiting {
            writeln!(
                out,
                "now  {} waits in the spool, {}",
                entry.notification.channel,
                tries(entry)
            )?;
        }
        for entry in &self.dead {
            writeln!(out, "now  {} was given up, {}", entry.notification.channel, tries(entry))?;
        }
        Ok(())
    }
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

/// One thing that happened, for people.
fn sentence(happened: &Happened) -> String {
    let text = match happened {
        Happened::Alert(alert) => return show::line(alert),
        Happened::Decided(decided) => {
            let id = decided.id.as_ref().map_or(String::new(), |id| format!(" {id}"));
            let Decided { channel, alert, text, word, .. } = decided;
            format!("{channel}: {alert}{id}: {text} ({word})")
        }
        Happened::Tried(tried) if tried.text.is_empty() => {
            format!("{}: {}", tried.channel, tried.word)
        }
        Happened::Tried(tried) => format!("{}: {} ({})", tried.channel, tried.text, tried.word),
    };
    show::printable(&text)
}

/// How an instance stands, in words.
fn stands(instance: &Instance, now: Timestamp) -> String {
    let Some(phase) = instance.phase else { return "ok".to_owned() };
    let word = match phase {
        Phase::Pending { .. } => "pending, not told yet",
        Phase::Firing { .. } => "fires",
        Phase::Recovering { .. } => "recovering, still told as firing",
        Phase::NoData { .. } => return no_data(instance),
    };
    let held = std::time::Duration::try_from_secs_f64(now.seconds_since(phase.since()));
    let seen = moment(instance.seen);
    format!(
        "{word}, met for {}; its last record came at {seen}",
        duration_text(held.unwrap_or_default())
    )
}

fn no_data(instance: &Instance) -> String {
    format!("no record comes of it; its last came at {}", moment(instance.seen))
}

fn tries(entry: &Entry) -> String {
    let since = moment(entry.since);
    let tried = format!("since {since}, tries: {}", entry.tries);
    let why = entry.buried.as_ref().map_or(&entry.last_error, |burial| &burial.why);
    if why.is_empty() { tried } else { format!("{tried}: {why}") }
}

/// What could be the matter where nothing is known.
fn nothing(question: &str, config: &Config, folder: &Path) -> String {
    let rules = &config.rules.rules;
    let ran = std::fs::metadata(folder.join("state.jsonl")).and_then(|data| data.modified());
    let ran = match ran.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok()) {
        Some(at) => {
            let nanos = i64::try_from(at.as_nanos()).unwrap_or(i64::MAX);
            format!("fleet-alert last wrote there at {}", moment(Timestamp::from_nanos(nanos)))
        }
        None => format!("fleet-alert never ran with '{}'", folder.display()),
    };
    match rules.iter().find(|rule| rule.name == question) {
        Some(rule) if !rule.enabled => format!("the rule '{question}' is not enabled"),
        Some(rule) => format!(
            "the rule '{question}' never fired and nothing of it is pending: no {} was seen that met it; {ran}; --replay shows what it makes of stored samples",
            rule.on
        ),
        None => {
            let near = did_you_mean(question, rules.iter().map(|rule| rule.name.as_str()));
            let near = near.map_or(String::new(), |near| format!("; {near}"));
            format!("no rule has the name '{question}' and no alert was about it{near}; {ran}")
        }
    }
}

/// To the second, in UTC.
fn moment(at: Timestamp) -> String {
    at.to_string().get(..19).unwrap_or_default().replace('T', " ")
}
