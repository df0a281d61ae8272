//! The stretch of time that charts show, and their data: columns of at most two thousand points,
//! gaps as nulls.

pub(super) mod bands;
mod outlook;
pub(super) mod panels;
mod subjects;
pub(super) mod twin;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use system_stats_model::sample::Millis;

use super::super::error::ApiError;
use super::super::params::Params;
use crate::inventory::hosts::Host;

const MAX_POINTS: usize = 2000;
const DEFAULT_WIDTH: i64 = 1000;
const DEFAULT_SECONDS: i64 = 60 * 60;
/// Points further apart than so many ordinary distances have a gap between them.
const GAP: Millis = 3;
/// The shortest stretch that a chart of a host's first readings shows.
const SHORTEST: Millis = 60 * 1000;
/// The shortest step that there is.
const SHORTEST_STEP: Millis = SHORTEST / 2000;
const LONGEST_STEP: Millis = 365 * 86_400_000;
/// So much later than its time a sample may come and still be drawn by a chart that goes on.
const LATE: Millis = 15 * 1000;

/// What a chart shows: a stretch of time in steps that are counted from 1970, so that the same
/// step is the same stretch whenever it is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    from: Millis,
    to: Millis,
    points: usize,
    /// The length of a step, if it is not to follow from the number of points.
    step: Option<Millis>,
    /// Only what came from the step of this moment on is wanted.
    since: Option<Millis>,
}

impl Span {
    /// The last `seconds` until `now`.
    pub(super) fn last(seconds: i64, now: Millis, points: usize) -> Self {
        Self {
            from: now - seconds * 1000,
            to: now,
            points,
            step: None,
            since: None,
        }
    }

    /// Without the time before the host's first reading: a young host's chart is not mostly empty.
    fn since_first(self, host: &Host) -> Self {
        let first = host.first_seen.unwrap_or(self.from);
        Self {
            from: self.from.max(first.min(self.to.saturating_sub(SHORTEST))),
            ..self
        }
    }

    /// What the request's parameters ask for; two points per pixel of the width.
    ///
    /// # Errors
    /// When a number is none, or the stretch is empty or out of range.
    pub(super) fn asked(params: &Params, now: Millis) -> Result<Self, ApiError> {
        let to = moment(params, "to")?.unwrap_or(now);
        let range = params.number("range")?.unwrap_or(DEFAULT_SECONDS);
        let range = range.checked_mul(1000).ok_or_else(out_of_range)?;
        let start = to.checked_sub(range).ok_or_else(out_of_range)?;
        let from = moment(params, "from")?.unwrap_or(start);
        if to.checked_sub(from).is_none_or(|length| length <= 0) {
            return Err(ApiError::BadRequest("from is not before to".to_owned()));
        }
        let width = params.number("width")?.unwrap_or(DEFAULT_WIDTH);
        let points = usize::try_from(width.saturating_mul(2)).unwrap_or_default();
        Ok(Self {
            from,
            to,
            points: points.clamp(2, MAX_POINTS),
            step: None,
            since: None,
        })
    }

    /// The same stretch in so many points.
    pub(super) fn in_points(self, points: usize) -> Self {
        Self { points, ..self }
    }

    /// The same in the steps of an earlier answer, if the request's parameters name them.
    ///
    /// # Errors
    /// When the length of the steps is no number.
    pub(super) fn in_steps_asked(self, params: &Params) -> Result<Self, ApiError> {
        let Some(text) = params.get("step") else {
            return Ok(self);
        };
        let wrong = || ApiError::BadRequest("step is not a number of seconds".to_owned());
        let step = text.parse::<f64>().map_err(|_| wrong())? * 1000.0;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates, NaN is bounded too"
        )]
        let step = (step.round() as Millis).clamp(SHORTEST_STEP, LONGEST_STEP);
        Ok(Self {
            step: Some(step),
            ..self
        })
    }

    /// The same length until `now` in the same steps; of it what came after about `until`.
    pub(super) fn going_on(self, until: Millis, now: Millis) -> Self {
        Self {
            from: now - (self.to - self.from),
            to: now,
            since: Some(until - LATE),
            ..self
        }
    }

    /// Its first and last moment.
    pub(super) fn ends(self) -> (Millis, Millis) {
        (self.from, self.to)
    }

    /// The length of a step. One step less than points: the first may be a part only.
    fn step(self) -> Millis {
        let points = Millis::try_from(self.points).unwrap_or(Millis::MAX);
        let length = self.to - self.from;
        let step = length.div_euclid((points - 1).max(1)) + 1;
        self.step.unwrap_or(step)
    }

    /// The number of the step that a moment falls into.
    fn step_of(self, at: Millis) -> Millis {
        at.div_euclid(self.step())
    }

    /// The first moment whose samples are wanted.
    fn start(self) -> Millis {
        let since = self.since.map(|since| self.step_of(since) * self.step());
        since.map_or(self.from, |since| since.max(self.from))
    }
}

fn out_of_range() -> ApiError {
    ApiError::BadRequest("from, to or range is out of range".to_owned())
}

/// A moment as seconds since 1970, as a date with a time and an offset (RFC 3339), or as one
/// without, in UTC, as a form's field has it.
fn moment(params: &Params, name: &str) -> Result<Option<Millis>, ApiError> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000).map(Some).ok_or_else(out_of_range);
    }
    let in_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let civil = text.parse::<DateTime>().ok().and_then(in_utc);
    let parsed = text.parse::<Timestamp>().ok().or(civil);
    let wrong = || {
        let hint = "neither seconds since 1970 nor a time like 2026-05-28T20:26:40";
        ApiError::BadRequest(format!("{name} is {hint}"))
    };
    parsed.map(|at| Some(at.as_millisecond())).ok_or_else(wrong)
}

fn seconds(at: Millis) -> f64 {
    at as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Span, ApiError> {
        Span::asked(&Params::from_pairs(pairs), 1_000_000)
    }

    #[test]
    fn moments_as_people_and_programs_write_them() {
        for text in [
            "100",
            "1970-01-01T00:01:40",
            "1970-01-01T00:01:40Z",
            "1970-01-01T01:01:40+01:00",
        ] {
            let span = asked(&[("from", text)]).unwrap();
            assert_eq!(span.ends(), (100_000, 1_000_000), "{text}");
        }
        let minutes = asked(&[("from", "1970-01-01T00:01"), ("to", "1970-01-01T00:02")]);
        assert_eq!(
            minutes.unwrap().ends(),
            (60_000, 120_000),
            "without seconds"
        );
        for text in [
            "yesterday",
            "1970-13-01T00:00",
            "9223372036854775807",
            "1e3",
        ] {
            let refused = asked(&[("from", text)]).unwrap_err();
            assert_eq!(refused.status(), 400, "{text}");
        }
    }

    #[test]
    fn a_stretch_goes_on_in_the_same_steps() {
        let span = Span::last(100, 1_000_000, 11);
        assert_eq!(span.step(), 10_001);
        let on = span.going_on(1_000_000, 1_005_000);
        assert_eq!(on.step(), span.step());
        assert_eq!(on.ends(), (905_000, 1_005_000));
        assert_eq!(on.start(), 98 * 10_001, "a whole step");
    }

    proptest! {
        #[test]
        fn never_more_steps_than_points(
            from in -1_000_000_i64..4_000_000_000_000,
            length in 1_i64..400_000_000_000,
            points in 2..=MAX_POINTS,
        ) {
            let span = Span { from, to: from + length, points, step: None, since: None };
            let steps = span.step_of(span.to) - span.step_of(span.from) + 1;
            prop_assert!(usize::try_from(steps).unwrap() <= points);
        }
    }
}
