//! Functions on texts.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::pattern::{compiled, must_be_compiled};
use super::{Called, as_text};
use crate::print;
use crate::value::Value;

pub(super) fn replace(values: &[Value]) -> Called {
    let regex = must_be_compiled(as_text(&values[0]))?;
    let replaced = regex.replace_all(as_text(&values[2]), as_text(&values[1]));
    Ok(Value::text(replaced.as_ref()))
}

pub(super) fn matches(values: &[Value]) -> Called {
    let regex = compiled(as_text(&values[0]))?;
    Ok(Value::Bool(regex.is_match(as_text(&values[1]))))
}

/// Every word with a capital; the rest of it as it is.
pub(super) fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            titled.push(c);
        } else {
            titled.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || (inside && matches!(c, '\'' | '_' | '.' | ':' | '’'));
    }
    titled
}

pub(super) fn without_port(text: &str) -> String {
    host_and_port(text)
        .map_or(text, |(host, _)| host)
        .to_owned()
}

pub(super) fn without_domain(text: &str) -> String {
    let (host, port) = host_and_port(text).unwrap_or((text, ""));
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    if port.is_empty() {
        name.to_owned()
    } else {
        format!("{name}:{port}")
    }
}

/// `host:port` or `[host]:port`, taken apart.
fn host_and_port(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']')?;
            (!inner.contains(['[', ']']) && !port.contains(']')).then_some((inner, port))
        }
        None => (!host.contains([':', '[', ']']) && !port.contains(']')).then_some((host, port)),
    }
}

/// A duration in Prometheus' notation, in seconds.
pub(super) fn seconds(text: &str) -> Called {
    /// Each unit at most once, from the largest down.
    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let wrong = || format!("not a valid duration string: {text:?}");
    if text.is_empty() {
        return Err("empty duration string".to_owned());
    }
    if text == "0" {
        return Ok(Value::Float(0.0));
    }
    let (mut rest, mut total, mut units) = (text, 0_u64, &UNITS[..]);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let at = units
            .iter()
            .position(|(unit, _)| *unit == &after[..end])
            .ok_or_else(wrong)?;
        let part = number.checked_mul(units[at].1);
        let sum = part.and_then(|part| total.checked_add(part));
        // As nanoseconds it has to fit a signed 64-bit number.
        total = sum
            .filter(|sum| *sum <= 9_223_372_036_854)
            .ok_or_else(|| "duration out of range".to_owned())?;
        units = &units[at + 1..];
        rest = &after[end..];
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let seconds = total as f64 / 1000.0;
    Ok(Value::Float(seconds))
}

/// The path of an address, without a slash at its end.
pub(super) fn path_of(address: &str) -> String {
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
    path.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// All arguments as one text, each character through `escape`.
pub(super) fn escaped(values: &[Value], escape: fn(&str) -> String) -> Value {
    let plain = match values {
        [Value::Text(text)] => escape(text),
        _ => escape(&print::spaced(values, false)),
    };
    Value::text(plain)
}

pub(super) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\0' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str(r"\\"),
            '\'' => escaped.push_str(r"\'"),
            '"' => escaped.push_str("\\\""),
            '<' | '>' | '&' | '=' => drop(write!(escaped, "\\u{:04X}", u32::from(c))),
            _ if c < ' ' => drop(write!(escaped, "\\u{:04X}", u32::from(c))),
            _ => escaped.push(c),
        }
    }
    escaped
}

pub(super) fn url_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            b' ' => escaped.push('+'),
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}
