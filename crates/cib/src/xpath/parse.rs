//! Tokens to an expression, by descent from the weakest operator to the steps of a path.

use super::functions::Function;
use super::lex::{Error, Token, lex};
use super::{Axis, Comparison, Expr, Operator, Step, Test};

/// Deeper nesting is refused, so that no expression ends the process.
const DEEPEST: usize = 64;
/// Longer expressions are refused: chains of operators nest as well.
const LONGEST: usize = 1024;

pub(super) fn parse(text: &str) -> Result<Expr, Error> {
    let tokens = lex(text)?;
    let end = text.chars().count().saturating_add(1);
    if tokens.len() > LONGEST {
        return Err(Error { at: 1, what: format!("more than {LONGEST} parts: make it shorter") });
    }
    let mut parser = Parser { tokens, next: 0, end, depth: 0 };
    let expr = parser.or()?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.error("the expression should end here")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next.saturating_add(ahead)).map(|(_, token)| token)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(it)) if *it == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        if found {
            self.next += 1;
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Error> {
        if self.take(sign) { Ok(()) } else { Err(self.error(&format!("`{sign}` is missing here"))) }
    }

    fn error(&self, what: &str) -> Error {
        let at = self.tokens.get(self.next).map_or(self.end, |(at, _)| *at);
        Error { at, what: what.to_owned() }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= DEEPEST {
            return Err(self.error("nested too deep: make it simpler"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn or(&mut self) -> Result<Expr, Error> {
        self.deeper(|it| {
            let mut left = it.and()?;
            while it.take("or") {
                left = Expr::Or(left.into(), it.and()?.into());
            }
            Ok(left)
        })
    }

    fn and(&mut self) -> Result<Expr, Error> {
        let mut left = self.equality()?;
        while self.take("and") {
            left = Expr::And(left.into(), self.equality()?.into());
        }
        Ok(left)
    }

    fn equality(&mut self) -> Result<Expr, Error> {
        let mut left = self.relation()?;
        loop {
            let how = if self.take("=") {
                Comparison::Equal
            } else if self.take("!=") {
                Comparison::Unequal
            } else {
                return Ok(left);
            };
            left = Expr::Compare(how, left.into(), self.relation()?.into());
        }
    }

    fn relation(&mut self) -> Result<Expr, Error> {
        let mut left = self.sum()?;
        loop {
            let how = if self.take("<=") {
                Comparison::LessEqual
            } else if self.take(">=") {
                Comparison::GreaterEqual
            } else if self.take("<") {
                Comparison::Less
            } else if self.take(">") {
                Comparison::Greater
            } else {
                return Ok(left);
            };
            left = Expr::Compare(how, left.into(), self.sum()?.into());
        }
    }

    fn sum(&mut self) -> Result<Expr, Error> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take("+") {
                Operator::Plus
            } else if self.take("-") {
                Operator::Minus
            } else {
                return Ok(left);
            };
            left = Expr::Arithmetic(operator, left.into(), self.product()?.into());
        }
    }

    fn product(&mut self) -> Result<Expr, Error> {
        let mut left = self.unary()?;
        loop {
            let operator = if self.take("times") {
                Operator::Times
            } else if self.take("mod") {
                Operator::Mod
            } else if self.is("div") {
                return Err(self.error("`div` makes fractions, which are not supported"));
            } else {
                return Ok(left);
            };
            left = Expr::Arithmetic(operator, left.into(), self.unary()?.into());
        }
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        if self.take("-") {
            return self.deeper(|it| Ok(Expr::Negative(it.unary()?.into())));
        }
        let mut left = self.path()?;
        while self.take("|") {
            left = Expr::Union(left.into(), self.path()?.into());
        }
        Ok(left)
    }

    fn path(&mut self) -> Result<Expr, Error> {
        if self.starts_filter() {
            let from = self.primary()?;
            let predicates = self.predicates()?;
            let steps = if self.is("/") || self.is("//") { self.steps()? } else { Vec::new() };
            if predicates.is_empty() && steps.is_empty() {
                return Ok(from);
            }
            return Ok(Expr::Filter { from: from.into(), predicates, steps });
        }
        if self.is("//") {
            return Ok(Expr::Path { absolute: true, steps: self.steps()? });
        }
        if self.take("/") {
            let steps = if self.starts_step() {
                let mut steps = vec![self.step()?];
                steps.extend(self.steps()?);
                steps
            } else {
                Vec::new()
            };
            return Ok(Expr::Path { absolute: true, steps });
        }
        if !self.starts_step() {
            return Err(self.error("a path, a string, a number or a function should stand here"));
        }
        let mut steps = vec![self.step()?];
        steps.extend(self.steps()?);
        Ok(Expr::Path { absolute: false, steps })
    }

    /// Whether something other than a step begins here.
    fn starts_filter(&self) -> bool {
        match self.peek() {
            Some(Token::Literal(_) | Token::Number(_)) => true,
            Some(Token::Sign(sign)) => *sign == "(",
            Some(Token::Name(name)) => {
                matches!(self.peek_at(1), Some(Token::Sign("("))) && node_type(name).is_none()
            }
            None => false,
        }
    }

    fn starts_step(&self) -> bool {
        match self.peek() {
            Some(Token::Name(_)) => true,
            Some(Token::Sign(sign)) => matches!(*sign, "@" | "." | ".." | "*"),
            _ => false,
        }
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        let token = self.peek().cloned();
        match token {
            Some(Token::Literal(text)) => {
                self.next += 1;
                Ok(Expr::Literal(text))
            }
            Some(Token::Number(number)) => {
                self.next += 1;
                Ok(Expr::Number(number))
            }
            Some(Token::Name(name)) => {
                let Some(function) = Function::named(&name) else {
                    return Err(self.error(&format!("there is no function `{name}`")));
                };
                let at = self.next;
                self.next += 1;
                self.expect("(")?;
                let mut arguments = Vec::new();
                if !self.is(")") {
                    arguments.push(self.or()?);
                    while self.take(",") {
                        arguments.push(self.or()?);
                    }
                }
                self.expect(")")?;
                if function.takes().contains(&arguments.len()) {
                    return Ok(Expr::Call(function, arguments));
                }
                self.next = at;
                Err(self.error(&format!("`{name}` does not take {} arguments", arguments.len())))
            }
            _ => {
                self.expect("(")?;
                let inner = self.or()?;
                self.expect(")")?;
                Ok(inner)
            }
        }
    }

    /// `/step//step…` up to where the path ends.
    fn steps(&mut self) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        loop {
            if self.take("//") {
                steps.push(Step {
                    axis: Axis::DescendantOrSelf,
                    test: Test::Node,
                    predicates: Vec::new(),
                });
            } else if !self.take("/") {
                return Ok(steps);
            }
            steps.push(self.step()?);
        }
    }

    fn step(&mut self) -> Result<Step, Error> {
        let short = if self.take(".") {
            Some(Axis::SelfNode)
        } else if self.take("..") {
            Some(Axis::Parent)
        } else {
            None
        };
        if let Some(axis) = short {
            return Ok(Step { axis, test: Test::Node, predicates: Vec::new() });
        }
        let axis = if self.take("@") {
            Axis::Attribute
        } else if let (Some(Token::Name(name)), Some(Token::Sign("::"))) =
            (self.peek(), self.peek_at(1))
        {
            let Some(axis) = axis(name) else {
                let what = format!("there is no axis `{name}`");
                return Err(self.error(&what));
            };
            self.next += 2;
            axis
        } else {
            Axis::Child
        };
        let test = self.test()?;
        let predicates = self.predicates()?;
        Ok(Step { axis, test, predicates })
    }

    fn test(&mut self) -> Result<Test, Error> {
        if self.take("*") {
            return Ok(Test::Any);
        }
        let Some(Token::Name(name)) = self.peek().cloned() else {
            return Err(
                self.error("the name of an element or an attribute, or `*`, should stand here")
            );
        };
        if matches!(self.peek_at(1), Some(Token::Sign("(")))
            && let Some(test) = node_type(&name)
        {
            self.next += 2;
            if test == Test::Instruction && matches!(self.peek(), Some(Token::Literal(_))) {
                return Err(self.error("instructions cannot be told by name"));
            }
            self.expect(")")?;
            return Ok(test);
        }
        self.next += 1;
        Ok(Test::Named(name))
    }

    fn predicates(&mut self) -> Result<Vec<Expr>, Error> {
        let mut predicates = Vec::new();
        while self.take("[") {
            predicates.push(self.or()?);
            self.expect("]")?;
        }
        Ok(predicates)
    }
}

fn node_type(name: &str) -> Option<Test> {
    Some(match name {
        "node" => Test::Node,
        "text" => Test::Text,
        "comment" => Test::Comment,
        "processing-instruction" => Test::Instruction,
        _ => return None,
    })
}

fn axis(name: &str) -> Option<Axis> {
    Some(match name {
        "child" => Axis::Child,
        "descendant" => Axis::Descendant,
        "descendant-or-self" => Axis::DescendantOrSelf,
        "self" => Axis::SelfNode,
        "parent" => Axis::Parent,
        "ancestor" => Axis::Ancestor,
        "ancestor-or-self" => Axis::AncestorOrSelf,
        "following-sibling" => Axis::FollowingSibling,
        "preceding-sibling" => Axis::PrecedingSibling,
        "following" => Axis::Following,
        "preceding" => Axis::Preceding,
        "attribute" => Axis::Attribute,
        _ => return None,
    })
}
