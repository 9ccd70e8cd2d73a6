//! Conditions of the common shapes as a small tree over slots.
//!
//! `a && b`, `a || b`, `!a`, comparisons of fields and constants, `in` a list of constants, the
//! three text methods, `matches` with a constant pattern, and plain fields that hold true or
//! false. A field may lie within others: `exit.code`. Every other part is left to the interpreter,
//! part by part: in `subject == 'process' && threads + 1 > 3` only the second half is interpreted,
//! and only where the first holds.

use cel::common::ast::IdedExpr;
use regex::Regex;

use crate::compare::{Number, Order, Side, Verdict, equal, ordered};
use crate::compile;
use crate::expression::Settled;
use crate::fields::{Field, Fields, Record, Slot};
use crate::interpreter::Interpreter;

/// A condition, ready to be held against records.
#[derive(Debug)]
pub(crate) enum Node {
    /// Always the same.
    Constant(bool),
    /// A field that holds true or false.
    Flag(Slot),
    /// Whether the record has the field.
    Has(Slot),
    /// The opposite.
    Not(Box<Node>),
    /// All of them.
    All(Vec<Node>),
    /// Any of them.
    Any(Vec<Node>),
    /// An ordering of two.
    Ordered(Term, Order, Term),
    /// Whether a field equals a constant, or with `false` does not.
    Equal(Term, Constant, bool),
    /// Whether a field equals one of some constants.
    Among(Term, Vec<Constant>),
    /// Something about a text.
    Text(Term, Look),
    /// Any other form.
    Interpreted(IdedExpr),
}

/// What is asked about a text.
#[derive(Debug)]
pub(crate) enum Look {
    /// Whether it holds this.
    Contains(String),
    /// Whether it begins so.
    StartsWith(String),
    /// Whether it ends so.
    EndsWith(String),
    /// Whether it matches anywhere.
    Matches(Regex),
}

/// One side of an ordering.
#[derive(Debug)]
pub(crate) enum Term {
    /// A field.
    Field(Slot),
    /// A label: an empty text where there is none.
    Label(Slot),
    /// A constant.
    Constant(Constant),
}

/// A field that must have this value, or the record is about something else.
#[derive(Debug)]
pub(crate) struct Selector(Slot, Constant);

impl Selector {
    /// Whether the record is about this.
    pub(crate) fn admits(&self, record: &Record<'_>) -> bool {
        Side::of(record.get(self.0)).is_some_and(|side| equal(side, self.1.side()))
    }
}

/// A constant of a condition.
#[derive(Clone, Debug)]
pub(crate) enum Constant {
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// True or false.
    Bool(bool),
    /// `null`.
    Null,
}

impl Constant {
    fn side(&self) -> Side<'_> {
        match self {
            Constant::Number(number) => Side::Number(*number),
            Constant::Text(text) => Side::Text(text),
            Constant::Bool(value) => Side::Bool(*value),
            Constant::Null => Side::Null,
        }
    }
}

impl Node {
    /// Compiles a condition, and asks for the slots that it reads.
    pub(crate) fn compile(condition: &Settled, fields: &mut Fields) -> Node {
        compile::node(&condition.expr, fields)
    }

    /// Leaves everything to the interpreter: what the compiled form is tested against.
    #[cfg(test)]
    pub(crate) fn interpreted(condition: &Settled, fields: &mut Fields) -> Node {
        compile::interpreted(&condition.expr, fields)
    }

    /// The `subject == '...'` among the parts that must all hold: about whom the condition is.
    pub(crate) fn selectors(&self, subject: Slot) -> Vec<Selector> {
        match self {
            Node::All(parts) => parts.iter().flat_map(|part| part.selectors(subject)).collect(),
            Node::Equal(Term::Field(slot), constant, true) if *slot == subject => {
                vec![Selector(*slot, constant.clone())]
            }
            _ => Vec::new(),
        }
    }

    /// A rank of what it costs to judge.
    pub(crate) fn cost(&self) -> u8 {
        match self {
            Node::Constant(_) | Node::Flag(_) | Node::Has(_) => 0,
            Node::Ordered(..) => 1,
            Node::Equal(..) => 2,
            Node::Among(..) => 3,
            Node::Not(inner) => inner.cost(),
            Node::All(parts) | Node::Any(parts) => {
                parts.iter().map(Node::cost).max().unwrap_or(0).max(3)
            }
            Node::Text(..) => 5,
            Node::Interpreted(_) => 6,
        }
    }

    /// Whether the record meets the condition.
    pub(crate) fn judge(&self, record: &Record<'_>, fields: &Fields, cel: &Interpreter) -> Verdict {
        match self {
            Node::Constant(yes) => (*yes).into(),
            Node::Flag(slot) => flag(record.get(*slot)),
            Node::Has(slot) => (!matches!(record.get(*slot), Field::Missing)).into(),
            Node::Not(inner) => not(inner.judge(record, fields, cel)),
            Node::All(parts) => {
                decide(parts.iter().map(|p| p.judge(record, fields, cel)), Verdict::No)
            }
            Node::Any(parts) => {
                decide(parts.iter().map(|p| p.judge(record, fields, cel)), Verdict::Yes)
            }
            Node::Ordered(left, order, right) => order_of(record, left, *order, right),
            Node::Equal(term, constant, wanted) => {
                is_one_of(term.side(record), std::slice::from_ref(constant), *wanted)
            }
            Node::Among(term, constants) => is_one_of(term.side(record), constants, true),
            Node::Text(term, look) => look.at(term.side(record)),
            Node::Interpreted(expr) => cel.judge(expr, record, fields),
        }
    }
}

fn flag(field: &Field<'_>) -> Verdict {
    if let Field::Bool(yes) = field { (*yes).into() } else { Verdict::Unknown }
}

fn not(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Yes => Verdict::No,
        Verdict::No => Verdict::Yes,
        Verdict::Unknown => Verdict::Unknown,
    }
}

/// `&&` where `decisive` is no, `||` where it is yes: one decisive part decides, whatever is
/// unknown beside it.
fn decide(parts: impl Iterator<Item = Verdict>, decisive: Verdict) -> Verdict {
    let mut result = not(decisive);
    for part in parts {
        match part {
            Verdict::Unknown => result = Verdict::Unknown,
            part if part == decisive => return decisive,
            _ => {}
        }
    }
    result
}

fn order_of(record: &Record<'_>, left: &Term, order: Order, right: &Term) -> Verdict {
    match (left.side(record), right.side(record)) {
        (Some(left), Some(right)) => ordered(left, order, right),
        _ => Verdict::Unknown,
    }
}

fn is_one_of(side: Option<Side<'_>>, constants: &[Constant], wanted: bool) -> Verdict {
    side.map_or(Verdict::Unknown, |side| {
        (constants.iter().any(|constant| equal(side, constant.side())) == wanted).into()
    })
}

impl Term {
    fn side<'a>(&'a self, record: &'a Record<'_>) -> Option<Side<'a>> {
        match self {
            Term::Field(slot) => Side::of(record.get(*slot)),
            Term::Label(slot) => Some(Side::Text(record.get(*slot).text().unwrap_or_default())),
            Term::Constant(constant) => Some(constant.side()),
        }
    }
}

impl Look {
    fn at(&self, side: Option<Side<'_>>) -> Verdict {
        let Some(Side::Text(text)) = side else { return Verdict::Unknown };
        match self {
            Look::Contains(part) => text.contains(part.as_str()).into(),
            Look::StartsWith(part) => text.starts_with(part.as_str()).into(),
            Look::EndsWith(part) => text.ends_with(part.as_str()).into(),
            Look::Matches(pattern) => pattern.is_match(text).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(condition: &str, line: &str) -> (Verdict, Verdict) {
        let settled = Settled::parse(condition).unwrap();
        let cel = Interpreter::new();
        let mut fields = Fields::default();
        let compiled = Node::compile(&settled, &mut fields);
        let interpreted = Node::interpreted(&settled, &mut fields);
        let record = Record::read(&fields, line.as_bytes()).unwrap();
        (compiled.judge(&record, &fields, &cel), interpreted.judge(&record, &fields, &cel))
    }

    #[test]
    fn conditions_mean_what_is_documented() {
        use Verdict::{No, Unknown, Yes};
        let line = r#"{"i":5,"d":5.5,"t":"abc","b":true,"n":null,"nan":"NaN","inf":"+Inf",
            "big":18446744073709551615,"exit":{"code":3,"reason":"killed for memory"},
            "labels":{"team":"vision","app/name.x":"y"},"l":[1,2]}"#;
        for (condition, verdict) in [
            ("i > 4", Yes),
            ("i > 4.5", Yes),
            ("d > 5", Yes),
            ("i + d > 10", Yes),
            ("i * 2 == 10", Yes),
            ("i / 2.0 > 2.4", Yes),
            ("big > 5", Yes),
            ("nan > 1.0", No),
            ("!(nan > 1.0)", Yes),
            ("nan <= 1", No),
            ("nan == 'NaN'", Yes),
            ("inf > 1e308", Yes),
            ("nan + 1.0 > 2.0", No),
            ("gone > 1", Unknown),
            ("!(gone > 1)", Unknown),
            ("gone > 1 || b", Yes),
            ("gone > 1 && t == 'x'", No),
            ("has(gone)", No),
            ("has(i) && i == 5", Yes),
            ("has(exit.code)", Yes),
            ("has(exit.gone)", No),
            ("exit.code == 3", Yes),
            ("exit.code > 2.5 && exit.reason != 'x'", Yes),
            ("exit.gone == 3", Unknown),
            ("i.code == 3", Unknown),
            ("n.code == 3", Unknown),
            ("exit.reason in ['killed for memory']", Yes),
            ("exit == 3", No),
            ("label('team') == 'vision'", Yes),
            ("label('app/name.x') == 'y'", Yes),
            ("label('gone') == ''", Yes),
            ("label('gone').startsWith('v') || label('team') in ['vision']", Yes),
            ("size(label('team')) == 6", Yes),
            ("d / 10 < percent('56%')", Yes),
            ("has(exit) && exit.code == 3", Yes),
            ("exit.code + 1 == 4", Yes),
            ("exit.reason.contains('memory')", Yes),
            ("t in ['x', 'abc']", Yes),
            ("t.matches('^a.c$')", Yes),
            ("t > 5", Unknown),
            ("t == 5", No),
            ("t != 5", Yes),
            ("n == null", Yes),
            ("l.exists(x, x + 1 > 2)", Yes),
            ("l.map(x, x * 2) == [2, 4]", Yes),
            ("size(l) == 2", Yes),
            ("b ? i > 4 : false", Yes),
            ("i", Unknown),
            ("b", Yes),
        ] {
            assert_eq!(both(condition, line), (verdict, verdict), "{condition}");
        }
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["a", "b", "c", "gone", "a.x", "c.x", "c.x.y"])
            .prop_map(str::to_owned)
    }

    fn literal() -> impl Strategy<Value = String> {
        prop_oneof![
            (-3i64..4).prop_map(|v| v.to_string()),
            (-3i64..4).prop_map(|v| format!("{v}.0")),
            Just("1.5".to_owned()),
            Just("2u".to_owned()),
            Just("'x'".to_owned()),
            Just("'NaN'".to_owned()),
            Just("true".to_owned()),
            Just("null".to_owned()),
        ]
    }

    fn text_of_label() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["label('x')", "label('n.m')"]).prop_map(str::to_owned)
    }

    fn term_text() -> impl Strategy<Value = String> {
        prop_oneof![3 => name(), 3 => literal(), 1 => (name(), literal())
            .prop_map(|(a, b)| format!("({a} + {b})"))]
    }

    fn condition() -> impl Strategy<Value = String> {
        let operator = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
        let method = prop::sample::select(vec!["contains", "startsWith", "endsWith", "matches"]);
        let leaf = prop_oneof![
            6 => (term_text(), operator, term_text()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            1 => name(),
            1 => name().prop_map(|n| format!("has({})", &n[..1])),
            1 => (name(), method.clone()).prop_map(|(n, m)| format!("{n}.{m}('x')")),
            1 => (name(), literal(), literal()).prop_map(|(n, a, b)| format!("{n} in [{a}, {b}]")),
            1 => (text_of_label(), literal()).prop_map(|(n, a)| format!("{n} == {a}")),
            1 => (text_of_label(), method).prop_map(|(n, m)| format!("{n}.{m}('x')")),
        ];
        leaf.prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
                inner.prop_map(|a| format!("!({a})")),
            ]
        })
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            (-3i64..4).prop_map(|v| v.to_string()),
            Just("18446744073709551615".to_owned()),
            Just("1.5".to_owned()),
            Just("2.0".to_owned()),
            Just("\"x\"".to_owned()),
            Just("\"axb\"".to_owned()),
            Just("\"NaN\"".to_owned()),
            Just("\"-Inf\"".to_owned()),
            Just("true".to_owned()),
            Just("null".to_owned()),
            Just("{\"x\":1}".to_owned()),
            Just("{\"x\":{\"y\":\"x\"}}".to_owned()),
            Just("[1,2]".to_owned()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn compiled_and_interpreted_agree(
            condition in condition(), a in value(), b in value(), c in value()
        ) {
            if let Ok(settled) = Settled::parse(&condition) {
                let _ = settled;
                let line = format!(
                    "{{\"a\":{a},\"b\":{b},\"c\":{c},\"labels\":{{\"x\":{a},\"n.m\":{b}}}}}"
                );
                let (compiled, interpreted) = both(&condition, &line);
                prop_assert_eq!(compiled, interpreted, "{} on {}", condition, line);
            }
        }
    }
}
