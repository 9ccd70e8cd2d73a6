//! Comparing values the way rules do: one meaning for the compiled and the interpreted path.

use std::cmp::Ordering;

use crate::fields::Field;

/// What the end of a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is met.
    Yes,
    /// It is not.
    No,
    /// It cannot be told: a field is missing, or of a type that does not compare.
    Unknown,
}

impl From<bool> for Verdict {
    fn from(yes: bool) -> Verdict {
        if yes { Verdict::Yes } else { Verdict::No }
    }
}

/// An ordering comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Order {
    /// Whether this holds of two things ordered so; of a NaN, which is not ordered, none holds.
    pub fn holds(self, ordering: Option<Ordering>) -> bool {
        ordering.is_some_and(|o| match self {
            Order::Less => o.is_lt(),
            Order::LessOrEqual => o.is_le(),
            Order::Greater => o.is_gt(),
            Order::GreaterOrEqual => o.is_ge(),
        })
    }
}

/// A number of any kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    /// Whole.
    Int(i64),
    /// Whole, beyond [`i64::MAX`].
    UInt(u64),
    /// Broken.
    Double(f64),
}

impl Number {
    /// The numbers that JSON has no numbers for, as records write them.
    pub(crate) fn special(text: &str) -> Option<Number> {
        match text {
            "NaN" => Some(Number::Double(f64::NAN)),
            "+Inf" => Some(Number::Double(f64::INFINITY)),
            "-Inf" => Some(Number::Double(f64::NEG_INFINITY)),
            _ => None,
        }
    }

    /// The nearest double.
    pub(crate) fn double(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::UInt(value) => value as f64,
            Number::Double(value) => value,
        }
    }

    /// How two numbers are ordered; a NaN is not.
    pub(crate) fn order(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (Number::UInt(a), Number::UInt(b)) => Some(a.cmp(&b)),
            (Number::Int(a), Number::UInt(b)) => Some(i128::from(a).cmp(&i128::from(b))),
            (Number::UInt(a), Number::Int(b)) => Some(i128::from(a).cmp(&i128::from(b))),
            (a, b) => a.double().partial_cmp(&b.double()),
        }
    }
}

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side<'a> {
    /// A number.
    Number(Number),
    /// A text.
    Text(&'a str),
    /// Yes or no.
    Bool(bool),
    /// `null`.
    Null,
    /// A list or a map.
    Nested,
}

impl<'a> Side<'a> {
    /// The side that a field is; nothing if it is missing.
    pub(crate) fn of(field: &'a Field<'_>) -> Option<Side<'a>> {
        Some(match field {
            Field::Missing => return None,
            Field::Null => Side::Null,
            Field::Bool(value) => Side::Bool(*value),
            Field::Int(value) => Side::Number(Number::Int(*value)),
            Field::UInt(value) => Side::Number(Number::UInt(*value)),
            Field::Double(value) => Side::Number(Number::Double(*value)),
            Field::Text(text) => Side::Text(text),
            Field::Nested(_) => Side::Nested,
        })
    }

    /// A text such as `"NaN"` is a number where the other side is one.
    fn beside(self, other: Side<'_>) -> Side<'a> {
        match (self, other) {
            (Side::Text(text), Side::Number(_)) => Number::special(text).map_or(self, Side::Number),
            _ => self,
        }
    }
}

/// Whether an ordering holds between two sides; unknown where they do not compare.
pub(crate) fn ordered(left: Side<'_>, order: Order, right: Side<'_>) -> Verdict {
    match (left.beside(right), right.beside(left)) {
        (Side::Number(a), Side::Number(b)) => order.holds(a.order(b)).into(),
        (Side::Text(a), Side::Text(b)) => order.holds(Some(a.cmp(b))).into(),
        (Side::Bool(a), Side::Bool(b)) => order.holds(Some(a.cmp(&b))).into(),
        _ => Verdict::Unknown,
    }
}

/// Whether two sides are equal, as CEL has it: things of different kinds are not. Two nested
/// values are beyond this.
pub(crate) fn equal(left: Side<'_>, right: Side<'_>) -> bool {
    match (left, right) {
        (Side::Number(a), Side::Number(b)) => a.order(b) == Some(Ordering::Equal),
        (Side::Text(a), Side::Text(b)) => a == b,
        (Side::Bool(a), Side::Bool(b)) => a == b,
        (Side::Null, Side::Null) => true,
        _ => false,
    }
}
