//! Constants as they are written in a template.

use crate::lex::{Kind, Token};
use crate::value::Value;

/// What a constant stands for.
pub(crate) fn value(token: &Token<'_>) -> Result<Value, String> {
    match token.kind {
        Kind::Bool => Ok(Value::Bool(token.text == "true")),
        Kind::Character => {
            let text = unquoted(&token.text[1..token.text.len() - 1]);
            let mut chars = text.iter().flat_map(|text| text.chars());
            match (chars.next(), chars.next()) {
                (Some(c), None) => Ok(Value::Int(i64::from(u32::from(c)))),
                _ => Err(format!("malformed character constant: {}", token.text)),
            }
        }
        Kind::Number => {
            number(token.text).ok_or_else(|| format!("bad number syntax: {:?}", token.text))
        }
        _ => {
            let text = string(token.text);
            text.map(Value::text)
                .ok_or_else(|| "invalid syntax".to_owned())
        }
    }
}

/// A quoted or raw text without its quotes.
pub(crate) fn string(written: &str) -> Option<String> {
    let inner = written.get(1..written.len() - 1)?;
    if written.starts_with('`') {
        // Raw texts lose their carriage returns, as in Go's source.
        return Some(inner.replace('\r', ""));
    }
    unquoted(inner)
}

fn number(written: &str) -> Option<Value> {
    let plain = written.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)];
    let based = radix.iter().find_map(|(prefix, radix)| {
        let digits = lower.strip_prefix(prefix)?;
        i64::from_str_radix(&format!("{sign}{digits}"), *radix).ok()
    });
    if let Some(value) = based {
        return Some(Value::Int(value));
    }
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        return i64::from_str_radix(&format!("{sign}{digits}"), 8)
            .ok()
            .map(Value::Int);
    }
    if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && lower
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '+' | '-'))
    {
        let whole = format!("{sign}{digits}");
        return match whole.parse() {
            Ok(value) => Some(Value::Int(value)),
            Err(_) => whole.parse().ok().map(Value::Float),
        };
    }
    None
}

fn unquoted(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    let mut buffer = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let code = |chars: &mut std::str::Chars<'_>, digits: usize| {
            let text: String = chars.by_ref().take(digits).collect();
            (text.len() == digits).then(|| u32::from_str_radix(&text, 16).ok())?
        };
        let simple = match chars.next()? {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '\'' => b'\'',
            '"' => b'"',
            'x' => u8::try_from(code(&mut chars, 2)?).ok()?,
            first @ '0'..='7' => {
                let rest: String = chars.by_ref().take(2).collect();
                u8::from_str_radix(&format!("{first}{rest}"), 8).ok()?
            }
            long @ ('u' | 'U') => {
                let digits = if long == 'u' { 4 } else { 8 };
                let c = char::from_u32(code(&mut chars, digits)?)?;
                bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
            _ => return None,
        };
        bytes.push(simple);
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
