//! Where those who are queued stand in their lines.

use std::cmp::Reverse;
use std::collections::HashMap;

use fleet_census::Seen;
use fleet_core::{Id, Observed, RunKey, State};

/// A place in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    group: Id,
    /// Absent where the line waits for GPUs alone.
    slots: Option<u32>,
    /// Counted from 1.
    pub(crate) place: usize,
    /// How many stand in the line.
    of: usize,
    /// How many of the group have had their turn and live.
    taken: usize,
}

impl Place {
    /// In words: `place 2 of 5 for a slot of 'gpu' (2 slots, 2 taken)`.
    fn words(&self) -> String {
        let Place { group, slots, place, of, taken } = self;
        let Some(slots) = slots else { return format!("place {place} of {of} in line '{group}'") };
        let s = if *slots == 1 { "" } else { "s" };
        format!("place {place} of {of} for a slot of '{group}' ({slots} slot{s}, {taken} taken)")
    }
}

/// The places of all who stand in a line.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<RunKey, Place>);

impl Places {
    /// Counts them, in the order of turns: a higher priority first, then who was spawned first.
    pub(crate) fn of(all: &[Seen]) -> Places {
        let mut groups: HashMap<&Id, (Vec<&Seen>, usize)> = HashMap::new();
        for seen in all.iter().filter(|seen| seen.observed.is_living()) {
            let Some(queue) = &seen.record.queue else { continue };
            let (line, taken) = groups.entry(&queue.group).or_default();
            match seen.record.state {
                State::Queued if seen.record.in_line => line.push(seen),
                State::Queued => {}
                _ => *taken += 1,
            }
        }
        let mut places = HashMap::new();
        for (group, (mut line, taken)) in groups {
            line.sort_by_key(|seen| {
                let record = &seen.record;
                let priority = record.queue.as_ref().map_or(0, |queue| queue.priority);
                (Reverse(priority), record.spawned_at, &record.id, record.run)
            });
            for (at, seen) in line.iter().enumerate() {
                let slots = seen.record.queue.as_ref().map_or(Some(1), |queue| queue.slots);
                let (place, of) = (at + 1, line.len());
                let place = Place { group: group.clone(), slots, place, of, taken };
                places.insert(seen.record.key(), place);
            }
        }
        Places(places)
    }

    /// The place of a run, if it stands in a line.
    pub(crate) fn get(&self, seen: &Seen) -> Option<&Place> {
        // Most fleets have no lines.
        if self.0.is_empty() { None } else { self.0.get(&seen.record.key()) }
    }

    /// What a queued run waits for, in words.
    pub(crate) fn what(&self, seen: &Seen) -> String {
        let waits = || seen.record.waiting.as_deref().unwrap_or("waits for its turn");
        let what = match self.get(seen) {
            None => waits().to_owned(),
            Some(place) if place.slots.is_some() => place.words(),
            Some(place) => format!("{}: {}", place.words(), waits()),
        };
        match seen.observed {
            Observed::Orphaned(_) => format!("{what}; it has lost its supervisors"),
            _ => what,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{ProcessRecord, Queue, Timestamp};

    fn seen(id: &str, state: State, priority: i32, spawned: i64) -> Seen {
        let mut record: ProcessRecord = serde_json::from_value(serde_json::json!({
            "kind": "process", "ts": Timestamp::now(), "id": id, "run": 1, "attempt": 1,
            "state": state, "boot": "b", "host": "h", "command": ["true"], "cwd": "/",
            "restarts": 0, "spawned_at": Timestamp::from_nanos(spawned),
            "in_line": state == State::Queued,
        }))
        .unwrap();
        record.queue = Some(Queue { group: "gpu".parse().unwrap(), slots: Some(2), priority });
        let json = serde_json::to_vec(&record).unwrap().into();
        Seen { observed: Observed::AsRecorded(state), record: Box::new(record), json }
    }

    #[test]
    fn places_go_by_priority_and_age() {
        let mut waits = seen("waits", State::Queued, 9, 0);
        waits.record.in_line = false;
        waits.record.waiting = Some("waits for 'db' to start".to_owned());
        let mut other = seen("other", State::Queued, 0, 0);
        other.record.queue.as_mut().unwrap().group = "cpu".parse().unwrap();
        let all = [
            seen("late", State::Queued, 0, 9),
            seen("early", State::Queued, 0, 8),
            seen("urgent", State::Queued, 1, 10),
            seen("runs", State::Running, 0, 1),
            seen("pauses", State::Backoff, 0, 2),
            seen("over", State::Completed, 0, 3),
            waits,
            other,
        ];
        let places = Places::of(&all);
        let place = |at: usize| places.get(&all[at]).map(|place| place.place);
        assert_eq!([0, 1, 2, 3, 6, 7].map(place), [Some(3), Some(2), Some(1), None, None, Some(1)]);
        let words = places.what(&all[1]);
        assert_eq!(words, "place 2 of 3 for a slot of 'gpu' (2 slots, 2 taken)");
        assert_eq!(places.what(&all[6]), "waits for 'db' to start");
    }
}
