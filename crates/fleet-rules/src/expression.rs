//! From the text of a condition to an expression that is ready to run.
//!
//! *Settling* an expression folds its constants and replaces what CEL does otherwise than a rule
//! should: see [`Settled`].

use std::collections::BTreeSet;

use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators as op,
};
use cel::{Program, Value};
use fleet_core::{parse_duration, parse_size};

use crate::interpreter::{self, Interpreter};
use crate::syntax::{char_to_byte, syntax};

/// Prefix of the made-up names that tell whether a field is there.
pub const HAS: &str = "@has_";

/// Prefix of the made-up names that stand for the text of a label.
pub const LABEL: &str = "@label_";

/// Longest condition, in bytes.
const LONGEST: usize = 4096;
/// Deepest nesting of brackets: the parser calls itself for each, before it counts them.
const DEEPEST: usize = 24;

/// Our own operators, by CEL's: they mix whole and broken numbers and know `"NaN"`.
pub const OURS: [(&str, &str); 8] = [
    (op::LESS, "@less"),
    (op::LESS_EQUALS, "@less_equals"),
    (op::GREATER, "@greater"),
    (op::GREATER_EQUALS, "@greater_equals"),
    (op::ADD, "@add"),
    (op::SUBSTRACT, "@subtract"),
    (op::MULTIPLY, "@multiply"),
    (op::DIVIDE, "@divide"),
];

/// Where the nesting of brackets becomes too deep. Those in texts count, too: no rule needs so many.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

/// A condition whose constants are folded and whose operators are ours.
#[derive(Clone, Debug)]
pub struct Settled {
    /// As it was written.
    pub text: String,
    /// The expression.
    pub expr: IdedExpr,
}

/// What is wrong with a condition, and at which byte of its text.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct BadCondition {
    /// Byte of the condition's text.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl BadCondition {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> BadCondition {
        BadCondition { at, message: message.into(), hint: None }
    }
}

impl Settled {
    /// Reads a condition.
    ///
    /// # Errors
    /// It is no CEL, calls a function that does not exist, holds a bad constant, or its answer
    /// is not yes or no.
    pub fn parse(text: &str) -> Result<Settled, BadCondition> {
        if text.len() > LONGEST {
            let message = format!("a condition is at most {LONGEST} bytes long");
            return Err(BadCondition::new(LONGEST, message));
        }
        if let Some(at) = too_deep(text) {
            let message = format!("brackets are nested more than {DEEPEST} deep");
            return Err(BadCondition::new(at, message));
        }
        let program = Program::compile(&mark_presence(text))
            .map_err(|errors| syntax(text, errors.errors.first()))?;
        let mut expr = program.expression().clone();
        let place = |id| program.source_info().offset_for(id).map_or(0, |(at, _)| at as usize);
        let mut settler = Settler { interpreter: Interpreter::new(), fault: None };
        settler.settle(&mut expr);
        if let Some((id, message)) = settler.fault {
            return Err(BadCondition::new(char_to_byte(text, place(id)), message));
        }
        answers_yes_or_no(&expr).map_err(|message| BadCondition::new(0, message))?;
        Ok(Settled { text: text.to_owned(), expr })
    }

    /// The names of all fields that it may read.
    pub fn names(&self) -> BTreeSet<String> {
        names(&self.expr)
    }

    /// The field that the condition is about: the first that an ordering compares, else the first
    /// that is compared at all (`subject` aside), else the first that a method is asked of.
    pub fn measured(&self) -> Option<String> {
        let mut found: Option<(u8, String)> = None;
        visit(&self.expr, &mut |expr| {
            if let Some((rank, name)) = measured_by(&expr.expr)
                && found.as_ref().is_none_or(|(best, _)| rank < *best)
            {
                found = Some((rank, name.to_owned()));
            }
        });
        found.map(|(_, name)| name)
    }
}

/// The names of all fields that an expression may read, without what lies within them.
pub(crate) fn names(expr: &IdedExpr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    visit(expr, &mut |expr| {
        if let Expr::Ident(name) = &expr.expr {
            let label = name.starts_with(LABEL).then_some("labels");
            names.insert(label.or(name.strip_prefix(HAS)).unwrap_or(name).to_owned());
        }
    });
    names
}

fn measured_by(expr: &Expr) -> Option<(u8, &str)> {
    let Expr::Call(call) = expr else { return None };
    let rank = match call.func_name.as_str() {
        "@less" | "@less_equals" | "@greater" | "@greater_equals" => 0,
        op::EQUALS | op::NOT_EQUALS | op::IN => 1,
        _ if call.target.is_some() => 2,
        _ => return None,
    };
    let sides = call.target.as_deref().into_iter().chain(&call.args);
    sides.filter_map(plain_name).find(|name| *name != "subject").map(|name| (rank, name))
}

/// The field that the expression is, if it is just one.
fn plain_name(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Ident(name) if !name.starts_with('@') => Some(name),
        _ => None,
    }
}

/// Calls the function with the expression and everything in it, outermost first.
fn visit(expr: &IdedExpr, seen: &mut impl FnMut(&IdedExpr)) {
    fn go(expr: &IdedExpr, seen: &mut dyn FnMut(&IdedExpr)) {
        seen(expr);
        for child in children(&expr.expr) {
            go(child, seen);
        }
    }
    go(expr, seen);
}

pub(crate) fn children(expr: &Expr) -> Vec<&IdedExpr> {
    match expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Struct(it) => it.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Comprehension(c) => {
            vec![&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result]
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
    }
}

fn entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(pair) => vec![&pair.key, &pair.value],
    }
}

struct Settler {
    interpreter: Interpreter,
    /// The first thing that is wrong: at which node, and what.
    fault: Option<(u64, String)>,
}

impl Settler {
    fn settle(&mut self, expr: &mut IdedExpr) {
        match &mut expr.expr {
            Expr::Call(call) => {
                call.target.as_deref_mut().into_iter().for_each(|e| self.settle(e));
                call.args.iter_mut().for_each(|e| self.settle(e));
            }
            Expr::Select(select) => self.settle(&mut select.operand),
            Expr::List(list) => list.elements.iter_mut().for_each(|e| self.settle(e)),
            Expr::Comprehension(inner) => self.comprehension(inner),
            _ => return,
        }
        if let Expr::Call(call) = &mut expr.expr {
            let id = expr.id;
            match self.call(call) {
                Ok(Some(settled)) => expr.expr = settled,
                Ok(None) => {}
                Err(message) => self.fault = self.fault.take().or(Some((id, message))),
            }
        }
    }

    /// Only the parts that a person wrote: CEL recognises its own by their form.
    fn comprehension(&mut self, inner: &mut ComprehensionExpr) {
        self.settle(&mut inner.iter_range);
        self.settle(&mut inner.loop_step);
    }

    /// What stands for the call, if something else does.
    fn call(&mut self, call: &mut CallExpr) -> Result<Option<Expr>, String> {
        match (call.func_name.as_str(), call.target.is_some(), call.args.as_slice()) {
            ("hAs", false, [IdedExpr { expr: Expr::Ident(name), .. }]) => {
                return Ok(Some(Expr::Ident(format!("{HAS}{name}"))));
            }
            ("bytes", false, [one]) if text(one).is_some() => return size(one).map(Some),
            ("seconds", false, args) => return seconds(args).map(Some),
            ("percent", false, args) => return percent(args).map(Some),
            ("label", false, args) => return label(args).map(Some),
            _ => {}
        }
        if let Some((_, ours)) = OURS.iter().find(|(cels, _)| *cels == call.func_name)
            && !call.args.iter().any(belongs_to_cel)
        {
            call.func_name = (*ours).to_owned();
        }
        self.exists(call)?;
        check_pattern(call)?;
        Ok(self.folded(call))
    }

    /// The value of an arithmetic expression of constants.
    fn folded(&self, call: &CallExpr) -> Option<Expr> {
        let arithmetic = call.func_name == op::NEGATE || is_arithmetic(&call.func_name);
        let constant = |e: &IdedExpr| matches!(e.expr, Expr::Literal(_));
        if !arithmetic || !call.args.iter().all(constant) {
            return None;
        }
        let expr = IdedExpr { id: 0, expr: Expr::Call(call.clone()) };
        Some(Expr::Literal(match self.interpreter.constant(&expr)? {
            Value::Int(value) => LiteralValue::Int(value.into()),
            Value::Float(value) => LiteralValue::Double(value.into()),
            _ => return None,
        }))
    }

    fn exists(&self, call: &CallExpr) -> Result<(), String> {
        let name = &call.func_name;
        let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if operator || self.interpreter.knows(name, call.target.is_some()) {
            return Ok(());
        }
        Err(match call.target {
            Some(_) => format!("there is no method '{name}' in CEL"),
            None => format!(
                "there is no function '{name}'; beside CEL's own there are bytes('1G'), seconds('5m'), percent('80%') and label('name')"
            ),
        })
    }
}

/// Whether a call's argument shows that CEL made the call: lists and its own variables.
fn belongs_to_cel(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::List(_) => true,
        Expr::Ident(name) => name.starts_with("@r") || name.starts_with("__"),
        _ => false,
    }
}

fn is_arithmetic(name: &str) -> bool {
    matches!(name, "@add" | "@subtract" | "@multiply" | "@divide") || name == op::MODULO
}

fn text(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn size(expr: &IdedExpr) -> Result<Expr, String> {
    let bytes = parse_size(text(expr).unwrap_or_default()).map_err(|e| e.to_string())?;
    let bytes = i64::try_from(bytes).map_err(|_| "this size is too large".to_owned())?;
    Ok(Expr::Literal(LiteralValue::Int(bytes.into())))
}

fn seconds(args: &[IdedExpr]) -> Result<Expr, String> {
    let text = args.first().and_then(text).filter(|_| args.len() == 1);
    let text = text.ok_or("seconds() takes one text such as seconds('5m')")?;
    let duration = parse_duration(text).map_err(|e| e.to_string())?;
    Ok(Expr::Literal(LiteralValue::Double(duration.as_secs_f64().into())))
}

/// `percent('80%')` is 0.8.
fn percent(args: &[IdedExpr]) -> Result<Expr, String> {
    let text = args.first().and_then(text).filter(|_| args.len() == 1);
    let number = text.and_then(|text| text.strip_suffix('%')?.trim().parse::<f64>().ok());
    let number = number.ok_or("percent() takes one text such as percent('80%')")?;
    Ok(Expr::Literal(LiteralValue::Double((number / 100.0).into())))
}

/// `label('team')` is the text of `labels.team`, an empty one where there is none.
fn label(args: &[IdedExpr]) -> Result<Expr, String> {
    let name = args.first().and_then(text).filter(|_| args.len() == 1);
    let name = name.ok_or("label() takes one text, the name of a label, such as label('team')")?;
    Ok(Expr::Ident(format!("{LABEL}{name}")))
}

/// A condition whose outermost part makes a number or a text can never be met.
fn answers_yes_or_no(expr: &IdedExpr) -> Result<(), String> {
    let what = match &expr.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => return Ok(()),
        Expr::Literal(LiteralValue::String(_)) => "a text",
        Expr::Literal(_) => "a number",
        Expr::Call(call) if is_arithmetic(&call.func_name) => "a number",
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => "a list or a map",
        _ => return Ok(()),
    };
    Err(format!("the condition gives {what}, not yes or no; compare it with something"))
}

/// The text with `has(name)` written `hAs(name)`: CEL's own `has` takes only `a.b` and would
/// refuse a plain name. The length stays, so that places in the text do.
fn mark_presence(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut step = c.len_utf8();
        match quote {
            Some(_) if c == '\\' => step += rest[1..].chars().next().map_or(0, char::len_utf8),
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == 'h' && presence_of_name(rest) && !ends_in_name(&marked) => {
                marked.push_str("hAs");
                rest = &rest[3..];
                continue;
            }
            _ => {}
        }
        marked.push_str(&rest[..step]);
        rest = &rest[step..];
    }
    marked
}

/// Whether the text begins with `has(` and a plain name and `)`.
fn presence_of_name(text: &str) -> bool {
    let inner = text.strip_prefix("has").map(str::trim_start).and_then(|t| t.strip_prefix('('));
    inner.and_then(|t| t.split_once(')')).is_some_and(|(name, _)| {
        let name = name.trim();
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn ends_in_name(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// Whether a constant regular expression can be used.
fn check_pattern(call: &CallExpr) -> Result<(), String> {
    let Some(pattern) = interpreter::pattern_of(call) else { return Ok(()) };
    regex::Regex::new(pattern).map(drop).map_err(|error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        format!("'{pattern}' is no regular expression: {}", last.trim_start_matches("error: "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_overflow_the_parsers_stack_is_refused() {
        for deep in [("(", ")"), ("[", "]")] {
            let text = format!("{}1{} > 0", deep.0.repeat(60), deep.1.repeat(60));
            assert_eq!(Settled::parse(&text).unwrap_err().at, DEEPEST);
        }
        assert!(Settled::parse(&format!("{}a{} > 0", "(".repeat(12), ")".repeat(12))).is_ok());
        assert!(Settled::parse(&format!("a > {}", "1 + ".repeat(2000))).is_err());
    }

    #[test]
    fn presence_is_marked_only_outside_of_texts() {
        for (text, marked) in [
            ("has(x) && a", "hAs(x) && a"),
            ("has(a.b)", "has(a.b)"),
            ("a == 'has(x)'", "a == 'has(x)'"),
            (r#"a == "\"has(x)" || has( y )"#, r#"a == "\"has(x)" || hAs( y )"#),
            ("x.has(y)", "x.has(y)"),
        ] {
            assert_eq!(mark_presence(text), marked);
        }
    }

    #[test]
    fn constants_are_folded() {
        for (text, constant) in [
            ("x > 1000.0 * 1024 * 1024", LiteralValue::Double((1000.0 * 1_048_576.0).into())),
            ("x > bytes('1G')", LiteralValue::Int((1 << 30).into())),
            ("x > seconds('5m') * 2", LiteralValue::Double(600.0.into())),
            ("x > -5", LiteralValue::Int((-5).into())),
        ] {
            let Expr::Call(call) = Settled::parse(text).unwrap().expr.expr else { panic!() };
            assert_eq!(call.args[1].expr, Expr::Literal(constant), "{text}");
        }
    }

    #[test]
    fn what_is_measured() {
        for (text, name) in [
            ("subject == 'process' && memory_percent > 90.0", Some("memory_percent")),
            ("state == 'failed' && 5 < restarts", Some("restarts")),
            ("subject == 'process' && state == 'failed'", Some("state")),
            ("message.contains('ERROR')", Some("message")),
            ("true", None),
        ] {
            assert_eq!(Settled::parse(text).unwrap().measured().as_deref(), name, "{text}");
        }
    }

    #[test]
    fn mistakes_say_where_and_what() {
        for (text, at, part) in [
            ("a > 5 and b", 6, "no CEL expression: 'and' does not fit here"),
            ("a > ", 4, "no CEL expression: it ends too early"),
            ("(a > 5", 6, "no CEL expression: ')' is missing"),
            ("a = 5", 2, "no CEL expression: '=' does not fit here"),
            ("a > 1 && blob(3)", 13, "no function 'blob'"),
            ("a.startswith('x')", 12, "no method 'startswith'"),
            ("a > bytes('1X')", 9, "no size"),
            ("a > percent('80')", 11, "takes one text such as percent('80%')"),
            ("label(a) == 'x'", 5, "takes one text, the name of a label"),
            ("b && a.matches('(')", 14, "no regular"),
            ("1 + 2", 0, "gives a number"),
            ("a + 2", 0, "gives a number"),
        ] {
            let bad = Settled::parse(text).unwrap_err();
            assert!(bad.message.contains(part), "{text}: {bad}");
            assert_eq!(bad.at, at, "{text}: {bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Settled::parse(&text);
        }

        #[test]
        fn no_near_cel_panics(
            words in proptest::collection::vec(
                prop::sample::select(vec![
                    "a", "b.c", "1", "1.5", "'x'", "(", ")", "[", "]", "&&", "||", "!", "==", ">",
                    "-", "+", "/", "%", "0", "has", "has(a)", "in", "?", ":", ".", ",", "{", "}",
                    "contains", "size", "bytes", "seconds", "all", "map", "x,", "9223372036854775807",
                    "matches", "\"", "'", "\\", "u",
                ]), 0..12)
        ) {
            let _ = Settled::parse(&words.join(" "));
            let _ = Settled::parse(&words.concat());
        }
    }
}
