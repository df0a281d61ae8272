use super::error::Fault;
use super::token::{Kind, Token};
use crate::ast::{BinaryOp, Span};
use crate::print::quote_char;

mod number;
mod string;

/// Cuts the text into tokens. Copying it remembers a place to come back to.
#[derive(Clone, Copy)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Where the current token begins.
    start: usize,
    /// The next character.
    at: usize,
    parens: usize,
    in_braces: bool,
    bracket: Bracket,
}

/// Where the text stands relative to `[…]`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Outside,
    /// Nothing but the beginning of a computation has been seen.
    Opened,
    /// A duration has been seen.
    Range,
    /// A colon has been seen.
    Step,
}

type Lexed = Result<Token, Fault>;

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            start: 0,
            at: 0,
            parens: 0,
            in_braces: false,
            bracket: Bracket::Outside,
        }
    }

    /// The next token; at the end of the text, [`Kind::End`] again and again.
    pub(super) fn next(&mut self) -> Lexed {
        self.skip_blanks();
        self.start = self.at;
        if self.in_braces {
            self.inside_braces()
        } else if self.bracket == Bracket::Opened {
            self.duration_expression()
        } else {
            self.statement()
        }
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | '\r' => self.at += 1,
                '#' => self.take_while(|c| c != '\n' && c != '\r'),
                _ => break,
            }
        }
    }

    fn statement(&mut self) -> Lexed {
        let Some(c) = self.bump() else {
            return self.end();
        };
        match c {
            '=' if self.take('=') => self.operator(BinaryOp::Equal),
            '=' if self.peek() == Some('~') => self.fault("unexpected character after '=': '~'"),
            '=' => self.token(Kind::Assign),
            '!' if self.take('=') => self.operator(BinaryOp::NotEqual),
            '!' => {
                let next = quote_char(self.peek().unwrap_or(char::REPLACEMENT_CHARACTER));
                self.fault(format!("unexpected character after '!': {next}"))
            }
            '<' if self.take('=') => self.operator(BinaryOp::LessEqual),
            '<' => self.operator(BinaryOp::Less),
            '>' if self.take('=') => self.operator(BinaryOp::GreaterEqual),
            '>' => self.operator(BinaryOp::Greater),
            '@' => self.token(Kind::At),
            ',' => self.token(Kind::Comma),
            '"' | '\'' | '`' => self.string(c),
            '{' => {
                self.in_braces = true;
                self.token(Kind::LeftBrace)
            }
            ':' | 'a'..='z' | 'A'..='Z' | '_' => self.colon_or_word(c),
            _ => self.shared(c, "unexpected character: "),
        }
    }

    fn colon_or_word(&mut self, first: char) -> Lexed {
        match self.bracket {
            Bracket::Outside => {
                self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                self.token(Kind::of_word(&self.text[self.start..self.at]))
            }
            _ if first != ':' => {
                let shown = quote_char(first);
                self.duration_word(|| format!("unexpected character: {shown}, expected ':'"))
            }
            Bracket::Step => self.fault("unexpected colon ':'"),
            Bracket::Opened | Bracket::Range => {
                self.bracket = Bracket::Step;
                self.token(Kind::Colon)
            }
        }
    }

    /// Behind `[`, before the first duration.
    fn duration_expression(&mut self) -> Lexed {
        match self.bump() {
            None => self.fault("unexpected end of input in duration expression"),
            Some(':') => {
                self.start = self.at;
                self.fault("unexpected colon before duration in duration expression")
            }
            Some('[') => self.fault("unexpected character in duration expression: '['"),
            Some(',') => self.token(Kind::Comma),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let shown = quote_char(c);
                self.duration_word(|| {
                    format!("unexpected character in duration expression: {shown}")
                })
            }
            Some(c) => self.shared(c, "unexpected character in duration expression: "),
        }
    }

    /// A word that computes durations, in brackets behind its first letter. `complaint` is about
    /// any other.
    fn duration_word(&mut self, complaint: impl FnOnce() -> String) -> Lexed {
        self.take_while(|c| c.is_ascii_alphabetic() || c == '_');
        let word = self.text[self.start..self.at].to_ascii_lowercase();
        match word.as_str() {
            "step" | "range" | "min_of" | "max_of" | "min" | "max" => {
                if self.bracket == Bracket::Opened && matches!(word.as_str(), "step" | "range") {
                    self.bracket = Bracket::Range;
                }
                self.token(Kind::of_word(&word))
            }
            _ => self.fault(complaint()),
        }
    }

    /// What both of the above know.
    fn shared(&mut self, c: char, complaint: &str) -> Lexed {
        match c {
            '+' => self.operator(BinaryOp::Add),
            '-' => self.operator(BinaryOp::Sub),
            '*' => self.operator(BinaryOp::Mul),
            '/' => self.operator(BinaryOp::Div),
            '%' => self.operator(BinaryOp::Mod),
            '^' => self.operator(BinaryOp::Pow),
            '(' => {
                self.parens += 1;
                self.token(Kind::LeftParen)
            }
            ')' if self.parens > 0 => {
                self.parens -= 1;
                self.token(Kind::RightParen)
            }
            // The place is the one behind it, as elsewhere it has been taken by then.
            ')' => {
                self.start = self.at;
                self.fault("unexpected right parenthesis ')'")
            }
            '[' if self.bracket == Bracket::Outside => {
                self.bracket = Bracket::Opened;
                self.token(Kind::LeftBracket)
            }
            '[' => self.fault("unexpected left bracket '['"),
            ']' if self.bracket == Bracket::Outside => self.fault("unexpected right bracket ']'"),
            ']' => {
                self.bracket = Bracket::Outside;
                self.token(Kind::RightBracket)
            }
            _ if c.is_ascii_digit() || (c == '.' && self.is_digit_next()) => {
                if self.bracket == Bracket::Opened {
                    self.bracket = Bracket::Range;
                }
                self.at = self.start;
                self.number_or_duration()
            }
            _ => self.fault(format!("{complaint}{}", quote_char(c))),
        }
    }

    fn inside_braces(&mut self) -> Lexed {
        let Some(c) = self.bump() else {
            return self.fault("unexpected end of input inside braces");
        };
        match c {
            ',' => self.token(Kind::Comma),
            '}' => {
                self.in_braces = false;
                self.token(Kind::RightBrace)
            }
            '{' => self.fault("unexpected left brace '{'"),
            '"' | '\'' | '`' => self.string(c),
            '=' if self.take('~') => self.token(Kind::EqualRegex),
            '=' => self.token(Kind::Assign),
            '!' if self.take('~') => self.token(Kind::NotRegex),
            '!' if self.take('=') => self.operator(BinaryOp::NotEqual),
            '!' => {
                let next = quote_char(self.peek().unwrap_or(char::REPLACEMENT_CHARACTER));
                self.fault(format!(
                    "unexpected character after '!' inside braces: {next}"
                ))
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
                self.token(Kind::Identifier)
            }
            _ => self.fault(format!(
                "unexpected character inside braces: {}",
                quote_char(c)
            )),
        }
    }

    fn end(&self) -> Lexed {
        if self.parens > 0 {
            self.fault("unclosed left parenthesis")
        } else if self.bracket != Bracket::Outside {
            self.fault("unclosed left bracket")
        } else {
            self.token(Kind::End)
        }
    }

    fn operator(&self, op: BinaryOp) -> Lexed {
        self.token(Kind::Operator(op))
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "it stands beside `fault` in the arms of every match"
    )]
    fn token(&self, kind: Kind) -> Lexed {
        let span = Span::new(self.start, self.at);
        Ok(Token { kind, span })
    }

    fn fault(&self, message: impl Into<String>) -> Lexed {
        Err(Fault::new(Span::new(self.start, self.text.len()), message))
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn is_digit_next(&self) -> bool {
        self.peek().is_some_and(|c| c.is_ascii_digit())
    }

    /// Takes the next character if it is this one.
    fn take(&mut self, wanted: char) -> bool {
        self.take_if(|c| c == wanted)
    }

    fn take_if(&mut self, is_wanted: impl Fn(char) -> bool) -> bool {
        let found = self.peek().is_some_and(is_wanted);
        if found {
            self.bump();
        }
        found
    }

    fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) {
        while self.take_if(&is_wanted) {}
    }
}
