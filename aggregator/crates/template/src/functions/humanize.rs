//! Numbers as people read them.

use jiff::Timestamp;

use super::Called;
use crate::print::significant;
use crate::value::Value;

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(value) => Ok(*value),
        #[expect(clippy::cast_precision_loss, reason = "what Go does with it")]
        Value::Int(value) => Ok(*value as f64),
        Value::Text(text) => text
            .trim_start_matches('+')
            .parse()
            .map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}

/// Four significant digits, as `%.4g`.
fn four(value: f64) -> String {
    significant(value, 4)
}

/// Divides by `step` until the number is below it.
fn shortened(mut value: f64, step: f64, prefixes: [&'static str; 8]) -> (f64, &'static str) {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < step {
            break;
        }
        prefix = next;
        value /= step;
    }
    (value, prefix)
}

fn lengthened(mut value: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    (value, prefix)
}

pub(super) fn decimal(value: &Value) -> Called {
    let value = float(value)?;
    let (value, prefix) = if value == 0.0 || !value.is_finite() {
        (value, "")
    } else if value.abs() >= 1.0 {
        shortened(value, 1000.0, LARGE)
    } else {
        lengthened(value)
    };
    Ok(Value::text(format!("{}{prefix}", four(value))))
}

pub(super) fn binary(value: &Value) -> Called {
    let value = float(value)?;
    let (value, prefix) = if value.abs() <= 1.0 || !value.is_finite() {
        (value, "")
    } else {
        shortened(value, 1024.0, BINARY)
    };
    Ok(Value::text(format!("{}{prefix}", four(value))))
}

pub(super) fn percentage(value: &Value) -> Called {
    Ok(Value::text(format!("{}%", four(float(value)? * 100.0))))
}

pub(super) fn duration(value: &Value) -> Called {
    let value = float(value)?;
    if !value.is_finite() {
        return Ok(Value::text(four(value)));
    }
    if value != 0.0 && value.abs() < 1.0 {
        let (value, prefix) = lengthened(value);
        return Ok(Value::text(format!("{}{prefix}s", four(value))));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates where Go's would overflow"
    )]
    let whole = value.abs() as i64;
    let (days, hours) = (whole / 86_400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    Ok(Value::text(if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four(value.abs()))
    }))
}

/// Seconds since 1970 as milliseconds, if they are a time that Go can write.
fn moment(seconds: f64) -> Result<i64, String> {
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    // As nanoseconds it has to fit a signed 64-bit number.
    if (seconds * 1e9).abs() > i64::MAX as f64 {
        let seconds = crate::print::shown(&Value::Float(seconds));
        return Err(format!(
            "{seconds} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let millis = (seconds * 1000.0) as i64;
    Ok(millis)
}

pub(super) fn time(value: &Value) -> Called {
    Ok(Value::Time(moment(float(value)?)?))
}

pub(super) fn timestamp(value: &Value) -> Called {
    let value = float(value)?;
    if !value.is_finite() {
        return Ok(Value::text(four(value)));
    }
    Ok(Value::text(written(moment(value)?)))
}

/// A time as Go writes it.
pub(crate) fn written(millis: i64) -> String {
    let Ok(at) = Timestamp::from_millisecond(millis) else {
        return millis.to_string();
    };
    let seconds = at.strftime("%Y-%m-%d %H:%M:%S");
    let fraction = match millis.rem_euclid(1000) {
        0 => String::new(),
        some => format!(".{some:03}").trim_end_matches('0').to_owned(),
    };
    format!("{seconds}{fraction} +0000 UTC")
}
