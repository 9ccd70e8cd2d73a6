//! What a condition claims of the fields that it reads: for whoever checks rules.
//!
//! A condition is turned into the *ways* in which it can be met, each a list of [`Claim`]s that
//! must all be true (disjunctive normal form). A way is [impossible](conflict) if for one of its
//! fields no value meets all that is claimed of it. Instead of reasoning about ranges, a few values
//! are tried: each constant that the claims name, something between each two of them and beyond
//! either end, and one of each other kind. Claims tell nothing else apart, so that these stand for
//! all values. What is beyond this, such as a comparison of two fields, counts as possible.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};

use crate::compare::Order;
use crate::expression::{HAS, Settled, children};

/// More ways than this are not looked at.
const MOST: usize = 256;

/// One thing that must be true of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The field, with dots where it lies within another.
    pub field: String,
    /// What is asked of it.
    pub test: Test,
    /// Whether the answer must be yes.
    pub met: bool,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Whether it is there.
    Has,
    /// Whether it holds true.
    Flag,
    /// Whether it is ordered so beside a constant.
    Ordered(Order, Constant),
    /// Whether it is one of these.
    Among(Vec<Constant>),
    /// Something about a text: any text may meet it, nothing else does.
    Text,
}

/// A constant of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A number, as the nearest double.
    Number(f64),
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// `null`.
    Null,
}

/// What a field can hold, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Holds {
    /// Anything.
    #[default]
    Anything,
    /// A number.
    Number,
    /// Any text.
    Text,
    /// One of these texts.
    Words(Vec<String>),
    /// True or false.
    Flag,
}

/// A value to try.
#[derive(Clone, Debug)]
enum Value {
    Missing,
    Is(Constant),
    /// A text that no claim names.
    OtherText,
}

impl Settled {
    /// The ways in which the condition is met, or with `met` false is not; nothing if there are
    /// too many.
    pub fn ways(&self, met: bool) -> Option<Vec<Vec<Claim>>> {
        ways(&self.expr, met)
    }

    /// The fields that it reads, with dots where one lies within another.
    pub fn paths(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        paths(&self.expr, &[], &mut found);
        found
    }
}

/// The first field of which nothing that it can hold meets all claims of the way.
pub fn conflict<'w>(way: &'w [Claim], holds: &dyn Fn(&str) -> Holds) -> Option<&'w str> {
    let fields: BTreeSet<&str> = way.iter().map(|claim| claim.field.as_str()).collect();
    fields.into_iter().find(|field| {
        let claims: Vec<&Claim> = way.iter().filter(|claim| claim.field == *field).collect();
        let mut values = values(&claims, &holds(field)).into_iter();
        !values.any(|value| claims.iter().all(|claim| claim.test.at(&value, claim.met)))
    })
}

fn ways(expr: &IdedExpr, met: bool) -> Option<Vec<Vec<Claim>>> {
    match &expr.expr {
        Expr::Literal(LiteralValue::Boolean(yes)) if *yes.inner() == met => Some(vec![Vec::new()]),
        Expr::Literal(LiteralValue::Boolean(_)) => Some(Vec::new()),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_NOT, [inner]) => ways(inner, !met),
            (op::LOGICAL_AND, parts) => joined(parts, met, met),
            (op::LOGICAL_OR, parts) => joined(parts, met, !met),
            _ => Some(vec![claim(expr, met).into_iter().collect()]),
        },
        _ => Some(vec![claim(expr, met).into_iter().collect()]),
    }
}

/// The ways of several parts: of which all must be (not) met, or any.
fn joined(parts: &[IdedExpr], met: bool, all: bool) -> Option<Vec<Vec<Claim>>> {
    let parts = parts.iter().map(|part| ways(part, met)).collect::<Option<Vec<_>>>()?;
    if !all {
        return Some(parts.concat()).filter(|ways| ways.len() <= MOST);
    }
    let mut product: Vec<Vec<Claim>> = vec![Vec::new()];
    for part in parts {
        if product.len() * part.len() > MOST {
            return None;
        }
        let with = |way: &Vec<Claim>| -> Vec<_> {
            part.iter().map(|more| [way.as_slice(), more].concat()).collect()
        };
        product = product.iter().flat_map(with).collect();
    }
    Some(product)
}

/// What the expression claims, where that is of one field and a constant.
fn claim(expr: &IdedExpr, met: bool) -> Option<Claim> {
    let of = |field: String, test| Some(Claim { field, test, met });
    let Expr::Call(call) = &expr.expr else {
        let field = path(&expr.expr)?;
        return match field.strip_prefix(HAS) {
            Some(name) => of(name.to_owned(), Test::Has),
            None => of(field, Test::Flag),
        };
    };
    if let Some(target) = &call.target {
        let known = matches!(&*call.func_name, "contains" | "startsWith" | "endsWith" | "matches");
        return of(path(&target.expr).filter(|_| known)?, Test::Text);
    }
    compared(call).map(|(field, test, same)| Claim { field, test, met: met == same })
}

/// The field and the test of a comparison with a constant, and whether it is asked or its opposite.
fn compared(call: &CallExpr) -> Option<(String, Test, bool)> {
    let [left, right] = call.args.as_slice() else { return None };
    if call.func_name == op::IN {
        let Expr::List(list) = &right.expr else { return None };
        let all = list.elements.iter().map(|e| constant(&e.expr)).collect::<Option<Vec<_>>>()?;
        return Some((path(&left.expr)?, Test::Among(all), true));
    }
    let (field, value, turned) = match (path(&left.expr), path(&right.expr)) {
        (Some(field), None) => (field, constant(&right.expr)?, false),
        (None, Some(field)) => (field, constant(&left.expr)?, true),
        _ => return None,
    };
    let test = match (call.func_name.as_str(), turned) {
        (op::EQUALS, _) => return Some((field, Test::Among(vec![value]), true)),
        (op::NOT_EQUALS, _) => return Some((field, Test::Among(vec![value]), false)),
        ("@less", false) | ("@greater", true) => Order::Less,
        ("@less_equals", false) | ("@greater_equals", true) => Order::LessOrEqual,
        ("@greater", false) | ("@less", true) => Order::Greater,
        ("@greater_equals", false) | ("@less_equals", true) => Order::GreaterOrEqual,
        _ => return None,
    };
    Some((field, Test::Ordered(test, value), true))
}

/// The field that the expression is, with dots where it lies within another.
fn path(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Ident(name) if name.starts_with(HAS) || !name.starts_with('@') => Some(name.clone()),
        Expr::Select(select) if select.test => {
            Some(format!("{HAS}{}.{}", path(&select.operand.expr)?, select.field))
        }
        Expr::Select(select) => Some(format!("{}.{}", path(&select.operand.expr)?, select.field)),
        _ => None,
    }
}

/// Collects the fields; `own` are the names that an expression around this one made up.
fn paths(expr: &IdedExpr, own: &[&str], found: &mut BTreeSet<String>) {
    if let Some(path) = path(&expr.expr) {
        let path = path.trim_start_matches(HAS);
        let first = path.split('.').next().unwrap_or(path);
        if !own.contains(&first) {
            found.insert(path.to_owned());
        }
        return;
    }
    let mut own = own.to_vec();
    if let Expr::Comprehension(inner) = &expr.expr {
        own.extend([inner.iter_var.as_str(), inner.accu_var.as_str()]);
    }
    for child in children(&expr.expr) {
        paths(child, &own, found);
    }
}

fn constant(expr: &Expr) -> Option<Constant> {
    let Expr::Literal(literal) = expr else { return None };
    Some(match literal {
        LiteralValue::Boolean(value) => Constant::Bool(*value.inner()),
        LiteralValue::Int(value) => Constant::Number(*value.inner() as f64),
        LiteralValue::UInt(value) => Constant::Number(*value.inner() as f64),
        LiteralValue::Double(value) => Constant::Number(*value.inner()),
        LiteralValue::String(text) => Constant::Text(text.inner().to_owned()),
        LiteralValue::Null => Constant::Null,
        LiteralValue::Bytes(_) => return None,
    })
}

impl Test {
    fn constants(&self) -> &[Constant] {
        match self {
            Test::Ordered(_, constant) => std::slice::from_ref(constant),
            Test::Among(constants) => constants,
            Test::Has | Test::Flag | Test::Text => &[],
        }
    }

    /// Whether this is the answer for a value, or may be.
    fn at(&self, value: &Value, met: bool) -> bool {
        let value = match (self, value) {
            (Test::Has, value) => return matches!(value, Value::Missing) != met,
            (_, Value::Missing) => return false,
            // Which text is asked for cannot be said here: one that fits may exist.
            (Test::Text, value) => {
                return matches!(value, Value::OtherText | Value::Is(Constant::Text(_)));
            }
            (Test::Ordered(_, Constant::Text(_)), Value::OtherText) => return true,
            (Test::Flag | Test::Ordered(..), Value::OtherText) => return false,
            (Test::Among(_), Value::OtherText) => return !met,
            (_, Value::Is(value)) => value,
        };
        match self {
            Test::Ordered(order, other) => {
                value.order(other).is_some_and(|ordering| order.holds(ordering) == met)
            }
            Test::Among(all) => all.contains(value) == met,
            _ => *value == Constant::Bool(met),
        }
    }
}

impl Constant {
    /// How the two are ordered, if they can be: a NaN with numbers in no way, different kinds not
    /// at all.
    fn order(&self, other: &Constant) -> Option<Option<Ordering>> {
        match (self, other) {
            (Constant::Number(a), Constant::Number(b)) => Some(a.partial_cmp(b)),
            (Constant::Text(a), Constant::Text(b)) => Some(Some(a.cmp(b))),
            (Constant::Bool(a), Constant::Bool(b)) => Some(Some(a.cmp(b))),
            _ => None,
        }
    }
}

/// The values that stand for all that the field can hold.
fn values(claims: &[&Claim], holds: &Holds) -> Vec<Value> {
    let named: Vec<&Constant> = claims.iter().flat_map(|claim| claim.test.constants()).collect();
    let texts = || {
        let texts = named.iter().filter(|c| matches!(c, Constant::Text(_)));
        texts.map(|text| Value::Is((*text).clone())).chain([Value::OtherText])
    };
    let flags = || [true, false].map(|yes| Value::Is(Constant::Bool(yes)));
    let is: Vec<Value> = match holds {
        Holds::Number => numbers(&named),
        Holds::Text => texts().collect(),
        Holds::Words(words) => {
            words.iter().map(|word| Value::Is(Constant::Text(word.clone()))).collect()
        }
        Holds::Flag => flags().to_vec(),
        Holds::Anything => {
            let rest = flags().into_iter().chain([Value::Is(Constant::Null)]);
            numbers(&named).into_iter().chain(texts()).chain(rest).collect()
        }
    };
    [Value::Missing].into_iter().chain(is).collect()
}

/// Each number that is named, one between each two, one beyond either end, and none at all.
fn numbers(named: &[&Constant]) -> Vec<Value> {
    let number = |constant: &&Constant| match constant {
        Constant::Number(number) if !number.is_nan() => Some(*number),
        _ => None,
    };
    let mut points: Vec<f64> = named.iter().filter_map(number).collect();
    points.sort_by(f64::total_cmp);
    let between: Vec<f64> = points.windows(2).map(|two| two[0] / 2.0 + two[1] / 2.0).collect();
    let ends = [f64::NEG_INFINITY, f64::INFINITY, f64::NAN, 0.0];
    let all = points.into_iter().chain(between).chain(ends);
    all.map(|number| Value::Is(Constant::Number(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(field: &str) -> Holds {
        match field {
            "n" => Holds::Number,
            "state" => Holds::Words(vec!["running".to_owned(), "failed".to_owned()]),
            _ => Holds::Anything,
        }
    }

    /// Whether each way in which it is met, or is not, is impossible.
    fn none(text: &str, met: bool) -> bool {
        let ways = Settled::parse(text).unwrap().ways(met).unwrap();
        ways.iter().all(|way| conflict(way, &holds).is_some())
    }

    #[test]
    fn what_can_never_be_met_is_known() {
        for (text, never) in [
            ("x > 5 && x < 3", true),
            ("x > 3 && x < 5", false),
            ("x >= 5 && x <= 5", false),
            ("x > 5 && x <= 5", true),
            ("5 < x && 3 > x", true),
            ("x == 'a' && x == 'b'", true),
            ("x == 'a' && x != 'a'", true),
            ("x in ['a', 'b'] && x == 'c'", true),
            ("x in ['a', 'b'] && !(x == 'a')", false),
            ("x > 5 && x == 'a'", true),
            ("x > 5 && x.contains('a')", true),
            ("has(x) && !has(x)", true),
            ("!has(x) && x > 5", true),
            ("(x > 5 || y > 5) && x < 3", false),
            ("(x > 5 || x < 1) && x > 2 && x < 3", true),
            ("state == 'fialed'", true),
            ("state == 'failed'", false),
            ("state in ['fialed', 'failed']", false),
            ("n > '90'", true),
            ("n == '90'", true),
            ("n.contains('9')", true),
            ("n > 90", false),
            ("false", true),
            ("x > y && x < y", false),
            ("exit.code == 1 && exit.code == 2", true),
            ("x && !x", true),
        ] {
            assert_eq!(none(text, true), never, "{text}");
        }
    }

    #[test]
    fn what_is_always_met_is_known() {
        for (text, always) in [
            ("state != 'fialed'", true),
            ("state != 'failed'", false),
            ("n != '90'", true),
            ("x > 5", false),
            ("state == 'failed' || state != 'failed'", true),
            ("state in ['running', 'failed']", true),
            ("true", true),
            ("x > 5 || y > 5", false),
        ] {
            assert_eq!(none(text, false), always, "{text}");
        }
    }

    #[test]
    fn the_fields_of_an_expression_are_found_with_their_paths() {
        let text =
            "has(a) && has(b.c) && exit.code == 1 && d.contains('x') && ports.exists(p, p > e)";
        let found = Settled::parse(text).unwrap().paths();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["a", "b.c", "d", "e", "exit.code", "ports"]);
    }

    #[test]
    fn too_many_ways_are_left_alone() {
        let text = ["(a > 1 || b > 1)"; 12].join(" && ");
        assert_eq!(Settled::parse(&text).unwrap().ways(true), None);
    }

    proptest! {
        /// What some number meets is never called impossible.
        #[test]
        fn what_a_value_meets_is_possible(
            bounds in proptest::collection::vec((0usize..4, -3i32..4), 1..5), x in -4i32..5,
        ) {
            let orders = ["<", "<=", ">", ">="];
            let parts = bounds.iter().map(|(order, bound)| format!("x {} {bound}", orders[*order]));
            let text = parts.collect::<Vec<_>>().join(" && ");
            let met = bounds.iter().all(|(order, bound)| match order {
                0 => x < *bound,
                1 => x <= *bound,
                2 => x > *bound,
                _ => x >= *bound,
            });
            prop_assert!(!met || !none(&text, true), "{text}");
        }
    }
}
