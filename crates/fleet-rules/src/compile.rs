//! From CEL's tree of a condition to ours: what has a common shape is compiled, part by part.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};
use regex::Regex;

use crate::compare::{Number, Order};
use crate::compiled::{Constant, Look, Node, Term};
use crate::expression::{HAS, LABEL, names};
use crate::fields::Fields;
use crate::interpreter::pattern_of;

/// The condition's tree, asking for the slots that it reads.
pub(crate) fn node(expr: &IdedExpr, fields: &mut Fields) -> Node {
    let compiled = match &expr.expr {
        Expr::Literal(LiteralValue::Boolean(yes)) => Some(Node::Constant(*yes.inner())),
        Expr::Ident(name) if name.starts_with(HAS) => {
            name.strip_prefix(HAS).map(|name| Node::Has(fields.want(name)))
        }
        Expr::Call(call) => called(call, fields),
        _ => path(expr).map(|path| Node::Flag(fields.want(&path))),
    };
    compiled.unwrap_or_else(|| interpreted(expr, fields))
}

/// A part that is left to the interpreter.
pub(crate) fn interpreted(expr: &IdedExpr, fields: &mut Fields) -> Node {
    for name in names(expr) {
        fields.want(&name);
    }
    Node::Interpreted(expr.clone())
}

/// The path of a field, also of one within others: `exit.code`.
fn path(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Ident(name) if !name.starts_with('@') => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", path(&select.operand)?, select.field))
        }
        _ => None,
    }
}

fn called(call: &CallExpr, fields: &mut Fields) -> Option<Node> {
    if call.target.is_some() {
        return look(call, fields);
    }
    let order = match call.func_name.as_str() {
        op::LOGICAL_AND => return Some(Node::All(parts(call, fields))),
        op::LOGICAL_OR => return Some(Node::Any(parts(call, fields))),
        op::LOGICAL_NOT => return Some(Node::Not(Box::new(node(call.args.first()?, fields)))),
        op::EQUALS => return equality(call, fields, true),
        op::NOT_EQUALS => return equality(call, fields, false),
        op::IN => return among(call, fields),
        "@less" => Order::Less,
        "@less_equals" => Order::LessOrEqual,
        "@greater" => Order::Greater,
        "@greater_equals" => Order::GreaterOrEqual,
        _ => return None,
    };
    let [left, right] = call.args.as_slice() else { return None };
    Some(Node::Ordered(term(left, fields)?, order, term(right, fields)?))
}

/// The parts of `&&` or `||`, the cheapest first: what decides does so wherever it stands, and in
/// `subject == 'process' && memory_percent > 90.0` the number nearly always does.
fn parts(call: &CallExpr, fields: &mut Fields) -> Vec<Node> {
    let mut parts: Vec<Node> = call.args.iter().map(|part| node(part, fields)).collect();
    parts.sort_by_key(Node::cost);
    parts
}

fn equality(call: &CallExpr, fields: &mut Fields, wanted: bool) -> Option<Node> {
    let [left, right] = call.args.as_slice() else { return None };
    match (term(left, fields)?, term(right, fields)?) {
        (Term::Constant(_), Term::Constant(_)) => None,
        (term, Term::Constant(constant)) | (Term::Constant(constant), term) => {
            Some(Node::Equal(term, constant, wanted))
        }
        _ => None,
    }
}

fn among(call: &CallExpr, fields: &mut Fields) -> Option<Node> {
    let [item, IdedExpr { expr: Expr::List(list), .. }] = call.args.as_slice() else {
        return None;
    };
    let item = read(item, fields)?;
    let constants = list.elements.iter().map(constant).collect::<Option<Vec<_>>>()?;
    Some(Node::Among(item, constants))
}

fn look(call: &CallExpr, fields: &mut Fields) -> Option<Node> {
    let target = read(call.target.as_deref()?, fields)?;
    let [argument] = call.args.as_slice() else { return None };
    let Some(Constant::Text(text)) = constant(argument) else { return None };
    let look = match call.func_name.as_str() {
        "contains" => Look::Contains(text),
        "startsWith" => Look::StartsWith(text),
        "endsWith" => Look::EndsWith(text),
        "matches" => Look::Matches(Regex::new(pattern_of(call)?).ok()?),
        _ => return None,
    };
    Some(Node::Text(target, look))
}

fn term(expr: &IdedExpr, fields: &mut Fields) -> Option<Term> {
    read(expr, fields).or_else(|| constant(expr).map(Term::Constant))
}

/// A field or a label.
fn read(expr: &IdedExpr, fields: &mut Fields) -> Option<Term> {
    match &expr.expr {
        Expr::Ident(name) if name.starts_with(LABEL) => {
            let name = name.strip_prefix(LABEL)?;
            Some(Term::Label(fields.want_path(["labels", name].into_iter())))
        }
        _ => path(expr).map(|path| Term::Field(fields.want(&path))),
    }
}

fn constant(expr: &IdedExpr) -> Option<Constant> {
    let Expr::Literal(literal) = &expr.expr else { return None };
    Some(match literal {
        LiteralValue::Boolean(value) => Constant::Bool(*value.inner()),
        LiteralValue::Int(value) => Constant::Number(Number::Int(*value.inner())),
        LiteralValue::UInt(value) => Constant::Number(Number::UInt(*value.inner())),
        LiteralValue::Double(value) => Constant::Number(Number::Double(*value.inner())),
        LiteralValue::String(text) => Constant::Text(text.inner().to_owned()),
        LiteralValue::Null => Constant::Null,
        LiteralValue::Bytes(_) => return None,
    })
}
