//! What must be true, as a rule says it: which of the kinds of condition, and what goes with it.

use std::time::Duration;

use fleet_config::{Fault, did_you_mean};
use toml::Spanned;

use crate::change::Change;
use crate::expression::Settled;
use crate::load::{Loader, duration, word};
use crate::plateau::{Direction, Plateau};
use crate::rate::Rate;
use crate::raw::{RawChange, RawLevel, RawPlateau, RawRate, RawRule, RawStale, RawTrend};
use crate::rule::{Condition, Level};
use crate::severity::{is_known, rank};
use crate::span::Span;
use crate::stale::Stale;
use crate::trend::{Course, Trend};
use crate::window::{Bound, Window, percent};

/// The most levels of a rule.
const MOST_LEVELS: usize = 8;
/// How well values must lie on a line to be said to rise steadily, if nothing is said.
const STEADY: f64 = 0.9;

impl Loader<'_> {
    /// The condition of a rule; the severity is that of the whole rule.
    pub(crate) fn condition_of(&self, raw: &RawRule, severity: &str) -> Result<Condition, Fault> {
        self.fits_together(raw)?;
        if let Some(levels) = &raw.levels {
            return self.levels(levels);
        }
        if let Some(time) = &raw.absent {
            let time = positive("absent", time)?;
            return Ok(Condition::Absent { admits: self.optional(raw.when.as_ref())?, time });
        }
        if let Some(window) = window(raw)? {
            let admits = self.optional(raw.when.as_ref())?;
            let clear = self.optional(raw.clear.as_ref())?;
            return Ok(Condition::Windowed { admits, window, clear });
        }
        let Some(when) = &raw.when else {
            let fault = Fault::new(raw.name.span().start, "this rule has no condition");
            return Err(fault.hint(
                "add when = \"...\", or one of levels, rate, change, plateau, stale, trend, absent",
            ));
        };
        let when = Box::new(self.expression(when)?);
        let clear = self.optional(raw.clear.as_ref())?;
        Ok(Condition::Levels(vec![Level { severity: severity.to_owned(), when, clear }]))
    }

    fn optional(&self, text: Option<&Spanned<String>>) -> Result<Option<Box<Settled>>, Fault> {
        text.map(|text| self.expression(text).map(Box::new)).transpose()
    }

    fn levels(&self, raw: &Spanned<Vec<RawLevel>>) -> Result<Condition, Fault> {
        let written = raw.get_ref();
        if !(1..=MOST_LEVELS).contains(&written.len()) {
            let message = format!("'levels' holds from 1 to {MOST_LEVELS} levels");
            return Err(Fault::new(raw.span().start, message));
        }
        let mut levels: Vec<Level> = Vec::new();
        for level in written {
            let severity = word("severity", &level.severity)?;
            if let Some(before) = levels.last() {
                rises(before, &severity, level)?;
            }
            let when = Box::new(self.expression(&level.when)?);
            let clear = self.optional(level.clear.as_ref())?;
            levels.push(Level { severity, when, clear });
        }
        Ok(Condition::Levels(levels))
    }

    /// Whether no two things are said of which one makes the other meaningless.
    fn fits_together(&self, raw: &RawRule) -> Result<(), Fault> {
        let kinds = kinds(raw);
        if let [first, second, ..] = kinds.as_slice() {
            let message = format!("a rule has one condition, not '{}' and '{}'", first.0, second.0);
            return Err(Fault::new(second.1.max(first.1), message).hint("make two rules of it"));
        }
        let Some((kind, _)) = kinds.first() else { return crossed_counts(raw) };
        let at = |it: Option<usize>, key, why| it.map(|at| (key, at, why));
        let of_levels = [
            at(start(&raw.when), "when", "each level has its own"),
            at(start(&raw.clear), "clear", "each level has its own"),
            at(start(&raw.severity), "severity", "each level has its own"),
        ];
        let of_absent = [
            at(start(&raw.clear), "clear", "it is over when something is seen"),
            at(start(&raw.hold), "for", "say how long under 'absent' itself"),
            at(start(&raw.times), "times", "what is not seen cannot be counted"),
            at(start(&raw.crossed), "crossed", "it fires only after something was seen, or never"),
            at(start(&raw.no_data), "no_data", "that is what 'absent' tells"),
        ];
        let counted = at(start(&raw.count), "count", "records are counted under 'when' alone");
        let wrong = match *kind {
            "levels" => of_levels.into_iter().flatten().next(),
            "absent" => of_absent.into_iter().flatten().next(),
            _ => None,
        };
        match wrong.or(counted) {
            Some((key, at, why)) => {
                let message = format!("a rule with '{kind}' has no '{key}': {why}");
                Err(Fault::new(at, message).hint(format!("remove '{key}'")))
            }
            None => Ok(()),
        }
    }
}

fn crossed_counts(raw: &RawRule) -> Result<(), Fault> {
    match (&raw.crossed, &raw.count) {
        (Some(crossed), Some(_)) if *crossed.get_ref() => {
            let message = "a rule that counts has no 'crossed': it fires when there are more, whatever was before";
            Err(Fault::new(crossed.span().start, message).hint("remove 'crossed'"))
        }
        _ => Ok(()),
    }
}

/// Where a value stands in the file.
fn start<T>(value: &Option<Spanned<T>>) -> Option<usize> {
    value.as_ref().map(|value| value.span().start)
}

/// The conditions that a rule names, `when` aside, each with its place.
fn kinds(raw: &RawRule) -> Vec<(&'static str, usize)> {
    let all = [
        ("levels", start(&raw.levels)),
        ("rate", start(&raw.rate)),
        ("change", start(&raw.change)),
        ("plateau", start(&raw.plateau)),
        ("stale", start(&raw.stale)),
        ("trend", start(&raw.trend)),
        ("absent", start(&raw.absent)),
    ];
    all.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
}

/// Levels are told apart by their severity, and the worst that holds is told.
fn rises(before: &Level, severity: &str, level: &RawLevel) -> Result<(), Fault> {
    let known = is_known(&before.severity) && is_known(severity);
    if before.severity != severity && !(known && rank(severity) < rank(&before.severity)) {
        return Ok(());
    }
    let message = format!("'{severity}' is no worse than '{}' before it", before.severity);
    let fault = Fault::new(level.severity.span().start, message);
    Err(fault.hint("write the levels from the mildest to the worst"))
}

fn window(raw: &RawRule) -> Result<Option<Window>, Fault> {
    if let Some(rate) = &raw.rate {
        return rate_of(rate).map(Window::Rate).map(Some);
    }
    if let Some(change) = &raw.change {
        return change_of(change).map(Window::Change).map(Some);
    }
    if let Some(plateau) = &raw.plateau {
        return plateau_of(plateau).map(Window::Plateau).map(Some);
    }
    if let Some(stale) = &raw.stale {
        return stale_of(stale).map(Window::Stale).map(Some);
    }
    raw.trend.as_ref().map(|trend| trend_of(trend).map(Window::Trend)).transpose()
}

fn rate_of(raw: &Spanned<RawRate>) -> Result<Rate, Fault> {
    let rate = raw.get_ref();
    let bound = match (&rate.above, &rate.below) {
        (Some(above), None) => Bound::Above(finite("above", above)?),
        (None, Some(below)) => Bound::Below(finite("below", below)?),
        _ => return Err(one_bound("rate", raw.span().start, "above = 3")),
    };
    Ok(Rate { field: field(&rate.field)?, over: positive("over", &rate.over)?, bound })
}

fn change_of(raw: &Spanned<RawChange>) -> Result<Change, Fault> {
    let change = raw.get_ref();
    let bound = match (&change.above, &change.below) {
        (Some(above), None) => Bound::Above(share("above", above)?),
        (None, Some(below)) => Bound::Below(share("below", below)?),
        _ => return Err(one_bound("change", raw.span().start, "above = \"50%\"")),
    };
    Ok(Change { field: field(&change.field)?, over: positive("over", &change.over)?, bound })
}

fn one_bound(kind: &str, at: usize, example: &str) -> Fault {
    let message = format!("'{kind}' has one of 'above' and 'below'");
    Fault::new(at, message).hint(format!("write {example}"))
}

fn plateau_of(raw: &Spanned<RawPlateau>) -> Result<Plateau, Fault> {
    let plateau = raw.get_ref();
    let span = (&plateau.steps, &plateau.time, &plateau.step_field);
    let min_delta = plateau.min_delta.as_ref().map_or(Ok(0.0), |d| finite("min_delta", d))?;
    if let Some(written) = plateau.min_delta.as_ref().filter(|_| min_delta < 0.0) {
        return Err(Fault::new(written.span().start, "'min_delta' is 0 or more"));
    }
    Ok(Plateau {
        field: field(&plateau.field)?,
        span: span_of("plateau", raw.span().start, span)?,
        min_delta,
        direction: plateau.direction.as_ref().map_or(Ok(Direction::Down), direction)?,
    })
}

fn direction(text: &Spanned<String>) -> Result<Direction, Fault> {
    match text.get_ref().as_str() {
        "down" => Ok(Direction::Down),
        "up" => Ok(Direction::Up),
        other => {
            let message = "'direction' is down (less is better) or up (more is better)";
            let fault = Fault::new(text.span().start, message);
            Err(did_you_mean(other, ["down", "up"].into_iter())
                .into_iter()
                .fold(fault, Fault::hint))
        }
    }
}

fn stale_of(raw: &Spanned<RawStale>) -> Result<Stale, Fault> {
    let stale = raw.get_ref();
    let span = (&stale.steps, &stale.time, &stale.step_field);
    Ok(Stale { field: field(&stale.field)?, span: span_of("stale", raw.span().start, span)? })
}

type RawSpan<'r> =
    (&'r Option<Spanned<u64>>, &'r Option<Spanned<String>>, &'r Option<Spanned<String>>);

fn span_of(kind: &str, at: usize, (steps, time, counts): RawSpan<'_>) -> Result<Span, Fault> {
    match (steps, time, counts) {
        (Some(steps), None, _) if *steps.get_ref() == 0 => {
            Err(Fault::new(steps.span().start, "'steps' counts from 1"))
        }
        (Some(steps), None, counts) => {
            let counts = counts.as_ref().map_or(Ok("step".to_owned()), field)?;
            Ok(Span::Steps { steps: *steps.get_ref(), field: counts })
        }
        (None, Some(_), Some(counts)) => {
            let message = "'step_field' counts 'steps', and this is about a time";
            Err(Fault::new(counts.span().start, message).hint("remove 'step_field'"))
        }
        (None, Some(time), None) => Ok(Span::Time(positive("time", time)?)),
        _ => {
            let message = format!("'{kind}' has one of 'steps' and 'time'");
            Err(Fault::new(at, message).hint("write steps = 1000, or time = \"2h\""))
        }
    }
}

fn trend_of(raw: &Spanned<RawTrend>) -> Result<Trend, Fault> {
    let trend = raw.get_ref();
    let course = course(trend, raw.span().start)?;
    let steady = if matches!(course, Course::Rises(_)) { STEADY } else { 0.0 };
    let fit = trend.fit.as_ref().map_or(Ok(steady), |fit| finite("fit", fit))?;
    if let Some(written) = trend.fit.as_ref().filter(|_| !(0.0..=1.0).contains(&fit)) {
        return Err(Fault::new(written.span().start, "'fit' is from 0 to 1"));
    }
    Ok(Trend { field: field(&trend.field)?, over: positive("over", &trend.over)?, course, fit })
}

fn course(trend: &RawTrend, at: usize) -> Result<Course, Fault> {
    match (&trend.reaches, &trend.within, &trend.rises) {
        (Some(value), Some(within), None) => {
            let value = finite("reaches", value)?;
            Ok(Course::Reaches { value, within: positive("within", within)? })
        }
        (None, None, Some(rises)) => {
            let share = share("rises", rises)?;
            if share <= 0.0 {
                return Err(Fault::new(rises.span().start, "'rises' is more than 0%"));
            }
            Ok(Course::Rises(share))
        }
        _ => {
            let message = "'trend' has 'reaches' and 'within', or 'rises'";
            Err(Fault::new(at, message)
                .hint("write reaches = 0 and within = \"4h\", or rises = \"20%\""))
        }
    }
}

fn field(text: &Spanned<String>) -> Result<String, Fault> {
    word("field", text)
}

fn finite(key: &str, number: &Spanned<f64>) -> Result<f64, Fault> {
    let value = *number.get_ref();
    let fault = || Fault::new(number.span().start, format!("'{key}' is a number that is finite"));
    if value.is_finite() { Ok(value) } else { Err(fault()) }
}

fn share(key: &str, text: &Spanned<String>) -> Result<f64, Fault> {
    percent(text.get_ref()).ok_or_else(|| {
        let message = format!("'{key}' is a percentage");
        Fault::new(text.span().start, message).hint("write it as \"50%\"")
    })
}

/// A time that is not nothing.
pub(crate) fn positive(key: &str, text: &Spanned<String>) -> Result<Duration, Fault> {
    match duration(text)? {
        Duration::ZERO => {
            Err(Fault::new(text.span().start, format!("'{key}' is longer than nothing")))
        }
        time => Ok(time),
    }
}
