//! From the first line to the last: turns of reading, judging, telling and remembering.

use std::error::Error;
use std::time::{Duration, Instant};

use anyhow::Context;
use fleet_cli::{Exit, Format, talk};
use fleet_core::Timestamp;
use fleet_registry::make_dir;
use fleet_rules::{Engine, Fed, Locked, Outcome, Store, StoreError};

use crate::args::Args;
use crate::config::Config;
use crate::input::{Came, Input};
use crate::tell::Tellers;

/// How often it is written down when instances were last seen: often enough that `for` loses
/// little to a crash, seldom enough to cost nothing.
const SEEN_EVERY: Duration = Duration::from_secs(5);

/// While input never pauses the clock gets its turn this often.
const TICK_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Session {
    engine: Engine,
    store: Store,
    tellers: Tellers,
    exit_code: bool,
    explain: bool,
    seen_written: Instant,
    ticked: Instant,
    lines: u64,
    passed: u64,
    bad: u64,
    first_bad: Option<String>,
    torn_said: bool,
    /// The memory could not be written: what is known stands in this process alone.
    unwritten: bool,
}

impl Session {
    pub(crate) fn open(config: Config, args: &Args) -> anyhow::Result<Session> {
        let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
        let folder = args.home.locate()?.alerts();
        make_dir(&folder)
            .with_context(|| format!("cannot make the folder '{}'", folder.display()))?;
        let store = Store::open(&folder)?;
        let out = args.output.open(true)?;
        let tellers = Tellers::new(out, format, !args.no_notify);
        let now = Instant::now();
        Ok(Session {
            engine: Engine::new(config.rules, args.explain),
            store,
            tellers,
            exit_code: args.exit_code,
            explain: args.explain,
            seen_written: now,
            ticked: now,
            lines: 0,
            passed: 0,
            bad: 0,
            first_bad: None,
            torn_said: false,
            unwritten: false,
        })
    }

    pub(crate) fn run(mut self) -> anyhow::Result<Exit> {
        // What a crash left owed does not wait for the first line.
        self.turn(&[], false)?;
        let mut input = Input::stdin().context("cannot use standard input")?;
        loop {
            let wait = self.engine.next_tick(Timestamp::now());
            match input.next(wait).context("cannot read standard input")? {
                Came::Lines(lines) => {
                    let tick = self.ticked.elapsed() >= TICK_EVERY;
                    self.turn(&lines, tick)?;
                }
                Came::Nothing => self.turn(&[], true)?,
                Came::End => break,
            }
        }
        self.end()?;
        self.bad += input.too_long;
        self.finish()
    }

    /// Takes lines and, where asked, the clock, all under the lock of the memory.
    fn turn(&mut self, lines: &[u8], tick: bool) -> anyhow::Result<()> {
        let locked = self.store.lock()?;
        self.take_over(&locked)?;
        self.pay(&locked)?;
        let mut outcomes = Vec::new();
        let (now, mut start) = (Timestamp::now(), 0);
        for end in memchr::memchr_iter(b'\n', lines).chain([lines.len()]) {
            self.line(&lines[start..end], now, &mut outcomes);
            start = (end + 1).min(lines.len());
            self.settle(&locked, &mut outcomes)?;
        }
        if tick {
            self.ticked = Instant::now();
            self.engine.tick(Timestamp::now(), &mut outcomes);
            self.settle(&locked, &mut outcomes)?;
        }
        self.remember(&locked);
        Ok(())
    }

    /// Does what is left when all was read.
    fn end(&mut self) -> anyhow::Result<()> {
        let locked = self.store.lock()?;
        self.take_over(&locked)?;
        self.pay(&locked)?;
        let mut outcomes = Vec::new();
        self.engine.end(Timestamp::now(), &mut outcomes);
        self.settle(&locked, &mut outcomes)?;
        self.remember(&locked);
        Ok(())
    }

    /// Takes over what other runs wrote.
    fn take_over(&mut self, locked: &Locked) -> anyhow::Result<()> {
        if self.unwritten {
            return Ok(());
        }
        let engine = &self.engine;
        let Some(remembered) = self.store.reload(locked, |rule| engine.knows(rule))? else {
            return Ok(());
        };
        if !remembered.bad_lines.is_empty() && !self.torn_said {
            self.torn_said = true;
            talk(format_args!(
                "passed over what cannot be read in the alerts' memory: line {}",
                remembered.bad_lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            ));
        }
        self.engine.restore(remembered.instances);
        Ok(())
    }

    fn line(&mut self, line: &[u8], now: Timestamp, outcomes: &mut Vec<Outcome>) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        self.lines += 1;
        match self.engine.feed(line, now, outcomes) {
            Fed::Held => {}
            Fed::Passed => self.passed += 1,
            Fed::Bad(why) => {
                self.bad += 1;
                let number = self.lines;
                self.first_bad.get_or_insert_with(|| format!("line {number}: {why}"));
            }
        }
    }

    /// Tells what came of a line or of the clock.
    fn settle(&mut self, locked: &Locked, outcomes: &mut Vec<Outcome>) -> anyhow::Result<()> {
        for outcome in outcomes.drain(..) {
            if let Some(explanation) = &outcome.explanation {
                talk(explanation);
            }
            match &outcome.alert {
                Some(alert) if outcome.told => {
                    self.write(locked);
                    self.tellers.tell(alert)?;
                    self.engine.told();
                    self.write(locked);
                }
                Some(alert) => self.tellers.print(alert)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Tells what a crash left untold.
    fn pay(&mut self, locked: &Locked) -> anyhow::Result<()> {
        for alert in self.engine.untold() {
            self.tellers.tell(&alert)?;
        }
        self.engine.told();
        self.write(locked);
        Ok(())
    }

    fn write(&mut self, locked: &Locked) {
        let changed = self.engine.take_changed();
        if !self.unwritten {
            let result = self.store.append(locked, &changed);
            self.written(result);
        }
    }

    fn remember(&mut self, locked: &Locked) {
        self.write(locked);
        if self.seen_written.elapsed() >= SEEN_EVERY {
            self.write_seen(locked);
        }
        if self.unwritten || self.store.is_long(self.engine.living()) {
            self.rewrite(locked);
        }
    }

    fn write_seen(&mut self, locked: &Locked) {
        self.seen_written = Instant::now();
        let touched = self.engine.take_touched();
        if !self.unwritten {
            let result = self.store.append(locked, &touched);
            self.written(result);
        }
    }

    fn rewrite(&mut self, locked: &Locked) {
        let result = self.store.rewrite(locked, self.engine.instances(), Timestamp::now());
        self.written(result);
    }

    /// A full disk must not silence the very tool that would tell of it: it is said once, and
    /// the work goes on from what this process knows until all of it can be written again.
    fn written(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => self.unwritten = false,
            Err(error) if !self.unwritten => {
                self.unwritten = true;
                let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
                talk(format_args!(
                    "{error}{cause}; goes on without, and may tell twice after an end"
                ));
            }
            Err(_) => {}
        }
    }

    fn finish(mut self) -> anyhow::Result<Exit> {
        let locked = self.store.lock()?;
        self.take_over(&locked)?;
        self.write_seen(&locked);
        if self.unwritten || self.store.has_slack(self.engine.instances().count()) {
            self.rewrite(&locked);
        }
        drop(locked);
        self.say_what_was_passed_over();
        let firing = self.engine.firing();
        let fires = !firing.is_empty();
        self.tellers.finish(&firing, Timestamp::now())?;
        Ok(if self.exit_code && fires { Exit::No } else { Exit::Yes })
    }

    fn say_what_was_passed_over(&self) {
        if self.bad > 0 {
            let first = self.first_bad.as_deref().unwrap_or("a line longer than 16 MiB");
            let noun =
                if self.bad == 1 { "line that is no record" } else { "lines that are no records" };
            talk(format_args!("passed over {} {noun}; the first is {first}", self.bad));
        }
        if self.explain && self.passed > 0 {
            talk(format_args!(
                "no rule is about the kind of {} of {} lines",
                self.passed, self.lines
            ));
        }
    }
}
