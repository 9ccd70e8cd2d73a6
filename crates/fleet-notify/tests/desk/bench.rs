//! A desk with a clock, and alerts for it.

use std::collections::BTreeMap;

use fleet_notify::{
    ChannelPlan, Decision, Desk, Notification, Policy, RawRoute, Routes, RulePolicy, Settings,
    Settled, Silence,
};
use fleet_rules::AlertRecord;

pub(crate) use crate::sample::{alert, at};

/// A channel that is told of everything.
pub(crate) fn channel(name: &str) -> ChannelPlan {
    ChannelPlan { name: name.to_owned(), resolved: true, ..ChannelPlan::default() }
}

/// A policy of these channels with the rules `a` to `d`.
pub(crate) fn policy(channels: &[ChannelPlan]) -> Policy {
    let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
    let rule = RulePolicy { by: vec!["id".to_owned()], ..RulePolicy::default() };
    let rules = ["a", "b", "c", "d"].map(|name| (name.to_owned(), rule.clone()));
    Policy {
        host: "box".to_owned(),
        settings: Settings::default(),
        routes: Routes::load(RawRoute::default(), &names).unwrap(),
        channels: channels.to_vec(),
        rules: BTreeMap::from(rules),
    }
}

/// A desk with one channel, `phone`, that is told of everything.
pub(crate) fn desk() -> Desk {
    Desk::new(policy(&[channel("phone")]))
}

/// Takes these alerts in one turn at this moment.
pub(crate) fn turn(desk: &mut Desk, seconds: i64, alerts: &[(&str, &str, &str)]) -> Settled {
    for (rule, id, state) in alerts {
        desk.take(alert(rule, id, state, seconds));
    }
    desk.settle(at(seconds))
}

/// What is told in this turn: `phone first a/x firing, a/y firing`.
pub(crate) fn told(desk: &mut Desk, seconds: i64, alerts: &[(&str, &str, &str)]) -> Vec<String> {
    turn(desk, seconds, alerts).notifications.iter().map(line).collect()
}

/// One notification as a line.
pub(crate) fn line(notification: &Notification) -> String {
    let alert = |alert: &AlertRecord| {
        let id = alert.id.as_deref().unwrap_or("-");
        format!("{}/{id} {}", alert.alert, alert.state.word())
    };
    let alerts: Vec<String> = notification.alerts.iter().map(alert).collect();
    let held = match notification.held_back {
        0 => String::new(),
        number => format!(" +{number}"),
    };
    let (channel, reason) = (&notification.channel, notification.reason.word());
    format!("{channel} {reason} {}{held}", alerts.join(", "))
}

/// What is said of an alert and the channel `phone`.
pub(crate) fn why(desk: &Desk, seconds: i64, rule: &str) -> (&'static str, String) {
    let said = desk.explain(at(seconds), |alert| alert.alert == rule);
    let phone = said.into_iter().find(|decision| decision.channel == "phone").unwrap();
    (phone.word, phone.text)
}

/// Each word of the decisions of a turn with its channel.
pub(crate) fn words(settled: &Settled) -> Vec<String> {
    let said = |decision: &Decision| format!("{} {}", decision.channel, decision.word);
    settled.decisions.iter().map(said).collect()
}

/// A silence of a rule until so many seconds.
pub(crate) fn silence(rule: &str, until: i64) -> Silence {
    let silence = Silence::new(at(until), "planned reboot", "anna");
    Silence { id: "3f2a".to_owned(), rule: Some(rule.to_owned()), ..silence }
}
