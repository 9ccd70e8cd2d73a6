//! The tickets of those who wait for their turn, and who holds the slots of a group or GPUs.
//!
//! A queued run puts down a ticket wherever somebody has to find it: in the line of its group,
//! where the names of the tickets sort in the order of turns, and with each run that it waits
//! for. The ticket holds who its shim is, so that it can be woken. Nothing is decided by tickets
//! alone: one that is lost costs a wake-up, one that is left over is passed by. They need no lock.
//!
//! ```text
//! queue/slots/<group>/<inverted priority>-<spawned at>-<id>#<run>
//! queue/after/<id that is waited for>/<id>#<run>
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fleet_core::{Id, Incarnation, ProcessRecord, Queue, RunKey, State, Timestamp};
use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::home::{Home, make_dir};
use crate::replay::{from_folders, key};

/// How often a ticket is written anew when somebody removes its folder at that moment.
const TRIES: usize = 5;

/// A ticket, whether it lies there or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    path: PathBuf,
    run: RunKey,
}

impl Ticket {
    /// The place of a run in the line of its group: a higher priority comes first, then who was
    /// spawned first.
    pub fn in_line(home: &Home, queue: &Queue, spawned_at: Timestamp, run: &RunKey) -> Ticket {
        let inverted = i64::from(i32::MAX) - i64::from(queue.priority);
        // Microseconds are all that a record keeps of it.
        let spawned = spawned_at.nanos().max(0) / 1000;
        let name = format!("{inverted:08x}-{spawned:020}-{run}");
        Ticket { path: line(home, &queue.group).join(name), run: run.clone() }
    }

    /// The ticket of a run with one that it waits for.
    pub fn after(home: &Home, dependency: &Id, waiter: &RunKey) -> Ticket {
        let path = after(home, dependency).join(waiter.to_string());
        Ticket { path, run: waiter.clone() }
    }

    /// Whose it is.
    pub fn run(&self) -> &RunKey {
        &self.run
    }

    /// Puts it down, or puts another shim's name on it.
    ///
    /// # Errors
    /// The home cannot be written, or is full.
    pub fn put(&self, boot: &str, shim: Incarnation) -> io::Result<()> {
        self.write(&serde_json::to_vec(&Name { boot: Cow::Borrowed(boot), shim })?)
    }

    /// Keeps its place for a shim that is about to put its name on it.
    ///
    /// # Errors
    /// The home cannot be written, or is full.
    pub fn keep_place(&self) -> io::Result<()> {
        self.write(b"")
    }

    fn write(&self, text: &[u8]) -> io::Result<()> {
        let open = || {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)
        };
        let mut opened = open();
        for _ in 0..TRIES {
            match (&opened, self.path.parent()) {
                (Err(e), Some(folder)) if e.kind() == ErrorKind::NotFound => {
                    make_dir(folder)?;
                    opened = open();
                }
                _ => break,
            }
        }
        opened?.write_all(text)
    }

    /// Whether it lies there.
    pub fn lies(&self) -> bool {
        self.path.exists()
    }

    /// The shim that is to be woken, if it was born in this boot: after another one its pid may be
    /// anybody's. Nothing while it is being written: who writes it looks for itself afterwards.
    pub fn shim(&self, boot: &str) -> Option<Incarnation> {
        let name: Name<'_> = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        (name.boot == boot).then_some(name.shim)
    }

    /// Takes it away; with the last one goes its folder.
    pub fn take_away(&self) {
        let gone = fs::remove_file(&self.path);
        if let (Ok(()), Some(folder)) = (gone, self.path.parent()) {
            let _ = fs::remove_dir(folder);
        }
    }

    /// The ticket in a folder of tickets by its name; whatever else lies there is none.
    fn named(folder: &Path, name: &str) -> Option<Ticket> {
        let (id, run) = name.rsplit_once('#')?;
        let run = RunKey { id: id.parse().ok()?, run: run.parse().ok()? };
        Some(Ticket { path: folder.join(name), run })
    }

    fn named_in_line(folder: &Path, name: &str) -> Option<Ticket> {
        let mut ticket = Ticket::named(folder, name.splitn(3, '-').nth(2)?)?;
        ticket.path = folder.join(name);
        Some(ticket)
    }
}

/// What is on a ticket.
#[derive(Serialize, Deserialize)]
struct Name<'a> {
    boot: Cow<'a, str>,
    #[serde(flatten)]
    shim: Incarnation,
}

fn line(home: &Home, group: &Id) -> PathBuf {
    home.path().join("queue/slots").join(group.as_str())
}

fn after(home: &Home, dependency: &Id) -> PathBuf {
    home.path().join("queue/after").join(dependency.as_str())
}

/// Who waits for a process. Where nobody does, which is the usual case, this is one system call.
pub fn waiters(home: &Home, dependency: &Id) -> Vec<Ticket> {
    let folder = after(home, dependency);
    names(&folder).filter_map(|name| Ticket::named(&folder, &name)).collect()
}

/// The ticket right before another one in its line.
pub fn ahead_of(ticket: &Ticket) -> Option<Ticket> {
    let folder = ticket.path.parent()?;
    let own = ticket.path.file_name()?.to_str()?;
    let before = names(folder).filter(|name| name.as_str() < own);
    Ticket::named_in_line(folder, &before.max()?)
}

/// The first ticket of a line, or the first one behind another.
pub fn next_in_line(home: &Home, group: &Id, behind: Option<&Ticket>) -> Option<Ticket> {
    let folder = line(home, group);
    let bound = behind.and_then(|ticket| ticket.path.file_name()?.to_str()).unwrap_or_default();
    let rest = names(&folder).filter(|name| name.as_str() > bound);
    Ticket::named_in_line(&folder, &rest.min()?)
}

/// The names of all tickets of a folder, one at a time: a line may be long, and shims are small.
fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|n| n.contains('#'))
}

/// The runs of a group that left its line and have not ended, as far as the registry knows: those
/// that hold its slots, unless their own folders or the kernel say otherwise.
///
/// The registry is read line by line, so that a shim can afford it.
///
/// # Errors
/// It is there and cannot be read.
pub fn slot_holders(home: &Home, group: &Id) -> io::Result<Vec<ProcessRecord>> {
    let mark = format!("\"queue\":{{\"group\":\"{group}\"");
    started(home, &mark, |record| record.queue.as_ref().is_some_and(|q| q.group == *group))
}

/// The runs that GPUs were given to and that have not ended, as far as the registry knows, with the
/// same reserve.
///
/// # Errors
/// It is there and cannot be read.
pub fn gpu_holders(home: &Home) -> io::Result<Vec<ProcessRecord>> {
    started(home, "\"gpus\":[", |record| !record.gpus.is_empty())
}

/// The runs that have started and not ended, and that are as wanted. Their lines, and whatever
/// line says of them that they have ended, hold the mark.
fn started(
    home: &Home,
    mark: &str,
    wanted: impl Fn(&ProcessRecord) -> bool,
) -> io::Result<Vec<ProcessRecord>> {
    let holds = |record: &ProcessRecord| is_started(record.state) && wanted(record);
    let file = match File::open(home.registry()) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let entries = from_folders(home).entries.into_iter();
            return Ok(entries.map(|e| *e.record).filter(holds).collect());
        }
        opened => opened?,
    };
    let lines = newest_started(BufReader::with_capacity(16 << 10, file), mark)?;
    let records = lines.values().filter_map(|line| serde_json::from_slice(line).ok());
    Ok(records.filter(holds).collect())
}

fn is_started(state: State) -> bool {
    state != State::Queued && !state.has_ended()
}

/// The newest line with the mark of each run that has started and not ended.
fn newest_started(
    mut registry: impl BufRead,
    mark: &str,
) -> io::Result<HashMap<(String, u32), Vec<u8>>> {
    let mark = memmem::Finder::new(mark);
    let mut started = HashMap::new();
    let mut line = Vec::new();
    while registry.read_until(b'\n', &mut line)? > 0 {
        if line.last() == Some(&b'\n') && mark.find(&line).is_some() {
            line.pop();
            match (key(&line), state(&line)) {
                (Ok((id, run)), Some(state)) if is_started(state) => {
                    started.insert((id.to_owned(), run), line.clone());
                }
                (Ok((id, run)), Some(_)) => {
                    started.remove(&(id.to_owned(), run));
                }
                _ => {}
            }
        }
        line.clear();
    }
    Ok(started)
}

/// The state in a line of the registry. In lines of this build it comes before anything that a
/// person can name, so that its word can be looked for; any other line is parsed.
fn state(line: &[u8]) -> Option<State> {
    if line.starts_with(br#"{"kind":"process","ts":""#) {
        let from = memmem::find(line, br#""state":""#)? + br#""state":"#.len();
        let length = memchr::memchr(b'"', &line[from + 1..])? + 2;
        return serde_json::from_slice(&line[from..from + length]).ok();
    }
    serde_json::from_slice::<ProcessRecord>(line).ok().map(|record| record.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::RegistryLock;
    use crate::replay::tests::{home, record};
    use fleet_core::GpuShare;
    use proptest::prelude::*;

    fn queue(priority: i32) -> Queue {
        Queue { group: "gpu".parse().unwrap(), slots: Some(1), priority }
    }

    fn run(id: &str, run: u32) -> RunKey {
        RunKey { id: id.parse().unwrap(), run }
    }

    fn shim() -> Incarnation {
        Incarnation { pid: 7, start: 8, inode: None }
    }

    fn place(home: &Home, id: &str, priority: i32, nanos: i64) -> Ticket {
        Ticket::in_line(home, &queue(priority), Timestamp::from_nanos(nanos), &run(id, 1))
    }

    #[test]
    fn a_line_goes_by_priority_and_then_by_age() {
        let (_dir, home) = home();
        let group = queue(0).group;
        let wanted = [
            place(&home, "urgent", i32::MAX, 9),
            place(&home, "first-of-5", 5, 1),
            place(&home, "x.y-2", 5, 2),
            place(&home, "old", 0, 1),
            place(&home, "older", 0, 1_800_000_000_000_000_000),
            place(&home, "later", -3, 0),
            place(&home, "last", i32::MIN, 0),
        ];
        for ticket in wanted.iter().rev() {
            ticket.put("b", shim()).unwrap();
        }
        fs::write(home.path().join("queue/slots/gpu/.hidden"), "").unwrap();
        let mut line = vec![next_in_line(&home, &group, None).unwrap()];
        while let Some(next) = next_in_line(&home, &group, line.last()) {
            line.push(next);
        }
        assert_eq!(line, wanted);
        assert_eq!(ahead_of(&wanted[0]), None);
        assert_eq!(ahead_of(&wanted[3]).as_ref(), Some(&wanted[2]));
        wanted[2].take_away();
        assert_eq!(ahead_of(&wanted[3]).as_ref(), Some(&wanted[1]));
    }

    #[test]
    fn who_reads_the_spec_finds_the_place_that_was_kept() {
        let (_dir, home) = home();
        let kept = Timestamp::from_nanos(1_795_355_568_721_064_856);
        let read = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        let ticket = |at| Ticket::in_line(&home, &queue(0), at, &run("web", 1));
        assert_eq!(ticket(kept), ticket(read));
    }

    #[test]
    fn a_ticket_wakes_its_shim_and_goes_with_its_folder() {
        let (_dir, home) = home();
        let db: Id = "db".parse().unwrap();
        let ticket = Ticket::after(&home, &db, &run("web", 3));
        assert_eq!((ticket.lies(), ticket.shim("b")), (false, None));
        ticket.keep_place().unwrap();
        assert_eq!((ticket.lies(), ticket.shim("b")), (true, None));
        ticket.take_away();
        assert!(waiters(&home, &db).is_empty());
        ticket.put("b", shim()).unwrap();
        assert_eq!(waiters(&home, &db), std::slice::from_ref(&ticket));
        assert_eq!((ticket.lies(), ticket.shim("b")), (true, Some(shim())));
        assert_eq!(ticket.shim("another boot"), None);
        ticket.take_away();
        ticket.take_away();
        assert!(!home.path().join("queue/after/db").exists());
    }

    #[test]
    fn slots_are_held_by_the_newest_word_on_each_run() {
        let (_dir, home) = home();
        let lock = RegistryLock::take(&home).unwrap();
        let append = |id: &str, state: State, group: Option<&str>| {
            let mut record = record(id, 1, state);
            // A person's own words must not be taken for the state or the group.
            record.labels.insert("state".into(), "queued".into());
            record.queue = group.map(|g| Queue { group: g.parse().unwrap(), ..queue(0) });
            lock.append(&record).unwrap();
        };
        let gpu = Some("gpu");
        for (id, states) in [
            ("waits", vec![State::Queued]),
            ("runs", vec![State::Queued, State::Starting, State::Running]),
            ("over", vec![State::Queued, State::Running, State::Completed]),
            ("pauses", vec![State::Running, State::Backoff]),
        ] {
            states.into_iter().for_each(|state| append(id, state, gpu));
        }
        append("other", State::Running, Some("gpu2"));
        append("free", State::Running, None);
        let holders = || {
            let mut ids: Vec<String> = slot_holders(&home, &queue(0).group)
                .unwrap()
                .iter()
                .map(|record| record.id.to_string())
                .collect();
            ids.sort();
            ids
        };
        assert_eq!(holders(), ["pauses", "runs"]);
        fs::remove_file(home.registry()).unwrap();
        assert!(holders().is_empty());
    }

    #[test]
    fn gpus_are_held_by_those_who_started_with_them() {
        let (_dir, home) = home();
        let lock = RegistryLock::take(&home).unwrap();
        let append = |id: &str, state: State, uuids: &[&str]| {
            let mut record = record(id, 1, state);
            // A command that speaks of them holds none.
            record.command = vec!["echo".into(), "\"gpus\":[\"GPU-9\"]".into()];
            let share = |uuid: &&str| GpuShare { uuid: (*uuid).to_owned(), shared: false };
            record.gpus = uuids.iter().map(share).collect();
            lock.append(&record).unwrap();
        };
        append("waits", State::Queued, &[]);
        append("turn", State::Queued, &[]);
        append("turn", State::Starting, &["GPU-1"]);
        append("over", State::Running, &["GPU-2"]);
        append("over", State::Failed, &["GPU-2"]);
        append("pauses", State::Backoff, &["GPU-3", "GPU-4"]);
        append("plain", State::Running, &[]);
        let holders = || {
            let mut found = gpu_holders(&home).unwrap();
            found.sort_by(|a, b| a.id.cmp(&b.id));
            found.into_iter().map(|r| (r.id.to_string(), r.gpus.len())).collect::<Vec<_>>()
        };
        assert_eq!(holders(), [("pauses".to_owned(), 2), ("turn".to_owned(), 1)]);
        fs::remove_file(home.registry()).unwrap();
        assert!(holders().is_empty());
    }

    proptest! {
        #[test]
        fn any_file_in_a_line_is_a_ticket_or_none(name in "[ -~&&[^/]]{1,60}") {
            let folder = Path::new("/line");
            let _ = Ticket::named(folder, &name);
            let _ = Ticket::named_in_line(folder, &name);
        }

        #[test]
        fn names_sort_as_turns_come(
            a: i32, b: i32, early in 0..i64::MAX, late in 0..i64::MAX,
            id in "[a-z0-9][a-z0-9._-]{0,99}", number: u32,
        ) {
            let home = Home::at("/home");
            let ticket = |priority, nanos| {
                let at = Timestamp::from_nanos(nanos);
                Ticket::in_line(&home, &queue(priority), at, &run(&id, number))
            };
            let (one, other) = (ticket(a, early), ticket(b, late));
            let by_turn = (-i64::from(a), early / 1000).cmp(&(-i64::from(b), late / 1000));
            prop_assert_eq!(one.path.cmp(&other.path), by_turn);
            let name = one.path.file_name().unwrap().to_str().unwrap();
            prop_assert!(name.len() < 255);
            let read = Ticket::named_in_line(one.path.parent().unwrap(), name);
            prop_assert_eq!(read, Some(one));
        }
    }
}
