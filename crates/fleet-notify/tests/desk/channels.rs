//! Receivers that keep alerts of their own, and channels that are dead.

use std::time::Duration;

use fleet_notify::{Desk, Ledger};

use crate::bench::{alert, at, channel, line, policy, told, turn};

fn refreshed() -> Desk {
    let mut plan = channel("phone");
    plan.refresh = Some(Duration::from_secs(60));
    Desk::new(policy(&[plan]))
}

#[test]
fn a_receiver_hears_again_of_all_that_fires_and_for_a_while_of_what_is_over() {
    let mut desk = refreshed();
    let first = turn(&mut desk, 0, &[("a", "x", "firing"), ("b", "x", "firing")]).notifications;
    assert_eq!(desk.next_due(at(0)), Some(Duration::from_secs(60)));
    assert!(told(&mut desk, 59, &[]).is_empty());
    let again = turn(&mut desk, 60, &[]).notifications;
    assert_eq!(again.iter().map(line).collect::<Vec<_>>().len(), 1);
    assert!(line(&again[0]).starts_with("phone refresh "), "{}", line(&again[0]));
    assert!(first.iter().all(|n| n.id != again[0].id));
    assert_eq!(told(&mut desk, 100, &[("a", "x", "resolved")]), ["phone resolved a/x resolved"]);
    let both = turn(&mut desk, 120, &[]).notifications;
    assert_eq!(both[0].alerts.len(), 2);
    turn(&mut desk, 130, &[("b", "x", "resolved")]);
    let ends: Vec<_> = (140..2000).filter(|n| !told(&mut desk, *n, &[]).is_empty()).collect();
    // For fifteen minutes after the last end, and then no more.
    assert_eq!((ends[0], ends[ends.len() - 1]), (180, 1020));
}

#[test]
fn a_refresh_counts_for_no_limit_and_no_silence_ends_it() {
    let mut plan = channel("phone");
    (plan.refresh, plan.max_per_hour) = (Some(Duration::from_secs(60)), Some(1));
    let mut desk = Desk::new(policy(&[plan]));
    turn(&mut desk, 0, &[("a", "x", "firing")]);
    desk.silences(vec![crate::bench::silence("a", 9999)]);
    for n in 1..100 {
        assert_eq!(told(&mut desk, n * 60, &[]), ["phone refresh a/x firing"]);
    }
}

#[test]
fn a_receiver_that_keeps_alerts_gets_all_of_them_by_name() {
    let mut desk = refreshed();
    for n in 0..250 {
        desk.take(alert("a", &format!("x{n:03}"), "firing", 0));
    }
    let sizes: Vec<_> = desk.settle(at(0)).notifications.iter().map(|n| n.alerts.len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    let again = desk.settle(at(60)).notifications;
    assert_eq!(again.iter().map(|n| n.alerts.len()).sum::<usize>(), 250);
    let ids: std::collections::BTreeSet<_> = again.iter().map(|n| &n.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn a_dead_channel_is_told_once_to_those_that_hear_of_critical_alerts() {
    let mut desk = Desk::new(policy(&[channel("email"), channel("slack"), channel("sms")]));
    desk.channel_died("slack", "the hook was revoked (no_service)");
    desk.channel_died("slack", "the hook was revoked (no_service)");
    let told = desk.settle(at(0)).notifications;
    let channels: Vec<_> = told.iter().map(|n| n.channel.as_str()).collect();
    assert_eq!(channels, ["email", "sms"]);
    assert_eq!(
        told[0].text,
        "the channel 'slack' is dead: the hook was revoked (no_service); nothing arrives there \
         before that is mended"
    );
    desk.channel_died("slack", "again");
    assert!(desk.settle(at(1)).notifications.is_empty());
    desk.channel_lives("slack");
    let lives = desk.settle(at(2)).notifications;
    assert_eq!(lives[0].text, "the channel 'slack' works again");
    assert_ne!(lives[0].id, told[0].id);
    desk.channel_lives("slack");
    desk.channel_lives("email");
    assert!(desk.settle(at(3)).notifications.is_empty());
}

#[test]
fn that_a_channel_is_dead_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let channels = [channel("email"), channel("slack")];
    let mut desk = Desk::new(policy(&channels));
    desk.channel_died("slack", "gone");
    assert_eq!(desk.settle(at(0)).notifications.len(), 1);
    Ledger::open(dir.path()).write(&mut desk).unwrap();
    let mut next = Desk::new(policy(&channels));
    Ledger::open(dir.path()).reload(&mut next).unwrap();
    next.channel_died("slack", "gone");
    assert!(next.settle(at(1)).notifications.is_empty());
    next.channel_lives("slack");
    assert_eq!(next.settle(at(2)).notifications.len(), 1);
}
