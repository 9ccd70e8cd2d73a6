//! The Prometheus text format 0.0.4 and OpenMetrics 1.0: written, read and served.
//!
//! # Theory of operation
//!
//! An [`Exporter`] turns the samples of one round into an [`Exposition`]: families of series, kept
//! as the lines that both formats share. [`Exposition::text`] adds what differs (heads, units, the
//! end), so that the second format of a round costs next to nothing.
//!
//! **Names.** What a measure is called, what kind it is and what it means is declared once, in
//! [`fleet_core::Measures`]. Its family is `fleet_<subject>_<exported>`, that of the fleet as a
//! whole `fleet_<exported>`. What a program measures by itself has names that nobody can vouch for,
//! so that they are values of the label `metric` of the one family `fleet_custom`.
//!
//! **Labels.** A series is a job, not a pid: it has the labels `id`, `port` where one is reserved,
//! and the user's own. What changes from start to start is in `fleet_process_info`. A user's label
//! that is called as one of ours becomes `label_<name>`. States are a 0/1 gauge with the label
//! `state` in both formats: a state set of OpenMetrics would need the label
//! `fleet_process_state`, and then the same rule could not hold for a scrape and for a file. Command
//! lines are not exported, for they hold secrets.
//!
//! **Uniqueness.** A scraper keeps the first of two series with equal labels without a word. Here
//! the first is kept too, and the second is told.
//!
//! **Reading.** What programs export is read generously, see [`mod@read`].
//!
//! **Serving.** A [`Server`] has a thread of its own and answers from the round that was published
//! last; it never waits for a sample, except for the first. Who is slow or malicious is bounded in
//! time and number.

mod family;
mod form;
mod held;
mod labels;
mod process;
pub mod read;
mod samples;
mod serve;

pub use form::Form;
pub use samples::{Exporter, Exposition};
pub use serve::{ServeError, Server};
