//! Tests of the spool.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::spool::entry::tests::notification;

fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.notification.id.as_str()).collect()
}

fn waiting(spool: &Spool, channel: &str) -> Vec<Entry> {
    spool.entries(channel).unwrap().entries
}

#[test]
fn what_is_put_is_there_in_order_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path());
    let all = ["1", "2", "3"].map(|id| notification("c", id, "a"));
    assert!(spool.put(&all).unwritten.is_none());
    assert_eq!(ids(&waiting(&Spool::open(dir.path()), "c")), ["1", "2", "3"]);
    assert_eq!(spool.channels().unwrap(), ["c"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = dir.path().join("spool/c");
    let file = folder.join(spool.names("c").unwrap().0.remove(0));
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
}

#[test]
fn nothing_is_taken_twice_while_it_waits_or_was_just_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path());
    let first = notification("c", "1", "a");
    spool.put(&[first.clone(), first.clone()]);
    spool.put(std::slice::from_ref(&first));
    let entries = waiting(&spool, "c");
    assert_eq!(ids(&entries), ["1"]);
    spool.done("c", &entries[0].name).unwrap();
    spool.put(std::slice::from_ref(&first));
    assert_eq!(ids(&waiting(&spool, "c")), [""; 0], "it was delivered a moment ago");
    assert_eq!(spool.lately(), std::slice::from_ref(&first));
    let repeat = Notification { reason: Reason::Repeat, ..first };
    spool.put(&[repeat]);
    assert_eq!(ids(&waiting(&spool, "c")), ["1"], "to tell it again was meant");
}

#[test]
fn those_that_were_delivered_are_not_kept_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path());
    let sent = dir.path().join("spool/c/sent");
    shelf::make(&sent).unwrap();
    let now = Timestamp::now().nanos();
    let file = |nanos: i64| fs::write(sent.join(format!("{nanos:020}-x.json")), "").unwrap();
    (0..MOST_SENT as i64 + 2).for_each(|at| file(now + at));
    file(now - SENT_FOR.as_nanos() as i64 - 1);
    spool.put(&[notification("c", "last", "a")]);
    assert_eq!(fs::read_dir(sent).unwrap().count(), MOST_SENT);
}

#[test]
fn a_dead_letter_says_why_and_can_be_tried_again_or_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path());
    spool.put(&["1", "2"].map(|id| notification("c", id, "a")));
    for mut entry in waiting(&spool, "c") {
        entry.tries = 3;
        spool.bury(&entry, "said 400").unwrap();
    }
    assert_eq!(ids(&waiting(&spool, "c")), [""; 0]);
    assert_eq!(spool.channels().unwrap(), ["c"], "the dead are no channel");
    let dead = spool.dead().unwrap().remove("c").unwrap().entries;
    assert_eq!(ids(&dead), ["1", "2"]);
    assert_eq!(dead[0].buried.as_ref().unwrap().why, "said 400");
    assert_eq!(spool.retry_dead(|entry| entry.notification.id == "1").unwrap(), 1);
    let again = waiting(&spool, "c");
    assert_eq!((ids(&again), again[0].tries, &again[0].buried), (vec!["1"], 0, &None));
    assert_eq!(spool.drop_dead(|_| true).unwrap(), 1);
    assert!(spool.dead().unwrap().values().all(|listing| listing.entries.is_empty()));
}

#[test]
fn what_is_torn_strange_or_newer_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path());
    spool.put(&[notification("c", "1", "a")]);
    let folder = dir.path().join("spool/c");
    fs::write(folder.join("00000000000000000001-torn.json"), "{\"kind\":\"spo").unwrap();
    fs::write(folder.join("00000000000000000002-new.json"), "{\"v\":9}").unwrap();
    fs::write(folder.join("README"), "mine").unwrap();
    fs::write(folder.join(".tmpkilled"), "{").unwrap();
    let listing = spool.entries("c").unwrap();
    assert_eq!(ids(&listing.entries), ["1"]);
    let said: Vec<String> =
        listing.passed_over.iter().map(|(file, why)| format!("{file}: {why}")).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("torn.json: EOF while parsing"), "{said:?}");
    assert!(said[1].contains("new.json: it is of version 9"), "{said:?}");
    assert!(said[2].contains("README: it is not named as an entry"), "{said:?}");
}

#[test]
fn past_the_bounds_the_oldest_become_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path());
    let folder = dir.path().join("spool/c");
    shelf::make(&folder).unwrap();
    for at in 0..110 {
        let file = File::create(folder.join(format!("{at:020}-large.json"))).unwrap();
        file.set_len(1 << 20).unwrap();
    }
    let put = spool.put(&[notification("c", "1", "a")]);
    assert_eq!((put.unwritten.is_none(), put.surplus["c"]), (true, 47), "64 MiB, and one more");
    assert_eq!(ids(&waiting(&spool, "c")), ["1"]);
    assert_eq!(spool.dead().unwrap()["c"].passed_over[0].0, "00000000000000000000-large.json");
}

#[test]
fn a_folder_that_takes_nothing_leaves_it_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("spool"), "a file").unwrap();
    let spool = Spool::open(dir.path());
    let put = spool.put(&[notification("c", "1", "a"), notification("c", "2", "a")]);
    assert!(put.unwritten.unwrap().sentence().contains("spool"));
    assert_eq!(ids(&spool.take_unwritten("c")), ["1", "2"]);
    assert!(spool.take_unwritten("c").is_empty());
}
