//! A sign of life: pings to a dead-man switch, which calls for people when they stop.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use fleet_channels::Channel;
use fleet_cli::talk;
use fleet_notify::Verdict;

use crate::sentence::sentence;

/// Beats that wait to be sent; there is no use in more.
const WAITING: usize = 2;

/// What pings the channel, on a thread of its own.
pub(crate) struct Heartbeat {
    /// All is well, or what is not.
    beats: SyncSender<Result<(), String>>,
    ended: Receiver<()>,
}

impl Heartbeat {
    /// The heartbeat by way of this channel.
    pub(crate) fn of(channel: Channel) -> Heartbeat {
        let (beats, wanted) = sync_channel(WAITING);
        let (tell, ended) = sync_channel(1);
        thread::spawn(move || {
            send_all(&channel, &wanted);
            // Nobody waits for a stream's.
            let _ = tell.try_send(());
        });
        Heartbeat { beats, ended }
    }

    /// Says that the tool lives, and what of its memory does not work, if anything.
    pub(crate) fn beat(&self, trouble: Option<&str>) {
        // A server that takes no pings has missed enough of them to raise its alarm.
        let _ = self.beats.try_send(trouble.map_or(Ok(()), |why| Err(why.to_owned())));
    }

    /// Lets what waits be sent, within a limit.
    pub(crate) fn finish(self, limit: Duration) {
        drop(self.beats);
        // Whatever takes longer ends with the process.
        let _ = self.ended.recv_timeout(limit);
    }
}

fn send_all(channel: &Channel, wanted: &Receiver<Result<(), String>>) {
    let (name, mut failed) = (&channel.plan.name, None);
    let mut heart = None;
    for state in wanted {
        if heart.is_none() {
            heart = match channel.heart() {
                Ok(Some(heart)) => Some(heart),
                Ok(None) => return talk(format_args!("channel '{name}' has no heartbeat")),
                Err(error) => {
                    say_once(
                        &mut failed,
                        name,
                        Some(format!("cannot be used: {}", sentence(&error))),
                    );
                    continue;
                }
            };
        }
        let state = match &state {
            Ok(()) => Ok(()),
            Err(why) => Err(why.as_str()),
        };
        let verdict = heart.as_mut().map(|heart| heart.beat(state));
        let why = match verdict {
            Some(Verdict::Again { why, .. } | Verdict::Refused { why } | Verdict::Dead { why }) => {
                Some(why)
            }
            Some(Verdict::Delivered) | None => None,
        };
        say_once(&mut failed, name, why);
    }
}

/// Says a failure when it begins or changes.
fn say_once(before: &mut Option<String>, name: &str, now: Option<String>) {
    if let Some(why) = now.as_ref().filter(|why| before.as_ref() != Some(why)) {
        talk(format_args!("no heartbeat: channel '{name}' {why}"));
    }
    *before = now;
}
