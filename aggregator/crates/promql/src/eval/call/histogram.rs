//! Classic histograms: one series for each bucket, its upper bound in the label `le`.

use std::collections::HashMap;

use system_stats_model::labels::{Labels, LabelsBuilder};

use super::super::annotations::Note;
use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Scalars};
use super::super::naming;
use super::wrong;
use crate::plan::Node;
use crate::value::{Columns, Timeline, of_label};

/// The label with a bucket's upper bound.
const BOUND: &str = "le";
/// Relative differences below this are rounding and not a decrease.
const TOLERANCE: f64 = 1e-12;

/// A bucket at one step: its upper bound, and how many observations are at or below it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    bound: f64,
    count: f64,
}

/// The buckets of one histogram, by their bounds: ascending, with the number of their series.
struct Group {
    labels: Labels,
    rows: Vec<(f64, usize)>,
}

/// `histogram_quantile`.
pub(super) fn quantile(
    evaluator: &Evaluator<'_>,
    node: &Node,
    args: &[Node],
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let [quantile, vector] = args else {
        return Err(wrong(node));
    };
    let quantiles = valid_quantiles(evaluator, quantile, on)?;
    let input = evaluator.columns(vector, on)?;
    let histograms = Histograms::of(evaluator, vector, &input);
    histograms.each(evaluator, on, |step, name, buckets| {
        let (value, forced) = bucket_quantile(quantiles.at(step), buckets);
        if forced {
            let remark = Note::ForcedMonotonic(name.to_owned());
            evaluator.annotations.add(remark, vector.span);
        }
        value
    })
}

/// `histogram_quantiles`: several quantiles, told apart by a label.
pub(super) fn quantiles(
    evaluator: &Evaluator<'_>,
    node: &Node,
    args: &[Node],
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let [vector, label, quantiles @ ..] = args else {
        return Err(wrong(node));
    };
    let name = label.text().filter(|_| label.names_label());
    let name = name.ok_or_else(|| {
        let text = label.text().unwrap_or_default();
        EvalError::Parameter(format!(
            "invalid label name in histogram_quantiles(): {text}"
        ))
    })?;
    let quantiles = quantiles.iter().map(|q| valid_quantiles(evaluator, q, on));
    let quantiles: Vec<Scalars> = quantiles.collect::<Result<_, _>>()?;
    let input = evaluator.columns(vector, on)?;
    let histograms = Histograms::of(evaluator, vector, &input);
    let mut all = Columns::new(*on);
    for quantile in &quantiles {
        let found = histograms.each(evaluator, on, |step, name, buckets| {
            let (value, forced) = bucket_quantile(quantile.at(step), buckets);
            if forced {
                let remark = Note::ForcedMonotonic(name.to_owned());
                evaluator.annotations.add(remark, label.span);
            }
            value
        })?;
        for series in 0..found.len() {
            evaluator.budget.check()?;
            let mut rows: HashMap<u64, usize> = HashMap::new();
            for step in found.valid(series).iter() {
                let value = quantile.at(step);
                let row = *rows.entry(value.to_bits()).or_insert_with(|| {
                    let mut labels = LabelsBuilder::from(&found.labels()[series]);
                    all.push(labels.set(name, &of_label(value)).build());
                    let row = all.len() - 1;
                    all.set_drops(row, found.drops(series));
                    row
                });
                all.column_mut(row).set(step, found.values(series)[step]);
            }
        }
        evaluator.budget.check_cells(all.len(), on.steps)?;
    }
    naming::merge_alike(&mut all, false)?;
    Ok(all)
}

/// The values of a node that is a quantile, noted where they are none.
fn valid_quantiles(
    evaluator: &Evaluator<'_>,
    node: &Node,
    on: &Timeline,
) -> Result<Scalars, EvalError> {
    let quantiles = evaluator.scalars(node, on)?;
    for value in quantiles.distinct() {
        if !(0.0..=1.0).contains(value) {
            evaluator.annotations.add(Note::quantile(*value), node.span);
        }
    }
    Ok(quantiles)
}

/// `histogram_fraction`.
pub(super) fn fraction(
    evaluator: &Evaluator<'_>,
    node: &Node,
    args: &[Node],
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let [lower, upper, vector] = args else {
        return Err(wrong(node));
    };
    let (lower, upper) = (evaluator.scalars(lower, on)?, evaluator.scalars(upper, on)?);
    let input = evaluator.columns(vector, on)?;
    let histograms = Histograms::of(evaluator, vector, &input);
    histograms.each(evaluator, on, |step, _, buckets| {
        bucket_fraction(lower.at(step), upper.at(step), buckets)
    })
}

/// The histograms of a vector.
struct Histograms<'i> {
    input: &'i Columns,
    groups: Vec<Group>,
}

impl<'i> Histograms<'i> {
    fn of(evaluator: &Evaluator<'_>, vector: &Node, input: &'i Columns) -> Self {
        let groups = groups(evaluator, vector, input);
        Self { input, groups }
    }

    /// What `value` makes of the buckets of each histogram at each step.
    fn each(
        &self,
        evaluator: &Evaluator<'_>,
        on: &Timeline,
        value: impl Fn(usize, &str, &mut Vec<Bucket>) -> f64,
    ) -> Result<Columns, EvalError> {
        let mut columns = Columns::new(*on);
        let mut buckets = Vec::new();
        let mut pace = evaluator.budget.pace();
        for (series, group) in self.groups.iter().enumerate() {
            let labels = if evaluator.is_eager {
                naming::without_reserved(&group.labels)
            } else {
                group.labels.clone()
            };
            let mut name = group.labels.metric_name();
            let mut column = columns.push(labels);
            for step in 0..on.steps {
                pace.step(group.rows.len())?;
                buckets.clear();
                for (bound, row) in &group.rows {
                    if self.input.valid(*row).has(step) {
                        let count = self.input.values(*row)[step];
                        buckets.push(Bucket {
                            bound: *bound,
                            count,
                        });
                    }
                }
                if !buckets.is_empty() {
                    column.set(step, value(step, name, &mut buckets));
                    // Prometheus has dropped the name by the second step, and says so.
                    if evaluator.is_eager {
                        name = "";
                    }
                }
            }
            columns.set_drops(series, !evaluator.is_eager);
        }
        columns.retain_valued();
        naming::merge_alike(&mut columns, false)?;
        Ok(columns)
    }
}

fn groups(evaluator: &Evaluator<'_>, vector: &Node, input: &Columns) -> Vec<Group> {
    let mut numbers: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (row, labels) in input.labels().iter().enumerate() {
        let text = labels.get(BOUND).unwrap_or_default();
        let Some(bound) = parse_bound(text) else {
            let note = Note::BadBucketLabel {
                label: text.to_owned(),
                name: labels.metric_name().to_owned(),
            };
            evaluator.annotations.add(note, vector.span);
            continue;
        };
        let rest = labels.iter().filter(|(name, _)| *name != BOUND);
        let labels = Labels::from_sorted(rest);
        let number = *numbers.entry(labels.clone()).or_insert_with(|| {
            let rows = Vec::new();
            groups.push(Group { labels, rows });
            groups.len() - 1
        });
        groups[number].rows.push((bound, row));
    }
    for group in &mut groups {
        group.rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    groups
}

/// The number in a label `le`.
fn parse_bound(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Makes one bucket of those with the same bound.
fn coalesce(buckets: &mut Vec<Bucket>) {
    #[expect(clippy::float_cmp, reason = "the same bound, however it is written")]
    buckets.dedup_by(|next, kept| {
        let same = next.bound == kept.bound;
        if same {
            kept.count += next.count;
        }
        same
    });
}

fn has_everything(buckets: &[Bucket]) -> bool {
    buckets
        .last()
        .is_some_and(|bucket| bucket.bound == f64::INFINITY)
}

/// The quantile, linear within its bucket, and whether counts had to be raised to never decrease.
/// The buckets are ascending by bound, at least one.
fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    if !has_everything(buckets) {
        return (f64::NAN, false);
    }
    coalesce(buckets);
    let forced = make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, false);
    }
    let rank = q * observations;
    let at = buckets[..last].partition_point(|bucket| bucket.count < rank || bucket.count.is_nan());
    let Bucket { bound, count } = buckets[at];
    if at == last {
        return (buckets[last - 1].bound, forced);
    }
    if at == 0 {
        let value = if bound <= 0.0 {
            bound
        } else {
            bound * (rank / count)
        };
        return (value, forced);
    }
    let below = buckets[at - 1];
    let share = (rank - below.count) / (count - below.count);
    (below.bound + (bound - below.bound) * share, forced)
}

/// Raises counts that are below the one before. Says so unless it was rounding only.
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let mut highest = buckets[0].count;
    for bucket in &mut buckets[1..] {
        #[expect(
            clippy::float_cmp,
            reason = "nothing to do only for the very same count"
        )]
        if bucket.count == highest {
            continue;
        }
        if is_almost(highest, bucket.count) {
            bucket.count = highest;
        } else if bucket.count < highest {
            bucket.count = highest;
            forced = true;
        } else {
            highest = bucket.count;
        }
    }
    forced
}

fn is_almost(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() {
        return true;
    }
    let (sum, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

/// The share of the observations between two values. The buckets are ascending by bound, at least
/// one.
fn bucket_fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if !has_everything(buckets) {
        return f64::NAN;
    }
    coalesce(buckets);
    let count = buckets[buckets.len() - 1].count;
    if count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let rank = |value| match rank_of(value, buckets) {
        Some(rank) if rank > count => count,
        Some(rank) => rank,
        None => count,
    };
    (rank(upper) - rank(lower)) / count
}

/// How many observations are below `value`; nothing if it is above all bounds. The first bucket
/// begins at 0 if its bound is above that.
fn rank_of(value: f64, buckets: &[Bucket]) -> Option<f64> {
    let is_positive = buckets.first().is_some_and(|bucket| bucket.bound > 0.0);
    let mut below = if is_positive { 0.0 } else { f64::NEG_INFINITY };
    let mut rank = 0.0;
    for bucket in buckets {
        if below >= value {
            return Some(rank);
        }
        if bucket.bound > value {
            let share = (value - below) / (bucket.bound - below);
            return Some(rank + (bucket.count - rank) * share);
        }
        (below, rank) = (bucket.bound, bucket.count);
    }
    None
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the results are exact")]
mod tests {
    use super::*;

    /// A quantile, bounds with counts, and what comes out.
    type Case<'c> = (f64, &'c [(f64, f64)], f64);

    fn buckets(list: &[(f64, f64)]) -> Vec<Bucket> {
        list.iter()
            .map(|(bound, count)| Bucket {
                bound: *bound,
                count: *count,
            })
            .collect()
    }

    #[test]
    fn quantiles_within_and_outside_of_buckets() {
        let inf = f64::INFINITY;
        let usual = [(1.0, 2.0), (2.0, 6.0), (inf, 10.0)];
        let cases: [Case<'_>; 9] = [
            (0.1, &usual, 0.5),
            (0.4, &usual, 1.5),
            (0.9, &usual, 2.0),
            (-0.1, &usual, -inf),
            (1.1, &usual, inf),
            (0.5, &[(-1.0, 4.0), (inf, 4.0)], -1.0),
            (0.5, &[(1.0, 1.0), (1.0, 1.0), (inf, 4.0)], 1.0),
            (0.5, &[(0.0, 1.0), (1.0, 1.0), (inf, 1.0)], 0.0),
            (0.5, &[(1.0, 4.0), (2.0, 1.0), (inf, 4.0)], 0.5),
        ];
        for (q, list, expected) in cases {
            assert_eq!(
                bucket_quantile(q, &mut buckets(list)).0,
                expected,
                "{q} of {list:?}"
            );
        }
        let none: [(f64, &[(f64, f64)]); 4] = [
            (0.5, &[(1.0, 2.0)]),
            (0.5, &[(inf, 2.0)]),
            (0.5, &[(1.0, 0.0), (inf, 0.0)]),
            (f64::NAN, &usual),
        ];
        for (q, list) in none {
            assert!(
                bucket_quantile(q, &mut buckets(list)).0.is_nan(),
                "{q} of {list:?}"
            );
        }
    }

    #[test]
    fn only_real_decreases_are_told() {
        let inf = f64::INFINITY;
        let tiny = 10.0 * (1.0 - 1e-15);
        for (third, expected) in [(10.0, false), (tiny, false), (9.0, true)] {
            let mut list = buckets(&[(1.0, 5.0), (2.0, 10.0), (3.0, third), (inf, 10.0)]);
            assert_eq!(bucket_quantile(0.5, &mut list).1, expected);
        }
    }

    #[test]
    fn fractions_between_bounds() {
        let inf = f64::INFINITY;
        let list = [(0.0, 0.0), (1.0, 4.0), (2.0, 6.0), (inf, 8.0)];
        let cases = [
            (0.0, 1.0, 0.5),
            (0.5, 1.5, 0.375),
            (-inf, inf, 1.0),
            (1.0, 1.0, 0.0),
            (2.0, inf, 0.25),
            (5.0, 6.0, 0.0),
        ];
        for (lower, upper, expected) in cases {
            let share = bucket_fraction(lower, upper, &mut buckets(&list));
            assert!(
                (share - expected).abs() < 1e-12,
                "{lower}..{upper}: {share}"
            );
        }
        let mut positive = buckets(&[(0.1, 10.0), (0.5, 30.0), (inf, 40.0)]);
        assert_eq!(bucket_fraction(0.0, 0.5, &mut positive), 0.75);
    }
}
