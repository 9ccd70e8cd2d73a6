//! Evidence that the kernel killed for memory.

use std::fs;

use fleet_core::{Controller, Outcome, size_text};
use fleet_os::Cgroup;

use crate::board::{Why, Word};
use crate::post::Post;

/// What the kernel killed for memory during an attempt.
pub(crate) enum Killed {
    /// Nothing, as far as is known.
    Nothing,
    /// The main process, or one of its tree, after which the main process failed.
    Ours {
        /// Whose memory it was: `cgroup` or `host`.
        scope: &'static str,
        main: bool,
    },
    /// Something of the cgroup that it shares with others; that it was one of ours is not proven.
    Perhaps,
}

impl Post {
    /// Notes how often the kernel has killed for memory until now.
    pub(crate) fn note_kills(&self) {
        self.board.set(Word::OomKills, kills());
        self.board.set(Word::OomKillsHere, self.kills_here().map_or(0, |kills| kills + 1));
    }

    /// How often the kernel killed in the cgroup of the run, or else in the one around it.
    fn kills_here(&self) -> Option<u64> {
        match self.memory_cgroup() {
            Some(own) => own.memory_kills().map(|memory| memory.kills),
            None => kills_around(),
        }
    }

    /// The run's own cgroup, where that counts memory.
    pub(crate) fn memory_cgroup(&self) -> Option<Cgroup> {
        self.cgroup().filter(|_| self.spec.limits.is_held(Controller::Memory))
    }

    /// What was killed in the attempt that ended like this.
    pub(crate) fn killed(&self, outcome: Outcome, why: Why) -> Killed {
        let killed = matches!(outcome, Outcome::Signal { signal: 9, .. });
        let known = self.board.get(Word::OomKillsHere);
        if let Some(memory) = self.memory_cgroup().and_then(|own| own.memory_kills()) {
            // Nothing but this attempt is in there: the count is proof.
            let failed = matches!(why, Why::Not | Why::Leftovers) && outcome != Outcome::Code(0);
            if !failed || memory.kills < known {
                return Killed::Nothing;
            }
            let scope = if memory.at_limit { "cgroup" } else { "host" };
            return Killed::Ours { scope, main: killed };
        }
        let short = why == Why::Not && kills() > self.board.get(Word::OomKills);
        let here = (short && known > 0).then(kills_around).flatten();
        // The kernel counts for all of the machine; where the cgroup counts too, a kill elsewhere
        // is told from one that may have been ours.
        let ours = here.is_none_or(|kills| kills >= known);
        let scope = if here.is_some() { "cgroup" } else { "host" };
        match (short && ours, killed) {
            (true, true) => Killed::Ours { scope, main: true },
            // Python's workers, say: the main process saw one of them die, and gave up.
            (true, false) if here.is_some() && outcome != Outcome::Code(0) => Killed::Perhaps,
            _ => Killed::Nothing,
        }
    }

    /// The limit that was reached, or who else lacked memory; and how much was used.
    pub(crate) fn memory_words(&self, scope: &str, largest: Option<u64>) -> String {
        let own = self.memory_cgroup();
        let whose = match (scope, &own, self.spec.limits.memory_bytes) {
            ("cgroup", Some(_), Some(limit)) => format!("its limit of {}", size_text(limit)),
            ("cgroup", ..) => "its cgroup's limit".to_owned(),
            (_, Some(_), _) => "the whole host, or a cgroup around its own".to_owned(),
            _ => "the whole host".to_owned(),
        };
        let size = match (own.and_then(|own| own.memory_peak()), largest) {
            (Some(peak), _) => format!("; its peak was {}", size_text(peak)),
            (None, Some(largest)) => format!("; it used up to {}", size_text(largest)),
            (None, None) => String::new(),
        };
        format!("({whose}){size}")
    }
}

/// How often this kernel has killed for memory, for whichever cgroup or for the host
/// (`oom_kill` in /proc/vmstat).
fn kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    field(&text, "oom_kill").unwrap_or(0)
}

/// How often it killed for memory in the cgroup of this process, whoever's limit was reached
/// (`oom_kill` in cgroup v2 `memory.events`, v1 `memory.oom_control`); nothing where no cgroup
/// counts.
fn kills_around() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups
        .lines()
        .filter_map(events_file)
        .find_map(|path| field(&fs::read_to_string(path).ok()?, "oom_kill"))
}

/// The file with the count, for one line of proc_pid_cgroup(5): `4:memory:/a` or `0::/a`.
fn events_file(line: &str) -> Option<String> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    match controllers {
        "" => Some(format!("/sys/fs/cgroup{path}/memory.events")),
        "memory" => Some(format!("/sys/fs/cgroup/memory{path}/memory.oom_control")),
        _ => None,
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hierarchies_are_known() {
        assert_eq!(
            events_file("0::/user.slice/a").as_deref(),
            Some("/sys/fs/cgroup/user.slice/a/memory.events")
        );
        assert_eq!(
            events_file("5:memory:/a").as_deref(),
            Some("/sys/fs/cgroup/memory/a/memory.oom_control")
        );
        assert_eq!(events_file("4:cpu:/a"), None);
        assert_eq!(field("oom_kill_disable 0\noom_kill 3\n", "oom_kill"), Some(3));
    }
}
