//! XPath 1.0, as far as clusters use it: ACLs, `--xpath` on the command line, scripts.
//!
//! All axes but the namespace one, all node tests, predicates, unions, comparisons, arithmetic in
//! whole numbers, and the functions on nodes, strings and booleans. Left out: variables,
//! fractions, namespaces (a prefix is part of the name) and `id()`, which needs a DTD. An expression is parsed
//! once ([`XPath::parse`]) and then asked of any number of documents ([`XPath::select`]).

mod eval;
mod functions;
mod index;
mod lex;
mod parse;

use crate::xml::Element;

pub use eval::Value;
pub use lex::Error;

/// A parsed expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct XPath {
    root: Expr,
    text: Box<str>,
}

/// Something an expression found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// The element found, or the one that has the attribute or text found.
    pub element: &'a Element,
    /// How to get there from the root: positions in [`Element::children`].
    pub way: Vec<usize>,
    /// What of the element.
    pub part: Part<'a>,
}

/// What of an element was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part<'a> {
    /// All of it.
    Whole,
    /// An attribute: name and value.
    Attribute(&'a str, &'a str),
    /// A text inside it.
    Text(&'a str),
    /// A comment inside it.
    Comment(&'a str),
}

impl XPath {
    /// Reads an expression.
    ///
    /// # Errors
    /// When it is none, with the place.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { root: parse::parse(text)?, text: text.into() })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it finds in a document with this root, in the order of the document. The document
    /// itself (`/`) is no part of an answer; nor is anything found when the expression is not
    /// about nodes.
    #[must_use]
    pub fn select<'a>(&self, root: &'a Element) -> Vec<Found<'a>> {
        let index = index::Index::new(root);
        match eval::eval(&self.root, &index) {
            Value::Nodes(nodes) => nodes.iter().filter_map(|node| index.found(*node)).collect(),
            _ => Vec::new(),
        }
    }

    /// Its value for a document with this root, as a string.
    #[must_use]
    pub fn string(&self, root: &Element) -> String {
        let index = index::Index::new(root);
        eval::string(&eval::eval(&self.root, &index), &index)
    }
}

/// An expression.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Expr {
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Negative(Box<Expr>),
    Union(Box<Expr>, Box<Expr>),
    Literal(Box<str>),
    Number(i64),
    Call(functions::Function, Vec<Expr>),
    /// From the document itself or from the present node, step by step.
    Path {
        absolute: bool,
        steps: Vec<Step>,
    },
    /// From what another expression finds.
    Filter {
        from: Box<Expr>,
        predicates: Vec<Expr>,
        steps: Vec<Step>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Plus,
    Minus,
    Times,
    Mod,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expr>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    SelfNode,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Following,
    Preceding,
    Attribute,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Test {
    Any,
    Named(Box<str>),
    Node,
    Text,
    Comment,
    Instruction,
}
