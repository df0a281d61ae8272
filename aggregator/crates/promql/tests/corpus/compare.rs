//! Whether a result is the expected one.

use std::collections::BTreeMap;

use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, is_stale};
use system_stats_promql::parse::Point;
use system_stats_promql::plan::TimeSpan;
use system_stats_promql::value::{Columns, Element, Series, Value};

use crate::script::Eval;

/// The relative difference up to which values count as equal.
const EPSILON: f64 = 1e-6;

type Samples = Vec<(Millis, f64)>;

/// Compares what an evaluation gave with what the case says.
pub(crate) fn compare(eval: &Eval, value: &Value) -> Result<(), String> {
    if let Some(expected) = &eval.expects.string {
        return match value {
            Value::String { value, .. } if expected.holds(value) => Ok(()),
            other => Err(format!("expected the string {expected:?}, found {other:?}")),
        };
    }
    match value {
        Value::Scalar { value, .. } => match eval.scalar {
            Some(expected) if is_close(expected, *value) => Ok(()),
            expected => Err(format!("expected {expected:?}, found the scalar {value}")),
        },
        Value::String { value, .. } => Err(format!("found the string {value:?}")),
        _ if eval.scalar.is_some() => Err("expected a scalar, found series".to_owned()),
        Value::Vector { elements, .. } => vector(eval, elements),
        Value::Matrix(found) => {
            let span = eval.expects.range;
            let span = span.ok_or("found a range where none is expected")?;
            let found = found.iter().map(of_series).collect();
            compare_series(&expected_samples(eval, span)?, &found)
        }
        Value::Range(columns) => {
            if eval.expects.ordered {
                return Err("results over a range have no order to expect".to_owned());
            }
            let found = of_columns(columns)?;
            compare_series(&expected_samples(eval, eval.span)?, &found)
        }
    }
}

/// The series of a result over a range, which have to be ascending by labels.
pub(crate) fn of_columns(columns: &Columns) -> Result<BTreeMap<Labels, Samples>, String> {
    if !columns.labels().is_sorted() {
        return Err(format!("series are out of order: {:?}", columns.labels()));
    }
    let mut found = BTreeMap::new();
    for (at, labels) in columns.labels().iter().enumerate() {
        let (values, timeline) = (columns.values(at), columns.timeline());
        let samples = columns.valid(at).iter();
        let samples: Samples = samples.map(|i| (timeline.time(i), values[i])).collect();
        if samples.is_empty() {
            return Err(format!("{labels} has no sample at all"));
        }
        if found.insert(labels.clone(), samples).is_some() {
            return Err(format!("{labels} is there twice"));
        }
    }
    Ok(found)
}

fn of_series(series: &Series) -> (Labels, Samples) {
    let times = series.timestamps.iter().copied();
    let samples = times.zip(series.values.iter().copied());
    (series.labels.clone(), samples.collect())
}

fn expected_samples(eval: &Eval, span: TimeSpan) -> Result<BTreeMap<Labels, Samples>, String> {
    let mut expected = BTreeMap::new();
    for (labels, points) in &eval.series {
        let mut samples = Vec::new();
        for (time, point) in (span.start..).step_by(step_of(span)?).zip(points) {
            match point {
                Point::Nothing => {}
                _ if time > span.end => {
                    return Err(format!("{labels} has more points than the range has steps"));
                }
                Point::Value(value) => samples.push((time, *value)),
                Point::Histogram => return Err("histograms are not compared".to_owned()),
            }
        }
        expected.insert(labels.clone(), samples);
    }
    Ok(expected)
}

fn step_of(span: TimeSpan) -> Result<usize, String> {
    let step = usize::try_from(span.step).ok().filter(|step| *step > 0);
    step.ok_or_else(|| "the step is not above 0".to_owned())
}

fn compare_series(
    expected: &BTreeMap<Labels, Samples>,
    found: &BTreeMap<Labels, Samples>,
) -> Result<(), String> {
    if let Some((labels, samples)) = found.iter().find(|(l, _)| !expected.contains_key(l)) {
        return Err(format!("unexpected {labels} {samples:?}"));
    }
    for (labels, expected) in expected {
        let none = Vec::new();
        let found = found.get(labels).unwrap_or(&none);
        let agree = |(a, b): (&(Millis, f64), &(Millis, f64))| a.0 == b.0 && is_close(a.1, b.1);
        if expected.len() != found.len() || !expected.iter().zip(found).all(agree) {
            return Err(format!("{labels}: expected {expected:?}, found {found:?}"));
        }
    }
    Ok(())
}

fn vector(eval: &Eval, elements: &[Element]) -> Result<(), String> {
    if let Some((labels, _)) = eval
        .series
        .iter()
        .find(|(labels, _)| !elements.iter().any(|e| e.labels == *labels))
    {
        return Err(format!("{labels} is missing in {elements:?}"));
    }
    for (position, Element { labels, value }) in elements.iter().enumerate() {
        let at = eval.series.iter().position(|(other, _)| other == labels);
        let at = at.ok_or_else(|| format!("unexpected {labels} {value}"))?;
        if eval.expects.ordered && at != position {
            return Err(format!(
                "{labels} is expected as number {at}, not {position}"
            ));
        }
        match eval.series[at].1.first() {
            Some(Point::Value(expected)) if is_close(*expected, *value) => {}
            expected => return Err(format!("{labels}: expected {expected:?}, found {value}")),
        }
    }
    let mut seen: Vec<&Labels> = elements.iter().map(|e| &e.labels).collect();
    seen.sort();
    match seen.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("{} is there twice", pair[0])),
        None => Ok(()),
    }
}

/// Values are close when they differ by a millionth; NaN is close to NaN, the staleness marker only
/// to itself.
pub(crate) fn is_close(expected: f64, found: f64) -> bool {
    if is_stale(expected) || is_stale(found) {
        return is_stale(expected) && is_stale(found);
    }
    #[expect(clippy::float_cmp, reason = "infinities are close to themselves")]
    if expected == found || (expected.is_nan() && found.is_nan()) {
        return true;
    }
    let (sum, difference) = (expected.abs() + found.abs(), (expected - found).abs());
    if expected == 0.0 || found == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}
