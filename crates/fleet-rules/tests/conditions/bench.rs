//! Rules at work with a virtual clock and a state file, in one run or in many.

use std::path::Path;

use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, AlertState, Engine, Fed, Instance, Outcome, RuleSet, Store};

/// The second of a test, counted from some day.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
}

/// One alert, as a test looks at it: second, about whom, state, severity.
pub(crate) type Told = (i64, String, AlertState, String);

/// An engine, its state file, and what it told.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) now: i64,
    pub(crate) told: Vec<AlertRecord>,
    pub(crate) dir: tempfile::TempDir,
    rules: RuleSet,
}

pub(crate) fn parse(rules: &str) -> RuleSet {
    RuleSet::parse(Path::new("test.toml"), rules).unwrap().from_file(Path::new("test.toml"))
}

/// A rule on samples named `r` that says this.
pub(crate) fn rule(rest: &str) -> String {
    format!("[[rule]]\nname = 'r'\non = 'sample'\nsummary = '{{{{id}}}} {{{{x}}}}'\n{rest}\n")
}

impl Bench {
    pub(crate) fn new(rules: &str) -> Bench {
        let rules = parse(rules);
        let engine = Engine::new(rules.clone(), false);
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench { engine, now: 0, told: Vec::new(), dir, rules };
        bench.begin();
        bench
    }

    pub(crate) fn of(rest: &str) -> Bench {
        Bench::new(&rule(rest))
    }

    /// Feeds fields of a sample of now.
    pub(crate) fn sample(&mut self, fields: &str) {
        let line = format!(r#"{{"kind":"sample","ts":"{}",{fields}}}"#, at(self.now));
        self.line(&line);
    }

    pub(crate) fn line(&mut self, line: &str) {
        let mut outcomes = Vec::new();
        let fed = self.engine.feed(line.as_bytes(), at(self.now), &mut outcomes);
        assert!(matches!(fed, Fed::Held | Fed::Passed), "{line}: {fed:?}");
        self.settle(outcomes);
    }

    /// Moves the clock on.
    pub(crate) fn clock(&mut self, second: i64) {
        self.now = second;
        let mut outcomes = Vec::new();
        self.engine.tick(at(second), &mut outcomes);
        self.settle(outcomes);
    }

    /// Ends the run.
    pub(crate) fn end(&mut self) {
        let mut outcomes = Vec::new();
        self.engine.end(at(self.now), &mut outcomes);
        self.settle(outcomes);
        let touched = self.engine.take_touched();
        self.append(&touched);
    }

    /// Begins another run, perhaps with other rules.
    pub(crate) fn begin(&mut self) {
        let mut store = Store::open(self.dir.path()).unwrap();
        let locked = store.lock().unwrap();
        self.engine = Engine::new(self.rules.clone(), false);
        let engine = &self.engine;
        let remembered = store.reload(&locked, |rule| engine.knows(rule)).unwrap();
        drop(locked);
        self.engine.restore(remembered.map(|it| it.instances).unwrap_or_default());
        self.told.extend(self.engine.untold());
        self.engine.told();
        self.write();
    }

    /// Ends the run and begins another at a later second.
    pub(crate) fn run_again(&mut self, second: i64) {
        self.end();
        self.now = second;
        self.begin();
    }

    /// Writes the state file anew.
    pub(crate) fn rewrite(&mut self) {
        self.end();
        let mut store = Store::open(self.dir.path()).unwrap();
        let locked = store.lock().unwrap();
        let engine = &self.engine;
        store.reload(&locked, |rule| engine.knows(rule)).unwrap();
        store.rewrite(&locked, engine.instances(), at(self.now)).unwrap();
    }

    pub(crate) fn change_rules(&mut self, rules: &str) {
        self.end();
        self.rules = parse(rules);
        self.begin();
    }

    fn settle(&mut self, outcomes: Vec<Outcome>) {
        self.told.extend(outcomes.into_iter().filter(|o| o.told).filter_map(|o| o.alert));
        self.write();
        self.engine.told();
        self.write();
    }

    fn write(&mut self) {
        let changed: Vec<Instance> = self.engine.changed().cloned().collect();
        self.engine.changed_written();
        self.append(&changed);
    }

    fn append(&mut self, instances: &[Instance]) {
        let mut store = Store::open(self.dir.path()).unwrap();
        let locked = store.lock().unwrap();
        store.append(&locked, instances.iter()).unwrap();
    }

    /// What was told since the last look.
    pub(crate) fn news(&mut self) -> Vec<Told> {
        let base = at(0).nanos();
        let told = self.told.drain(..).map(|alert| {
            let second = (alert.ts.nanos() - base) / 1_000_000_000;
            (second, alert.id.unwrap_or_default(), alert.state, alert.severity)
        });
        told.collect()
    }

    /// The states that were told since the last look.
    pub(crate) fn states(&mut self) -> Vec<AlertState> {
        self.news().into_iter().map(|told| told.2).collect()
    }
}
