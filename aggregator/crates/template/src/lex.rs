//! From text to tokens.

use crate::parse::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Text,
    LeftDelim,
    RightDelim,
    Space,
    LeftParen,
    RightParen,
    Pipe,
    Comma,
    Assign,
    Declare,
    Dot,
    /// `.name`, without the dot.
    Field,
    /// `$name`, with the dollar.
    Variable,
    Identifier,
    Keyword,
    Bool,
    Number,
    /// `'x'`, as its code point.
    Character,
    String,
    RawString,
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// The byte where it starts.
    pub(crate) at: usize,
    pub(crate) text: &'a str,
}

const KEYWORDS: [&str; 12] = [
    "block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template",
    "with", "dot",
];

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// All tokens of a template; the last is [`Kind::End`].
pub(crate) fn tokens<'a>(name: &str, text: &'a str) -> Result<Vec<Token<'a>>, ParseError> {
    let mut lexer = Lexer {
        name,
        text,
        at: 0,
        tokens: Vec::new(),
    };
    lexer.all()?;
    lexer.push(Kind::End, text.len(), text.len());
    Ok(lexer.tokens)
}

struct Lexer<'a, 'n> {
    name: &'n str,
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a, '_> {
    fn push(&mut self, kind: Kind, from: usize, to: usize) {
        self.tokens.push(Token {
            kind,
            at: from,
            text: &self.text[from..to],
        });
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.name, self.text, at, message)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn all(&mut self) -> Result<(), ParseError> {
        let mut trim_left = false;
        while self.at < self.text.len() {
            let start = self.at;
            let found = self.rest().find(LEFT);
            let end = found.map_or(self.text.len(), |offset| start + offset);
            let mut body = &self.text[start..end];
            if trim_left {
                body = body.trim_start_matches(SPACES);
            }
            let from = end - body.len();
            let trims = |text: &str| text.starts_with('-') && text[1..].starts_with(SPACES);
            if found.is_some() && trims(&self.text[end + LEFT.len()..]) {
                body = body.trim_end_matches(SPACES);
            }
            if !body.is_empty() {
                self.push(Kind::Text, from, from + body.len());
            }
            self.at = end;
            trim_left = found.is_some() && self.action()?;
        }
        Ok(())
    }

    /// One action or comment; says whether the text after it loses its leading spaces.
    fn action(&mut self) -> Result<bool, ParseError> {
        let start = self.at;
        self.at += LEFT.len();
        if self.rest().starts_with('-') && self.rest()[1..].starts_with(SPACES) {
            self.at += 2;
        }
        if self.rest().starts_with("/*") {
            return self.comment(start);
        }
        self.push(Kind::LeftDelim, start, self.at);
        let mut parens = 0_usize;
        loop {
            let rest = self.rest();
            let trimming = rest.starts_with(SPACES) && {
                let after = rest.trim_start_matches(SPACES);
                after.starts_with("-}}")
            };
            if trimming || rest.starts_with(RIGHT) {
                if parens > 0 {
                    return Err(self.error(self.at, "unclosed left paren"));
                }
                let before = self.at;
                self.at = before + rest.find(RIGHT).unwrap_or_default() + RIGHT.len();
                self.push(Kind::RightDelim, before, self.at);
                return Ok(trimming);
            }
            self.inside(&mut parens)?;
        }
    }

    fn comment(&mut self, start: usize) -> Result<bool, ParseError> {
        let Some(end) = self.rest().find("*/") else {
            return Err(self.error(start, "unclosed comment"));
        };
        self.at += end + 2;
        let rest = self.rest();
        let trimmed = rest.trim_start_matches(SPACES);
        let trims = trimmed.len() < rest.len() && trimmed.starts_with("-}}");
        if !trims && !rest.starts_with(RIGHT) {
            return Err(self.error(start, "comment ends before closing delimiter"));
        }
        self.at += rest.find(RIGHT).unwrap_or_default() + RIGHT.len();
        Ok(trims)
    }

    fn inside(&mut self, parens: &mut usize) -> Result<(), ParseError> {
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(self.error(start, "unclosed action"));
        };
        let (kind, len) = match first {
            _ if SPACES.contains(&first) => {
                let body = rest.trim_start_matches(SPACES);
                (Kind::Space, rest.len() - body.len())
            }
            '(' => {
                *parens += 1;
                (Kind::LeftParen, 1)
            }
            ')' => {
                let Some(open) = parens.checked_sub(1) else {
                    return Err(self.error(start, "unexpected right paren"));
                };
                *parens = open;
                (Kind::RightParen, 1)
            }
            '|' => (Kind::Pipe, 1),
            ',' => (Kind::Comma, 1),
            ':' if rest.starts_with(":=") => (Kind::Declare, 2),
            ':' => return Err(self.error(start, "expected :=")),
            '=' => (Kind::Assign, 1),
            '"' => (
                Kind::String,
                self.quoted(rest, '"', "unterminated quoted string")?,
            ),
            '\'' => (
                Kind::Character,
                self.quoted(rest, '\'', "unterminated character constant")?,
            ),
            '`' => match rest[1..].find('`') {
                Some(end) => (Kind::RawString, end + 2),
                None => return Err(self.error(start, "unterminated raw quoted string")),
            },
            '$' => (Kind::Variable, 1 + word(&rest[1..])),
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let len = word(&rest[1..]);
                (if len == 0 { Kind::Dot } else { Kind::Field }, 1 + len)
            }
            '.' | '+' | '-' | '0'..='9' => (Kind::Number, number(rest)),
            _ if first.is_alphanumeric() || first == '_' => {
                let len = word(rest);
                let kind = match &rest[..len] {
                    "true" | "false" => Kind::Bool,
                    known if KEYWORDS.contains(&known) => Kind::Keyword,
                    _ => Kind::Identifier,
                };
                (kind, len)
            }
            _ => {
                let message = format!("unrecognized character in action: {}", point(first));
                return Err(self.error(start, message));
            }
        };
        self.at = start + len;
        self.push(kind, start, self.at);
        Ok(())
    }

    /// The length of a quoted text; escapes are looked at later.
    fn quoted(&self, rest: &str, quote: char, message: &str) -> Result<usize, ParseError> {
        let mut escaped = false;
        for (offset, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == quote => return Ok(offset + 1),
                _ => {}
            }
        }
        Err(self.error(self.at, message))
    }
}

fn word(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    end.unwrap_or(text.len())
}

fn number(text: &str) -> usize {
    let mut last = ' ';
    let end = text.char_indices().find(|&(offset, c)| {
        let sign = matches!(c, '+' | '-') && (offset == 0 || matches!(last, 'e' | 'E' | 'p' | 'P'));
        last = c;
        !(sign || c.is_alphanumeric() || c == '.' || c == '_')
    });
    end.map_or(text.len(), |(offset, _)| offset)
}

/// A character as Go's `%#U` writes it.
fn point(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}
