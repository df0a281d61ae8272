use std::fmt::Write as _;

use crate::ast::StringLiteral;

/// The text in double quotes, with the escapes that strings of the language have.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        push_escaped(&mut quoted, c, '"');
    }
    quoted.push('"');
    quoted
}

/// A text of an expression in quotes.
pub(crate) fn quote_literal(literal: &StringLiteral) -> String {
    let bytes = literal.raw.as_deref();
    quote_bytes(bytes.unwrap_or(literal.value.as_bytes()))
}

/// Bytes in quotes; those that are not text are escaped one by one.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut quoted, c, '"');
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

/// A character in single quotes, escaped if it has to be.
pub(crate) fn quote_char(c: char) -> String {
    let mut quoted = String::from("'");
    push_escaped(&mut quoted, c, '\'');
    quoted.push('\'');
    quoted
}

fn push_escaped(into: &mut String, c: char, quote: char) {
    match c {
        '\\' => into.push_str("\\\\"),
        _ if c == quote => {
            into.push('\\');
            into.push(c);
        }
        '\x07' => into.push_str("\\a"),
        '\x08' => into.push_str("\\b"),
        '\x0C' => into.push_str("\\f"),
        '\n' => into.push_str("\\n"),
        '\r' => into.push_str("\\r"),
        '\t' => into.push_str("\\t"),
        '\x0B' => into.push_str("\\v"),
        // In a text, only its escape is one.
        char::REPLACEMENT_CHARACTER if quote == '"' => into.push_str("\\ufffd"),
        _ if is_printable(c) => into.push(c),
        _ => {
            let code = u32::from(c);
            // Writing to a string cannot fail.
            let _ = match code {
                0..=0x7F => write!(into, "\\x{code:02x}"),
                0x80..=0xFFFF => write!(into, "\\u{code:04x}"),
                _ => write!(into, "\\U{code:08x}"),
            };
        }
    }
}

fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // Marks that combine are shown as they are when they have something to stand on.
    let mut base = [b'a'; 5];
    let len = c.encode_utf8(&mut base[1..]).len();
    let pair = str::from_utf8(&base[..=len]).unwrap_or_default();
    !pair.escape_debug().any(|part| part == '\\')
}

/// A label's name, quoted where it could not be read otherwise.
pub(super) fn label_name(name: &str) -> String {
    let mut bytes = name.bytes();
    let is_plain = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if is_plain {
        name.to_owned()
    } else {
        quote(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let cases = [
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\x07\x08\x0C\n\r\t\x0B", r#""\a\b\f\n\r\t\v""#),
            ("\0\x7F", r#""\x00\x7f""#),
            ("é日😀", r#""é日😀""#),
            ("\u{ad}\u{feff}\u{10ffff}", r#""\u00ad\ufeff\U0010ffff""#),
            ("e\u{301}", "\"e\u{301}\""),
        ];
        for (text, expected) in cases {
            assert_eq!(quote(text), expected);
        }
        assert_eq!(quote_bytes(b"\xc3\xa9\xc5z\n\xff"), r#""é\xc5z\n\xff""#);
        assert_eq!(quote_char('\''), r"'\''");
        assert_eq!(quote_char('"'), r#"'"'"#);
    }
}
