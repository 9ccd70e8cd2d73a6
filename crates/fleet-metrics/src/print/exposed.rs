//! The forms that Prometheus reads.

use fleet_core::Sample;
use fleet_exposition::{Exporter, Form};

use crate::told::Told;

/// Writes rounds as expositions.
pub(crate) struct Exposing {
    form: Form,
    exporter: Exporter,
    told: Told,
}

impl Exposing {
    pub(super) fn new(form: Form) -> Exposing {
        Exposing { form, exporter: Exporter::default(), told: Told::default() }
    }

    /// One scrape, and words about what of the round could not be exported.
    pub(super) fn round(&mut self, samples: &[Sample]) -> Vec<u8> {
        let (exposition, problems) = self.exporter.round(samples);
        problems.into_iter().for_each(|problem| self.told.say(problem));
        exposition.text(self.form).into_bytes()
    }
}
