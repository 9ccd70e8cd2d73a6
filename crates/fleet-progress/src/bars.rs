//! The bars that a line drew.

use crate::bar::{Bar, parse, parse_drawn};
use crate::fold::{draws, may_be_bar};
use crate::frame::drawings;

/// So many drawings of one line are looked at, from the last on: a line may hold an hour of them.
const MAX_DRAWINGS: usize = 32;

/// The bars that a line, or a part of one, shows: each once, in its last state.
pub fn bars(text: &[u8]) -> Vec<Bar> {
    let drawn = draws(text);
    if !drawn && !may_be_bar(text) {
        return Vec::new();
    }
    let read: fn(&str) -> Option<Bar> = if drawn { parse_drawn } else { parse };
    let mut bars: Vec<Bar> = Vec::new();
    for bar in drawings(text).take(MAX_DRAWINGS).filter_map(|drawing| read(&drawing)) {
        if !bars.iter().any(|known| known.is_same(&bar)) {
            bars.push(bar);
        }
    }
    bars.reverse();
    bars
}
