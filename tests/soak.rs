//! A numbered stream through many files that are set aside, with kills of those who keep it, while
//! several follow: every number once and in order, in the files and at each follower.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use fleet_testkit::{ProcessRecord, Signal, State, TestFleet, Value, kill, until};

/// Prints numbered lines in bursts from when there is a file of this name until it is told to end, then
/// how many they were. Some lines are so long that they are kept in pieces.
const FLOOD: &str = r#"
    my ($n, $end) = (0, 0);
    $SIG{USR1} = sub { $end = 1 };
    $| = 1;
    select undef, undef, undef, 0.005 until -e $ARGV[0];
    until ($end) {
        for (1..20) {
            print join '', map { my $line = "line $n " . 'x' x ($n % 10007 ? 20 : 40000) . "\n"; $n++; $line } 1..100;
        }
        select undef, undef, undef, 0.004;
    }
    print "total $n\n";
"#;

/// How long a follower may take for what is left once the stream has ended.
const LAST_WORDS: Duration = Duration::from_secs(240);

/// How often the follower with a cursor is ended.
const ENDS: u32 = 6;

/// What has come of the stream.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    /// The number that comes next.
    next: u64,
    total: Option<u64>,
    /// Who told of it was ended: its successor may begin with lines that were told already.
    repeats: bool,
}

impl Tally {
    /// Takes the next line of the stream, or says what is wrong with it.
    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(line);
        self.repeats &= number(&text).is_some_and(|number| number < self.next);
        if self.repeats {
            return Ok(());
        }
        let Tally { next, total, .. } = self;
        let long = if next.is_multiple_of(10_007) { 40_000 } else { 20 };
        if total.is_some() {
            return Err(format!("behind the last line: {}", head(&text)));
        }
        if let Some(count) = text.strip_prefix("total ") {
            *total = Some(count.parse().map_err(|_| format!("{text:?}"))?);
            return if *total == Some(*next) {
                Ok(())
            } else {
                Err(format!("{text} after {next}"))
            };
        }
        if text != format!("line {next} {}", "x".repeat(long)) {
            return Err(format!("in the place of line {next}: {}", head(&text)));
        }
        *next += 1;
        Ok(())
    }
}

fn number(text: &str) -> Option<u64> {
    text.split(' ').nth(1)?.parse().ok()
}

fn head(text: &str) -> String {
    format!("{:?} ({} characters)", text.chars().take(40).collect::<String>(), text.len())
}

/// A tool that follows, ended when it is dropped.
struct Follower {
    child: Child,
    lines: Receiver<Vec<u8>>,
}

impl Follower {
    /// Follows `job` with these options; `text` takes the line of the stream out of what is printed.
    fn new(fleet: &TestFleet, options: &[&str], text: fn(&[u8]) -> Option<Vec<u8>>) -> Follower {
        let mut child = fleet.run("fleet-logs").args(["-f", "job"]).args(options).starts();
        let out = child.stdout.take().unwrap();
        let mut err = child.stderr.take().unwrap();
        thread::spawn(move || std::io::copy(&mut err, &mut std::io::stderr()));
        // A bound on what waits here: a test that is slower than the tool is a slow reader of it.
        let (send, lines) = sync_channel(10_000);
        thread::spawn(move || {
            pass_on(out, |line| text(line).is_none_or(|line| send.send(line).is_ok()));
        });
        Follower { child, lines }
    }

    /// Takes what comes until the tally is as wanted, or the tool ends.
    fn read(&self, tally: &mut Tally, enough: impl Fn(&Tally) -> bool) {
        let end = Instant::now() + LAST_WORDS;
        while !enough(tally) {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => tally.take(&line).unwrap(),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("for {LAST_WORDS:?} in vain: {tally:?}"),
            }
        }
    }

    /// Reads on to the end of the stream.
    fn finish(mut self, mut tally: Tally) -> Tally {
        self.read(&mut tally, |_| false);
        assert!(tally.total.is_some(), "the last line is missing: {tally:?}");
        assert!(self.child.wait().unwrap().success());
        tally
    }

    /// Reads so many lines, ends the tool by a signal, and takes what it still had to tell.
    fn read_and_end(mut self, tally: &mut Tally, lines: u64, signal: Signal) {
        let goal = tally.next + lines;
        self.read(tally, |tally| tally.next >= goal);
        kill(self.child.id().cast_signed(), signal);
        self.read(tally, |_| false);
        let _ = self.child.wait();
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes on each whole line without its end, as long as they are wanted.
fn pass_on(out: ChildStdout, mut wanted: impl FnMut(&[u8]) -> bool) {
    let mut out = BufReader::new(out);
    let mut line = Vec::new();
    while out.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        if !line.ends_with(b"\n") || !wanted(&line[..line.len() - 1]) {
            return;
        }
        line.clear();
    }
}

/// What the process printed, of a record of its standard output.
fn message(record: &[u8]) -> Option<Vec<u8>> {
    let record: Value = serde_json::from_slice(record).unwrap();
    let printed = record["stream"] == "stdout";
    printed.then(|| record["message"].as_str().unwrap().as_bytes().to_vec())
}

fn as_it_is(line: &[u8]) -> Option<Vec<u8>> {
    Some(line.to_vec())
}

/// Starts the flood, which waits for the file that is returned.
fn flood(fleet: &TestFleet, options: &[&str]) -> std::path::PathBuf {
    let go = fleet.scratch().join("go");
    let run = fleet.run("fleet-spawn").args(["--name", "job", "--log-keep", "100000"]);
    run.args(options).args(["--", "perl", "-e", FLOOD]).arg(&go).succeeds();
    go
}

/// Follows by a cursor and is ended so often, asked or killed: the next one goes on where the last
/// noted that it was, which may be some lines before the last that it showed.
fn resumed(fleet: &TestFleet, ends: u32) -> Tally {
    let cursor = fleet.scratch().join("cursor");
    let options = ["-o", "jsonl", "--until-ended", "--cursor", cursor.to_str().unwrap()];
    let mut tally = Tally::default();
    for round in 0..ends {
        let signal = [Signal::KILL, Signal::from_number(15).unwrap()][round as usize % 2];
        Follower::new(fleet, &options, message).read_and_end(&mut tally, 2_000, signal);
        tally.repeats = true;
    }
    Follower::new(fleet, &options, message).finish(tally)
}

/// Kills the shim, at another moment of its work each time, and waits for the next one.
fn replace_shim(fleet: &TestFleet, round: u32) {
    let before: ProcessRecord = fleet.record("job");
    assert_eq!(before.state, State::Running);
    kill(before.shim.unwrap().who.pid, Signal::KILL);
    fleet.until("job", |record| record.shim != before.shim);
    thread::sleep(Duration::from_micros(u64::from(round) * 7919 % 40_000));
}

/// Every number is in the files, read as they are and by the tool.
fn files_are_whole(fleet: &TestFleet, total: u64) {
    let mut tool = fleet.run("fleet-logs").args(["--raw", "job"]).starts();
    let mut tally = Tally::default();
    pass_on(tool.stdout.take().unwrap(), |line| {
        tally.take(line).unwrap();
        true
    });
    assert!(tool.wait().unwrap().success());
    assert_eq!(tally, Tally { next: total, total: Some(total), repeats: false });
}

fn files_of(fleet: &TestFleet) -> usize {
    std::fs::read_dir(fleet.run_dir("job").join("log")).unwrap().count()
}

/// The stream through so many files, so many kills of the shim, and the followers.
fn soak(files: usize, kills: u32, options: &[&str]) {
    let fleet = TestFleet::new();
    let go = flood(&fleet, options);
    let records = Follower::new(&fleet, &["-o", "jsonl", "-n", "all", "--until-ended"], message);
    let text = ["-o", "table", "--no-id", "--stream", "stdout", "-n", "all", "--until-ended"];
    let text = Follower::new(&fleet, &text, as_it_is);
    let told = thread::scope(|scope| {
        let readers = [
            scope.spawn(|| records.finish(Tally::default())),
            scope.spawn(|| text.finish(Tally::default())),
            scope.spawn(|| resumed(&fleet, ENDS)),
        ];
        std::fs::write(&go, "").unwrap();
        (0..kills).for_each(|round| replace_shim(&fleet, round));
        until("enough files are set aside", || files_of(&fleet) >= files);
        kill(fleet.pid("job"), Signal::from_number(10).unwrap());
        assert_eq!(fleet.until_ended("job").state, State::Completed);
        readers.map(|reader| reader.join().unwrap())
    });
    let total = told[0].next;
    assert_eq!(told.map(|tally| (tally.next, tally.total)), [(total, Some(total)); 3]);
    files_are_whole(&fleet, total);
}

#[test]
fn a_stream_through_a_hundred_files_and_ten_kills_arrives_whole() {
    soak(100, 10, &["--log-max-size", "32K"]);
}

#[test]
fn slow_soak_hundreds_of_files_and_kills_reach_files_and_followers_whole() {
    soak(500, 100, &["--log-max-size", "128K"]);
}
