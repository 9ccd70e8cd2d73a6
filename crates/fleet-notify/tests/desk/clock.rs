//! A clock that is set back silences nothing and repeats nothing.

use std::time::Duration;

use fleet_notify::{Desk, Ledger, Policy};

use crate::bench::{at, channel, policy, silence, told, turn};

const HOUR: i64 = 3600;

fn strict() -> Policy {
    let mut policy = policy(&[channel("phone")]);
    policy.settings.repeat = Some(Duration::from_secs(600));
    policy.settings.max_per_hour = 5;
    policy
}

#[test]
fn windows_repeats_and_limits_go_on_as_if_nothing_had_been() {
    let mut desk = Desk::new(strict());
    assert_eq!(told(&mut desk, 0, &[("a", "x", "firing")]).len(), 1);
    // Ten seconds into the window.
    assert!(told(&mut desk, 10, &[("a", "y", "firing")]).is_empty());
    let back = 10 - HOUR;
    assert!(told(&mut desk, back, &[]).is_empty());
    assert!(told(&mut desk, back + 19, &[]).is_empty());
    assert_eq!(told(&mut desk, back + 20, &[]), ["phone more a/y firing"]);
    assert!(told(&mut desk, back + 589, &[]).is_empty());
    assert_eq!(told(&mut desk, back + 590, &[]), ["phone repeat a/x firing"]);
    assert_eq!(told(&mut desk, back + 620, &[]), ["phone repeat a/y firing"]);
    assert_eq!(told(&mut desk, back + 700, &[("a", "x", "resolved")]).len(), 1);
    // That was the fifth; there is room an hour after the first.
    assert!(told(&mut desk, back + 800, &[("b", "x", "firing")]).is_empty());
    let room = (back + 800..back + 2 * HOUR).find(|n| !told(&mut desk, *n, &[]).is_empty());
    let (room, exact) = (room.unwrap(), back - 10 + HOUR);
    assert!((exact - 60..=exact + 60).contains(&room), "{room} is not near {exact}");
}

#[test]
fn the_next_run_notices_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(strict());
    assert_eq!(told(&mut desk, 0, &[("a", "x", "firing")]).len(), 1);
    assert!(told(&mut desk, 10, &[("a", "y", "firing")]).is_empty());
    Ledger::open(dir.path()).write(&mut desk).unwrap();
    let mut lines = Vec::new();
    for n in 0..12 {
        let (mut next, mut ledger) = (Desk::new(strict()), Ledger::open(dir.path()));
        ledger.reload(&mut next).unwrap();
        let now = 10 - HOUR + n * 60;
        lines.extend(told(&mut next, now, &[]).into_iter().map(|line| format!("{n} {line}")));
        ledger.write(&mut next).unwrap();
    }
    assert_eq!(
        lines,
        ["1 phone more a/y firing", "10 phone repeat a/x firing", "11 phone repeat a/y firing"]
    );
}

#[test]
fn a_silence_that_holds_goes_on_to_hold() {
    let mut desk = Desk::new(strict());
    desk.silences(vec![silence("a", 600)]);
    assert!(told(&mut desk, 0, &[("a", "x", "firing")]).is_empty());
    assert!(told(&mut desk, -HOUR, &[("a", "y", "firing")]).is_empty());
    assert_eq!(told(&mut desk, 600, &[]).len(), 1);
}

#[test]
fn flapping_stays_what_it_was() {
    let mut policy = strict();
    policy.settings.flap.changes = 3;
    policy.settings.repeat = None;
    let mut desk = Desk::new(policy);
    // Three changes two hours apart, the clock set back by an hour before each.
    let mut now = 0;
    for n in 0..12 {
        let state = if n % 2 == 0 { "firing" } else { "resolved" };
        let told = turn(&mut desk, now, &[("a", "x", state)]).notifications;
        assert_eq!(told.len(), 1, "{n}");
        desk.settle(at(now + 2 * HOUR));
        now += HOUR;
    }
}
