//! Bytes to tokens, without losing one.
//!
//! keepalived.conf is line oriented: words separated by blanks, `#` or `!` up to the end of the line
//! is a comment, `{` and `}` stand for themselves wherever they are not quoted (also glued to a
//! word). `"..."` and `'...'` join words and hide everything above; a backslash hides the next
//! character; `${NAME}` belongs to its word. A quote ends with its line at the latest. `'` is a quote
//! only where a word begins: in `it's` it is an apostrophe.
//!
//! The tokens cover the input without gap or overlap, whatever the input is, so a program that
//! edits a configuration can put back what it does not understand. Each byte is looked at once; the
//! lexer keeps no tokens, so a line of many megabytes costs nothing.

use crate::Span;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// Blanks: anything that separates words without ending the line.
    Blank,
    /// `\n` or `\r\n`.
    Newline,
    /// From `#` or `!` up to the end of the line, which is not part of it.
    Comment,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// A word, quotes and backslashes still in it.
    Word {
        /// Offset of a quote that is opened and not closed before the end of the line.
        unterminated: Option<usize>,
    },
}

/// A piece of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands; never empty.
    pub span: Span,
}

/// The tokens of `text`, in order, covering it completely.
#[must_use]
pub fn tokens(text: &[u8]) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

/// See [`tokens`].
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        let kind = match self.peek(0)? {
            b'{' => self.one(TokenKind::Open),
            b'}' => self.one(TokenKind::Close),
            b'#' | b'!' => {
                self.skip_while(|byte| byte != b'\n');
                // The `\r` of a `\r\n` is part of the line's end.
                if self.text.get(self.at) == Some(&b'\n') && self.text[self.at - 1] == b'\r' {
                    self.at -= 1;
                }
                TokenKind::Comment
            }
            _ if self.at_newline() => {
                self.at += if self.peek(0) == Some(b'\r') { 2 } else { 1 };
                TokenKind::Newline
            }
            byte if is_blank(byte) => {
                while self.peek(0).is_some_and(is_blank) && !self.at_newline() {
                    self.at += 1;
                }
                TokenKind::Blank
            }
            _ => self.word(),
        };
        Some(Token { kind, span: Span::new(start, self.at) })
    }
}

impl Tokens<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn at_newline(&self) -> bool {
        match self.peek(0) {
            Some(b'\n') => true,
            Some(b'\r') => self.peek(1) == Some(b'\n'),
            _ => false,
        }
    }

    fn one(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&keep) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> TokenKind {
        let begin = self.at;
        let mut quote: Option<(u8, usize)> = None;
        while let Some(byte) = self.peek(0) {
            if self.at_newline() {
                break;
            }
            match (quote, byte) {
                (_, b'\\') => {
                    self.at += 1;
                    // A backslash before the end of the line hides nothing.
                    if self.at_newline() || self.peek(0).is_none() {
                        break;
                    }
                }
                (Some((open, _)), _) if byte == open => quote = None,
                (Some(_), _) => {}
                (None, b'"') => quote = Some((byte, self.at)),
                (None, b'\'') if self.at == begin => quote = Some((byte, self.at)),
                (None, b'$') if self.peek(1) == Some(b'{') => {
                    self.at += 1;
                    self.skip_while(|byte| byte != b'}' && byte != b'\n' && byte != b'\r');
                    if self.peek(0) != Some(b'}') {
                        continue;
                    }
                }
                (None, b'{' | b'}' | b'#' | b'!') => break,
                (None, _) if is_blank(byte) => break,
                (None, _) => {}
            }
            self.at += 1;
        }
        TokenKind::Word { unterminated: quote.map(|(_, at)| at) }
    }
}

/// Blanks as C's `isspace` has them, but for the newline. A `\r` not before `\n` is one of them.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Words as text, `{` `}` as themselves, `;` for a newline; blanks and comments left out.
    fn shape(text: &str) -> Vec<String> {
        tokens(text.as_bytes())
            .filter_map(|t| match t.kind {
                TokenKind::Blank | TokenKind::Comment => None,
                TokenKind::Newline => Some(";".to_owned()),
                _ => Some(text[t.span.within(text.len())].to_owned()),
            })
            .collect()
    }

    #[test]
    fn words_braces_comments_and_quotes() {
        for (text, want) in [
            ("a b\tc", vec!["a", "b", "c"]),
            ("a # b", vec!["a"]),
            ("a!b\nc", vec!["a", ";", "c"]),
            (r"a\#b \!c", vec![r"a\#b", r"\!c"]),
            ("VI_1{ x }y", vec!["VI_1", "{", "x", "}", "y"]),
            (r#""{ # !" x"#, vec![r#""{ # !""#, "x"]),
            (r#"a"b c"d 'e f' g"#, vec![r#"a"b c"d"#, "'e f'", "g"]),
            (r#""a 'b" c' d"#, vec![r#""a 'b""#, "c'", "d"]),
            ("it's a 'b c'", vec!["it's", "a", "'b c'"]),
            (r#""a \" b" c"#, vec![r#""a \" b""#, "c"]),
            ("${A} x${B C}y $C", vec!["${A}", "x${B C}y", "$C"]),
            ("a\r\nb\rc\r\n", vec!["a", ";", "b", "c", ";"]),
            ("# x\r\na", vec![";", "a"]),
            ("a\\\nb", vec!["a\\", ";", "b"]),
            ("${A\n}", vec!["${A", ";", "}"]),
        ] {
            assert_eq!(shape(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_quote_ends_with_its_line() {
        let open = |text: &str| {
            tokens(text.as_bytes()).find_map(|t| match t.kind {
                TokenKind::Word { unterminated } => unterminated,
                _ => None,
            })
        };
        assert_eq!(open("a \"b c\nd"), Some(2));
        assert_eq!(open("x\"a' b\r\n"), Some(1));
        assert_eq!(open("'a\\'"), Some(0));
        assert_eq!(open("x'a"), None);
        assert_eq!(open("\"a\" 'b'"), None);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut at = 0;
            for token in tokens(&text) {
                prop_assert_eq!(token.span.start, at);
                prop_assert!(!token.span.is_empty());
                at = token.span.end;
            }
            prop_assert_eq!(at, text.len());
        }

        #[test]
        fn no_byte_of_something_like_a_configuration_is_lost(
            text in r#"([a-z{}#!"'\\$ \t\r\n]|\$\{){0,200}"#
        ) {
            let mut joined = String::new();
            for token in tokens(text.as_bytes()) {
                joined.push_str(&text[token.span.within(text.len())]);
            }
            prop_assert_eq!(joined, text);
        }
    }
}
