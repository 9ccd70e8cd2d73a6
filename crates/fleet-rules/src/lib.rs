//! Alert rules: load and check them, hold records against them, remember what fires.
//!
//! # Theory of operation
//!
//! A rules file is read once into a [`RuleSet`], or refused whole with the line and column of what
//! is wrong ([`RulesError`]). An [`Engine`] then takes records one line at a time
//! ([`Engine::feed`]) and the clock ([`Engine::tick`]), and says what came of each as
//! [`Outcome`]s. It asks no clock itself: every call is told what time it is, so recorded lines
//! can be tried with a virtual clock.
//!
//! **Reading.** All field names that any rule reads are known when the rules are; they get slots
//! (`fields`). Of a line only those fields are taken, borrowed from its bytes; the rest is
//! passed over without being built, though a line that is no JSON is refused wherever it is not.
//!
//! **Conditions** are CEL. The parsed expression is first *settled* ([`expression`]): constants
//! are folded, sizes (`bytes('1G')`) and durations (`seconds('5m')`) become numbers, `has(x)` of a
//! plain name is made to work, and comparisons and arithmetic are replaced by ours, which mix
//! whole and broken numbers and know `"NaN"`. Then the common shapes are compiled to a small tree
//! over slots (`compiled`); whatever has another shape stays a leaf for CEL's own interpreter.
//! A property test holds both ways equal.
//!
//! A condition answers yes, no or *unknown*: a field that the record lacks makes its comparison
//! unknown, `&&` and `||` absorb that where the other side decides, and what is still unknown in
//! the end counts as not met.
//!
//! **Which records count.** A rule looks at records of its kind. A top-level
//! `subject == '...'` is taken as a selector: a record about another subject is not about this
//! rule's instance at all, so a `custom` sample of a process does not end an alert on its memory.
//!
//! **The machine** ([`machine`]) is one pure function from phase, what was seen and when, to the
//! next phase and what happened. Time is the record's own `ts`; a line that comes up to ten
//! minutes late counts as the latest moment known, and a clock that was set back further keeps
//! what was held so far. Between records the clock moves instances on (`clock`): `keep_firing_for`,
//! `repeat`, what is absent or says nothing, the window of a rule that counts, and — for kinds that
//! report changes, not samples, since a sample says nothing of what comes after it — `for`. What
//! the clock has to do stands in order (`dues`), so that neither a record nor a tick costs more
//! for there being many instances.
//!
//! **Levels** (`levels`): each level is held by a machine of its own; the mildest is the alert, and
//! the worst that fires gives it its severity.
//!
//! **Counting** (`count`): a rule with `count` remembers when its newest records matched, no more
//! of them than it counts, and fires while all of those lie within its time.
//!
//! **Windows** (`window`): what many records show together is remembered (`memory`) as one
//! value and its beginning (`plateau`, `stale`), or summed up in at most sixty buckets
//! (`rate`, `change`, `trend`). A record without the field is not about the rule. As long as
//! nothing can be told, an alert neither begins nor ends. A NaN is never better, belongs to no
//! average and ends nothing; a new `run` begins anew.
//!
//! **Down time** (`awake`): a pause between two runs of the tool that is usual, as with cron,
//! counts as if the tool had lived through it; a longer one counts for nothing. A tool that begins
//! misses nothing before it has read something, has come to the end of its input
//! ([`Engine::end`]), or has waited for as long itself. So one-shot runs and a stream tell the same
//! of the same data: a property test cuts streams anywhere, for every kind of condition.
//!
//! **Bounds**: a rule watches no more than `limit` instances; when it turns others away it says so
//! by one alert of state `error`.
//!
//! **Memory** is a file of JSON lines (`store`), the last line of an instance wins. What is to
//! be told is written down as untold first and struck out when others have taken it over, so a
//! crash loses none. Each line holds a hash of what the rule says: one that reads otherwise now
//! starts afresh, and what fired under the old form, or under a rule that is gone from the file, is
//! resolved with that as the reason. An instance of which no record came for a day
//! ([`FORGET_AFTER`]) is resolved, with that as the reason, and forgotten.

pub mod alert;
mod awake;
mod buckets;
mod change;
pub mod claims;
mod clock;
mod compare;
mod compile;
mod compiled;
mod count;
mod dues;
mod engine;
mod error;
mod exact;
pub mod expression;
mod fields;
mod instance;
mod interpreter;
mod journal;
mod keys;
mod levels;
mod load;
mod load_condition;
pub mod machine;
mod memory;
mod plateau;
mod rate;
mod raw;
mod restore;
mod rule;
mod scan;
mod severity;
mod span;
mod stale;
mod step;
mod store;
mod syntax;
pub mod template;
mod trend;
mod visit;
mod watch;
mod what;
mod window;
mod words;

pub use alert::{AlertRecord, AlertState};
pub use count::Count;
pub use engine::{Engine, FORGET_AFTER, Fed, Handle, Outcome};
pub use error::RulesError;
pub use instance::Instance;
pub use journal::{Journal, StoreError, lines_of};
pub use machine::What;
pub use raw::RawRule;
pub use rule::{Condition, Hold, Level, Rule, RuleSet, Timing};
pub use severity::rank;
pub use store::{Locked, Store};
pub use window::Window;
