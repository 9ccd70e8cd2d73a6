//! The bars that a line drew.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::bar::{Bar, parse, parse_drawn};
use crate::fold::draws;
use crate::frame::drawings;

/// So many drawings of one line are looked at, from the last on: a line may hold an hour of them.
const MAX_DRAWINGS: usize = 32;

/// What bars have that are drawn once, in a line of their own, and few other lines have: those of
/// tqdm (with a total that is known, is not, and without one), wget, pip, Keras and cargo.
const SIGNS: [&str; 9] =
    ["%|", "/? [", "/s]", "%[", ".......... ", "━━", "/step", " - ETA: ", "=> "];

static SIGN: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(SIGNS).ok());

fn may_be_bar(text: &[u8]) -> bool {
    SIGN.as_ref().is_some_and(|sign| sign.is_match(text))
}

/// The bars that a line, or a part of one, shows: each once, in its last state.
pub fn bars(text: &[u8]) -> Vec<Bar> {
    // The return of Windows at the end of a line draws nothing.
    let text = text.strip_suffix(b"\r").unwrap_or(text);
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
