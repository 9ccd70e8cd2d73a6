//! `--send-test`: whether a channel works, tried at once.

use fleet_channels::Channel;
use fleet_cli::{Exit, Failure, talk};
use fleet_config::nearest;
use fleet_core::Timestamp;
use fleet_notify::{Notification, Reason, Verdict};

use crate::config::Config;
use crate::sentence::sentence;

/// What is meant by every channel.
const ALL: &str = "all";

/// Sends a test to one channel or to all of them, one after the other, and says what became of
/// each.
pub(crate) fn send(config: &Config, wanted: &str) -> anyhow::Result<Exit> {
    let chosen: Vec<&Channel> = config
        .channels
        .iter()
        .filter(|channel| wanted == ALL || channel.plan.name == wanted)
        .collect();
    if chosen.is_empty() {
        return Err(unknown(config, wanted).into());
    }
    let arrived = chosen.iter().filter(|channel| try_one(channel)).count();
    Ok(if arrived == chosen.len() { Exit::Yes } else { Exit::No })
}

fn unknown(config: &Config, wanted: &str) -> Failure {
    let names: Vec<&str> = config.channels.iter().map(|c| c.plan.name.as_str()).collect();
    let failure = Failure::new(Exit::CouldNot, format!("there is no channel '{wanted}'"));
    match nearest(wanted, names.iter().copied()) {
        Some(meant) => failure.hint(format!("did you mean '{meant}'?")),
        None if names.is_empty() => failure.hint("the rules file has no [channel.NAME]"),
        None => failure.hint(format!("there are: {}", names.join(", "))),
    }
}

/// Tries one channel; says whether the test arrived.
fn try_one(channel: &Channel) -> bool {
    let name = &channel.plan.name;
    let verdict = match channel.carrier() {
        Ok(mut carrier) => carrier.deliver(&test(name)),
        Err(error) => {
            talk(format_args!("channel '{name}' cannot be used: {}", sentence(&error)));
            return false;
        }
    };
    match &verdict {
        Verdict::Delivered => talk(format_args!("channel '{name}' took the test")),
        Verdict::Again { why, .. } => talk(format_args!(
            "channel '{name}' {why}; an alert would wait in the spool and be tried again"
        )),
        Verdict::Refused { why } => {
            talk(format_args!("channel '{name}' refused the test: it {why}"));
        }
        Verdict::Dead { why } => talk(format_args!("channel '{name}' is dead: it {why}")),
    };
    verdict == Verdict::Delivered
}

fn test(channel: &str) -> Notification {
    let (now, host) = (Timestamp::now(), fleet_os::host_name());
    let text = format!("a test of channel '{channel}' by fleet-alert on {host}: nothing is wrong");
    Notification {
        kind: "notification".to_owned(),
        v: None,
        id: format!("{:016x}", now.nanos()),
        channel: channel.to_owned(),
        group: Default::default(),
        reason: Reason::Test,
        created: now,
        host,
        alerts: Vec::new(),
        held_back: 0,
        text,
    }
}
