//! What an instance remembers of the records that a windowed condition is about.

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Past;
use crate::compare::{Number, Verdict};
use crate::fields::Field;
use crate::plateau::Best;
use crate::rate::Rises;
use crate::stale::Same;
use crate::trend::Values;
use crate::window::Window;

/// What is remembered, as the state file holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// Nothing.
    #[default]
    None,
    /// Of `rate`.
    Rate(Rises),
    /// Of `change`.
    Change(Past),
    /// Of `plateau`.
    Plateau(Best),
    /// Of `stale`.
    Stale(Same),
    /// Of `trend`.
    Trend(Values),
}

/// What a record says to a windowed condition.
#[derive(Debug)]
pub(crate) struct Sight<'r> {
    /// The field that the condition is about.
    pub(crate) value: &'r Field<'r>,
    /// What counts its steps, if it has it.
    pub(crate) step: Option<f64>,
    /// When it was.
    pub(crate) ts: Timestamp,
    /// The newest moment known, which is later than that of a record that comes late.
    pub(crate) moment: Timestamp,
}

/// The number that a field holds; `"NaN"` and the infinities are numbers.
pub(crate) fn number(field: &Field<'_>) -> Option<f64> {
    match field {
        Field::Int(value) => Some(Number::Int(*value).double()),
        Field::UInt(value) => Some(Number::UInt(*value).double()),
        Field::Double(value) => Some(*value),
        Field::Text(text) => Number::special(text).map(Number::double),
        Field::Missing | Field::Null | Field::Bool(_) | Field::Nested(_) => None,
    }
}

impl Memory {
    /// Whether there is nothing.
    pub fn is_none(&self) -> bool {
        *self == Memory::None
    }

    /// Takes a record in and says whether the condition holds; nothing if the record says nothing
    /// to it.
    pub(crate) fn note(&mut self, window: &Window, sight: &Sight<'_>) -> Option<Verdict> {
        let value = number(sight.value);
        let (at, late) = (sight.ts.min(sight.moment), sight.ts < sight.moment);
        match window {
            Window::Rate(rate) => {
                let mut rises = if let Memory::Rate(it) = self.take() { Some(it) } else { None };
                let said = value.and_then(|value| Rises::note(&mut rises, rate, value, at));
                self.put(rises.map(Memory::Rate));
                said
            }
            Window::Change(change) => {
                let mut past =
                    if let Memory::Change(it) = self.take() { it } else { Past::default() };
                let said = value.and_then(|value| past.note(change, value, at, late));
                self.put(Some(Memory::Change(past)));
                said
            }
            Window::Plateau(plateau) => {
                let mut best = if let Memory::Plateau(it) = self.take() { Some(it) } else { None };
                let said = value.map(|value| Best::note(&mut best, plateau, value, sight.step, at));
                self.put(best.map(Memory::Plateau));
                said
            }
            Window::Stale(_) if late => None,
            Window::Stale(stale) => {
                let mut same = if let Memory::Stale(it) = self.take() { Some(it) } else { None };
                let said = Same::note(&mut same, stale, &sight.value.key(), sight.step, at);
                self.put(same.map(Memory::Stale));
                Some(said)
            }
            Window::Trend(trend) => {
                let mut values =
                    if let Memory::Trend(it) = self.take() { it } else { Values::default() };
                let said = value.and_then(|value| values.note(trend, value, at, late));
                self.put(Some(Memory::Trend(values)));
                said
            }
        }
    }

    fn take(&mut self) -> Memory {
        std::mem::take(self)
    }

    fn put(&mut self, memory: Option<Memory>) {
        *self = memory.unwrap_or_default();
    }

    /// What it shows, for people.
    pub(crate) fn text(&self, window: &Window, at: Timestamp) -> Option<String> {
        Some(match (self, window) {
            (Memory::Rate(it), Window::Rate(rate)) => it.text(rate),
            (Memory::Change(it), Window::Change(change)) => it.text(change),
            (Memory::Plateau(it), Window::Plateau(plateau)) => it.text(plateau, at),
            (Memory::Stale(it), Window::Stale(stale)) => it.text(stale, at),
            (Memory::Trend(it), Window::Trend(trend)) => it.text(trend),
            _ => return None,
        })
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64, window: &Window) {
        match (self, window) {
            (Memory::Rate(it), Window::Rate(rate)) => it.shift(by, rate),
            (Memory::Change(it), Window::Change(change)) => it.shift(by, change),
            (Memory::Plateau(it), _) => it.mark.shift(by),
            (Memory::Stale(it), _) => it.mark.shift(by),
            (Memory::Trend(it), Window::Trend(trend)) => it.shift(by, trend),
            _ => {}
        }
    }

    /// The same after a time that does not count. What is summed up over a time keeps its own
    /// times, which are true.
    pub(crate) fn pause(&mut self, by: i64) {
        match self {
            Memory::Plateau(it) => it.mark.shift(by),
            Memory::Stale(it) => it.mark.shift(by),
            Memory::None | Memory::Rate(_) | Memory::Change(_) | Memory::Trend(_) => {}
        }
    }
}
