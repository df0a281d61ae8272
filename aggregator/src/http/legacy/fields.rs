//! The fields of a JSON body, with errors that name the field.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::error::ApiError;
use super::super::limits::{MAX_DEPTH, MAX_NAME, MAX_TEXT};

/// The fields of a body, those used up taken out.
pub(super) struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of a JSON object that does not nest too deep.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, ApiError> {
        let invalid_json = || ApiError::BadRequest("Invalid JSON payload".to_owned());
        let text = std::str::from_utf8(body).map_err(|_| invalid_json())?;
        if depth(text) > MAX_DEPTH {
            return Err(invalid_json());
        }
        let fields = serde_json::from_str(text).map_err(|_| invalid_json())?;
        Ok(Self(fields))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The text of a field's value; `null` counts as none.
    pub(super) fn peek(&self, name: &str) -> Option<&'a str> {
        let text = self.0.get(name)?.get();
        (text != "null").then_some(text)
    }

    /// Takes a field out; `null` counts as none.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.0.remove(name).filter(|value| value.get() != "null")
    }

    /// An error that names those of the fields that are not there.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), ApiError> {
        let mut missing: Vec<&str> = names.iter().copied().filter(|n| !self.has(n)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        missing.sort_unstable();
        let message = format!("Missing fields: {}", missing.join(", "));
        Err(ApiError::BadRequest(message))
    }

    /// A text that names something: not empty, not too long, nothing that does not print.
    pub(super) fn name(&mut self, field: &str) -> Result<String, ApiError> {
        let name = self.take(field).and_then(|json| string(json.get()));
        let name = name.filter(|name| is_name(name));
        name.ok_or_else(|| {
            let what = format!("a text of 1 to {MAX_NAME} characters without control characters");
            expected(field, &what)
        })
    }

    /// A text, empty ones included; none where there is none.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, ApiError> {
        let Some(json) = self.take(field) else {
            return Ok(None);
        };
        // No database takes a NUL.
        let text = string(json.get());
        let text = text.filter(|text| text.len() <= MAX_TEXT && !text.contains('\0'));
        let what = || expected(field, &format!("a text of at most {MAX_TEXT} bytes"));
        text.ok_or_else(what).map(Some)
    }

    /// A finite number.
    pub(super) fn number(&mut self, field: &str) -> Result<f64, ApiError> {
        let number = self.take(field).and_then(|json| number(json.get()));
        number.ok_or_else(|| expected(field, "a finite number"))
    }

    /// What is left.
    pub(super) fn rest(self) -> BTreeMap<String, &'a RawValue> {
        self.0
    }
}

/// The error of a field that holds something else.
pub(super) fn expected(field: &str, what: &str) -> ApiError {
    ApiError::BadRequest(format!("Invalid field types: {field}: expected {what}"))
}

/// Whether a text can name a host or a thing. A control character in a name is a mistake, and no
/// database takes a NUL.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME && !text.contains(char::is_control)
}

/// A JSON string.
fn string(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// A finite number, or a string that spells one.
pub(super) fn number(json: &str) -> Option<f64> {
    let value = if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        text.trim().parse::<f64>().ok()?
    } else {
        // `true` and `null` are no numbers here either.
        json.parse::<f64>().ok()?
    };
    value.is_finite().then_some(value)
}

/// The same of a value that has been read.
pub(super) fn number_of(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// How deep the brackets of a JSON text nest; those inside strings do not count.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut bytes = json.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
