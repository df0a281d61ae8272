//! Translates a reading as the older monitoring stack's forwarders push it.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::super::error::ApiError;
use super::fields::{Fields, is_name, number};
use crate::inventory::PUSH_JOB;
use crate::inventory::ingest::{Arrival, Kept, MEBIBYTE, Measured, Moment};
use crate::inventory::vocabulary::{CPU, DISK, DISK_READ, DISK_WRITTEN, MEMORY, MOUNTPOINT};

/// What every reading has.
pub(super) const REQUIRED: [&str; 5] = ["cpu", "disk", "hostname", "ram", "timestamp"];
/// The last second of the year 9999; later ones are not times.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Reads a pushed reading.
pub(super) fn translate(mut fields: Fields<'_>) -> Result<Arrival, ApiError> {
    fields.require(&REQUIRED)?;
    let read = arrival(&mut fields);
    let (samples, host, second, details) =
        read.ok_or_else(|| ApiError::BadRequest("Invalid field types".to_owned()))?;
    let own = |(name, value): (String, &RawValue)| (name, value.to_owned());
    let unknown: BTreeMap<_, _> = fields.rest().into_iter().map(own).collect();
    Ok(Arrival {
        job: PUSH_JOB,
        host,
        moment: Moment::Second(second),
        samples,
        kept: Kept::Details { details, unknown },
    })
}

type Read = (Vec<Measured>, String, i64, Option<Box<RawValue>>);

fn arrival(fields: &mut Fields<'_>) -> Option<Read> {
    let host: String = serde_json::from_str(fields.take("hostname")?.get()).ok()?;
    if !is_name(&host) {
        return None;
    }
    let mut required = |name| number(fields.take(name)?.get());
    let second = required("timestamp")?.trunc();
    if !(0.0..=LAST_SECOND).contains(&second) {
        return None;
    }
    let (cpu, memory, disk) = (required("cpu")?, required("ram")?, required("disk")?);
    let mut speed = |name| match fields.take(name) {
        Some(value) => Some(number(value.get())? * MEBIBYTE).filter(|speed| speed.is_finite()),
        None => Some(0.0),
    };
    let (disk_read, disk_written) = (speed("disk_read")?, speed("disk_write")?);
    let details = match fields.take("details") {
        Some(details) if details.get().starts_with('{') => Some(details.to_owned()),
        Some(_) => return None,
        None => None,
    };
    let samples = vec![
        Measured::plain(CPU, cpu),
        Measured::plain(MEMORY, memory),
        Measured {
            metric: DISK,
            labels: vec![(MOUNTPOINT, "/".to_owned())],
            value: disk,
        },
        Measured::plain(DISK_READ, disk_read),
        Measured::plain(DISK_WRITTEN, disk_written),
    ];
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    let second = second as i64;
    Some((samples, host, second, details))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::limits::{MAX_DEPTH, MAX_NAME};
    use super::*;

    fn with(name: &str, json: &str) -> Result<Arrival, ApiError> {
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

    fn parse(body: &[u8]) -> Result<Arrival, ApiError> {
        translate(Fields::read(body)?)
    }

    fn value(arrival: &Arrival, metric: &str) -> f64 {
        let mut samples = arrival.samples.iter();
        samples
            .find(|sample| sample.metric == metric)
            .unwrap()
            .value
    }

    fn second(arrival: &Arrival) -> i64 {
        match arrival.moment {
            Moment::Second(second) => second,
            moment => panic!("{moment:?}"),
        }
    }

    fn kept(arrival: Arrival) -> (Option<Box<RawValue>>, BTreeMap<String, Box<RawValue>>) {
        match arrival.kept {
            Kept::Details { details, unknown } => (details, unknown),
            kept => panic!("{kept:?}"),
        }
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
            assert!(
                is(value(&with("cpu", json).unwrap(), CPU), expected),
                "{json}"
            );
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
            assert_eq!(
                second(&with("timestamp", json).unwrap()),
                expected,
                "{json}"
            );
        }
        for json in ["-1", "253402300800", "1e300", "true"] {
            assert!(with("timestamp", json).is_err(), "{json}");
        }
    }

    #[test]
    fn speeds_are_mebibytes_and_optional() {
        let speed = |json| value(&with("disk_read", json).unwrap(), DISK_READ);
        assert!(is(speed("0.5"), 524_288.0));
        assert!(is(speed("null"), 0.0));
        assert!(is(value(&with("cpu", "1").unwrap(), DISK_WRITTEN), 0.0));
        assert!(with("disk_write", "1e308").is_err(), "overflows");
        assert!(with("disk_write", "[]").is_err());
    }

    #[test]
    fn names_have_bounds() {
        let name = |name: String| with("hostname", &serde_json::to_string(&name).unwrap());
        assert!(name("ü".repeat(MAX_NAME)).is_ok());
        assert!(name("ü".repeat(MAX_NAME + 1)).is_err());
        assert!(name("<b>\"\u{202e}".to_owned()).is_ok());
        assert!(name(String::new()).is_err());
        assert!(name("a\0b".to_owned()).is_err());
        assert!(with("hostname", "5").is_err());
        assert!(with("hostname", r#""\ud800""#).is_err());
    }

    #[test]
    fn details_and_unknown_fields_are_kept_as_sent() {
        let push = with("details", r#"{"b":1e400,"a":[null]}"#).unwrap();
        assert_eq!(kept(push).0.unwrap().get(), r#"{"b":1e400,"a":[null]}"#);
        assert!(kept(with("details", "null").unwrap()).0.is_none());
        assert!(with("details", "[]").is_err());
        let push = with("mood", "\"good\"").unwrap();
        assert_eq!(kept(push).1["mood"].get(), "\"good\"");
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
                prop_assert!(push.samples.iter().all(|sample| sample.value.is_finite()));
                prop_assert!(!push.host.is_empty() && second(&push) >= 0);
            }
        }
    }
}
