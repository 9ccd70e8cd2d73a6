//! What waits to be delivered, on disk.
//!
//! # Theory of operation
//!
//! Each notification is a file, `spool/<channel>/<nanoseconds>-<id>.json`, written beside itself,
//! synced and renamed: it is there whole or not at all. Names are in the order of their making. A
//! file is changed by one who tries to deliver it, and only by whoever holds the lock of its
//! channel; it is added by one who decided to tell it, without a lock.
//!
//! What was delivered is moved to `sent/` and kept there for a few minutes: should the tool be killed
//! before it has written down that it told, the same notification comes again, is known by its id
//! and not put a second time. What cannot be delivered is moved to `spool/dead/<channel>/` with the
//! reason, as a dead letter, and waits there for a person.
//!
//! A folder has bounds, past which the oldest become dead letters and the oldest dead letters are
//! removed. A disk that does not take an entry leaves it to be delivered from memory.

pub(crate) mod entry;
mod names;
mod shelf;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet_core::Timestamp;

use crate::notification::{Notification, Reason};
pub use entry::{Burial, Entry, Unreadable};
use names::{DEAD, channel_of, entry_name, folder_of, moment_of};
use shelf::{MOST_ENTRIES, Shelf};

/// The lock of a channel's folder.
const LOCK: &str = ".lock";

/// Where in a channel's folder those lie that were delivered.
const SENT: &str = "sent";

/// For how long those are kept.
const SENT_FOR: Duration = Duration::from_secs(600);

/// How many of them are kept at most.
const MOST_SENT: usize = 256;

/// The spool cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} '{}' of the alerts' spool", path.display())]
pub struct SpoolError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl SpoolError {
    /// The error and its cause as one sentence.
    pub fn sentence(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// What waits to be delivered, and what could not be.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    /// What the disk did not take, by channel, until a courier fetches it.
    unwritten: Mutex<BTreeMap<String, Vec<Entry>>>,
}

/// What came of putting notifications into the spool.
#[derive(Debug, Default)]
pub struct Put {
    /// Channels whose oldest entries became dead letters for want of room, and how many.
    pub surplus: BTreeMap<String, usize>,
    /// Why some stand in memory only.
    pub unwritten: Option<SpoolError>,
}

/// The files of a channel.
#[derive(Debug, Default)]
pub struct Listing {
    /// What waits, the oldest first.
    pub entries: Vec<Entry>,
    /// Files that cannot be read as entries, and why.
    pub passed_over: Vec<(String, Unreadable)>,
}

/// Holds the lock of a channel.
#[derive(Debug)]
pub(crate) struct Turn(File);

impl Drop for Turn {
    fn drop(&mut self) {
        // The end of the process would do it too.
        let _ = self.0.unlock();
    }
}

impl Spool {
    /// The spool in the folder of the alerts. Nothing is made until there is something to put.
    pub fn open(alerts: &Path) -> Spool {
        Spool { folder: alerts.join("spool"), unwritten: Mutex::default() }
    }

    fn channel(&self, channel: &str) -> PathBuf {
        self.folder.join(folder_of(channel))
    }

    fn grave(&self, channel: &str) -> PathBuf {
        self.folder.join(DEAD).join(folder_of(channel))
    }

    fn memory(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Entry>>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes notifications in, in this order. One that waits already, or was delivered a moment
    /// ago, is not taken twice.
    pub fn put(&self, notifications: &[Notification]) -> Put {
        let mut by_channel: BTreeMap<&str, Vec<&Notification>> = BTreeMap::new();
        for notification in notifications {
            by_channel.entry(&notification.channel).or_default().push(notification);
        }
        let mut put = Put::default();
        for (channel, notifications) in by_channel {
            self.put_into(channel, &notifications, &mut put);
        }
        put
    }

    fn put_into(&self, channel: &str, notifications: &[&Notification], put: &mut Put) {
        let folder = self.channel(channel);
        let now = Timestamp::now();
        let shelf = Shelf::look(&folder).and_then(|shelf| Ok((shelf, sent(&folder)?)));
        let (mut shelf, sent) = shelf.unwrap_or_else(|source| {
            put.unwritten = Some(error("read", &folder, source));
            let none = || Shelf { folder: folder.clone(), names: <_>::default(), strange: vec![] };
            (none(), none())
        });
        for notification in notifications {
            if shelf.has(&notification.id) || sent_already(&sent, notification) {
                continue;
            }
            let newest = shelf.names.last().or(sent.names.last()).map(String::as_str);
            let name = entry_name(notification.created, newest, &notification.id);
            let entry = Entry::new((*notification).clone(), name.clone(), now);
            if let Err(source) = shelf::write(&folder, &entry) {
                put.unwritten = Some(error("write to", &folder, source));
                self.keep_unwritten(channel, entry, put);
            }
            shelf.names.insert(name);
        }
        let surplus = shelf.surplus();
        for name in &surplus {
            let why = "too many wait for this channel, and it was the oldest";
            self.bury_file(channel, name, why);
        }
        if !surplus.is_empty() {
            *put.surplus.entry(channel.to_owned()).or_default() += surplus.len();
        }
    }

    fn keep_unwritten(&self, channel: &str, entry: Entry, put: &mut Put) {
        let mut memory = self.memory();
        let kept = memory.entry(channel.to_owned()).or_default();
        kept.push(entry);
        if kept.len() > MOST_ENTRIES {
            kept.remove(0);
            *put.surplus.entry(channel.to_owned()).or_default() += 1;
        }
    }

    /// What waits, and what was delivered in the last minutes: all that may have been told without
    /// its being written down, because the tool was killed before.
    pub fn lately(&self) -> Vec<Notification> {
        let channels = self.channels().unwrap_or_default();
        let folders = channels.iter().map(|channel| self.channel(channel));
        let both = folders.flat_map(|folder| [folder.join(SENT), folder]);
        let all = both.flat_map(|folder| listing(&folder).unwrap_or_default().entries);
        all.map(|entry| entry.notification).collect()
    }

    /// The channels for which something waits or waited, whether or not they are configured.
    ///
    /// # Errors
    /// The spool is there and cannot be read.
    pub fn channels(&self) -> Result<Vec<String>, SpoolError> {
        self.folders(&self.folder)
    }

    fn folders(&self, parent: &Path) -> Result<Vec<String>, SpoolError> {
        let entries = match fs::read_dir(parent) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|source| error("read", parent, source))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut channels: Vec<String> = names.filter_map(|name| channel_of(&name)).collect();
        channels.sort_unstable();
        Ok(channels)
    }

    /// What waits for a channel.
    ///
    /// # Errors
    /// Its folder is there and cannot be read.
    pub fn entries(&self, channel: &str) -> Result<Listing, SpoolError> {
        listing(&self.channel(channel))
    }

    /// The dead letters, by channel.
    ///
    /// # Errors
    /// Their folder is there and cannot be read.
    pub fn dead(&self) -> Result<BTreeMap<String, Listing>, SpoolError> {
        let channels = self.folders(&self.folder.join(DEAD))?.into_iter();
        channels.map(|channel| Ok((channel.clone(), listing(&self.grave(&channel))?))).collect()
    }

    /// Names of the entries that wait for a channel, the oldest first, and of files that are none.
    pub(crate) fn names(&self, channel: &str) -> Result<(Vec<String>, Vec<String>), SpoolError> {
        let folder = self.channel(channel);
        let shelf = Shelf::look(&folder).map_err(|source| error("read", &folder, source))?;
        Ok((shelf.names.into_iter().collect(), shelf.strange))
    }

    /// Whether anything waits for a channel.
    pub(crate) fn has_any(&self, channel: &str) -> Result<bool, SpoolError> {
        Ok(self.memory().contains_key(channel) || !self.names(channel)?.0.is_empty())
    }

    /// Reads one entry.
    pub(crate) fn read(
        &self,
        channel: &str,
        name: &str,
    ) -> Result<Result<Entry, Unreadable>, SpoolError> {
        let folder = self.channel(channel);
        shelf::read(&folder, name).map_err(|source| error("read", &folder.join(name), source))
    }

    /// What the disk did not take, to be delivered from memory.
    pub(crate) fn take_unwritten(&self, channel: &str) -> Vec<Entry> {
        self.memory().remove(channel).unwrap_or_default()
    }

    /// Waits for its turn to deliver to a channel; other tools on this home wait meanwhile.
    pub(crate) fn turn(&self, channel: &str) -> Result<Turn, SpoolError> {
        let path = self.channel(channel).join(LOCK);
        let file = shelf::make(&self.channel(channel)).and_then(|()| shelf::lock_file(&path));
        let file = file.and_then(|file| file.lock().map(|()| file));
        file.map(Turn).map_err(|source| error("lock", &path, source))
    }

    /// An entry was delivered.
    pub(crate) fn done(&self, channel: &str, name: &str) -> Result<(), SpoolError> {
        let folder = self.channel(channel);
        let moved = shelf::pass(&folder, &folder.join(SENT), name)
            .or_else(|_| shelf::unless_gone(fs::remove_file(folder.join(name))));
        moved.map_err(|source| error("remove", &folder.join(name), source))
    }

    /// An entry was tried and is to be tried again: what is known of it is written down.
    pub(crate) fn again(&self, entry: &Entry) -> Result<(), SpoolError> {
        let folder = self.channel(&entry.notification.channel);
        shelf::write(&folder, entry)
            .map_err(|source| error("write to", &folder.join(&entry.name), source))
    }

    /// An entry is never tried again: it becomes a dead letter.
    pub(crate) fn bury(&self, entry: &Entry, why: &str) -> Result<(), SpoolError> {
        let channel = &entry.notification.channel;
        let (folder, grave) = (self.channel(channel), self.grave(channel));
        let burial = Burial { at: Timestamp::now(), why: why.to_owned() };
        let letter = Entry { buried: Some(burial), ..entry.clone() };
        let written = shelf::write(&grave, &letter)
            .and_then(|()| shelf::unless_gone(fs::remove_file(folder.join(&entry.name))))
            .or_else(|_| shelf::pass(&folder, &grave, &entry.name));
        self.tidy_grave(&grave);
        written.map_err(|source| error("write to", &grave, source))
    }

    /// Makes a dead letter of a file, whatever is in it.
    pub(crate) fn bury_file(&self, channel: &str, name: &str, why: &str) {
        let folder = self.channel(channel);
        // What cannot be moved stays, is seen again and said again.
        let _ = match shelf::read(&folder, name) {
            Ok(Ok(entry)) => self.bury(&entry, why).map_err(|error| error.source),
            _ => shelf::pass(&folder, &self.grave(channel), name),
        };
    }

    /// Removes the oldest dead letters of a channel past the bounds.
    fn tidy_grave(&self, grave: &Path) {
        let surplus = Shelf::look(grave).map(|shelf| shelf.surplus()).unwrap_or_default();
        for name in surplus {
            // What cannot be removed now is surplus the next time too.
            let _ = fs::remove_file(grave.join(name));
        }
    }

    /// Puts dead letters back among what waits, as if they were never tried; returns how many.
    ///
    /// # Errors
    /// A letter cannot be written back; those before it are.
    pub fn retry_dead(&self, wanted: impl Fn(&Entry) -> bool) -> Result<usize, SpoolError> {
        self.each_dead(wanted, |entry| {
            let channel = entry.notification.channel.clone();
            let name = entry.name.clone();
            self.again(&entry.fresh(Timestamp::now()))?;
            self.remove_dead(&channel, &name)
        })
    }

    /// Removes dead letters; returns how many.
    ///
    /// # Errors
    /// A letter cannot be removed; those before it are.
    pub fn drop_dead(&self, wanted: impl Fn(&Entry) -> bool) -> Result<usize, SpoolError> {
        self.each_dead(wanted, |entry| self.remove_dead(&entry.notification.channel, &entry.name))
    }

    fn each_dead(
        &self,
        wanted: impl Fn(&Entry) -> bool,
        act: impl Fn(Entry) -> Result<(), SpoolError>,
    ) -> Result<usize, SpoolError> {
        let mut many = 0;
        for (_, listing) in self.dead()? {
            for entry in listing.entries.into_iter().filter(&wanted) {
                act(entry)?;
                many += 1;
            }
        }
        Ok(many)
    }

    fn remove_dead(&self, channel: &str, name: &str) -> Result<(), SpoolError> {
        let path = self.grave(channel).join(name);
        shelf::unless_gone(fs::remove_file(&path)).map_err(|source| error("remove", &path, source))
    }
}

/// Those of a channel's folder that were delivered lately; older ones are removed.
fn sent(folder: &Path) -> io::Result<Shelf> {
    let sent = folder.join(SENT);
    let mut shelf = Shelf::look(&sent)?;
    let mut surplus = shelf.names.len().saturating_sub(MOST_SENT);
    let now = Timestamp::now();
    shelf.names.retain(|name| {
        let kept = surplus == 0 && is_young(name, now);
        surplus = surplus.saturating_sub(1);
        if !kept {
            // What cannot be removed now is old the next time too.
            let _ = fs::remove_file(sent.join(name));
        }
        kept
    });
    Ok(shelf)
}

/// By the moment of its making: of one that waited for long it is long written down that it was told.
fn is_young(name: &str, now: Timestamp) -> bool {
    let made = moment_of(name).map(Timestamp::from_nanos);
    made.is_none_or(|made| now.seconds_since(made) < SENT_FOR.as_secs_f64())
}

/// Whether this very notification was delivered lately. What is meant to be told more than once
/// may be.
fn sent_already(sent: &Shelf, notification: &Notification) -> bool {
    let repeated = [Reason::Repeat, Reason::Refresh, Reason::DeadChannel, Reason::Test];
    !repeated.contains(&notification.reason) && sent.has(&notification.id)
}

fn listing(folder: &Path) -> Result<Listing, SpoolError> {
    let shelf = Shelf::look(folder).map_err(|source| error("read", folder, source))?;
    let mut listing = Listing::default();
    for name in shelf.names {
        let read = shelf::read(folder, &name);
        match read.map_err(|source| error("read", &folder.join(&name), source))? {
            Ok(entry) => listing.entries.push(entry),
            Err(Unreadable::Gone) => {}
            Err(why) => listing.passed_over.push((name, why)),
        }
    }
    let strange = |name| (name, Unreadable::Broken("it is not named as an entry".to_owned()));
    listing.passed_over.extend(shelf.strange.into_iter().map(strange));
    Ok(listing)
}

fn error(what: &'static str, path: &Path, source: io::Error) -> SpoolError {
    SpoolError { what, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
