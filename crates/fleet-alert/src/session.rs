//! From the first line to the last: turns of reading, judging, telling and remembering.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;
use fleet_cli::{Exit, Format, talk};
use fleet_core::Timestamp;
use fleet_notify::{Decided, Decision, Desk, Happened, News};
use fleet_rules::{AlertRecord, Engine, Outcome};

use crate::args::Args;
use crate::config::Config;
use crate::heartbeat::Heartbeat;
use crate::input::{Came, Input};
use crate::memory::Memory;
use crate::post::Post;
use crate::tally::Tally;
use crate::tell::Tellers;
use crate::waker::Waker;

/// While input never pauses the clock gets its turn this often.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// The longest turn. While input never pauses and nothing is to be told, it is written down no more
/// often than this what else changed.
const TURN: Duration = Duration::from_millis(200);

/// For how long the lock is left to others after such a turn.
const BREATH: Duration = Duration::from_millis(1);

/// How often a stream looks at what others left in the spool, and at silences.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How often it looks while a silence holds, which somebody may end.
const LOOK_SILENCED: Duration = Duration::from_secs(5);

/// For how long deliveries are waited for after a signal.
const HURRY: Duration = Duration::from_secs(3);

/// What the clock does in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    /// Nothing: its turn comes later.
    Waits,
    /// What it does while input may come.
    Ticks,
    /// What it does when all was read.
    Ends,
}

pub(crate) struct Session {
    engine: Engine,
    desk: Desk,
    memory: Memory,
    post: Post,
    heartbeat: Option<Heartbeat>,
    tellers: Tellers,
    waker: Waker,
    tally: Tally,
    args: Args,
    /// What happened in this turn, for the history.
    happened: Vec<Happened>,
    ticked: Instant,
    looked: Option<Instant>,
}

impl Session {
    pub(crate) fn open(config: Config, args: &Args) -> anyhow::Result<Session> {
        let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
        let folder = args.home.locate()?.alerts();
        let waker = Waker::new().context("cannot watch for signals")?;
        let nowhere = args.stream.tee && !args.output.needs_end();
        let out = if nowhere { None } else { Some(args.output.open(true)?) };
        let heartbeat = config.heartbeat().filter(|_| !args.stream.no_notify).cloned();
        let deliver_for = config.policy.settings.deliver_for;
        Ok(Session {
            engine: Engine::new(config.rules, args.stream.explain),
            desk: Desk::new(config.policy),
            memory: Memory::open(&folder),
            post: Post::open(&folder, config.channels, deliver_for, waker.bell()),
            heartbeat: heartbeat.map(Heartbeat::of),
            tellers: Tellers::new(out, format, !args.stream.no_notify),
            waker,
            tally: Tally::default(),
            args: args.clone(),
            happened: Vec::new(),
            ticked: Instant::now(),
            looked: None,
        })
    }

    pub(crate) fn run(mut self) -> anyhow::Result<Exit> {
        let streamed = self.stream();
        // What was told in the meantime is delivered, whatever ended the stream.
        let lingered = self.linger();
        self.memory.close(&mut self.engine, &mut self.desk);
        self.tally.say(self.args.stream.explain);
        let firing = self.engine.firing();
        let fires = !firing.is_empty();
        let finished = self.tellers.finish(&firing, Timestamp::now());
        streamed.and(lingered)?;
        finished?;
        self.waker.finish();
        Ok(if self.args.stream.exit_code && fires { Exit::No } else { Exit::Yes })
    }

    /// Takes all input in.
    fn stream(&mut self) -> anyhow::Result<()> {
        // What a crash left owed does not wait for the first line.
        self.turn(&[], Clock::Waits, None)?;
        let mut input = Input::stdin(self.args.stream.tee).context("cannot use standard input")?;
        loop {
            let wait = self.next_due();
            match input.next(wait, &mut self.waker).context("cannot read standard input")? {
                Came::Lines(lines) => {
                    let ticks = self.ticked.elapsed() >= TICK_EVERY;
                    let clock = if ticks { Clock::Ticks } else { Clock::Waits };
                    self.turn(&lines, clock, Some(&mut input))?;
                }
                Came::Nothing => self.turn(&[], Clock::Ticks, None)?,
                Came::End => break,
            }
        }
        self.tally.too_long(input.too_long);
        self.turn(&[], Clock::Ends, None)
    }

    /// How long until something is to be done though nothing comes.
    fn next_due(&self) -> Option<Duration> {
        let now = Timestamp::now();
        let rules = self.engine.next_tick(now);
        if self.args.stream.no_notify {
            return rules;
        }
        let look = LOOK_EVERY.saturating_sub(self.looked.map_or(LOOK_EVERY, |at| at.elapsed()));
        let silenced = self.desk.is_silenced(now).then_some(LOOK_SILENCED);
        [rules, self.desk.next_due(now), Some(look), silenced].into_iter().flatten().min()
    }

    /// Takes lines, those that come behind them, and where asked the clock, all under the lock of
    /// the memory.
    fn turn(
        &mut self,
        lines: &[u8],
        clock: Clock,
        input: Option<&mut Input>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        let locked = self.memory.lock();
        let first = self.looked.is_none();
        if first {
            self.post.lately().iter().for_each(|told| self.desk.note_spooled(told));
        }
        self.memory.take_over(locked.as_ref(), &mut self.engine, &mut self.desk);
        let owed = self.engine.untold();
        let mut outcomes = Vec::new();
        self.feed(lines, &mut outcomes);
        let read = input.map_or(Ok(()), |input| self.feed_on(input, begun, &mut outcomes));
        if clock != Clock::Waits {
            self.ticked = Instant::now();
        }
        match clock {
            Clock::Waits => {}
            Clock::Ticks => self.engine.tick(Timestamp::now(), &mut outcomes),
            Clock::Ends => self.engine.end(Timestamp::now(), &mut outcomes),
        }
        self.memory.write(locked.as_ref(), &mut self.engine);
        let mut printed = Ok(());
        for alert in owed {
            printed = printed.and(self.take(alert));
        }
        for outcome in outcomes {
            printed = printed.and(self.announce(outcome));
        }
        if clock != Clock::Waits {
            for alert in self.memory.lost(&self.engine, &self.desk, Timestamp::now()) {
                printed = printed.and(self.take(alert));
            }
        }
        self.tell();
        self.engine.told();
        self.memory.write(locked.as_ref(), &mut self.engine);
        self.memory.keep(locked.as_ref(), &mut self.engine);
        drop(locked);
        self.send();
        if begun.elapsed() >= TURN {
            std::thread::sleep(BREATH);
        }
        read.context("cannot read standard input")?;
        // Only now: what was told is safe, whoever does not want to read of it.
        Ok(printed?)
    }

    /// Takes in what has arrived in the meantime, as long as nothing is to be told.
    fn feed_on(
        &mut self,
        input: &mut Input,
        begun: Instant,
        outcomes: &mut Vec<Outcome>,
    ) -> io::Result<()> {
        while outcomes.is_empty() && begun.elapsed() < TURN && !self.engine.is_crowded() {
            match input.next(Some(Duration::ZERO), &mut self.waker)? {
                Came::Lines(lines) => self.feed(&lines, outcomes),
                Came::Nothing | Came::End => break,
            }
        }
        Ok(())
    }

    fn feed(&mut self, lines: &[u8], outcomes: &mut Vec<Outcome>) {
        let (now, mut start) = (Timestamp::now(), 0);
        for end in memchr::memchr_iter(b'\n', lines).chain([lines.len()]) {
            let line = lines[start..end].trim_ascii();
            if !line.is_empty() {
                self.tally.line(self.engine.feed(line, now, outcomes));
            }
            start = (end + 1).min(lines.len());
        }
    }

    /// Prints what happened, and gives what is to be told to the desk.
    fn announce(&mut self, outcome: Outcome) -> io::Result<()> {
        if let Some(explanation) = &outcome.explanation {
            talk(explanation);
        }
        let Some(alert) = outcome.alert else { return Ok(()) };
        if !outcome.told {
            return self.tellers.print(&alert);
        }
        self.take(alert)
    }

    /// Prints a change that is to be told, and gives it to the desk.
    fn take(&mut self, alert: AlertRecord) -> io::Result<()> {
        let printed = self.tellers.tell(&alert);
        self.happened.push(Happened::Alert(Box::new(alert.clone())));
        self.memory.take(&mut self.desk, alert);
        printed
    }

    /// Lets the desk decide who is told, and puts that into the spool.
    fn tell(&mut self) {
        if !self.args.stream.no_notify {
            self.hear();
            let now = Timestamp::now();
            let settled = self.desk.settle(now);
            self.post.put(&settled.notifications);
            if self.args.stream.explain {
                settled.decisions.iter().for_each(|decision| talk(explained(decision)));
            }
            let decided = settled.decisions.into_iter().map(|decision| decided(decision, now));
            self.happened.extend(decided);
        }
        self.memory.write_told(&mut self.desk);
        self.memory.record(&std::mem::take(&mut self.happened));
    }

    /// Tells the desk how channels are.
    fn hear(&mut self) {
        for news in self.post.news() {
            match news {
                News::Died { channel, why } => self.desk.channel_died(&channel, &why),
                News::Tried(tried) => {
                    if tried.word == "delivered" {
                        self.desk.channel_lives(&tried.channel);
                    }
                    self.happened.push(Happened::Tried(tried));
                }
                _ => {}
            }
        }
    }

    /// Sends off couriers; now and then also with what other runs left.
    fn send(&mut self) {
        if self.args.stream.no_notify {
            self.looked = Some(Instant::now());
            return;
        }
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            self.post.send_all();
            self.beat();
        }
        self.post.send();
    }

    /// Says that this lives, and whether it can remember and tell.
    fn beat(&self) {
        if let Some(heartbeat) = &self.heartbeat {
            heartbeat.beat(self.memory.trouble().or(self.post.trouble()));
        }
    }

    /// Waits, within bounds, for what is being delivered.
    fn linger(&mut self) -> anyhow::Result<()> {
        if self.args.stream.no_notify {
            return Ok(());
        }
        let limit = self.args.stream.linger;
        let limit = if self.waker.is_ending() { limit.min(HURRY) } else { limit };
        // What is begun in the first half can be finished in the second.
        let (deadline, mut result) = (Instant::now() + limit / 2, Ok(()));
        while self.post.wait(deadline.saturating_duration_since(Instant::now())) {
            result = result.and(self.turn(&[], Clock::Waits, None));
        }
        self.beat();
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.finish(limit / 2);
        }
        self.post.close(limit / 2);
        // What the last of them had to say.
        result.and(self.turn(&[], Clock::Waits, None))
    }
}

/// A decision as a line: `channel 'slack': memory_usage_high mission-a: held back … (inhibited)`.
fn explained(decision: &Decision) -> String {
    let about = decision.id.as_deref().map_or(String::new(), |id| format!(" {id}"));
    let Decision { channel, alert, word, text, .. } = decision;
    let channel = if channel.is_empty() { String::new() } else { format!("channel '{channel}': ") };
    format!("{channel}{alert}{about}: {text} ({word})")
}

/// A decision as a line of the history.
fn decided(decision: Decision, ts: Timestamp) -> Happened {
    let Decision { fingerprint, alert, id, channel, word, text } = decision;
    Happened::Decided(Decided { ts, alert, id, fingerprint, channel, word: word.to_owned(), text })
}
