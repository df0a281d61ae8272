//! Times and durations as Prometheus' API takes them.

use jiff::civil::DateTime;
use system_stats_model::sample::Millis;

use crate::config::parse_duration;

const NANOS_PER_SECOND: f64 = 1e9;
const NANOS_PER_MILLI: i128 = 1_000_000;
/// How Prometheus writes the first and the last moment it knows, which its clients send back, and
/// which those are.
const OUTERMOST: [(&str, Millis); 2] = [
    ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_000),
    (
        "292277025-08-18T07:12:54.999999999Z",
        9_223_309_901_257_974_999,
    ),
];

/// A time: seconds since 1970 with a fraction, rounded to milliseconds, or RFC 3339.
pub(super) fn time(text: &str) -> Result<Millis, String> {
    let wrong = || format!("cannot parse {text:?} to a valid timestamp");
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return Err(wrong());
        }
        return Ok(from_seconds(seconds));
    }
    let outermost = OUTERMOST.iter().find(|(name, _)| *name == text);
    let time = outermost.map(|(_, time)| *time);
    time.or_else(|| rfc_3339(text)).ok_or_else(wrong)
}

/// RFC 3339 as strictly as Go reads it: of the many ways of ISO 8601 this one only.
fn rfc_3339(text: &str) -> Option<Millis> {
    const SHAPE: &[u8; 19] = b"0000-00-00T00:00:00";
    let (local, offset) = if let Some(local) = text.strip_suffix('Z') {
        (local, 0)
    } else {
        let (local, zone) = text.split_at_checked(text.len().checked_sub(6)?)?;
        (local, minutes(zone)?)
    };
    let (moment, fraction) = local.split_at_checked(SHAPE.len())?;
    let is_alike = |(byte, shape): (u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte == *shape,
    };
    // A sixtieth second is nothing that Go knows.
    if !moment.bytes().zip(SHAPE).all(is_alike) || moment.ends_with("60") {
        return None;
    }
    let moment: DateTime = moment.parse().ok()?;
    let seconds = moment.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    Some((seconds.as_secs() - offset * 60) * 1000 + milliseconds(fraction)?)
}

/// `+02:00`
fn minutes(zone: &str) -> Option<i64> {
    let sign = match zone.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    let number = |text: &str, most: i64| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = is_number.then(|| text.parse().ok())??;
        (number <= most).then_some(number)
    };
    Some(sign * (number(hours, 24)? * 60 + number(minutes, 60)?))
}

/// A fraction of a second, `.5` or `,5`, or none; what is less than a millisecond is cut off.
fn milliseconds(fraction: &str) -> Option<i64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits = fraction.strip_prefix(['.', ','])?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let first = digits.bytes().chain([b'0'; 3]).take(3);
    Some(first.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0')))
}

/// As Prometheus does it, its way through nanoseconds included; what lies beyond 64 bits is the
/// first or last moment there is.
fn from_seconds(seconds: f64) -> Millis {
    let fraction = (seconds.fract() * 1000.0).round() / 1000.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fractions of a nanosecond are cut off, and what is too large stays the largest"
    )]
    let (whole, nanos) = (seconds.trunc() as i64, (fraction * NANOS_PER_SECOND) as i64);
    let nanos = i128::from(whole) * 1_000_000_000 + i128::from(nanos);
    let millis = nanos.div_euclid(NANOS_PER_MILLI);
    let outermost = if millis < 0 { Millis::MIN } else { Millis::MAX };
    Millis::try_from(millis).unwrap_or(outermost)
}

/// A duration in nanoseconds: seconds with a fraction, or `1h30m`.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let nanos = seconds * NANOS_PER_SECOND;
        if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
            return Err(format!(
                "cannot parse {text:?} to a valid duration. It overflows int64"
            ));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the bounds; fractions of a nanosecond are cut off, and what is no number is nothing"
        )]
        return Ok(nanos as i64);
    }
    let wrong = || format!("cannot parse {text:?} to a valid duration");
    let duration = parse_duration(text).map_err(|_| wrong())?;
    i64::try_from(duration.as_nanos()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_prometheus_reads_them() {
        let cases = [
            ("4", 4000),
            ("1795195546.864", 1_795_195_546_864),
            ("1.0004", 1000),
            ("1.0006", 1001),
            ("0.57", 570),
            ("-1.5", -1500),
            ("1e3", 1_000_000),
            ("1e40", Millis::MAX),
            ("-1e40", Millis::MIN),
            ("-9223309901257974", -9_223_309_901_257_974_000),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            ("2015-07-01T22:10:51+02:00", 1_435_781_451_000),
            ("2015-07-01T20:10:51-00:00", 1_435_781_451_000),
            ("2015-07-01T20:10:51,5Z", 1_435_781_451_500),
            ("2015-07-01T20:10:51.1239Z", 1_435_781_451_123),
            ("1969-12-31T23:59:59.9Z", -100),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_000),
            (
                "292277025-08-18T07:12:54.999999999Z",
                9_223_309_901_257_974_999,
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(time(text), Ok(expected), "{text}");
        }
        let wrong = [
            "",
            "x",
            "NaN",
            "Inf",
            "2015-07-01",
            "2015-07-01T20:10:51",
            "2015-07-01t20:10:51z",
            "2015-07-01 20:10:51Z",
            "2015-07-01T20:10Z",
            "2015-07-01T20:10:60Z",
            "2015-07-01T24:00:00Z",
            "2015-02-30T00:00:00Z",
            "20150701T201051Z",
            "2015-07-01T20:10:51+0200",
            "2015-07-01T20:10:51+25:00",
            "2015-07-01T20:10:51.Z",
            "2015-07-01T20:10:51Z[UTC]",
            "ü015-07-01T20:10:51+02:00",
        ];
        for text in wrong {
            let expected = format!("cannot parse {text:?} to a valid timestamp");
            assert_eq!(time(text), Err(expected));
        }
    }

    #[test]
    fn durations_as_prometheus_reads_them() {
        let second = 1_000_000_000;
        let cases = [
            ("15", 15 * second),
            ("0.5", second / 2),
            ("-1", -second),
            ("1m30s", 90 * second),
            ("1e-9", 1),
            ("NaN", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
        for (text, more) in [("x", ""), ("5x", ""), ("1e10", ". It overflows int64")] {
            let expected = format!("cannot parse {text:?} to a valid duration{more}");
            assert_eq!(duration(text), Err(expected));
        }
    }
}
