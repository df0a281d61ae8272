use super::{Lexed, Lexer};
use crate::parse::token::Kind;
use crate::print::quote;

impl Lexer<'_> {
    /// A number or a duration; the next character is a digit, or a dot before one.
    pub(super) fn number_or_duration(&mut self) -> Lexed {
        if self.scan_number() {
            return self.token(Kind::Number);
        }
        if self.scan_rest_of_duration() {
            return self.token(Kind::Duration);
        }
        // The character that does not fit is shown too.
        let shown = quote(&self.text[self.start..self.at]);
        self.fault(format!("bad number or duration syntax: {shown}"))
    }

    /// Whether what looks like a number ends where a number may end. Whether it is one is seen
    /// when it is read.
    fn scan_number(&mut self) -> bool {
        let is_hex = self.take('0') && self.take_if(|c| matches!(c, 'x' | 'X'));
        if is_hex {
            self.take('_');
        }
        let is_digit = |c: char| c.is_ascii_digit() || (is_hex && c.is_ascii_hexdigit());
        let is_exponent = |c: char| matches!(c, 'e' | 'E');
        // A dot in front is no dot in the middle.
        self.take('.');
        self.take_if(is_digit);
        let (mut has_dot, mut has_exponent) = (false, false);
        loop {
            if self.take('.') {
                if has_dot || is_hex || self.take_if(|c| matches!(c, '_' | '.')) {
                    return false;
                }
                has_dot = true;
            } else if self.take_if(is_exponent) {
                if has_exponent {
                    return false;
                }
                has_exponent = true;
                self.take_if(|c| matches!(c, '+' | '-'));
                if !self.goes_on() {
                    return false;
                }
            } else if self.take('_') {
                if !self.goes_on() {
                    return false;
                }
            } else if !self.take_if(is_digit) {
                break;
            }
        }
        !self.peek().is_some_and(is_word_part)
    }

    /// Behind a separator or an exponent there is more, and no second one.
    fn goes_on(&mut self) -> bool {
        !self.take_if(|c| matches!(c, '.' | '_' | 'e' | 'E')) && self.peek().is_some()
    }

    /// The unit behind the first number, and further numbers with units.
    fn scan_rest_of_duration(&mut self) -> bool {
        if !self.take_if(|c| "smhdwy".contains(c)) {
            return false;
        }
        self.take('s');
        while self.is_digit_next() {
            self.take_while(|c| c.is_ascii_digit());
            if !self.take_if(|c| "smhdw".contains(c)) {
                return false;
            }
            self.take('s');
        }
        !self.take_if(is_word_part)
    }
}

fn is_word_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
