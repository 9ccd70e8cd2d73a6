//! Tests of the couriers, with carriers that do as they are told.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::carrier::Verdict;
use crate::notification::Notification;
use crate::spool::entry::tests::notification;

const DAY: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with the verdicts of a script, then delivers; tells what it got.
struct Told {
    script: Arc<Mutex<Vec<Verdict>>>,
    got: Sender<String>,
}

impl Carrier for Told {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        self.got.send(notification.id.clone()).unwrap();
        let mut script = self.script.lock().unwrap();
        if script.is_empty() { Verdict::Delivered } else { script.remove(0) }
    }
}

/// Never comes back.
struct Stuck;

impl Carrier for Stuck {
    fn deliver(&mut self, _: &Notification) -> Verdict {
        loop {
            thread::park();
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    spool: Arc<Spool>,
    got: Receiver<String>,
    tell: Sender<String>,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let spool = Arc::new(Spool::open(dir.path()));
        let (tell, got) = channel();
        Bench { dir, spool, got, tell }
    }

    fn told(&self, script: Vec<Verdict>) -> Opener {
        let (script, got) = (Arc::new(Mutex::new(script)), self.tell.clone());
        Box::new(move || Ok(Box::new(Told { script: Arc::clone(&script), got: got.clone() })))
    }

    fn couriers(&self, channels: Vec<(&str, Opener)>, deliver_for: Duration) -> Couriers {
        let channels = channels.into_iter().map(|(name, open)| (name.to_owned(), open));
        Couriers::new(Arc::clone(&self.spool), channels, deliver_for, || ())
    }

    fn put(&self, ids: &[(&str, &str)]) {
        let all: Vec<_> = ids.iter().map(|(id, about)| notification("c", id, about)).collect();
        assert!(self.spool.put(&all).unwritten.is_none());
    }

    fn got(&self) -> Vec<String> {
        self.got.try_iter().collect()
    }

    fn waiting(&self) -> usize {
        self.spool.entries("c").unwrap().entries.len()
    }

    fn dead(&self) -> Vec<String> {
        let dead = self.spool.dead().unwrap();
        let letters = dead.values().flat_map(|listing| &listing.entries);
        letters.map(|letter| letter.buried.as_ref().unwrap().why.clone()).collect()
    }
}

/// What remains after all was waited for, and the news meanwhile, beside what became of each try.
fn finish(couriers: &Couriers, limit: Duration) -> (BTreeMap<String, Remains>, Vec<News>) {
    let (deadline, mut news) = (Instant::now() + limit, Vec::new());
    while couriers.wait(deadline.saturating_duration_since(Instant::now())) {
        news.extend(couriers.news().into_iter().filter(|news| news.text().is_some()));
    }
    (couriers.close(limit), news)
}

fn said(news: &[News]) -> Vec<String> {
    news.iter().filter_map(News::text).collect()
}

fn again(after: u64) -> Verdict {
    let after = Some(Duration::from_secs(after));
    Verdict::Again { after, channel: true, why: "said 429".to_owned() }
}

#[test]
fn all_is_delivered_in_order_and_gone() {
    let bench = Bench::new();
    let couriers = bench.couriers(vec![("c", bench.told(Vec::new()))], DAY);
    bench.put(&[("1", "a"), ("2", "b")]);
    couriers.wake("c");
    assert_eq!(bench.got.recv_timeout(PATIENCE).unwrap(), "1");
    bench.put(&[("3", "a")]);
    couriers.wake("c");
    assert_eq!(finish(&couriers, PATIENCE), (BTreeMap::new(), Vec::new()));
    assert_eq!((bench.got(), bench.waiting()), (vec!["2".to_owned(), "3".to_owned()], 0));
}

#[test]
fn what_a_crash_left_is_delivered_by_the_next() {
    let bench = Bench::new();
    bench.put(&[("1", "a")]);
    let couriers = bench.couriers(vec![("c", bench.told(Vec::new()))], DAY);
    couriers.wake_all();
    finish(&couriers, PATIENCE);
    assert_eq!(bench.got(), ["1"]);
}

#[test]
fn a_pause_is_kept_said_once_and_outlives_the_tool() {
    let bench = Bench::new();
    bench.put(&[("1", "a"), ("2", "b")]);
    let couriers = bench.couriers(vec![("c", bench.told(vec![again(1), again(600)]))], DAY);
    couriers.wake("c");
    let (remains, news) = finish(&couriers, PATIENCE);
    let last_error = "said 429".to_owned();
    assert_eq!(remains["c"], Remains { waiting: 2, in_memory: 0, last_error });
    assert_eq!(bench.got(), ["1", "1"], "the pause of ten minutes is not waited for");
    assert_eq!(said(&news), ["channel 'c' said 429; tries again in 1.0s"]);
    let next = bench.couriers(vec![("c", bench.told(Vec::new()))], DAY);
    next.wake_all();
    assert_eq!(finish(&next, PATIENCE).0["c"].waiting, 2);
    assert_eq!(bench.got(), [""; 0]);
}

#[test]
fn a_dead_channel_buries_what_waits_and_says_so_once() {
    let bench = Bench::new();
    bench.put(&[("1", "a"), ("2", "b")]);
    let dead = Verdict::Dead { why: "said 404 no_service".to_owned() };
    let couriers = bench.couriers(vec![("c", bench.told(vec![dead.clone(), dead]))], DAY);
    couriers.wake("c");
    let start = Instant::now();
    while bench.dead().len() < 2 {
        assert!(start.elapsed() < PATIENCE);
        thread::yield_now();
    }
    bench.put(&[("3", "a")]);
    couriers.wake("c");
    assert_eq!(bench.got.recv_timeout(PATIENCE).unwrap(), "1");
    assert_eq!(bench.got.recv_timeout(PATIENCE).unwrap(), "3");
    bench.put(&[("4", "a")]);
    couriers.wake("c");
    let news = finish(&couriers, PATIENCE).1;
    assert_eq!(bench.got(), ["4"]);
    assert_eq!(bench.dead()[0], "the channel is dead: it said 404 no_service");
    let died = news.iter().filter(|news| matches!(news, News::Died { .. })).count();
    assert_eq!((died, news.last()), (1, Some(&News::Recovered { channel: "c".to_owned() })));
}

#[test]
fn what_is_refused_or_too_old_becomes_a_dead_letter() {
    let bench = Bench::new();
    bench.put(&[("1", "a")]);
    let refused = Verdict::Refused { why: "said 400".to_owned() };
    let couriers = bench.couriers(vec![("c", bench.told(vec![refused]))], DAY);
    couriers.wake("c");
    finish(&couriers, PATIENCE);
    assert_eq!(bench.dead(), ["said 400"]);
    bench.put(&[("2", "a")]);
    let late = bench.couriers(vec![("c", bench.told(Vec::new()))], Duration::ZERO);
    late.wake("c");
    finish(&late, PATIENCE);
    assert_eq!((bench.got(), bench.waiting()), (vec!["1".to_owned()], 0));
    assert_eq!(bench.dead()[1], "was not delivered within 0ms");
}

#[test]
fn what_waits_for_no_channel_is_buried_when_it_is_old() {
    let bench = Bench::new();
    bench.put(&[("1", "a")]);
    let other = || vec![("other", bench.told(Vec::new()))];
    bench.couriers(other(), DAY).bury_strangers();
    assert_eq!(bench.waiting(), 1, "it may be another rules file's");
    bench.couriers(other(), Duration::ZERO).bury_strangers();
    assert_eq!(bench.dead(), ["no channel of this name is configured"]);
}

#[test]
fn a_secret_that_is_missing_keeps_what_waits() {
    let bench = Bench::new();
    bench.put(&[("1", "a")]);
    let opened = AtomicUsize::new(0);
    let told = bench.told(Vec::new());
    let open: Opener = Box::new(move || match opened.fetch_add(1, Ordering::Relaxed) {
        0 => Err("has no password: MAIL_PASSWORD is not set".to_owned()),
        _ => told(),
    });
    let couriers = bench.couriers(vec![("c", open)], DAY);
    couriers.wake("c");
    let news = finish(&couriers, PATIENCE).1;
    assert_eq!(bench.got(), ["1"]);
    assert!(matches!(news[..], [News::Died { .. }, News::Recovered { .. }]));
}

#[test]
fn a_carrier_that_hangs_holds_up_nobody_beyond_the_limit() {
    let bench = Bench::new();
    bench.put(&[("1", "a")]);
    bench.spool.put(&[notification("d", "2", "a")]);
    let stuck: Opener = Box::new(|| Ok(Box::new(Stuck)));
    let couriers = bench.couriers(vec![("c", stuck), ("d", bench.told(Vec::new()))], DAY);
    couriers.wake_all();
    assert_eq!(bench.got.recv_timeout(PATIENCE).unwrap(), "2");
    let remains = finish(&couriers, Duration::from_millis(50)).0;
    assert_eq!(remains.keys().collect::<Vec<_>>(), ["c"]);
    assert_eq!(bench.waiting(), 1);
}

#[test]
fn two_tools_deliver_once() {
    let bench = Bench::new();
    let ids: Vec<String> = (0..50).map(|id| id.to_string()).collect();
    let pairs: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "a")).collect();
    bench.put(&pairs);
    let both = [0, 1].map(|_| bench.couriers(vec![("c", bench.told(Vec::new()))], DAY));
    both.iter().for_each(Couriers::wake_all);
    both.iter().for_each(|couriers| drop(finish(couriers, PATIENCE)));
    assert_eq!(bench.got(), ids);
}

#[test]
fn a_spool_that_takes_nothing_is_said_and_memory_delivers() {
    let bench = Bench::new();
    fs::write(bench.dir.path().join("spool"), "a file").unwrap();
    let put = bench.spool.put(&[notification("c", "1", "a"), notification("c", "2", "b")]);
    assert!(put.unwritten.is_some());
    let couriers = bench.couriers(vec![("c", bench.told(vec![again(1)]))], DAY);
    couriers.wake("c");
    let (remains, news) = finish(&couriers, PATIENCE);
    assert_eq!((remains, bench.got().join(" ")), (BTreeMap::new(), "1 1 2".to_owned()));
    let news = said(&news);
    assert!(news[0].ends_with("what waits stands in memory alone"), "{news:?}");
}
