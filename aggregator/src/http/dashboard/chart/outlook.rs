//! When something that fills will be full, if it goes on as it did.

/// Fewer points than this say nothing.
const FEWEST: usize = 10;
/// Seconds that the points must span: an hour's trend is no accident.
const SHORTEST: f64 = 3600.0;
/// Days that are still worth a word.
const FAR: f64 = 365.0;
const DAY: f64 = 86_400.0;

/// How long until the line reaches 100, in words; nothing when that is far off or never.
pub(super) fn words(name: &str, times: &[f64], values: &[Option<f64>]) -> Option<String> {
    let days = days(times, values)?;
    Some(match days {
        ..1.0 => format!("{name} is full within a day at this rate"),
        _ => format!("{name} is full in {days:.0} days at this rate"),
    })
}

/// By a straight line of least squares, from the newest point on.
fn days(times: &[f64], values: &[Option<f64>]) -> Option<f64> {
    let pairs = times.iter().zip(values);
    let points: Vec<(f64, f64)> = pairs
        .filter_map(|(time, value)| Some((*time, (*value)?)))
        .collect();
    let ((first, _), (last, newest)) = (*points.first()?, *points.last()?);
    if points.len() < FEWEST || last - first < SHORTEST || newest >= 100.0 {
        return None;
    }
    let count = points.len() as f64;
    let sum = points.iter().fold((0.0, 0.0), |sum, (time, value)| {
        (sum.0 + time - first, sum.1 + value)
    });
    let (time_mean, value_mean) = (sum.0 / count, sum.1 / count);
    let mut spread = (0.0, 0.0);
    for (time, value) in &points {
        let away = time - first - time_mean;
        spread.0 += away * (value - value_mean);
        spread.1 += away * away;
    }
    let slope = spread.0 / spread.1;
    let days = (100.0 - newest) / slope / DAY;
    (slope > 0.0 && days <= FAR).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_rises_is_full_some_day() {
        // An hour in points of a minute, from `start` on by `per_day` a day.
        let said = |start: f64, per_day: f64| {
            let times: Vec<f64> = (0..=60).map(|minute| f64::from(minute) * 60.0).collect();
            let value = |time: &f64| Some(start + per_day * time / DAY);
            let values: Vec<Option<f64>> = times.iter().map(value).collect();
            words("/", &times, &values)
        };
        let full = |text: &str| Some(format!("/ is full {text} at this rate"));
        assert_eq!(said(50.0, 1.0), full("in 50 days"));
        assert_eq!(said(99.0, 2.0), full("within a day"));
        for (start, per_day) in [(50.0, 0.0), (50.0, -1.0), (50.0, 0.01), (100.0, 1.0)] {
            assert_eq!(said(start, per_day), None, "{start} {per_day}");
        }
    }

    #[test]
    fn few_points_or_a_short_time_say_nothing() {
        let rising = |count: u8, seconds: f64| {
            let times: Vec<f64> = (0..count).map(|at| f64::from(at) * seconds).collect();
            let values: Vec<Option<f64>> = (0..count).map(|at| Some(f64::from(at))).collect();
            days(&times, &values)
        };
        assert!(rising(20, 600.0).is_some());
        assert_eq!(rising(9, 600.0), None);
        assert_eq!(rising(20, 100.0), None);
        assert_eq!(days(&[], &[]), None);
        assert_eq!(days(&[0.0, 9e9], &[None, None]), None);
    }
}
