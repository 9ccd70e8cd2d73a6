//! AMD's GPUs, through /sys: their driver tells there what others have a library for.

mod card;
mod clients;
mod kfd;

use std::path::PathBuf;
use std::time::Instant;

use fleet_gpu::{amd_cards, sys};
use fleet_os::{Proc, descendants};

use crate::crew::{Crew, Look};
use crate::nvidia::Sight;
use card::{Card, Kept};

/// The cards of AMD.
pub(crate) struct Amd {
    sys: PathBuf,
    crew: Crew<Card, Kept, Sight>,
}

impl Amd {
    pub(crate) fn new() -> Amd {
        Amd { sys: sys(), crew: Crew::new() }
    }

    /// Looks at all cards, and for use of them at these processes, their descendants and those that
    /// ROCm knows.
    pub(crate) fn look(&mut self, roots: &[i32], deadline: Instant) -> Vec<(Card, Look<Sight>)> {
        let cards = amd_cards(&self.sys).into_iter().enumerate();
        let cards: Vec<Card> =
            cards.map(|(index, path)| Card { index: index as u32, path }).collect();
        if cards.is_empty() {
            return Vec::new();
        }
        let (sys, roots) = (self.sys.clone(), roots.to_vec());
        self.crew.look(&cards, deadline, move |card, kept| {
            let proc = Proc::default();
            let below = roots.iter().flat_map(|root| descendants(&proc, *root));
            let pids: Vec<i32> = roots.iter().copied().chain(below).collect();
            card.look(&sys, &proc, &pids, kept)
        })
    }
}
