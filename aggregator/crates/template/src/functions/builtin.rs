//! Functions of the language itself.

use std::cmp::Ordering;

use super::Called;
use crate::value::Value;

pub(super) fn len(value: &Value) -> Called {
    let len = match value {
        Value::Text(text) => text.len(),
        Value::Labels(labels) => labels.len(),
        Value::Args(args) => args.len(),
        Value::Samples(samples) => samples.len(),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(len).unwrap_or(i64::MAX)))
}

pub(super) fn index(values: &[Value]) -> Called {
    let mut value = values[0].clone();
    for key in &values[1..] {
        value = match (&value, key) {
            (Value::Labels(_) | Value::Args(_), Value::Text(name)) => {
                value.field(name).unwrap_or(Value::Nil)
            }
            (Value::Samples(samples), Value::Int(at)) => {
                let found = usize::try_from(*at).ok().and_then(|at| samples.get(at));
                let found = found.ok_or_else(|| format!("index out of range: {at}"))?;
                Value::Sample(std::sync::Arc::clone(found))
            }
            (Value::Text(text), Value::Int(at)) => {
                let found = usize::try_from(*at)
                    .ok()
                    .and_then(|at| text.as_bytes().get(at));
                let found = found.ok_or_else(|| format!("index out of range: {at}"))?;
                Value::Int(i64::from(*found))
            }
            (Value::Samples(_) | Value::Text(_), other) => {
                return Err(format!(
                    "cannot index slice/array with type {}",
                    other.type_name()
                ));
            }
            (Value::Labels(_) | Value::Args(_), other) => {
                let kind = other.type_name();
                return Err(format!("value has type {kind}; should be string"));
            }
            (Value::Nil, _) => return Err("index of untyped nil".to_owned()),
            (other, _) => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

pub(super) fn slice(values: &[Value]) -> Called {
    let len = match &values[0] {
        Value::Text(text) => text.len(),
        Value::Samples(samples) => samples.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut bounds = [0, len];
    if values.len() > 3 {
        return Err(format!("too many slice indexes: {}", values.len() - 1));
    }
    for (bound, value) in bounds.iter_mut().zip(&values[1..]) {
        let Value::Int(at) = value else {
            let kind = value.type_name();
            return Err(format!("cannot index slice/array with type {kind}"));
        };
        let inside = usize::try_from(*at).ok().filter(|at| *at <= len);
        *bound = inside.ok_or_else(|| format!("index out of range: {at}"))?;
    }
    let [from, to] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match &values[0] {
        Value::Text(text) => {
            Value::text(String::from_utf8_lossy(&text.as_bytes()[from..to]).as_ref())
        }
        Value::Samples(samples) => Value::Samples(samples[from..to].into()),
        _ => Value::Nil,
    })
}

pub(super) fn is_any_equal(values: &[Value]) -> Called {
    if values.len() < 2 {
        return Err("missing argument for comparison".to_owned());
    }
    for other in &values[1..] {
        if equal(&values[0], other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn is_equal(values: &[Value]) -> Result<bool, String> {
    equal(&values[0], &values[1])
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        #[expect(clippy::float_cmp, reason = "a template asks for exactly this")]
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        _ if is_basic(a) && is_basic(b) => Err("incompatible types for comparison".to_owned()),
        _ => Err("non-comparable types".to_owned()),
    }
}

fn is_basic(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_)
    )
}

fn ordering(values: &[Value]) -> Result<Option<Ordering>, String> {
    match (&values[0], &values[1]) {
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        (a, b) if is_basic(a) && is_basic(b) && a.type_name() != b.type_name() => {
            Err("incompatible types for comparison".to_owned())
        }
        _ => Err("invalid type for comparison".to_owned()),
    }
}

pub(super) fn is_less(values: &[Value]) -> Result<bool, String> {
    Ok(ordering(values)? == Some(Ordering::Less))
}

pub(super) fn is_at_most(values: &[Value]) -> Result<bool, String> {
    Ok(matches!(
        ordering(values)?,
        Some(Ordering::Less | Ordering::Equal)
    ))
}
