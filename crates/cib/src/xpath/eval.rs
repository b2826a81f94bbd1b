//! The value of an expression for a document.

use super::functions;
use super::index::{Id, Index};
use super::{Axis, Comparison, Expr, Operator, Step};

/// What an expression can be worth.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Nodes, in document order, by their number.
    #[doc(hidden)]
    Nodes(Vec<usize>),
    /// A truth.
    Bool(bool),
    /// A whole number; none where XPath says "not a number".
    Number(Option<i64>),
    /// A text.
    Text(String),
}

/// Where an expression is evaluated.
#[derive(Clone, Copy)]
pub(super) struct Context<'i, 'a> {
    pub(super) index: &'i Index<'a>,
    pub(super) node: Id,
    pub(super) position: usize,
    pub(super) size: usize,
}

pub(super) fn eval(expr: &Expr, index: &Index<'_>) -> Value {
    eval_in(expr, &Context { index, node: 0, position: 1, size: 1 })
}

pub(super) fn eval_in(expr: &Expr, context: &Context<'_, '_>) -> Value {
    let index = context.index;
    match expr {
        Expr::Or(a, b) => {
            Value::Bool(boolean(&eval_in(a, context)) || boolean(&eval_in(b, context)))
        }
        Expr::And(a, b) => {
            Value::Bool(boolean(&eval_in(a, context)) && boolean(&eval_in(b, context)))
        }
        Expr::Compare(how, a, b) => {
            Value::Bool(compare(*how, &eval_in(a, context), &eval_in(b, context), index))
        }
        Expr::Arithmetic(operator, a, b) => {
            let a = number(&eval_in(a, context), index);
            let b = number(&eval_in(b, context), index);
            Value::Number(a.zip(b).and_then(|(a, b)| match operator {
                Operator::Plus => a.checked_add(b),
                Operator::Minus => a.checked_sub(b),
                Operator::Times => a.checked_mul(b),
                Operator::Mod => a.checked_rem(b),
            }))
        }
        Expr::Negative(inner) => {
            Value::Number(number(&eval_in(inner, context), index).and_then(i64::checked_neg))
        }
        Expr::Union(a, b) => match (eval_in(a, context), eval_in(b, context)) {
            (Value::Nodes(mut nodes), Value::Nodes(more)) => {
                nodes.extend(more);
                nodes.sort_unstable();
                nodes.dedup();
                Value::Nodes(nodes)
            }
            _ => Value::Nodes(Vec::new()),
        },
        Expr::Literal(text) => Value::Text(text.to_string()),
        Expr::Number(number) => Value::Number(Some(*number)),
        Expr::Call(function, arguments) => functions::call(*function, arguments, context),
        Expr::Path { absolute, steps } => {
            let from = if *absolute { 0 } else { context.node };
            Value::Nodes(walk(vec![from], steps, index))
        }
        Expr::Filter { from, predicates, steps } => match eval_in(from, context) {
            Value::Nodes(nodes) => {
                Value::Nodes(walk(filter(nodes, predicates, index), steps, index))
            }
            other if predicates.is_empty() && steps.is_empty() => other,
            _ => Value::Nodes(Vec::new()),
        },
    }
}

fn walk(from: Vec<Id>, steps: &[Step], index: &Index<'_>) -> Vec<Id> {
    let mut nodes = from;
    let mut rest = steps;
    while let Some((step, behind)) = rest.split_first() {
        rest = behind;
        // `//name` without a predicate is one walk, not one for each node of the document.
        let (step, both) = match behind.split_first() {
            Some((next, after))
                if step.axis == Axis::DescendantOrSelf
                    && step.predicates.is_empty()
                    && next.axis == Axis::Child
                    && next.predicates.is_empty() =>
            {
                rest = after;
                (next, true)
            }
            _ => (step, false),
        };
        let axis = if both { Axis::Descendant } else { step.axis };
        let mut next = Vec::new();
        for node in nodes {
            let found = index.walk(node, axis, &step.test);
            next.extend(filter(found, &step.predicates, index));
        }
        next.sort_unstable();
        next.dedup();
        nodes = next;
    }
    nodes
}

fn filter(mut nodes: Vec<Id>, predicates: &[Expr], index: &Index<'_>) -> Vec<Id> {
    for predicate in predicates {
        let size = nodes.len();
        let mut position: usize = 0;
        nodes.retain(|node| {
            position = position.saturating_add(1);
            let context = Context { index, node: *node, position, size };
            match eval_in(predicate, &context) {
                Value::Number(wanted) => wanted == i64::try_from(position).ok(),
                other => boolean(&other),
            }
        });
    }
    nodes
}

pub(super) fn boolean(value: &Value) -> bool {
    match value {
        Value::Nodes(nodes) => !nodes.is_empty(),
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.is_some_and(|number| number != 0),
        Value::Text(text) => !text.is_empty(),
    }
}

pub(super) fn string(value: &Value, index: &Index<'_>) -> String {
    match value {
        Value::Nodes(nodes) => nodes.first().map(|id| index.string(*id)).unwrap_or_default(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(Some(number)) => number.to_string(),
        Value::Number(None) => "NaN".to_owned(),
        Value::Text(text) => text.clone(),
    }
}

pub(super) fn number(value: &Value, index: &Index<'_>) -> Option<i64> {
    match value {
        Value::Nodes(_) => text_number(&string(value, index)),
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Number(number) => *number,
        Value::Text(text) => text_number(text),
    }
}

/// XPath knows no `+` sign.
fn text_number(text: &str) -> Option<i64> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole)
        || !fraction.bytes().all(|b| b == b'0')
        || (whole.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let number: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some(if text.starts_with('-') { -number } else { number })
}

fn compare(how: Comparison, a: &Value, b: &Value, index: &Index<'_>) -> bool {
    match (a, b) {
        // A set of nodes against a truth is a truth itself; else any node will do.
        (Value::Nodes(_), Value::Bool(_)) | (Value::Bool(_), Value::Nodes(_)) => {
            compare_plain(how, &Value::Bool(boolean(a)), &Value::Bool(boolean(b)), index)
        }
        (Value::Nodes(nodes), other) => nodes.iter().any(|id| {
            let text = Value::Text(index.string(*id));
            compare(how, &text, other, index)
        }),
        (other, Value::Nodes(nodes)) => nodes.iter().any(|id| {
            let text = Value::Text(index.string(*id));
            compare(how, other, &text, index)
        }),
        _ => compare_plain(how, a, b, index),
    }
}

fn compare_plain(how: Comparison, a: &Value, b: &Value, index: &Index<'_>) -> bool {
    let ordered = |test: fn(i64, i64) -> bool| {
        number(a, index).zip(number(b, index)).is_some_and(|(a, b)| test(a, b))
    };
    let equal = || match (a, b) {
        (Value::Bool(_), _) | (_, Value::Bool(_)) => boolean(a) == boolean(b),
        (Value::Number(_), _) | (_, Value::Number(_)) => ordered(|a, b| a == b),
        _ => string(a, index) == string(b, index),
    };
    match how {
        Comparison::Equal => equal(),
        Comparison::Unequal => !equal(),
        Comparison::Less => ordered(|a, b| a < b),
        Comparison::LessEqual => ordered(|a, b| a <= b),
        Comparison::Greater => ordered(|a, b| a > b),
        Comparison::GreaterEqual => ordered(|a, b| a >= b),
    }
}
