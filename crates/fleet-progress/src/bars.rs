//! The bars of one stream of a program.

use std::collections::VecDeque;

use crate::bar::{Bar, parse, parse_drawn};
use crate::fold::draws;
use crate::frame::drawings;

/// So many bars of one stream are told apart; the one that has not moved for longest goes first.
const MAX_BARS: usize = 64;

/// So many drawings of one line are looked at, from the last on: a line may hold an hour of them.
const MAX_DRAWINGS: usize = 32;

/// The latest state of each bar of one stream.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    bars: VecDeque<(String, Bar)>,
}

impl Bars {
    /// Takes a line, or a part of one; answers with the bars that it moved, in their new state.
    pub fn take(&mut self, text: &[u8]) -> Vec<Bar> {
        let read: fn(&str) -> Option<Bar> = if draws(text) { parse_drawn } else { parse };
        let mut moved: Vec<(String, Bar)> = Vec::new();
        for bar in drawings(text).take(MAX_DRAWINGS).filter_map(|drawing| read(&drawing)) {
            let key = bar.key();
            if !moved.iter().any(|(known, _)| *known == key) {
                moved.push((key, bar));
            }
        }
        moved.reverse();
        moved.into_iter().filter_map(|(key, bar)| self.moved(key, bar)).collect()
    }

    /// The bars in the order of their first drawing.
    pub fn iter(&self) -> impl Iterator<Item = &Bar> {
        self.bars.iter().map(|(_, bar)| bar)
    }

    fn moved(&mut self, key: String, bar: Bar) -> Option<Bar> {
        if let Some((_, known)) = self.bars.iter_mut().find(|(known, _)| *known == key) {
            if *known == bar {
                return None;
            }
            known.clone_from(&bar);
            return Some(bar);
        }
        if self.bars.len() >= MAX_BARS {
            self.bars.pop_front();
        }
        self.bars.push_back((key, bar.clone()));
        Some(bar)
    }
}
