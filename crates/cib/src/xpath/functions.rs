//! The functions an expression may call.

use std::ops::RangeInclusive;

use super::Expr;
use super::eval::{Context, Value, boolean, eval_in, number, string};
use super::index::{Id, Kind};

macro_rules! functions {
    ($($name:literal = $function:ident takes $takes:expr;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Function { $($function,)* }

        impl Function {
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$function),)* _ => None }
            }

            /// How many arguments it takes.
            pub(super) fn takes(self) -> RangeInclusive<usize> {
                match self { $(Self::$function => $takes,)* }
            }
        }
    };
}

functions! {
    "last" = Last takes 0..=0;
    "position" = Position takes 0..=0;
    "count" = Count takes 1..=1;
    "name" = Name takes 0..=1;
    "local-name" = LocalName takes 0..=1;
    "string" = String takes 0..=1;
    "concat" = Concat takes 2..=64;
    "starts-with" = StartsWith takes 2..=2;
    "contains" = Contains takes 2..=2;
    "substring-before" = SubstringBefore takes 2..=2;
    "substring-after" = SubstringAfter takes 2..=2;
    "substring" = Substring takes 2..=3;
    "string-length" = StringLength takes 0..=1;
    "normalize-space" = NormalizeSpace takes 0..=1;
    "translate" = Translate takes 3..=3;
    "boolean" = Boolean takes 1..=1;
    "not" = Not takes 1..=1;
    "true" = True takes 0..=0;
    "false" = False takes 0..=0;
    "number" = Number takes 0..=1;
    "sum" = Sum takes 1..=1;
}

pub(super) fn call(function: Function, arguments: &[Expr], context: &Context<'_, '_>) -> Value {
    let value = |at: usize| arguments.get(at).map(|expr| eval_in(expr, context));
    let here = || Value::Nodes(vec![context.node]);
    let text = |at: usize| string(&value(at).unwrap_or_else(here), context.index);
    let integer = |n: usize| Value::Number(i64::try_from(n).ok());
    match function {
        Function::Last => integer(context.size),
        Function::Position => integer(context.position),
        Function::Count => match value(0) {
            Some(Value::Nodes(nodes)) => integer(nodes.len()),
            _ => Value::Number(None),
        },
        Function::Name => Value::Text(name(value(0).unwrap_or_else(here), context).to_owned()),
        Function::LocalName => {
            let name = name(value(0).unwrap_or_else(here), context);
            Value::Text(name.rsplit(':').next().unwrap_or_default().to_owned())
        }
        Function::String => Value::Text(text(0)),
        Function::Concat => Value::Text((0..arguments.len()).map(text).collect()),
        Function::StartsWith => Value::Bool(text(0).starts_with(&text(1))),
        Function::Contains => Value::Bool(text(0).contains(&text(1))),
        Function::SubstringBefore => {
            let (all, part) = (text(0), text(1));
            Value::Text(all.split_once(&part).map_or("", |(before, _)| before).to_owned())
        }
        Function::SubstringAfter => {
            let (all, part) = (text(0), text(1));
            Value::Text(all.split_once(&part).map_or("", |(_, after)| after).to_owned())
        }
        Function::Substring => {
            let from = number(&value(1).unwrap_or_else(here), context.index);
            let len = value(2).map(|it| number(&it, context.index));
            Value::Text(substring(&text(0), from, len))
        }
        Function::StringLength => integer(text(0).chars().count()),
        Function::NormalizeSpace => {
            let text = text(0);
            let words: Vec<&str> =
                text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect();
            Value::Text(words.join(" "))
        }
        Function::Translate => Value::Text(translate(&text(0), &text(1), &text(2))),
        Function::Boolean => Value::Bool(value(0).is_some_and(|it| boolean(&it))),
        Function::Not => Value::Bool(!value(0).is_some_and(|it| boolean(&it))),
        Function::True => Value::Bool(true),
        Function::False => Value::Bool(false),
        Function::Number => Value::Number(number(&value(0).unwrap_or_else(here), context.index)),
        Function::Sum => match value(0) {
            Some(Value::Nodes(nodes)) => Value::Number(sum(&nodes, context)),
            _ => Value::Number(None),
        },
    }
}

fn name<'a>(value: Value, context: &Context<'_, 'a>) -> &'a str {
    match value {
        Value::Nodes(nodes) => nodes.first().map_or("", |id| match context.index.kind(*id) {
            Kind::Document => "",
            _ => context.index.name(*id),
        }),
        _ => "",
    }
}

fn sum(nodes: &[Id], context: &Context<'_, '_>) -> Option<i64> {
    nodes.iter().try_fold(0_i64, |sum, id| {
        let one = number(&Value::Text(context.index.string(*id)), context.index)?;
        sum.checked_add(one)
    })
}

fn substring(text: &str, from: Option<i64>, len: Option<Option<i64>>) -> String {
    let Some(from) = from else { return String::new() };
    let to = match len {
        None => i64::MAX,
        Some(None) => return String::new(),
        Some(Some(len)) => from.saturating_add(len),
    };
    text.chars().zip(1_i64..).filter(|(_, at)| (from..to).contains(at)).map(|(c, _)| c).collect()
}

fn translate(text: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    text.chars()
        .filter_map(|c| match from.chars().position(|it| it == c) {
            None => Some(c),
            Some(at) => to.get(at).copied(),
        })
        .collect()
}
