//! Keeping the registry and the folders of ended runs within bounds.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use fleet_core::{Limits, RunKey, Timestamp};

use crate::append::{RegistryError, RegistryLock};
use crate::home::Home;
use crate::replay::{Replay, from_folders, replay};

/// A registry smaller than this is never compacted.
const SMALL_BYTES: u64 = 1 << 20;

/// How much history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// So many ended runs.
    pub ended: usize,
    /// And none that ended longer ago.
    pub age: Duration,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep { ended: 200, age: Duration::from_secs(30 * 86400) }
    }
}

/// What compaction took away.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Runs that were forgotten, with their folders.
    pub runs: Vec<RunKey>,
    /// What they were limited to: it may name cgroups that are left of them.
    pub limits: Vec<Limits>,
    /// Folders that could not be removed, each a sentence.
    pub problems: Vec<String>,
}

/// Whether the registry has doubled since it was last compacted and is worth the work.
pub fn is_large(home: &Home) -> bool {
    let size = fs::metadata(home.registry()).map_or(0, |m| m.len());
    size > SMALL_BYTES
        && size > 2 * File::open(home.registry_lock()).map_or(0, |lock| size_after_last(&lock))
}

/// Rewrites the registry with one line for each run that is kept, and removes the folders of
/// ended runs beyond the limits. A living run is never touched; nor is a line of a newer version.
///
/// The new file is written beside the old one, synced and renamed, so that a crash leaves one or
/// the other. A registry that was lost is thereby made anew from the folders.
///
/// # Errors
/// The registry cannot be read or written; it is then as it was.
pub fn compact(home: &Home, keep: Keep, now: Timestamp) -> Result<Pruned, RegistryError> {
    let lock = RegistryLock::take(home)?;
    let replay = replay(home)?;
    let forget = beyond(&replay, keep, now);
    let path = home.registry();
    rewrite(&lock, &replay, &forget).map_err(|source| RegistryError::Write { path, source })?;
    drop(lock);
    let confined = replay.entries.iter().map(|e| &e.record).filter(|r| forget.contains(&r.key()));
    let limits = confined.map(|record| record.limits.clone()).collect();
    let mut pruned = Pruned { limits, ..Pruned::default() };
    for run in forget {
        remove_folder(home, &run, &mut pruned.problems);
        pruned.runs.push(run);
    }
    pruned.runs.sort();
    Ok(pruned)
}

/// The ended runs that are too old or too many.
fn beyond(replay: &Replay, keep: Keep, now: Timestamp) -> HashSet<RunKey> {
    let oldest = now.minus(keep.age);
    let mut ended: Vec<(Timestamp, RunKey)> = replay
        .entries
        .iter()
        .map(|e| &e.record)
        .filter(|r| r.state.has_ended() && !r.is_newer())
        .map(|r| (r.ended_at.unwrap_or(r.ts), r.key()))
        .collect();
    ended.sort();
    let too_many = ended.len().saturating_sub(keep.ended);
    ended
        .into_iter()
        .enumerate()
        .filter(|(at, (when, _))| *at < too_many || *when < oldest)
        .map(|(_, (_, run))| run)
        .collect()
}

/// Makes a registry that was lost anew from the runs' folders, if there are any.
pub(crate) fn restore(lock: &RegistryLock) -> io::Result<()> {
    let replay = from_folders(&lock.home);
    if replay.entries.is_empty() { Ok(()) } else { rewrite(lock, &replay, &HashSet::new()) }
}

fn rewrite(lock: &RegistryLock, replay: &Replay, forget: &HashSet<RunKey>) -> io::Result<()> {
    let path = lock.home.registry();
    let temporary = path.with_extension("jsonl.new");
    let kept = replay.entries.iter().filter(|e| !forget.contains(&e.record.key()));
    let mut text = Vec::new();
    for line in kept.map(|e| &e.json).chain(&replay.newer) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let mut file = private_file(&temporary)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, &path)?;
    File::open(lock.home.path())?.sync_all()?;
    note_size(&lock.file, text.len() as u64)
}

fn private_file(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The lock file holds the registry's size after the last compaction.
fn note_size(lock: &File, size: u64) -> io::Result<()> {
    lock.write_all_at(format!("{size:020}\n").as_bytes(), 0)
}

fn size_after_last(lock: &File) -> u64 {
    let mut text = [0; 20];
    lock.read_exact_at(&mut text, 0)
        .ok()
        .and_then(|()| std::str::from_utf8(&text).ok()?.parse().ok())
        .unwrap_or(0)
}

/// Removes a run's folder, and the process's when nothing of the user's is left in it.
fn remove_folder(home: &Home, run: &RunKey, problems: &mut Vec<String>) {
    let dir = home.run_of(run);
    match fs::remove_dir_all(dir.path()) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => problems.push(format!("cannot remove '{}': {e}", dir.path().display())),
    }
    // Both fail, as they should, while the folder holds anything.
    let _ = fs::remove_dir(home.data(&run.id));
    let _ = fs::remove_dir(home.process(&run.id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::tests::{home, record};
    use fleet_core::State;

    fn keys(home: &Home) -> Vec<String> {
        replay(home).unwrap().entries.iter().map(|e| e.record.key().to_string()).collect()
    }

    fn fill(home: &Home) {
        let lock = RegistryLock::take(home).unwrap();
        for run in 1..=5 {
            for state in [State::Starting, State::Running, State::Completed] {
                lock.append(&record("a", run, state)).unwrap();
            }
            crate::make_dir(home.run(&"a".parse().unwrap(), run).path()).unwrap();
        }
        lock.append(&record("living", 1, State::Running)).unwrap();
    }

    #[test]
    fn only_ended_runs_beyond_the_limit_go() {
        let (_dir, home) = home();
        fill(&home);
        let keep = Keep { ended: 2, ..Keep::default() };
        let pruned = compact(&home, keep, Timestamp::now()).unwrap();
        assert_eq!(pruned.runs.len(), 3);
        assert_eq!(keys(&home), ["a#4", "a#5", "living#1"]);
        assert_eq!(home.runs(&"a".parse().unwrap()), [4, 5]);
        let text = fs::read_to_string(home.registry()).unwrap();
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn age_is_a_limit_too() {
        let (_dir, home) = home();
        fill(&home);
        let keep = Keep { age: Duration::ZERO, ..Keep::default() };
        compact(&home, keep, Timestamp::now()).unwrap();
        assert_eq!(keys(&home), ["living#1"]);
    }

    #[test]
    fn unknown_fields_and_the_users_data_survive() {
        let (_dir, home) = home();
        let text = serde_json::to_string(&record("a", 1, State::Running)).unwrap();
        let text = text.replace("\"restarts\":0", "\"restarts\":0,\"from_tomorrow\":[1]");
        fs::write(home.registry(), format!("{text}\n")).unwrap();
        let kept = home.data(&"a".parse().unwrap()).join("model.bin");
        crate::make_dir(kept.parent().unwrap()).unwrap();
        fs::write(&kept, "weights").unwrap();
        compact(&home, Keep { ended: 0, age: Duration::ZERO }, Timestamp::now()).unwrap();
        assert!(fs::read_to_string(home.registry()).unwrap().contains("from_tomorrow"));
        assert!(kept.exists());
    }

    #[test]
    fn it_is_large_only_after_it_doubled() {
        let (_dir, home) = home();
        fill(&home);
        assert!(!is_large(&home));
        let text = fs::read(home.registry()).unwrap();
        fs::write(home.registry(), text.repeat(1 + (SMALL_BYTES as usize) / text.len())).unwrap();
        assert!(is_large(&home));
        compact(&home, Keep::default(), Timestamp::now()).unwrap();
        assert!(!is_large(&home));
    }
}
