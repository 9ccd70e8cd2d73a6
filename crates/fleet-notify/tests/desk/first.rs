//! Without anything that holds back: what is told, when, and that it is told once.

use fleet_notify::{Desk, Ledger, RawRoute, Routes};

use crate::bench::{alert, at, channel, desk, line, policy, told, turn, why};

#[test]
fn a_firing_and_its_end_are_told_once() {
    let mut desk = desk();
    assert_eq!(told(&mut desk, 0, &[("a", "x", "firing")]), ["phone first a/x firing"]);
    assert!(told(&mut desk, 40, &[("a", "x", "firing")]).is_empty());
    assert_eq!(why(&desk, 41, "a").0, "told_already");
    assert_eq!(told(&mut desk, 80, &[("a", "x", "resolved")]), ["phone resolved a/x resolved"]);
    assert!(told(&mut desk, 120, &[]).is_empty());
    assert_eq!(told(&mut desk, 160, &[("a", "x", "firing")]), ["phone first a/x firing"]);
    assert_eq!(told(&mut desk, 200, &[("a", "y", "firing")]), ["phone more a/y firing"]);
}

#[test]
fn alerts_of_a_turn_are_told_together_the_worst_first() {
    let mut desk = desk();
    let mut mild = alert("a", "m", "firing", 0);
    mild.severity = "info".to_owned();
    desk.take(mild);
    let turn = [("a", "y", "firing"), ("a", "x", "firing"), ("b", "x", "firing")];
    assert_eq!(
        told(&mut desk, 0, &turn),
        ["phone first a/x firing, a/y firing, a/m firing", "phone first b/x firing"]
    );
}

#[test]
fn what_fired_and_was_over_before_it_could_be_told_is_told_once_as_over() {
    let mut desk = desk();
    let both = [("a", "x", "firing"), ("a", "x", "resolved"), ("b", "x", "resolved")];
    assert_eq!(
        told(&mut desk, 0, &both),
        ["phone resolved a/x resolved", "phone resolved b/x resolved"]
    );
    assert!(told(&mut desk, 60, &[]).is_empty());
}

#[test]
fn each_channel_is_told_by_its_route_and_hears_the_end_of_what_it_heard() {
    let channels = [channel("webhook"), channel("sms"), channel("slack")];
    let mut desk = Desk::new(policy(&channels));
    let mut record = alert("a", "x", "firing", 0);
    record.severity = "warning".to_owned();
    desk.take(record.clone());
    let lines = |desk: &mut Desk, seconds| -> Vec<String> {
        desk.settle(at(seconds)).notifications.iter().map(line).collect()
    };
    assert_eq!(lines(&mut desk, 0), ["webhook first a/x firing", "slack first a/x firing"]);
    // Worse: those that know hear so at once, those that do not hear of it first.
    (record.severity, record.ts) = ("critical".to_owned(), at(5));
    desk.take(record.clone());
    assert_eq!(
        lines(&mut desk, 5),
        ["webhook severity a/x firing", "sms first a/x firing", "slack severity a/x firing"]
    );
    (record.severity, record.ts) = ("info".to_owned(), at(50));
    desk.take(record);
    assert_eq!(lines(&mut desk, 50).len(), 3);
    desk.take(alert("a", "x", "resolved", 90));
    assert_eq!(lines(&mut desk, 90).len(), 3);
}

#[test]
fn what_is_routed_nowhere_says_so() {
    let mut policy = policy(&[channel("phone")]);
    let raw: RawRoute = serde_json::from_value(serde_json::json!({})).unwrap();
    policy.routes = Routes::load(raw, &[]).unwrap();
    policy.channels[0].severity = vec!["high".to_owned()];
    let mut desk = Desk::new(policy);
    let settled = turn(&mut desk, 0, &[("a", "x", "firing")]);
    assert!(settled.notifications.is_empty());
    assert_eq!(settled.decisions[0].word, "not_routed");
    let (word, text) = why(&desk, 0, "a");
    assert_eq!(word, "muted_severity");
    assert_eq!(text, "the channel hears only of high, and this is 'critical'");
}

#[test]
fn a_channel_that_is_not_told_of_ends_hears_only_beginnings() {
    let mut plan = channel("phone");
    plan.resolved = false;
    let mut desk = Desk::new(policy(&[plan]));
    assert_eq!(told(&mut desk, 0, &[("a", "x", "firing")]).len(), 1);
    assert!(told(&mut desk, 40, &[("a", "x", "resolved")]).is_empty());
    assert_eq!(told(&mut desk, 80, &[("a", "x", "firing")]), ["phone first a/x firing"]);
    assert!(told(&mut desk, 120, &[("a", "x", "resolved"), ("b", "x", "resolved")]).is_empty());
}

#[test]
fn missing_data_and_errors_are_told_as_such_and_end() {
    let mut desk = desk();
    assert_eq!(told(&mut desk, 0, &[("a", "x", "no_data")]), ["phone first a/x no_data"]);
    assert_eq!(told(&mut desk, 40, &[("a", "x", "firing")]), ["phone first a/x firing"]);
    assert_eq!(told(&mut desk, 80, &[("a", "x", "error")]), ["phone first a/x error"]);
    assert_eq!(told(&mut desk, 120, &[("a", "x", "resolved")]), ["phone resolved a/x resolved"]);
    desk.take(alert("a", "y", "pending", 200));
    assert!(desk.settle(at(200)).notifications.is_empty());
}

#[test]
fn what_was_told_is_remembered_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(dir.path());
    let mut first = desk();
    ledger.reload(&mut first).unwrap();
    turn(&mut first, 0, &[("a", "x", "firing"), ("b", "x", "firing")]);
    ledger.write(&mut first).unwrap();
    let (mut next, mut again) = (desk(), Ledger::open(dir.path()));
    assert!(again.reload(&mut next).unwrap() && !again.reload(&mut next).unwrap());
    // An alert that nobody struck out is taken again.
    assert!(told(&mut next, 0, &[("a", "x", "firing")]).is_empty());
    assert_eq!(told(&mut next, 60, &[("b", "x", "resolved")]), ["phone resolved b/x resolved"]);
    again.write(&mut next).unwrap();
    assert!(ledger.reload(&mut first).unwrap());
    assert_eq!(first.standing(at(60)).map(|s| s.alert.alert).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn what_the_spool_held_after_a_crash_counts_as_told() {
    let mut lost = desk();
    let notification = turn(&mut lost, 0, &[("a", "x", "firing")]).notifications.remove(0);
    let mut next = desk();
    next.note_spooled(&notification);
    assert!(told(&mut next, 0, &[("a", "x", "firing")]).is_empty());
    assert_eq!(told(&mut next, 60, &[("a", "x", "resolved")]), ["phone resolved a/x resolved"]);
    // Without the spool it is told again, under the same name.
    let mut repeat = desk();
    let again = turn(&mut repeat, 0, &[("a", "x", "firing")]).notifications.remove(0);
    assert_eq!(again.id, notification.id);
}
