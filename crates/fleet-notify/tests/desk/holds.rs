//! What holds an alert back, what it is called, and what is told when it ends.

use std::time::Duration;

use fleet_notify::{Desk, Flap, Policy, Silence};

use crate::bench::{alert, at, channel, desk, line, policy, silence, told, turn, why, words};

fn desk_with(change: impl FnOnce(&mut Policy)) -> Desk {
    let mut policy = policy(&[channel("phone")]);
    change(&mut policy);
    Desk::new(policy)
}

#[test]
fn what_comes_within_the_window_of_its_group_is_told_together_at_its_end() {
    let mut desk = desk();
    assert_eq!(told(&mut desk, 0, &[("a", "x", "firing")]), ["phone first a/x firing"]);
    let held = turn(&mut desk, 5, &[("a", "y", "firing")]);
    assert_eq!(words(&held), ["phone grouped"]);
    assert!(told(&mut desk, 10, &[("a", "z", "firing"), ("a", "x", "resolved")]).is_empty());
    assert_eq!(desk.next_due(at(10)), Some(Duration::from_secs(20)));
    let (word, text) = why(&desk, 10, "a");
    assert_eq!(word, "grouped");
    assert!(text.ends_with("collected until 2027-01-15T08:00:30Z"), "{text}");
    // Another group does not wait.
    assert_eq!(told(&mut desk, 12, &[("b", "x", "firing")]), ["phone first b/x firing"]);
    let later = told(&mut desk, 30, &[]);
    assert_eq!(later, ["phone first a/y firing, a/z firing, a/x resolved"]);
    assert!(told(&mut desk, 60, &[]).is_empty());
}

#[test]
fn groups_are_of_the_fields_that_are_named() {
    let mut desk = desk_with(|policy| policy.settings.group_by = vec!["team".to_owned()]);
    for (rule, team) in [("a", "vision"), ("b", "vision"), ("c", "speech"), ("d", "")] {
        let mut alert = alert(rule, "x", "firing", 0);
        alert.labels.insert("team".to_owned(), team.to_owned());
        desk.take(alert);
    }
    let notifications = desk.settle(at(0)).notifications;
    let teams: Vec<_> = notifications.iter().map(|n| n.group["team"].as_str()).collect();
    assert_eq!(teams, ["", "speech", "vision"]);
    assert_eq!(notifications[2].alerts.len(), 2);
    let mut whole = desk_with(|policy| policy.settings.group_by.clear());
    let all = told(&mut whole, 0, &[("a", "x", "firing"), ("b", "x", "firing")]);
    assert_eq!(all, ["phone first a/x firing, b/x firing"]);
}

#[test]
fn worse_does_not_wait_for_the_window_and_takes_its_group_along() {
    let mut desk = desk();
    let mut mild = alert("a", "x", "firing", 0);
    mild.severity = "warning".to_owned();
    desk.take(mild);
    assert_eq!(desk.settle(at(0)).notifications.len(), 1);
    assert!(told(&mut desk, 5, &[("a", "y", "firing")]).is_empty());
    assert_eq!(told(&mut desk, 6, &[("a", "x", "firing")]), ["phone first a/x firing, a/y firing"]);
}

#[test]
fn a_firing_alert_is_told_again_after_its_repeat_interval() {
    let hour = Some(Duration::from_secs(3600));
    let mut desk = desk_with(|policy| {
        policy.settings.repeat = hour;
        policy.rules.get_mut("b").unwrap().repeat = Some(Duration::from_secs(600));
    });
    let first = turn(&mut desk, 0, &[("a", "x", "firing"), ("b", "x", "firing")]).notifications;
    assert_eq!(why(&desk, 1, "a").0, "waits_repeat");
    // The engine's own repetition is not another one.
    assert!(told(&mut desk, 599, &[("b", "x", "firing")]).is_empty());
    let again = turn(&mut desk, 600, &[]).notifications;
    assert_eq!(again.iter().map(line).collect::<Vec<_>>(), ["phone repeat b/x firing"]);
    assert!(first.iter().all(|n| n.id != again[0].id));
    assert_eq!(told(&mut desk, 1200, &[]), ["phone repeat b/x firing"]);
    assert_eq!(told(&mut desk, 1250, &[("b", "x", "resolved")]), ["phone resolved b/x resolved"]);
    assert_eq!(told(&mut desk, 3600, &[]), ["phone repeat a/x firing"]);
}

#[test]
fn a_silence_holds_back_until_it_ends_and_ends_are_told_through_it() {
    let mut desk = desk();
    turn(&mut desk, 0, &[("a", "told", "firing")]);
    desk.silences(vec![silence("a", 600)]);
    let held = turn(&mut desk, 60, &[("a", "x", "firing"), ("a", "gone", "firing")]);
    assert_eq!(words(&held), ["phone silenced", "phone silenced"]);
    let held = desk.standing(at(60)).find(|standing| !standing.held.is_empty()).unwrap().held;
    assert_eq!(held[0].word, "silenced");
    assert_eq!(held[0].text, "silence 3f2a by anna until 2027-01-15T08:10:00Z: planned reboot");
    // It was told that it fires, so it is told that it is over.
    assert_eq!(
        told(&mut desk, 70, &[("a", "told", "resolved")]),
        ["phone resolved a/told resolved"]
    );
    // What fires and ends within a silence is told to nobody.
    assert!(told(&mut desk, 120, &[("a", "gone", "resolved")]).is_empty());
    assert!(desk.next_due(at(130)).unwrap() <= Duration::from_secs(470));
    assert_eq!(told(&mut desk, 600, &[]), ["phone silence_ended a/x firing"]);
    assert_eq!(told(&mut desk, 660, &[("a", "x", "resolved")]), ["phone resolved a/x resolved"]);
}

#[test]
fn a_silence_that_is_ended_early_or_begins_later_counts_from_then_on() {
    let mut desk = desk();
    desk.silences(vec![silence("a", 600)]);
    assert!(told(&mut desk, 0, &[("a", "x", "firing")]).is_empty());
    desk.silences(Vec::new());
    assert_eq!(told(&mut desk, 10, &[]), ["phone silence_ended a/x firing"]);
    desk.silences(vec![Silence { from: Some(at(100)), ..silence("b", 600) }]);
    assert_eq!(told(&mut desk, 99, &[("b", "x", "firing")]), ["phone first b/x firing"]);
    assert!(told(&mut desk, 100, &[("b", "y", "firing")]).is_empty());
}

#[test]
fn a_repeat_waits_for_the_end_of_a_silence() {
    let mut desk = desk_with(|policy| policy.settings.repeat = Some(Duration::from_secs(600)));
    turn(&mut desk, 0, &[("a", "x", "firing")]);
    desk.silences(vec![silence("a", 1000)]);
    assert!(told(&mut desk, 600, &[]).is_empty());
    assert_eq!(why(&desk, 700, "a").0, "silenced");
    assert_eq!(told(&mut desk, 1000, &[]), ["phone repeat a/x firing"]);
}

#[test]
fn an_alert_is_inhibited_while_what_explains_it_fires() {
    let mut desk = desk_with(|policy| {
        policy.rules.get_mut("b").unwrap().inhibited_by = vec!["a".to_owned()];
    });
    let both =
        turn(&mut desk, 0, &[("b", "x", "firing"), ("a", "x", "firing"), ("b", "y", "firing")]);
    let lines: Vec<String> = both.notifications.iter().map(line).collect();
    assert_eq!(lines, ["phone first a/x firing", "phone first b/y firing"]);
    let (word, text) = {
        let said =
            desk.explain(at(1), |alert| alert.alert == "b" && alert.id.as_deref() == Some("x"));
        (said[0].word, said[0].text.clone())
    };
    assert_eq!((word, text.as_str()), ("inhibited", "held back while 'a' of x fires"));
    assert_eq!(
        told(&mut desk, 60, &[("a", "x", "resolved")]),
        ["phone resolved a/x resolved", "phone inhibition_ended b/x firing"]
    );
}

#[test]
fn what_is_inhibited_and_ends_with_its_cause_is_told_to_nobody() {
    let mut desk = desk_with(|policy| {
        policy.rules.get_mut("b").unwrap().inhibited_by = vec!["a".to_owned()];
    });
    turn(&mut desk, 0, &[("a", "x", "firing")]);
    turn(&mut desk, 1, &[("b", "x", "firing")]);
    let ends = [("a", "x", "resolved"), ("b", "x", "resolved")];
    assert_eq!(told(&mut desk, 60, &ends), ["phone resolved a/x resolved"]);
    assert!(told(&mut desk, 120, &[]).is_empty());
}

#[test]
fn an_alert_that_flaps_is_told_so_once_and_then_when_it_is_calm() {
    let flap = Flap { changes: 3, within: Duration::from_secs(600) };
    let mut desk = desk_with(|policy| {
        policy.settings.flap = flap;
        policy.settings.group_window = Duration::ZERO;
    });
    let mut lines = Vec::new();
    for n in 0..9 {
        let state = if n % 2 == 0 { "firing" } else { "resolved" };
        lines.extend(told(&mut desk, n * 10, &[("a", "x", state)]));
    }
    assert_eq!(
        lines,
        [
            "phone first a/x firing",
            "phone resolved a/x resolved",
            "phone first a/x firing",
            "phone flapping a/x resolved",
        ]
    );
    let (word, text) = why(&desk, 80, "a");
    assert_eq!(word, "flapping");
    assert!(text.starts_with("changed more than 3 times within 10m"), "{text}");
    assert!(desk.standing(at(80)).next().unwrap().flapping);
    assert!(told(&mut desk, 679, &[]).is_empty());
    assert_eq!(told(&mut desk, 680, &[]), ["phone first a/x firing"]);
    assert_eq!(told(&mut desk, 700, &[("a", "x", "resolved")]), ["phone resolved a/x resolved"]);
}

#[test]
fn over_the_limit_comes_one_digest_when_there_is_room() {
    let mut desk = desk_with(|policy| {
        policy.settings.max_per_hour = 2;
        policy.settings.flap.changes = 100;
    });
    assert_eq!(told(&mut desk, 0, &[("a", "x", "firing")]), ["phone first a/x firing"]);
    assert_eq!(told(&mut desk, 60, &[("b", "x", "firing")]), ["phone first b/x firing"]);
    let held = turn(&mut desk, 120, &[("c", "x", "firing"), ("a", "x", "resolved")]);
    assert!(held.notifications.is_empty());
    assert_eq!(words(&held), ["phone limited", "phone limited"]);
    let (word, text) = why(&desk, 120, "c");
    assert_eq!(word, "limited");
    assert!(text.starts_with("the channel has had all it may get in an hour (2)"), "{text}");
    // Two changes come and go; only their number is told.
    turn(&mut desk, 180, &[("c", "x", "resolved")]);
    turn(&mut desk, 240, &[("c", "x", "firing")]);
    turn(&mut desk, 300, &[("d", "x", "firing")]);
    turn(&mut desk, 360, &[("d", "x", "resolved")]);
    let wait = desk.next_due(at(360)).unwrap();
    assert_eq!(wait, Duration::from_secs(3600 - 360));
    assert!(told(&mut desk, 3599, &[]).is_empty());
    assert_eq!(
        told(&mut desk, 3600, &[]),
        ["phone digest c/x firing, a/x resolved, d/x resolved +3"]
    );
    assert!(told(&mut desk, 3700, &[]).is_empty());
}

#[test]
fn more_groups_than_there_is_room_for_come_as_a_digest_at_once() {
    let mut desk = desk_with(|policy| policy.settings.max_per_hour = 2);
    turn(&mut desk, 0, &[("a", "x", "firing")]);
    let two = [("b", "x", "firing"), ("c", "x", "firing")];
    assert_eq!(told(&mut desk, 10, &two), ["phone digest b/x firing, c/x firing"]);
}

#[test]
fn a_message_names_a_hundred_alerts_and_counts_the_rest() {
    let mut desk = desk();
    for n in 0..250 {
        desk.take(alert("a", &format!("x{n:03}"), "firing", 0));
    }
    let first = desk.settle(at(0)).notifications;
    assert_eq!((first.len(), first[0].alerts.len(), first[0].held_back), (1, 100, 150));
    for n in 0..250 {
        desk.take(alert("a", &format!("x{n:03}"), "resolved", 60));
    }
    let ends = desk.settle(at(60)).notifications;
    assert_eq!((ends.len(), ends[0].alerts.len(), ends[0].held_back), (1, 100, 150));
}

#[test]
fn an_immediate_rule_passes_by_everything() {
    let mut desk = desk_with(|policy| {
        let rule = policy.rules.get_mut("a").unwrap();
        (rule.immediate, rule.inhibited_by) = (true, vec!["b".to_owned()]);
        policy.settings.max_per_hour = 1;
        policy.settings.flap.changes = 2;
    });
    desk.silences(vec![silence("a", 600)]);
    assert_eq!(told(&mut desk, 0, &[("b", "x", "firing")]), ["phone first b/x firing"]);
    for n in 0..5 {
        let fires = told(&mut desk, n * 2 + 1, &[("a", "x", "firing")]);
        assert_eq!(fires, ["phone first a/x firing"]);
        let ends = told(&mut desk, n * 2 + 2, &[("a", "x", "resolved")]);
        assert_eq!(ends, ["phone resolved a/x resolved"]);
    }
    // Two firings within one turn are two, of which the newest is told.
    turn(&mut desk, 20, &[("a", "x", "firing")]);
    let twice = [("a", "x", "resolved"), ("a", "x", "firing")];
    assert_eq!(told(&mut desk, 21, &twice), ["phone first a/x firing"]);
}

#[test]
fn what_came_and_went_unseen_is_no_digest() {
    let mut desk = desk_with(|policy| policy.settings.max_per_hour = 1);
    turn(&mut desk, 0, &[("a", "x", "firing")]);
    // The end is held back, and then the alert is back: nothing is left to be told.
    turn(&mut desk, 60, &[("a", "x", "resolved")]);
    turn(&mut desk, 120, &[("a", "x", "firing")]);
    assert_eq!(told(&mut desk, 3700, &[("b", "x", "firing")]), ["phone first b/x firing"]);
}

#[test]
fn slow_more_alerts_than_are_remembered_are_counted() {
    let mut desk = desk();
    for n in 0..fleet_notify::MOST_ALERTS + 5 {
        desk.take(alert("a", &format!("x{n}"), "firing", 0));
    }
    let all = desk.settle(at(0)).notifications;
    assert_eq!((all.len(), all[0].alerts.len()), (1, fleet_notify::MOST_NAMED));
    let counted = fleet_notify::MOST_ALERTS + 5 - fleet_notify::MOST_NAMED;
    assert_eq!(usize::try_from(all[0].held_back).unwrap(), counted);
    // What is over makes room.
    desk.take(alert("a", "x0", "resolved", 60));
    desk.settle(at(60));
    assert_eq!(told(&mut desk, 100, &[("b", "x", "firing")]), ["phone first b/x firing"]);
}
