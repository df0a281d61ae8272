//! The wall clock, read in this one place, and calendar text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of day.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock that everything else takes its time from"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Seconds since 1970, with fractions; negative before.
pub(crate) fn unix_seconds(time: SystemTime) -> f64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

/// ISO 8601 in UTC with offset and milliseconds: `2026-01-31T09:30:00.125+00:00`.
pub(crate) fn iso8601_millis(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (date, clock) = calendar(since.as_secs());
    format!("{date}T{clock}.{:03}+00:00", since.subsec_millis())
}

/// ISO 8601 in UTC with offset and whole seconds: `2026-01-31T09:30:00+00:00`.
pub(crate) fn iso8601_seconds(unix_seconds: u64) -> String {
    let (date, clock) = calendar(unix_seconds);
    format!("{date}T{clock}+00:00")
}

/// Date and time of day of the proleptic Gregorian calendar, by counting days in eras of 400
/// years that begin on 1 March ("chrono-Compatible Low-Level Date Algorithms", Howard Hinnant).
fn calendar(unix_seconds: u64) -> (String, String) {
    let day = unix_seconds / 86_400 + 719_468;
    let second = unix_seconds % 86_400;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (
        format!("{year:04}-{month:02}-{day_of_month:02}"),
        format!(
            "{:02}:{:02}:{:02}",
            second / 3_600,
            second % 3_600 / 60,
            second % 60
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_read_as_the_calendar_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00+00:00"),
            (951_782_400, "2000-02-29T00:00:00+00:00"),
            (951_868_799, "2000-02-29T23:59:59+00:00"),
            (1_767_225_599, "2025-12-31T23:59:59+00:00"),
            (4_107_542_400, "2100-03-01T00:00:00+00:00"),
        ] {
            assert_eq!(iso8601_seconds(seconds), text);
        }
    }

    #[test]
    fn milliseconds_keep_their_zeros() {
        let time = UNIX_EPOCH + Duration::from_micros(1_737_718_500_007_900);
        assert_eq!(iso8601_millis(time), "2025-01-24T11:35:00.007+00:00");
    }

    #[test]
    fn a_clock_before_1970_is_negative() {
        let time = UNIX_EPOCH - Duration::from_millis(1_500);
        assert!((unix_seconds(time) + 1.5).abs() < 1e-9);
    }
}
