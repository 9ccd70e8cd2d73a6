//! CEL's own interpreter over a record: for the conditions that have no compiled form.

use std::ops::{Add, Div, Mul, Sub};
use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::extractors::This;
use cel::{Context, ExecutionError, Value};

use crate::compare::{Number, Order, Side, Verdict, ordered};
use crate::expression::{HAS, LABEL};
use crate::fields::{Field, Fields, Record};

/// CEL with our operators.
pub(crate) struct Interpreter {
    root: Context<'static, 'static>,
}

impl std::fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interpreter")
    }
}

impl Default for Interpreter {
    fn default() -> Interpreter {
        Interpreter::new()
    }
}

impl Interpreter {
    /// A fresh interpreter.
    pub(crate) fn new() -> Interpreter {
        let mut root = Context::default();
        for (name, order) in [
            ("@less", Order::Less),
            ("@less_equals", Order::LessOrEqual),
            ("@greater", Order::Greater),
            ("@greater_equals", Order::GreaterOrEqual),
        ] {
            // The names are ours alone, so that none can be taken.
            let _ = root.add_function(name, move |a: Value, b: Value| compare(&a, order, &b));
        }
        let _ = root.add_function("@add", |a, b| mixed(a, b, Add::add, Add::add));
        let _ = root.add_function("@subtract", |a, b| mixed(a, b, Sub::sub, Sub::sub));
        let _ = root.add_function("@multiply", |a, b| mixed(a, b, Mul::mul, Mul::mul));
        let _ = root.add_function("@divide", |a, b| mixed(a, b, Div::div, Div::div));
        let _ = root.add_function("matches", matches);
        Interpreter { root }
    }

    /// Whether the condition is met by the record.
    pub(crate) fn judge(&self, expr: &IdedExpr, record: &Record<'_>, fields: &Fields) -> Verdict {
        let view = View { record, fields };
        let mut context = self.root.new_inner_scope();
        context.set_variable_resolver(&view);
        match Value::resolve(expr, &context) {
            Ok(Value::Bool(yes)) => yes.into(),
            _ => Verdict::Unknown,
        }
    }

    /// The value of an expression without names.
    pub(crate) fn constant(&self, expr: &IdedExpr) -> Option<Value> {
        Value::resolve(expr, &self.root).ok()
    }

    /// Whether there is such a function or method: a call of an unknown one fails otherwise than
    /// a call with the wrong arguments.
    pub(crate) fn knows(&self, name: &str, method: bool) -> bool {
        let target = LiteralValue::String(CelString::from(String::new()));
        let target = IdedExpr { id: 0, expr: Expr::Literal(target) };
        let call = CallExpr {
            func_name: name.to_owned(),
            target: method.then(|| Box::new(target)),
            args: Vec::new(),
        };
        let call = IdedExpr { id: 0, expr: Expr::Call(call) };
        let result = Value::resolve(&call, &self.root);
        !matches!(result, Err(ExecutionError::UndeclaredReference(_)))
    }
}

/// CEL's `matches`, with the same small regular expressions as the compiled form.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    let failed = |e: regex::Error| ExecutionError::function_error("matches", e);
    Ok(regex::Regex::new(&pattern).map_err(failed)?.is_match(&text))
}

fn compare(a: &Value, order: Order, b: &Value) -> Result<bool, ExecutionError> {
    match (side(a), side(b)) {
        (Some(left), Some(right)) => match ordered(left, order, right) {
            Verdict::Yes => Ok(true),
            Verdict::No => Ok(false),
            Verdict::Unknown => Err(ExecutionError::ValuesNotComparable(a.clone(), b.clone())),
        },
        _ => Err(ExecutionError::ValuesNotComparable(a.clone(), b.clone())),
    }
}

fn side(value: &Value) -> Option<Side<'_>> {
    Some(match value {
        Value::Int(value) => Side::Number(Number::Int(*value)),
        Value::UInt(value) => Side::Number(Number::UInt(*value)),
        Value::Float(value) => Side::Number(Number::Double(*value)),
        Value::String(text) => Side::Text(text),
        Value::Bool(value) => Side::Bool(*value),
        Value::Null => Side::Null,
        _ => return None,
    })
}

/// Arithmetic: CEL's own on two of a kind, on doubles where numbers of two kinds meet.
fn mixed(
    a: Value,
    b: Value,
    own: fn(Value, Value) -> Result<Value, ExecutionError>,
    doubles: fn(f64, f64) -> f64,
) -> Result<Value, ExecutionError> {
    let number = |value: &Value| match side(value) {
        Some(Side::Number(number)) => Some(number),
        Some(Side::Text(text)) => Number::special(text),
        _ => None,
    };
    let same = std::mem::discriminant(&a) == std::mem::discriminant(&b);
    match (number(&a), number(&b)) {
        (Some(x), Some(y)) if !same => Ok(Value::Float(doubles(x.double(), y.double()))),
        _ => own(a, b),
    }
}

/// The regular expression of a `matches` with a constant one.
pub(crate) fn pattern_of(call: &CallExpr) -> Option<&str> {
    let last = call.args.last().filter(|_| call.func_name == "matches")?;
    match &last.expr {
        Expr::Literal(LiteralValue::String(pattern)) => Some(pattern.inner()),
        _ => None,
    }
}

/// A record as CEL's variables.
struct View<'r, 'a> {
    record: &'r Record<'a>,
    fields: &'r Fields,
}

impl VariableResolver for View<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(name) = name.strip_prefix(HAS) {
            let there = !matches!(self.record.get(self.fields.find(name)?), Field::Missing);
            return Some(CowVal::owned(CelBool::from(there)));
        }
        if let Some(name) = name.strip_prefix(LABEL) {
            return Some(CowVal::owned(CelString::from(self.label(name))));
        }
        Some(match self.record.get(self.fields.find(name)?) {
            Field::Missing => return None,
            Field::Null => CowVal::owned(CelNull),
            Field::Bool(value) => CowVal::owned(CelBool::from(*value)),
            Field::Int(value) => CowVal::owned(CelInt::from(*value)),
            Field::UInt(value) => CowVal::owned(CelUInt::from(*value)),
            Field::Double(value) => CowVal::owned(CelDouble::from(*value)),
            Field::Text(text) => CowVal::owned(CelString::from(text.as_ref())),
            Field::Nested(raw) => CowVal::Owned(nested(raw.get())?),
        })
    }
}

impl View<'_, '_> {
    /// The text of a label, an empty one where there is none.
    fn label(&self, name: &str) -> String {
        let labels = self.fields.find("labels").map(|slot| self.record.get(slot));
        let Some(Field::Nested(raw)) = labels else { return String::new() };
        let labels: serde_json::Value = serde_json::from_str(raw.get()).unwrap_or_default();
        labels.get(name).and_then(|label| label.as_str()).unwrap_or_default().to_owned()
    }
}

fn nested(json: &str) -> Option<Box<dyn Val>> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let value = cel::to_value(Signed(value)).ok()?;
    value.try_into().ok()
}

/// JSON as CEL should see it. serde_json hands out every whole number that is not negative as
/// unsigned, which CEL would not add to a plain `1`.
struct Signed(serde_json::Value);

impl serde::Serialize for Signed {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde_json::Value as Json;
        match &self.0 {
            Json::Number(number) => match number.as_i64() {
                Some(whole) => out.serialize_i64(whole),
                None => number.serialize(out),
            },
            Json::Array(list) => out.collect_seq(list.iter().cloned().map(Signed)),
            Json::Object(map) => out.collect_map(map.iter().map(|(k, v)| (k, Signed(v.clone())))),
            other => other.serialize(out),
        }
    }
}
