use std::fmt::Write as _;

use super::Translator;

/// What a backslash and a letter stand for as members of a class, ASCII only.
pub(super) fn perl_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => "[\\t\\n\\f\\r ]",
        'S' => "[^\\t\\n\\f\\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

impl Translator<'_> {
    /// A backslash outside of a class.
    pub(super) fn escape(&mut self) -> Result<(), String> {
        let Some(letter) = self.rest.chars().nth(1) else {
            return Err("trailing backslash at end of expression".to_owned());
        };
        match letter {
            'Q' => {
                self.quoted();
                return Ok(());
            }
            // Word boundaries are those of ASCII. The opposite cannot be, as it would fall between
            // the bytes of a character.
            'b' => self.out.push_str("(?-u:\\b)"),
            'B' | 'A' | 'z' => {
                self.copy(2);
                return Ok(());
            }
            'p' | 'P' => return self.unicode_class(),
            _ => {
                let Some(class) = perl_class(letter) else {
                    let c = self.escaped_char()?;
                    self.push_char(c);
                    return Ok(());
                };
                self.out.push_str(class);
            }
        }
        self.rest = &self.rest[2..];
        Ok(())
    }

    /// `\Q…\E`, or up to the end.
    fn quoted(&mut self) {
        let text = &self.rest[2..];
        let (literal, rest) = text.split_once("\\E").unwrap_or((text, ""));
        for c in literal.chars() {
            self.push_char(c);
        }
        self.rest = rest;
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`.
    pub(super) fn unicode_class(&mut self) -> Result<(), String> {
        let name = &self.rest[2..];
        let end = if name.starts_with('{') {
            name.find('}').map(|at| at + 1)
        } else {
            name.chars().next().map(char::len_utf8)
        };
        let Some(end) = end else {
            return Err(format!("invalid character class range: `{}`", self.rest));
        };
        if let Some(inverted) = name[..end].strip_prefix("{^") {
            let is_negative = self.rest.starts_with("\\P");
            let letter = if is_negative { 'p' } else { 'P' };
            // Writing to a string cannot fail.
            let _ = write!(self.out, "\\{letter}{{{inverted}");
            self.rest = &name[end..];
            return Ok(());
        }
        self.copy(2 + end);
        Ok(())
    }

    /// The character that an escape sequence stands for.
    pub(super) fn escaped_char(&mut self) -> Result<char, String> {
        let text = &self.rest[1..];
        let Some(letter) = text.chars().next() else {
            return Err("trailing backslash at end of expression".to_owned());
        };
        let (code, length) = match letter {
            'a' => (0x07, 1),
            'f' => (0x0C, 1),
            'n' => (0x0A, 1),
            'r' => (0x0D, 1),
            't' => (0x09, 1),
            'v' => (0x0B, 1),
            'x' => hexadecimal(text)?,
            // One digit alone would refer to a group.
            '1'..='7' if !text[1..].starts_with(|c: char| c.is_digit(8)) => {
                return Err(invalid(text, 1));
            }
            '0'..='7' => {
                let digits = text.chars().take(3).take_while(|c| c.is_digit(8)).count();
                (
                    u32::from_str_radix(&text[..digits], 8).unwrap_or_default(),
                    digits,
                )
            }
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => (u32::from(c), 1),
            _ => return Err(invalid(text, 1)),
        };
        let c = char::from_u32(code).ok_or_else(|| invalid(text, length))?;
        self.rest = &text[length..];
        Ok(c)
    }

    /// A character that stands for itself wherever it is put.
    pub(super) fn push_char(&mut self, c: char) {
        if c.is_alphanumeric() {
            self.out.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(self.out, "\\x{{{:X}}}", u32::from(c));
        }
    }
}

/// The code behind `x`, and how long the sequence is with it.
fn hexadecimal(text: &str) -> Result<(u32, usize), String> {
    let code = |digits: &str| {
        let are_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| are_hex)
    };
    if let Some(braced) = text[1..].strip_prefix('{') {
        let end = braced.find('}').ok_or_else(|| invalid(text, text.len()))?;
        let code = code(&braced[..end]).ok_or_else(|| invalid(text, end + 3))?;
        return Ok((code, end + 3));
    }
    let digits = text.get(1..3).unwrap_or_default();
    let code = code(digits).ok_or_else(|| invalid(text, 2))?;
    Ok((code, 3))
}

fn invalid(text: &str, length: usize) -> String {
    let shown: String = text.chars().take(length).collect();
    format!("invalid escape sequence: `\\{shown}`")
}
