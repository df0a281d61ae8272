//! Parts of the date, in UTC.

use system_stats_model::labels::Labels;

use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Vector};
use super::{Mapped, ready};
use crate::ast::Function;
use crate::plan::Node;
use crate::value::{Columns, Timeline};

const DAY: i128 = 86_400;
/// Days from the first of March of the year 0 to the first of January 1970.
const DAYS_TO_1970: i128 = 719_468;
/// Seconds from the beginning of Go's clock to 1970.
const CLOCK_TO_1970: i128 = 9_223_371_966_579_724_800;
/// Days in 400 years, after which the calendar repeats.
const DAYS_IN_CYCLE: i128 = 146_097;

/// A day of the calendar.
struct Date {
    year: i128,
    /// From 1.
    month: i128,
    /// From 1.
    day: i128,
    /// Days since 1970.
    days: i128,
}

/// What a function of this module takes from a number of seconds since 1970.
pub(super) fn part(function: Function) -> Option<fn(i128) -> i128> {
    Some(match function {
        Function::Minute => |seconds| seconds.rem_euclid(3600) / 60,
        Function::Hour => |seconds| seconds.rem_euclid(DAY) / 3600,
        // 1970 began on a Thursday; Sunday is 0.
        Function::DayOfWeek => |seconds| (seconds.div_euclid(DAY) + 4).rem_euclid(7),
        Function::DayOfMonth => |seconds| date(seconds).day,
        Function::DayOfYear => day_of_year,
        Function::DaysInMonth => |seconds| days_in_month(&date(seconds)),
        Function::Month => |seconds| date(seconds).month,
        Function::Year => |seconds| date(seconds).year,
        _ => return None,
    })
}

/// Without an argument, of the time of the evaluation.
pub(super) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    part: fn(i128) -> i128,
    args: &[Node],
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    let Some(arg) = args.first() else {
        let mut columns = Columns::new(*on);
        let mut column = columns.push(Labels::empty());
        for step in 0..on.steps {
            // Whole seconds toward zero, as everywhere else here.
            column.set(step, part(i128::from(on.time(step) / 1000)) as f64);
        }
        return ready(evaluator, columns);
    };
    let input = evaluator.vector(arg, on)?;
    let of_value = move |_, value| part(whole_seconds(value)) as f64;
    Ok(Vector::lazy(Mapped::new(input, of_value)))
}

/// The seconds that a number stands for. Go's clock, whose results users see, has 64 bits and
/// begins 292 billion years ago; what is before that or no number is seen at its other end.
fn whole_seconds(value: f64) -> i128 {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the bounds of 64 bits"
    )]
    let seconds = if (-TWO_TO_63..TWO_TO_63).contains(&value) {
        value as i64
    } else {
        i64::MIN
    };
    let seconds = i128::from(seconds);
    if seconds < -CLOCK_TO_1970 {
        seconds + (1 << 64)
    } else {
        seconds
    }
}

/// The day of the Gregorian calendar, by cycles of 400 years that begin in March, so that the
/// leap day is a year's last.
fn date(seconds: i128) -> Date {
    let days = seconds.div_euclid(DAY);
    let shifted = days + DAYS_TO_1970;
    let cycle = shifted.div_euclid(DAYS_IN_CYCLE);
    let day = shifted.rem_euclid(DAYS_IN_CYCLE);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    Date {
        year: cycle * 400 + year + i128::from(month >= 10),
        month: if month < 10 { month + 3 } else { month - 9 },
        day: day_of_year - (153 * month + 2) / 5 + 1,
        days,
    }
}

fn is_leap(year: i128) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn days_in_month(date: &Date) -> i128 {
    match date.month {
        2 if is_leap(date.year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_of_year(seconds: i128) -> i128 {
    let today = date(seconds);
    // The first of January is at most 365 days ago; stepping back by months finds it.
    let mut first = today.days - today.day + 1;
    for month in (1..today.month).rev() {
        first -= days_in_month(&Date { month, ..today });
    }
    today.days - first + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_and_before_1970() {
        // Seconds; year, month, day, day of the week, day of the year, days in the month.
        let cases = [
            (0, [1970, 1, 1, 4, 1, 31]),
            (-1, [1969, 12, 31, 3, 365, 31]),
            (951_782_400, [2000, 2, 29, 2, 60, 29]),
            (951_868_800, [2000, 3, 1, 3, 61, 31]),
            (1_709_164_800, [2024, 2, 29, 4, 60, 29]),
            (1_735_603_200, [2024, 12, 31, 2, 366, 31]),
            (4_107_542_400, [2100, 3, 1, 1, 60, 31]),
            (-2_208_988_800, [1900, 1, 1, 1, 1, 31]),
        ];
        let functions = [
            Function::Year,
            Function::Month,
            Function::DayOfMonth,
            Function::DayOfWeek,
            Function::DayOfYear,
            Function::DaysInMonth,
        ];
        for (seconds, expected) in cases {
            let parts = functions.map(|function| part(function).unwrap()(seconds));
            assert_eq!(parts, expected, "{seconds}");
        }
    }

    #[test]
    fn any_number_is_some_date() {
        let year = part(Function::Year).unwrap();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(year(whole_seconds(value)), 292_277_026_596);
        }
        assert_eq!(year(whole_seconds(-1.9)), 1969);
    }
}
