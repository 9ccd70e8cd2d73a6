//! What is kept in the fleet's home from run to run: the state of the rules, who was told what, and
//! silences.
//!
//! A memory that cannot be used must not silence the very tool that would tell of it: what the
//! matter is, is said once, and the work goes on from what this process knows.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use fleet_cli::talk;
use fleet_core::Timestamp;
use fleet_notify::{Desk, Happened, History, Ledger, Silences};
use fleet_registry::make_dir;
use fleet_rules::{AlertRecord, AlertState, Engine, Instance, Locked, Store, StoreError};

use crate::sentence::sentence;

/// How often it is written down when instances were last seen: often enough that `for` loses
/// little to a crash, seldom enough to cost nothing.
const SEEN_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct Memory {
    /// Nothing if it cannot even be locked.
    store: Option<Store>,
    ledger: Ledger,
    silences: Silences,
    history: History,
    seen_written: Instant,
    /// The state could not be written: what is known stands in this process alone.
    unwritten: bool,
    torn_said: bool,
    /// The state was read anew, and not yet held against who was told what.
    reread: bool,
    /// What was last said of what does not work.
    troubles: Troubles,
}

/// What does not work, of each part of the memory.
#[derive(Debug, Default)]
struct Troubles {
    state: Option<String>,
    ledger_read: Option<String>,
    ledger: Option<String>,
    silences: Option<String>,
    history: Option<String>,
}

impl Memory {
    /// The memory in a folder, which is made unless it is there.
    pub(crate) fn open(folder: &Path) -> Memory {
        let made = make_dir(folder);
        let mut troubles = Troubles::default();
        let store = match Store::open(folder) {
            Ok(store) => Some(store),
            Err(error) => {
                // That the folder cannot be made says more than that the file in it cannot.
                let why = made.err().map_or_else(
                    || sentence(&error),
                    |error| format!("cannot make the folder '{}': {error}", folder.display()),
                );
                say_once(&mut troubles.state, Err(why));
                None
            }
        };
        Memory {
            store,
            ledger: Ledger::open(folder),
            silences: Silences::open(folder),
            history: History::new(folder),
            seen_written: Instant::now(),
            unwritten: false,
            torn_said: false,
            reread: false,
            troubles,
        }
    }

    /// Waits for its turn among the tools on this home.
    pub(crate) fn lock(&mut self) -> Option<Locked> {
        let locked = self.store.as_ref()?.lock();
        locked.map_err(|error| say_once(&mut self.troubles.state, Err(sentence(&error)))).ok()
    }

    /// What does not work, if anything.
    pub(crate) fn trouble(&self) -> Option<&str> {
        let Troubles { state, ledger_read, ledger, silences, .. } = &self.troubles;
        [state, ledger_read, ledger, silences].into_iter().flatten().next().map(String::as_str)
    }

    /// Takes over what other runs wrote.
    pub(crate) fn take_over(
        &mut self,
        locked: Option<&Locked>,
        engine: &mut Engine,
        desk: &mut Desk,
    ) {
        if let Some(locked) = locked.filter(|_| !self.unwritten) {
            self.take_over_state(locked, engine);
        }
        let ledger = self.ledger.reload(desk);
        if let Ok(true) = ledger {
            self.say_torn("of who was told", self.ledger.bad_lines().to_vec());
        }
        say_once(&mut self.troubles.ledger_read, said(ledger));
        let silences = self.silences.reload(Timestamp::now());
        if let Ok(Some(silences)) = &silences {
            desk.silences(silences.clone());
            self.say_torn("of silences", self.silences.bad_lines().to_vec());
        }
        say_once(&mut self.troubles.silences, said(silences));
    }

    fn take_over_state(&mut self, locked: &Locked, engine: &mut Engine) {
        let Some(store) = &mut self.store else { return };
        match store.reload(locked, |rule| engine.knows(rule)) {
            Ok(None) => {}
            Ok(Some(remembered)) => {
                engine.restore(remembered.instances);
                self.reread = true;
                self.say_torn("of rules", remembered.bad_lines);
            }
            Err(error) => say_once(&mut self.troubles.state, Err(sentence(&error))),
        }
    }

    fn say_torn(&mut self, what: &str, lines: Vec<usize>) {
        if lines.is_empty() || std::mem::replace(&mut self.torn_said, true) {
            return;
        }
        let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
        talk(format_args!(
            "passed over what cannot be read in the alerts' memory {what}: line {}",
            lines.join(", ")
        ));
    }

    /// Writes down what changed for the rules.
    pub(crate) fn write(&mut self, locked: Option<&Locked>, engine: &mut Engine) {
        if let (Some(locked), Some(store), false) = (locked, &mut self.store, self.unwritten) {
            let result = store.append(locked, engine.changed());
            self.written(result);
        }
        engine.changed_written();
    }

    /// Gives the desk an alert, also one whose rule is gone.
    pub(crate) fn take(&mut self, desk: &mut Desk, alert: AlertRecord) {
        if desk.knows(&alert.alert) {
            desk.take(alert);
        } else {
            self.ledger.take_leave(desk, alert);
        }
    }

    /// What was told as firing and of which the state knows nothing, since its file was torn or
    /// taken away, is over: a record that says otherwise would have come by now.
    pub(crate) fn lost(
        &mut self,
        engine: &Engine,
        desk: &Desk,
        now: Timestamp,
    ) -> Vec<AlertRecord> {
        if !std::mem::take(&mut self.reread) {
            return Vec::new();
        }
        let fires: HashSet<String> =
            engine.firing().into_iter().map(Instance::fingerprint).collect();
        let lost = desk.firing().filter(|alert| !fires.contains(&alert.fingerprint));
        lost.filter(|alert| engine.knows(&alert.alert)).map(|alert| ended(alert, now)).collect()
    }

    /// Writes down who was told what.
    pub(crate) fn write_told(&mut self, desk: &mut Desk) {
        say_once(&mut self.troubles.ledger, said(self.ledger.write(desk)));
    }

    /// Writes down what happened, for whoever asks afterwards.
    pub(crate) fn record(&mut self, happened: &[Happened]) {
        let path = self.history.path().display().to_string();
        let written = self.history.append(happened);
        let why = written.map_err(|error| format!("cannot write the history '{path}': {error}"));
        say_once(&mut self.troubles.history, why);
    }

    /// Writes down, now and then, when instances were last seen, and keeps the file short.
    pub(crate) fn keep(&mut self, locked: Option<&Locked>, engine: &mut Engine) {
        let Some(locked) = locked else { return };
        if self.seen_written.elapsed() >= SEEN_EVERY {
            self.write_seen(locked, engine);
        }
        let long = self.store.as_ref().is_some_and(|s| s.is_long(engine.living()));
        if self.unwritten || long {
            self.rewrite(locked, engine);
        }
    }

    /// Leaves the file as short as it can be.
    pub(crate) fn close(&mut self, engine: &mut Engine, desk: &mut Desk) {
        let Some(locked) = self.lock() else { return };
        self.take_over(Some(&locked), engine, desk);
        self.write_seen(&locked, engine);
        let slack = self.store.as_ref().is_some_and(|s| s.has_slack(engine.instances().count()));
        if self.unwritten || slack {
            self.rewrite(&locked, engine);
        }
    }

    fn write_seen(&mut self, locked: &Locked, engine: &mut Engine) {
        self.seen_written = Instant::now();
        let touched = engine.take_touched();
        if let (Some(store), false) = (&mut self.store, self.unwritten) {
            let result = store.append(locked, touched.iter());
            self.written(result);
        }
    }

    fn rewrite(&mut self, locked: &Locked, engine: &Engine) {
        let Some(store) = &mut self.store else { return };
        let result = store.rewrite(locked, engine.instances(), Timestamp::now());
        self.written(result);
    }

    /// After a failure nothing is appended until all of it could be written anew.
    fn written(&mut self, result: Result<(), StoreError>) {
        self.unwritten = result.is_err();
        say_once(&mut self.troubles.state, said(result));
    }
}

/// The end of an alert that is not remembered.
fn ended(alert: &AlertRecord, now: Timestamp) -> AlertRecord {
    AlertRecord {
        ts: now.max(alert.ts),
        state: AlertState::Resolved,
        reason: "its state was lost from the memory, and no record says that it fires".to_owned(),
        ..alert.clone()
    }
}

fn said<T>(result: Result<T, impl std::error::Error>) -> Result<(), String> {
    result.map(drop).map_err(|error| sentence(&error))
}

/// Says a trouble when it begins or changes.
fn say_once(before: &mut Option<String>, now: Result<(), String>) {
    match now {
        Ok(()) => *before = None,
        Err(why) if before.as_ref() == Some(&why) => {}
        Err(why) => {
            talk(format_args!("{why}; goes on without, and may tell twice after an end"));
            *before = Some(why);
        }
    }
}
