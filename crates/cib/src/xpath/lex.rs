//! Characters to tokens.
//!
//! XPath has one oddity to settle here: `*`, `and`, `or`, `mod` and `div` are operators only where
//! an operand stands before them, names elsewhere.

/// Why a text is no expression we understand, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("XPath, character {at}: {what}")]
pub struct Error {
    /// Which character, from 1 on.
    pub at: usize,
    /// What is wrong there, and what could stand there instead.
    pub what: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Name(Box<str>),
    /// An operator, a bracket, `@`, `..` and the like.
    Sign(&'static str),
    Literal(Box<str>),
    Number(i64),
}

const SIGNS: [&str; 23] = [
    "::", "//", "..", "!=", "<=", ">=", "/", "|", "+", "-", "=", "<", ">", "(", ")", "[", "]", ".",
    "@", ",", "*", "$", ":",
];

pub(super) fn lex(text: &str) -> Result<Vec<(usize, Token)>, Error> {
    let mut tokens: Vec<(usize, Token)> = Vec::new();
    let mut rest = text;
    let place = |rest: &str| text[..text.len() - rest.len()].chars().count().saturating_add(1);
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let at = place(rest);
        let (token, len) = if first == '"' || first == '\'' {
            let inside = &rest[1..];
            let end = inside.find(first).ok_or_else(|| Error {
                at,
                what: format!("this {first} has no partner: close the string"),
            })?;
            (Token::Literal(inside[..end].into()), end + 2)
        } else if first.is_ascii_digit() {
            number(rest, at)?
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first.is_alphabetic() || first == '_' {
            name(rest, operand_before(&tokens))
        } else {
            return Err(Error { at, what: format!("`{first}` has no meaning here") });
        };
        let token = match token {
            Token::Sign("*") if operand_before(&tokens) => Token::Sign("times"),
            Token::Sign("$") => {
                return Err(Error { at, what: "variables are not supported".to_owned() });
            }
            other => other,
        };
        tokens.push((at, token));
        rest = &rest[len..];
    }
}

fn number(rest: &str, at: usize) -> Result<(Token, usize), Error> {
    let len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if rest[len..].starts_with('.') && !rest[len..].starts_with("..") {
        let fraction = rest[len + 1..].trim_start_matches('0');
        if fraction.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error {
                at,
                what: "write a whole number: fractions are not supported".to_owned(),
            });
        }
        let zeros = rest[len + 1..].len() - fraction.len();
        return value(&rest[..len], at).map(|number| (Token::Number(number), len + 1 + zeros));
    }
    value(&rest[..len], at).map(|number| (Token::Number(number), len))
}

fn value(digits: &str, at: usize) -> Result<i64, Error> {
    digits.parse().map_err(|_| Error { at, what: format!("{digits} is too large a number") })
}

fn name(rest: &str, operator: bool) -> (Token, usize) {
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut len = rest.find(|c: char| !letter(c)).unwrap_or(rest.len());
    // A prefix belongs to its name; `::` does not.
    if let Some(behind) = rest[len..].strip_prefix(':')
        && behind.starts_with(|c: char| c.is_alphabetic() || c == '_')
    {
        len += 1 + behind.find(|c: char| !letter(c)).unwrap_or(behind.len());
    }
    let word = &rest[..len];
    let sign = ["and", "or", "mod", "div"].into_iter().find(|sign| *sign == word);
    match sign {
        Some(sign) if operator => (Token::Sign(sign), len),
        _ => (Token::Name(word.into()), len),
    }
}

/// Whether an operator, and no operand, comes next.
fn operand_before(tokens: &[(usize, Token)]) -> bool {
    match tokens.last() {
        None => false,
        Some((_, Token::Sign(sign))) => matches!(*sign, ")" | "]" | "." | ".." | "*"),
        Some(_) => true,
    }
}
