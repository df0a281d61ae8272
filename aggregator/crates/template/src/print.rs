//! Values as text, as Go's `fmt` writes them.

use std::fmt::Write as _;

use crate::functions::written;
use crate::value::{Sample, Value};

/// The widest field and the most digits that a format may ask for.
const MAX_WIDTH: usize = 1000;

/// What `{{ value }}` leaves in the text.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "<no value>".to_owned(),
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Nil => "<nil>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => shortest(*value),
        Value::Text(text) => text.to_string(),
        Value::Labels(labels) => {
            let entries = labels.iter().map(|(name, value)| format!("{name}:{value}"));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        Value::Args(args) => {
            let entries = args
                .iter()
                .map(|(name, value)| format!("{name}:{}", plain(value)));
            format!("map[{}]", entries.collect::<Vec<_>>().join(" "))
        }
        // Go would write addresses here; what they point to is of more use.
        Value::Samples(samples) => {
            let samples = samples.iter().map(|sample| of_sample(sample));
            format!("[{}]", samples.collect::<Vec<_>>().join(" "))
        }
        Value::Sample(sample) => of_sample(sample),
        Value::Time(at) => written(*at),
        Value::Data(data) => format!(
            "{{{} {} {} {}}}",
            plain(&Value::Labels(data.labels.clone())),
            plain(&Value::Labels(data.external_labels.clone())),
            data.external_url,
            shortest(data.value),
        ),
    }
}

fn of_sample(sample: &Sample) -> String {
    let labels = plain(&Value::Labels(sample.labels.clone()));
    format!("&{{{labels} {}}}", shortest(sample.value))
}

/// `Sprint`: a space between operands of which neither is a text. `Sprintln`: between all, and a
/// line's end.
pub(crate) fn spaced(values: &[Value], line: bool) -> String {
    let mut text = String::new();
    let mut after_text = true;
    for (at, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Text(_));
        if at > 0 && (line || !(is_text || after_text)) {
            text.push(' ');
        }
        text.push_str(&plain(value));
        after_text = is_text;
    }
    if line {
        text.push('\n');
    }
    text
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// The digits that Rust gives in scientific notation, and the exponent.
fn digits(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or_default())
}

fn with_exponent(mantissa: &str, exponent: i32, letter: char) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{letter}{sign}{:02}", exponent.abs())
}

/// `%v` of a float: the fewest digits that read back, with an exponent below 1e-04 and
/// from 1e+06 on.
pub(crate) fn shortest(value: f64) -> String {
    if let Some(special) = special(value) {
        return special.to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = digits(&scientific);
    if (-4..6).contains(&exponent) {
        format!("{value}")
    } else {
        with_exponent(mantissa, exponent, 'e')
    }
}

/// `%.{precision}g`.
pub(crate) fn significant(value: f64, precision: usize) -> String {
    if let Some(special) = special(value) {
        return special.to_owned();
    }
    let precision = precision.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = digits(&scientific);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    let most = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= most {
        return with_exponent(&trim(mantissa), exponent, 'e');
    }
    let decimals = usize::try_from(most - 1 - exponent).unwrap_or_default();
    trim(&format!("{value:.decimals$}"))
}

#[derive(Default)]
struct Verb {
    flags: Vec<char>,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `Sprintf`.
pub(crate) fn formatted(format: &str, values: &[Value]) -> String {
    let mut text = String::with_capacity(format.len());
    let mut chars = format.chars().peekable();
    let mut rest = values.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = chars.next_if(|c| "-+# 0".contains(*c)) {
            if !verb.has(flag) {
                verb.flags.push(flag);
            }
        }
        verb.width = size(&mut chars, &mut rest);
        if chars.next_if_eq(&'.').is_some() {
            verb.precision = Some(size(&mut chars, &mut rest).unwrap_or(0));
        }
        match chars.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(letter) => match rest.next() {
                None => drop(write!(text, "%!{letter}(MISSING)")),
                Some(value) => text.push_str(&verb.apply(letter, value)),
            },
        }
    }
    let extra: Vec<String> = rest
        .map(|value| format!("{}={}", value.type_name(), plain(value)))
        .collect();
    if !extra.is_empty() {
        let _ = write!(text, "%!(EXTRA {})", extra.join(", "));
    }
    text
}

/// A number in a format, or the argument that `*` takes.
fn size(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    rest: &mut std::slice::Iter<'_, Value>,
) -> Option<usize> {
    if chars.next_if_eq(&'*').is_some() {
        return match rest.next() {
            Some(Value::Int(size)) => usize::try_from(*size).ok().map(|size| size.min(MAX_WIDTH)),
            _ => None,
        };
    }
    let mut size: Option<usize> = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        size = Some((size.unwrap_or(0) * 10 + digit as usize).min(MAX_WIDTH));
        chars.next();
    }
    size
}

impl Verb {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(&flag)
    }

    fn apply(&self, letter: char, value: &Value) -> String {
        let body = match (letter, value) {
            ('v', Value::Float(value)) => self.signed(match self.precision {
                Some(precision) => significant(*value, precision),
                None => shortest(*value),
            }),
            ('v' | 'd', Value::Int(value)) => self.signed(value.to_string()),
            ('v', Value::Text(text)) if self.has('#') => quoted(text),
            ('v' | 's', Value::Text(text)) => self.cut(text),
            // Texts inside print as such.
            ('v', _)
            | ('t', Value::Bool(_))
            | ('s', Value::Labels(_) | Value::Args(_) | Value::Time(_)) => plain(value),
            ('q', Value::Text(text)) => quoted(&self.cut(text)),
            ('x', Value::Text(text)) => text.bytes().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
            ('T', _) => value.type_name().to_owned(),
            ('x', Value::Int(value)) => self.radix(*value, |n| format!("{n:x}"), "0x"),
            ('X', Value::Int(value)) => self.radix(*value, |n| format!("{n:X}"), "0X"),
            ('o', Value::Int(value)) => self.radix(*value, |n| format!("{n:o}"), "0"),
            ('b', Value::Int(value)) => self.radix(*value, |n| format!("{n:b}"), "0b"),
            ('c', Value::Int(value)) => {
                let c = u32::try_from(*value).ok().and_then(char::from_u32);
                c.unwrap_or('\u{fffd}').to_string()
            }
            ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Value::Float(value)) => {
                self.signed(self.float(letter, *value))
            }
            (_, Value::Nil) => format!("%!{letter}(<nil>)"),
            _ => format!("%!{letter}({}={})", value.type_name(), plain(value)),
        };
        self.padded(body, matches!(value, Value::Int(_) | Value::Float(_)))
    }

    fn cut(&self, text: &str) -> String {
        match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text.to_owned(),
        }
    }

    fn radix(&self, value: i64, digits: fn(u64) -> String, prefix: &str) -> String {
        let sign = if value < 0 { "-" } else { "" };
        let prefix = if self.has('#') { prefix } else { "" };
        self.signed(format!("{sign}{prefix}{}", digits(value.unsigned_abs())))
    }

    fn float(&self, letter: char, value: f64) -> String {
        if let Some(special) = special(value) {
            return special.to_owned();
        }
        let precision = self.precision.unwrap_or(6);
        let text = match letter {
            'f' | 'F' => format!("{value:.precision$}"),
            'e' | 'E' => {
                let scientific = format!("{value:.precision$e}");
                let (mantissa, exponent) = digits(&scientific);
                with_exponent(mantissa, exponent, 'e')
            }
            _ => match self.precision {
                Some(precision) => significant(value, precision),
                None => shortest(value),
            },
        };
        if letter.is_ascii_uppercase() {
            text.to_uppercase()
        } else {
            text
        }
    }

    fn signed(&self, text: String) -> String {
        let infinite = text == "+Inf";
        if text.starts_with(['-', '+']) || text == "NaN" {
            return match text.strip_prefix('+') {
                // Only a format that asks for signs writes that of plus infinity.
                Some(bare) if infinite && self.has(' ') => format!(" {bare}"),
                _ => text,
            };
        }
        match (self.has('+'), self.has(' ')) {
            (true, _) => format!("+{text}"),
            (false, true) => format!(" {text}"),
            _ => text,
        }
    }

    fn padded(&self, text: String, is_number: bool) -> String {
        let width = self.width.unwrap_or(0);
        let Some(missing) = width.checked_sub(text.chars().count()) else {
            return text;
        };
        if self.has('-') {
            return format!("{text}{}", " ".repeat(missing));
        }
        if self.has('0') && is_number && !text.ends_with("Inf") && text != "NaN" {
            let digits = text
                .find(|c: char| !matches!(c, '-' | '+' | ' '))
                .unwrap_or(0);
            let (sign, digits) = text.split_at(digits);
            return format!("{sign}{}{digits}", "0".repeat(missing));
        }
        format!("{}{text}", " ".repeat(missing))
    }
}

/// A text in double quotes with Go's escapes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if c.is_control() && u32::from(c) < 0x80 => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(c));
            }
            _ if c.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
