//! Reads the body of a push. Any bytes: a push or the contract's error.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::error::ApiError;
use super::super::limits::{MAX_DEPTH, MAX_HOST_NAME};
use crate::inventory::ingest::{MEBIBYTE, Push};

const REQUIRED: [&str; 5] = ["cpu", "disk", "hostname", "ram", "timestamp"];
/// The last second of the year 9999; later ones are not times.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// The fields of a body, those used up taken out.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Reads a pushed reading.
pub(crate) fn parse(body: &[u8]) -> Result<Push, ApiError> {
    let invalid_json = || ApiError::BadRequest("Invalid JSON payload".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| invalid_json())?;
    if depth(text) > MAX_DEPTH {
        return Err(invalid_json());
    }
    let mut fields: Fields<'_> = serde_json::from_str(text).map_err(|_| invalid_json())?;
    let missing: Vec<&str> = REQUIRED
        .into_iter()
        .filter(|name| !fields.contains_key(*name))
        .collect();
    if !missing.is_empty() {
        let message = format!("Missing fields: {}", missing.join(", "));
        return Err(ApiError::BadRequest(message));
    }
    push(&mut fields).ok_or_else(|| ApiError::BadRequest("Invalid field types".to_owned()))
}

fn push(fields: &mut Fields<'_>) -> Option<Push> {
    let host: String = serde_json::from_str(fields.remove("hostname")?.get()).ok()?;
    // A control character in a name is a mistake, and no database takes a NUL.
    if host.is_empty() || host.chars().count() > MAX_HOST_NAME || host.contains(char::is_control) {
        return None;
    }
    let second = number(fields.remove("timestamp")?)?.trunc();
    if !(0.0..=LAST_SECOND).contains(&second) {
        return None;
    }
    let mut required = |name| number(fields.remove(name)?);
    let (cpu, memory, disk) = (required("cpu")?, required("ram")?, required("disk")?);
    let mut speed = |name| match fields.remove(name).filter(|value| value.get() != "null") {
        Some(value) => Some(number(value)? * MEBIBYTE).filter(|speed| speed.is_finite()),
        None => Some(0.0),
    };
    let (disk_read, disk_written) = (speed("disk_read")?, speed("disk_write")?);
    let details = match fields
        .remove("details")
        .filter(|value| value.get() != "null")
    {
        Some(details) if details.get().starts_with('{') => Some(details.to_owned()),
        Some(_) => return None,
        None => None,
    };
    let own = |(name, value): (String, &RawValue)| (name, value.to_owned());
    Some(Push {
        host,
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        second: second as i64,
        cpu,
        memory,
        disk,
        disk_read,
        disk_written,
        details,
        unknown: std::mem::take(fields).into_iter().map(own).collect(),
    })
}

/// A finite number, or a string that spells one.
fn number(json: &RawValue) -> Option<f64> {
    let json = json.get();
    let value = if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        text.trim().parse::<f64>().ok()?
    } else {
        // `true` and `null` are no numbers here either.
        json.parse::<f64>().ok()?
    };
    value.is_finite().then_some(value)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(name: &str, json: &str) -> Result<Push, ApiError> {
        let mut fields = BTreeMap::from([
            ("hostname", r#""pi""#),
            ("cpu", "1"),
            ("ram", "2"),
            ("disk", "3"),
            ("timestamp", "100"),
        ]);
        fields.insert(name, json);
        let pairs = fields.iter().map(|(name, json)| format!("{name:?}:{json}"));
        parse(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")).as_bytes())
    }

    /// Equal to the last bit.
    fn is(got: f64, expected: f64) -> bool {
        got.to_bits() == expected.to_bits()
    }

    #[test]
    fn numbers_that_are_taken_and_that_are_not() {
        let taken = [
            ("18.4", 18.4),
            ("-1e-3", -0.001),
            (r#""12.5""#, 12.5),
            (r#"" 7 ""#, 7.0),
            (r#""\u0031""#, 1.0),
        ];
        for (json, expected) in taken {
            assert!(is(with("cpu", json).unwrap().cpu, expected), "{json}");
        }
        let refused = [
            "null",
            "true",
            "[]",
            "{}",
            r#""""#,
            r#""nan""#,
            r#""-inf""#,
            r#""12,5""#,
            "1e400",
            r#""1e400""#,
        ];
        for json in refused {
            let error = with("cpu", json).unwrap_err();
            assert_eq!(error.to_string(), "Invalid field types", "{json}");
        }
    }

    #[test]
    fn times_are_whole_seconds_of_this_era() {
        for (json, expected) in [("0", 0), ("12.9", 12), (r#""1737718500""#, 1_737_718_500)] {
            assert_eq!(with("timestamp", json).unwrap().second, expected, "{json}");
        }
        for json in ["-1", "253402300800", "1e300", "true"] {
            assert!(with("timestamp", json).is_err(), "{json}");
        }
    }

    #[test]
    fn speeds_are_mebibytes_and_optional() {
        assert!(is(with("disk_read", "0.5").unwrap().disk_read, 524_288.0));
        assert!(is(with("disk_read", "null").unwrap().disk_read, 0.0));
        assert!(is(with("cpu", "1").unwrap().disk_written, 0.0));
        assert!(with("disk_write", "1e308").is_err(), "overflows");
        assert!(with("disk_write", "[]").is_err());
    }

    #[test]
    fn names_have_bounds() {
        let name = |name: String| with("hostname", &serde_json::to_string(&name).unwrap());
        assert!(name("ü".repeat(MAX_HOST_NAME)).is_ok());
        assert!(name("ü".repeat(MAX_HOST_NAME + 1)).is_err());
        assert!(name("<b>\"\u{202e}".to_owned()).is_ok());
        assert!(name(String::new()).is_err());
        assert!(name("a\0b".to_owned()).is_err());
        assert!(with("hostname", "5").is_err());
        assert!(with("hostname", r#""\ud800""#).is_err());
    }

    #[test]
    fn details_and_unknown_fields_are_kept_as_sent() {
        let push = with("details", r#"{"b":1e400,"a":[null]}"#).unwrap();
        assert_eq!(push.details.unwrap().get(), r#"{"b":1e400,"a":[null]}"#);
        assert!(with("details", "null").unwrap().details.is_none());
        assert!(with("details", "[]").is_err());
        let push = with("mood", "\"good\"").unwrap();
        assert_eq!(push.unknown["mood"].get(), "\"good\"");
    }

    #[test]
    fn nesting_is_bounded_and_strings_do_not_nest() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        // The body itself is the first level.
        assert!(with("x", &nested(MAX_DEPTH - 1)).is_ok());
        assert!(with("x", &nested(MAX_DEPTH)).is_err());
        assert!(with("x", &nested(1_000_000)).is_err());
        assert!(with("x", &format!("\"\\\"{}\"", "[".repeat(1000))).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
        }

        #[test]
        fn any_field_is_read_or_refused(
            name in "(cpu|ram|disk|timestamp|hostname|disk_read|details|x)",
            json in r#"("|\{|\[|-|[0-9e.]|true|null|\\|u|a|:|,|\}|\])*"#,
        ) {
            if let Ok(push) = with(&name, &json) {
                prop_assert!([push.cpu, push.memory, push.disk, push.disk_read]
                    .iter()
                    .all(|value| value.is_finite()));
                prop_assert!(!push.host.is_empty() && push.second >= 0);
            }
        }
    }
}
