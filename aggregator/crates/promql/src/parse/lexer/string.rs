use super::{Lexed, Lexer};
use crate::parse::error::Fault;
use crate::parse::token::Kind;
use crate::print::quote_char;

impl Lexer<'_> {
    /// A string behind its opening quote.
    pub(super) fn string(&mut self, quote: char) -> Lexed {
        loop {
            match self.bump() {
                None if quote == '`' => return self.fault("unterminated raw string"),
                None => return self.fault("unterminated quoted string"),
                Some('\n') if quote != '`' => return self.fault("unterminated quoted string"),
                Some('\\') if quote != '`' => self.escape(quote)?,
                // What bytes that are no text have become.
                Some(char::REPLACEMENT_CHARACTER) => return self.fault("invalid UTF-8 rune"),
                Some(c) if c == quote => return self.token(Kind::String),
                Some(_) => {}
            }
        }
    }

    /// An escape sequence behind its backslash.
    fn escape(&mut self, quote: char) -> Result<(), Fault> {
        let (digits, base, largest) = match self.bump() {
            None => return self.escape_fault("escape sequence not terminated"),
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\') => return Ok(()),
            Some(c) if c == quote => return Ok(()),
            Some('0'..='7') => {
                self.at -= 1;
                (3, 8, 0xFF)
            }
            Some('x') => (2, 16, 0xFF),
            Some('u') => (4, 16, 0x0010_FFFF),
            Some('U') => (8, 16, 0x0010_FFFF),
            Some(c) => {
                let shown = with_code(c);
                return self.escape_fault(format!("unknown escape sequence {shown}"));
            }
        };
        let mut code: u32 = 0;
        for _ in 0..digits {
            let Some(c) = self.bump() else {
                return self.escape_fault("escape sequence not terminated");
            };
            let Some(digit) = c.to_digit(base) else {
                let shown = with_code(c);
                return self.escape_fault(format!("illegal character {shown} in escape sequence"));
            };
            // Eight hexadecimal digits fit.
            code = code * base + digit;
        }
        if code > largest || (0xD800..0xE000).contains(&code) {
            return self.escape_fault("escape sequence is an invalid Unicode code point");
        }
        Ok(())
    }

    fn escape_fault(&self, message: impl Into<String>) -> Result<(), Fault> {
        self.fault(message).map(drop)
    }
}

fn with_code(c: char) -> String {
    format!("U+{:04X} {}", u32::from(c), quote_char(c))
}
