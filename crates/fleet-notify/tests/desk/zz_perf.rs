use crate::bench::*;
use fleet_notify::*;
use std::time::Instant;

#[test]
fn perf() {
    for (name, limit, silenced) in [("told", 60, false), ("limited", 1, false), ("silenced", 60, true)] {
        let mut policy = policy(&[channel("phone"), channel("slack"), channel("webhook")]);
        policy.settings.max_per_hour = limit;
        policy.settings.repeat = Some(std::time::Duration::from_secs(3600));
        policy.rules.get_mut("b").unwrap().inhibited_by = vec!["a".to_owned()];
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(dir.path());
        let mut desk = Desk::new(policy.clone());
        ledger.reload(&mut desk).unwrap();
        if silenced { desk.silences(vec![silence("*", 9999)]); }
        let t = Instant::now();
        for n in 0..100_000 { desk.take(alert(["a","b","c","d"][n % 4], &format!("x{n}"), "firing", 0)); }
        eprintln!("{name}: take 100k {:?}", t.elapsed());
        let t = Instant::now(); let s = desk.settle(at(0));
        eprintln!("  settle all {:?} {} {}", t.elapsed(), s.notifications.len(), s.decisions.len());
        let t = Instant::now(); ledger.write(&mut desk).unwrap();
        eprintln!("  write {:?} {} bytes", t.elapsed(), std::fs::metadata(dir.path().join("ledger.jsonl")).unwrap().len());
        let t = Instant::now();
        for n in 0..10 { turn(&mut desk, 40 + n, &[("c", &format!("x{}", n * 4 + 2), "resolved")]); ledger.write(&mut desk).unwrap(); }
        eprintln!("  10 turns of one change {:?}", t.elapsed());
        let t = Instant::now();
        for n in 0..10 { turn(&mut desk, 50 + n, &[]); ledger.write(&mut desk).unwrap(); }
        eprintln!("  10 empty turns {:?}", t.elapsed());
        let t = Instant::now();
        let mut next = Desk::new(policy);
        let mut l = Ledger::open(dir.path()); l.reload(&mut next).unwrap();
        eprintln!("  reload {:?}", t.elapsed());
        let t = Instant::now(); next.settle(at(61));
        eprintln!("  first settle {:?}", t.elapsed());
    }
    let mut policy = policy(&[channel("phone"), channel("slack"), channel("webhook")]);
    policy.rules.get_mut("b").unwrap().inhibited_by = vec!["a".to_owned()];
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(dir.path());
    let mut desk = Desk::new(policy.clone());
    for n in 0..1000 { desk.take(alert(["a","b","c","d"][n % 4], &format!("x{n}"), "firing", 0)); }
    desk.settle(at(0)); ledger.write(&mut desk).unwrap();
    let t = Instant::now();
    let mut next = Desk::new(policy);
    let mut l = Ledger::open(dir.path()); l.reload(&mut next).unwrap();
    next.settle(at(61)); l.write(&mut next).unwrap();
    eprintln!("1000 in ledger, oneshot {:?}", t.elapsed());
}
