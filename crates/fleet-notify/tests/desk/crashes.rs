//! Whatever happens in whatever order, and wherever it is killed: what fires and lasts is told,
//! what was told ends, and a crash repeats each change at most once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet_notify::{ChannelPlan, Desk, Flap, Ledger, Notification, Policy, Reason, Silence};
use fleet_rules::{AlertRecord, AlertState};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::bench::{alert, at, channel, policy, silence};

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    /// One alert changes: fires, ends, or changes its severity.
    Change { which: usize, severe: bool },
    /// Time passes.
    Wait { seconds: i64 },
    /// The clock is set back.
    SetBack,
    /// A rule is silenced for a while, or no more.
    Silence { rule: usize, seconds: i64 },
    /// The couriers take all that waits to where it goes.
    Deliver,
}

/// Where within a turn the tool is killed.
#[derive(Clone, Copy, Debug)]
enum Crash {
    /// Before the desk took anything.
    BeforeTake,
    /// When so many notifications were in the spool.
    InSpool(usize),
    /// Before the ledger was written; the couriers may have delivered meanwhile.
    BeforeLedger { drained: bool },
    /// Before the engine struck out what was told.
    BeforeStrike,
}

const RULES: [&str; 4] = ["a", "b", "c", "d"];

/// The whole of fleet-alert but for the network: what the engine and the spool hold is on disk.
struct World {
    home: TempDir,
    now: i64,
    /// What the engine knows: the newest record of each alert, and whether it is untold.
    engine: BTreeMap<(usize, usize), (AlertRecord, bool)>,
    spool: Vec<Notification>,
    delivered: Vec<Notification>,
    silences: Vec<Silence>,
    running: Option<(Desk, Ledger)>,
    /// How often the couriers delivered what was not yet written down as told.
    drains: usize,
}

fn channels() -> [ChannelPlan; 4] {
    let mut pager = channel("pager");
    (pager.severity, pager.max_per_hour) = (vec!["critical".to_owned()], Some(3));
    let mut quiet = channel("quiet");
    quiet.resolved = false;
    let mut keeper = channel("keeper");
    keeper.refresh = Some(Duration::from_secs(600));
    [channel("phone"), pager, quiet, keeper]
}

fn rules() -> Policy {
    let mut policy = policy(&channels());
    policy.settings.max_per_hour = 5;
    policy.settings.flap = Flap { changes: 4, within: Duration::from_secs(900) };
    policy.rules.get_mut("b").unwrap().inhibited_by = vec!["a".to_owned()];
    policy.rules.get_mut("d").unwrap().immediate = true;
    policy
}

impl World {
    fn new() -> World {
        World {
            home: tempfile::tempdir().unwrap(),
            now: 0,
            engine: BTreeMap::new(),
            spool: Vec::new(),
            delivered: Vec::new(),
            silences: Vec::new(),
            running: None,
            drains: 0,
        }
    }

    /// A tool that was killed is started again and first does what it owes, then takes a step.
    fn step(&mut self, step: &Step, crash: Option<Crash>) {
        if self.running.is_none() && self.survives(crash).is_none() {
            return;
        }
        match step {
            Step::Change { which, severe } => self.change(*which, *severe),
            Step::Wait { seconds } => self.now += seconds,
            Step::SetBack => self.now -= 3600,
            Step::Silence { rule, seconds } => {
                self.silences = vec![silence(RULES[*rule], self.now + seconds)];
                if let Some((desk, _)) = &mut self.running {
                    desk.silences(self.silences.clone());
                }
            }
            Step::Deliver => self.delivered.append(&mut self.spool),
        }
        self.survives(crash);
    }

    fn survives(&mut self, crash: Option<Crash>) -> Option<()> {
        let survived = self.turn(crash);
        if survived.is_none() {
            self.running = None;
        }
        survived
    }

    fn change(&mut self, which: usize, severe: bool) {
        // The records' own clock is never set back within one tool: it shifts.
        self.now += 1;
        let key = (which % 4, which / 4 % 2);
        let severity = if severe { "critical" } else { "warning" };
        let fires = self.engine.get(&key).is_some_and(|(a, _)| a.state == AlertState::Firing);
        let same = self.engine.get(&key).is_some_and(|(a, _)| a.severity == severity);
        let state = if fires && same { "resolved" } else { "firing" };
        let mut alert = alert(RULES[key.0], ["x", "y"][key.1], state, self.now);
        alert.severity = severity.to_owned();
        self.engine.insert(key, (alert, true));
    }

    /// A turn in the order that fleet-alert keeps; nothing if it was killed within.
    fn turn(&mut self, crash: Option<Crash>) -> Option<()> {
        if self.running.is_none() {
            self.start();
        }
        let (desk, ledger) = self.running.as_mut().unwrap();
        if matches!(crash, Some(Crash::BeforeTake)) {
            return None;
        }
        let untold = self.engine.values().filter(|(_, untold)| *untold);
        untold.for_each(|(alert, _)| desk.take(alert.clone()));
        let settled = desk.settle(at(self.now));
        for (put, notification) in settled.notifications.into_iter().enumerate() {
            if matches!(crash, Some(Crash::InSpool(most)) if most == put) {
                return None;
            }
            self.spool.push(notification);
        }
        match crash {
            Some(Crash::BeforeLedger { drained: true }) => {
                self.delivered.append(&mut self.spool);
                self.drains += 1;
                return None;
            }
            Some(Crash::BeforeLedger { .. } | Crash::InSpool(_)) => return None,
            _ => ledger.write(desk).unwrap(),
        }
        if matches!(crash, Some(Crash::BeforeStrike)) {
            return None;
        }
        self.engine.values_mut().for_each(|(_, untold)| *untold = false);
        Some(())
    }

    fn start(&mut self) {
        let (mut desk, mut ledger) = (Desk::new(rules()), Ledger::open(self.home.path()));
        self.spool.iter().for_each(|notification| desk.note_spooled(notification));
        ledger.reload(&mut desk).unwrap();
        desk.silences(self.silences.clone());
        self.running = Some((desk, ledger));
    }

    /// Lets time pass until nothing is held back by time any more.
    fn calm_down(&mut self) {
        let silent =
            self.silences.iter().map(|s| (s.until.nanos() - at(0).nanos()) / 1_000_000_000);
        let end = silent.fold(self.now, i64::max) + 3 * 3600;
        while self.now < end {
            self.turn(None).unwrap();
            let due = self.running.as_ref().unwrap().0.next_due(at(self.now));
            self.now += due.map_or(60, |due| (due.as_secs() + 1).min(60).cast_signed());
        }
        self.delivered.append(&mut self.spool);
    }

    /// The changes that a channel was told of, in their order, without those that a receiver
    /// must hear again.
    fn heard(&self, channel: &str) -> Vec<&AlertRecord> {
        let to = self.delivered.iter().filter(|n| n.channel == channel);
        let fresh = to.filter(|n| n.reason != Reason::Refresh);
        fresh.flat_map(|notification| &notification.alerts).collect()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for plan in &channels() {
            let mut last: BTreeMap<&str, &AlertRecord> = BTreeMap::new();
            let heard = self.heard(&plan.name);
            for alert in &heard {
                last.insert(&alert.fingerprint, alert);
            }
            for (alert, _) in self.engine.values() {
                let last = last.get(alert.fingerprint.as_str()).copied();
                self.check_end(plan, alert, last)?;
            }
            self.check_repeats(&heard)?;
        }
        Ok(())
    }

    fn check_end(
        &self,
        plan: &ChannelPlan,
        alert: &AlertRecord,
        last: Option<&AlertRecord>,
    ) -> Result<(), TestCaseError> {
        let told = last.is_some_and(|last| last.state == AlertState::Firing);
        let routed = plan.severity.is_empty() || plan.severity.contains(&alert.severity);
        let inhibited = alert.alert == "b"
            && self.engine.values().any(|(by, _)| {
                by.alert == "a" && by.id == alert.id && by.state == AlertState::Firing
            });
        if alert.state == AlertState::Resolved {
            prop_assert!(
                !told || !plan.resolved,
                "{} was not told the end of {alert:?}",
                plan.name
            );
        } else if routed && !inhibited {
            prop_assert!(told, "{} was not told of {alert:?}", plan.name);
            let severity = last.map(|last| last.severity.as_str());
            prop_assert_eq!(severity, Some(alert.severity.as_str()), "{}", &plan.name);
        }
        Ok(())
    }

    /// Nothing is told twice but what a crash caught between the sending and the writing down.
    fn check_repeats(&self, heard: &[&AlertRecord]) -> Result<(), TestCaseError> {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for alert in heard {
            let change = format!("{} {} {:?}", alert.fingerprint, alert.ts, alert.state);
            *times.entry(change).or_default() += 1;
        }
        for (change, times) in times {
            prop_assert!(times <= 1 + self.drains, "{change} was told {times} times");
        }
        Ok(())
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..8, any::<bool>()).prop_map(|(which, severe)| Step::Change { which, severe }),
        3 => (1i64..2000).prop_map(|seconds| Step::Wait { seconds }),
        2 => (1i64..40).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::SetBack),
        1 => (0usize..4, 1i64..3000).prop_map(|(rule, seconds)| Step::Silence { rule, seconds }),
        3 => Just(Step::Deliver),
    ]
}

fn crash() -> impl Strategy<Value = Option<Crash>> {
    prop_oneof![
        5 => Just(None),
        1 => Just(Some(Crash::BeforeTake)),
        1 => (0usize..4).prop_map(|most| Some(Crash::InSpool(most))),
        1 => any::<bool>().prop_map(|drained| Some(Crash::BeforeLedger { drained })),
        1 => Just(Some(Crash::BeforeStrike)),
    ]
}

fn run(steps: &[(Step, Option<Crash>)]) -> World {
    let mut world = World::new();
    steps.iter().for_each(|(step, crash)| world.step(step, *crash));
    world.calm_down();
    world
}

proptest! {
    #[test]
    fn nothing_is_lost_and_a_crash_repeats_once(
        steps in proptest::collection::vec((step(), crash()), 1..40),
    ) {
        run(&steps).check()?;
    }

    #[test]
    fn without_a_crash_nothing_is_told_twice_and_no_name_is_used_twice(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let steps: Vec<_> = steps.into_iter().map(|step| (step, None)).collect();
        let world = run(&steps);
        world.check()?;
        let names: BTreeSet<_> = world.delivered.iter().map(|n| (&n.channel, &n.id)).collect();
        prop_assert_eq!(names.len(), world.delivered.len());
    }
}
