//! Nothing is lost while the tool is killed again and again and the receiver of its webhook answers
//! 429, 500, slowly or not at all.
//!
//! Processes become bad and good again while lives of fleet-alert end by SIGKILL at random moments,
//! half of them right after the receiver got something, which is between sending and writing that
//! down. Then one last life is let finish, and the requests that the receiver took are held against
//! what fleet-alert said that happened.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fleet_testkit::{Answer, PATIENCE, Receiver, Value};

/// How many processes are bad at a time.
const BAD: u64 = 4;

/// Numbers that are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// The receiver's moods: most of what it does not take is said so, some hangs beyond the time limit.
fn moody(receiver: &Receiver, seed: u64) {
    let dice = Mutex::new(Dice(seed));
    receiver.otherwise(move |_| match dice.lock().unwrap().roll(10) {
        0 => Answer::status(429).header("Retry-After", "1"),
        1 => Answer::status(500),
        2 => Answer::status(503).delay(Duration::from_millis(700)),
        3 => Answer::status(503).body("slow").drip(Duration::from_millis(200)),
        4 => Answer::close(),
        _ => Answer::status(200).body("ok"),
    });
}

fn rules(url: &str) -> String {
    format!(
        "[notify]\ngroup_by = [\"id\"]\ngroup_window = \"0s\"\nmax_per_hour = 100000\n\
         [[rule]]\nname = \"r\"\non = \"sample\"\nwhen = \"x > 1\"\n\
         [channel.hook]\ntype = \"webhook\"\nurl = \"{url}\"\ntimeout = \"400ms\"\n"
    )
}

fn start(folder: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
    command.arg("--rules").arg(folder.join("alerts.toml")).args(args);
    command.env("FLEET_HOME", folder.join("home")).env_remove("http_proxy");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// What all processes say at this moment: those of the last few lives are bad, all before good. The
/// one that is silenced is bad for ever.
fn samples(life: u64, born: u64) -> String {
    let line = |id: String, x: u8| {
        let (minute, second) = (life / 60, life % 60);
        format!(
            "{{\"kind\":\"sample\",\"ts\":\"2026-11-22T06:{minute:02}:{second:02}Z\",\"id\":\"{id}\",\"x\":{x}}}\n"
        )
    };
    let each = (0..=born).map(|at| line(format!("p{at}"), if at + BAD > life { 2 } else { 0 }));
    each.chain([line("quiet".to_owned(), 2)]).collect()
}

/// The `id state ts` of each alert of a JSON text of alerts.
fn changes<'v>(alerts: impl Iterator<Item = &'v Value>) -> Vec<(String, String, String)> {
    let text = |alert: &Value, key: &str| alert[key].as_str().unwrap().to_owned();
    alerts.map(|alert| (text(alert, "id"), text(alert, "state"), text(alert, "ts"))).collect()
}

/// What a life printed; its last line may be torn.
fn printed(child: &mut Child) -> Vec<Value> {
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// One life, killed at a random moment; returns what it printed.
fn life(folder: &Path, receiver: &Receiver, at: u64, dice: &mut Dice) -> Vec<Value> {
    let mut child = start(folder, &[]);
    let mut stdin = child.stdin.take().unwrap();
    let before = receiver.requests().len();
    stdin.write_all(samples(at, at).as_bytes()).unwrap();
    let limit = Duration::from_millis(20 + dice.roll(250));
    let (began, upon_request) = (Instant::now(), dice.roll(2) == 0);
    while began.elapsed() < limit && !(upon_request && receiver.requests().len() > before) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let printed = printed(&mut child);
    child.wait().unwrap();
    printed
}

/// The last life, in which all are good, and which is let finish.
fn last_life(folder: &Path, kills: u64) -> Vec<Value> {
    let mut child = start(folder, &["--linger", "100s"]);
    let samples = samples(kills + BAD, kills);
    child.stdin.take().unwrap().write_all(samples.as_bytes()).unwrap();
    let printed = printed(&mut child);
    assert!(child.wait().unwrap().success());
    printed
}

fn silence(folder: &Path) {
    let alerts = folder.join("home/alerts");
    fs::create_dir_all(&alerts).unwrap();
    let silence = "{\"kind\":\"silence\",\"id\":\"51e9ce00\",\"process\":\"quiet\",\
                   \"until\":\"2099-01-01T00:00:00Z\",\"why\":\"a test\",\"by\":\"anna\"}\n";
    fs::write(alerts.join("silences.jsonl"), silence).unwrap();
}

fn is_empty(folder: &Path) -> bool {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    !files.into_iter().any(|file| file.file_name().to_string_lossy().ends_with(".json"))
}

fn survives(kills: u64, seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let receiver = Receiver::start();
    let mut dice = Dice(seed);
    moody(&receiver, dice.roll(u64::MAX) | 1);
    fs::write(folder.join("alerts.toml"), rules(&receiver.url("/hook"))).unwrap();
    silence(folder);
    let mut said = Vec::new();
    for at in 0..kills {
        said.extend(life(folder, &receiver, at, &mut dice));
    }
    receiver.otherwise(|_| Answer::status(200).body("ok"));
    let since = Instant::now();
    said.extend(last_life(folder, kills));
    assert!(since.elapsed() < PATIENCE * 5);
    let alerts = folder.join("home/alerts");
    assert!(is_empty(&alerts.join("spool/hook")), "something waits still");
    assert!(is_empty(&alerts.join("spool/dead/hook")), "something was given up");
    let taken: Vec<Value> =
        receiver.requests().iter().filter(|r| r.answered == 200).map(|r| r.json()).collect();
    judge(kills, &said, &taken, seed);
    assert!(fs::read_to_string(alerts.join("silences.jsonl")).unwrap().contains("51e9ce00"));
}

fn judge(kills: u64, said: &[Value], taken: &[Value], seed: u64) {
    let said: BTreeSet<_> = changes(said.iter()).into_iter().collect();
    let mut told: BTreeMap<_, u64> = BTreeMap::new();
    for notification in taken {
        for change in changes(notification["alerts"].as_array().unwrap().iter()) {
            *told.entry(change).or_default() += 1;
        }
    }
    let ids = |state: &str| -> BTreeSet<&str> {
        told.keys().filter(|(_, s, _)| s == state).map(|(id, ..)| id.as_str()).collect()
    };
    let (fired, resolved) = (ids("firing"), ids("resolved"));
    for (id, state, ts) in said.iter().filter(|(id, ..)| id != "quiet") {
        let heard = fired.contains(id.as_str()) || resolved.contains(id.as_str());
        assert!(heard, "seed {seed}: nobody heard of {id} {state} {ts}");
    }
    for id in said.iter().map(|(id, ..)| id.as_str()).filter(|id| *id != "quiet") {
        assert!(resolved.contains(id), "seed {seed}: nobody heard that {id} is over");
    }
    assert!(!fired.contains("quiet"), "seed {seed}: a silence was not kept");
    let repeats: u64 = told.values().map(|times| times - 1).sum();
    assert!(repeats <= kills, "seed {seed}: {repeats} repeats in {kills} kills");
    assert!(fired.len() as u64 * 2 > kills, "seed {seed}: too little happened to prove anything");
}

#[test]
fn a_hundred_kills_lose_nothing() {
    survives(100, 0x2545_f491_4f6c_dd1d);
}
