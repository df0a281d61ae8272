use std::num::NonZeroUsize;

use super::super::error::EvalError;
use super::super::evaluator::Evaluator;
use super::super::parts::in_parts;
use super::super::producer::{Producer, Scratch};
use super::super::window::kahan_add;
use super::{Aggregation, Groups};
use crate::ast::AggregateOp;
use crate::value::{Block, ColumnMut, Columns, Timeline};

/// `sum`, `avg`, `min`, `max`, `count`, `group`, `stddev` and `stdvar`: every series is added to
/// its group and forgotten.
pub(super) fn columns(
    evaluator: &Evaluator<'_>,
    aggregation: &Aggregation<'_>,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let input = evaluator.told_apart(evaluator.vector(aggregation.expr, on)?)?;
    let projection = aggregation.projection();
    let groups = Groups::of(&projection, &input, evaluator.is_eager);
    let budget = &evaluator.budget;
    budget.check_cells(groups.len(), on.steps)?;
    let cells = groups.len() * on.steps;
    // Spreads depend on the order of the series in digits that matter; nothing else does.
    let threads = match aggregation.op {
        AggregateOp::Stddev | AggregateOp::Stdvar => NonZeroUsize::MIN,
        _ => evaluator.threads,
    };
    let parts = in_parts(threads, groups.of.len(), input.effort(), |part| {
        budget.hold(cells)?;
        let mut fold = Fold::new(aggregation.op, groups.len(), on.steps);
        let mut scratch = Scratch::default();
        let mut block = Block::new(on.steps);
        for series in part {
            budget.check()?;
            let mut column = block.push();
            input.produce(series, &mut column, &mut scratch)?;
            fold.add(groups.of[series], &column);
            block.pop();
        }
        Ok(fold)
    })?;
    let count = parts.len();
    let mut parts = parts.into_iter();
    let mut columns = groups.columns(&projection, &input, evaluator.is_eager);
    if let Some(mut total) = parts.next() {
        parts.for_each(|part| total.merge(&part));
        total.finish(&mut columns);
    }
    budget.release(cells * count);
    columns.retain_valued();
    Ok(columns)
}

/// What the groups have come to, at every step.
struct Fold {
    op: AggregateOp,
    steps: usize,
    /// The sum, the extreme, the sum of squared distances, or the mean where the sum overflows.
    values: Vec<f64>,
    /// The compensation of the sum, or the mean.
    seconds: Vec<f64>,
    counts: Vec<f64>,
    /// Where `avg` carries a mean; empty as long as that is nowhere.
    overflows: Vec<bool>,
}

impl Fold {
    fn new(op: AggregateOp, groups: usize, steps: usize) -> Self {
        let cells = groups * steps;
        let has_second = matches!(
            op,
            AggregateOp::Sum | AggregateOp::Avg | AggregateOp::Stddev | AggregateOp::Stdvar
        );
        Self {
            op,
            steps,
            // What is added to it comes out as it is, negative zero too.
            values: vec![-0.0; cells],
            seconds: vec![0.0; if has_second { cells } else { 0 }],
            counts: vec![0.0; cells],
            overflows: Vec::new(),
        }
    }

    fn add(&mut self, group: usize, column: &ColumnMut<'_>) {
        let start = group * self.steps;
        let cells = start..start + self.steps;
        if self.op == AggregateOp::Avg {
            let add = |step| self.add_to_mean(start + step, column.values[step]);
            column.bits().for_each(add);
            return;
        }
        let values = &mut self.values[cells.clone()];
        let counts = &mut self.counts[cells.clone()];
        let seconds = self.seconds.get_mut(cells).unwrap_or_default();
        match self.op {
            AggregateOp::Sum => total(column, values, seconds, counts),
            AggregateOp::Min => extreme(column, values, counts, |old, new| old > new),
            AggregateOp::Max => extreme(column, values, counts, |old, new| old < new),
            AggregateOp::Stddev | AggregateOp::Stdvar => spread(column, values, seconds, counts),
            _ => column.bits().for_each(|step| counts[step] += 1.0),
        }
    }

    /// A sum as long as it does not overflow, else a mean that is carried along.
    fn add_to_mean(&mut self, cell: usize, value: f64) {
        let before = self.counts[cell];
        let count = before + 1.0;
        self.counts[cell] = count;
        if before == 0.0 {
            self.values[cell] = value;
            return;
        }
        if !self.has_overflown(cell) {
            let (sum, rest) = kahan_add(value, self.values[cell], self.seconds[cell]);
            if !sum.is_infinite() {
                (self.values[cell], self.seconds[cell]) = (sum, rest);
                return;
            }
            self.overflow(cell, before);
        }
        let share = before / count;
        (self.values[cell], self.seconds[cell]) = kahan_add(
            value / count,
            share * self.values[cell],
            share * self.seconds[cell],
        );
    }

    fn has_overflown(&self, cell: usize) -> bool {
        self.overflows.get(cell).copied().unwrap_or(false)
    }

    fn overflow(&mut self, cell: usize, count: f64) {
        self.overflows.resize(self.values.len(), false);
        self.overflows[cell] = true;
        self.values[cell] /= count;
        self.seconds[cell] /= count;
    }

    /// Adds what another part of the series has come to.
    fn merge(&mut self, other: &Self) {
        for cell in 0..self.values.len() {
            if other.counts[cell] == 0.0 {
                continue;
            }
            if self.counts[cell] == 0.0 {
                self.take_over(other, cell);
                continue;
            }
            let value = other.values[cell];
            match self.op {
                AggregateOp::Sum => {
                    let sum = kahan_add(value, self.values[cell], self.seconds[cell]);
                    (self.values[cell], self.seconds[cell]) = (sum.0, sum.1 + other.seconds[cell]);
                }
                AggregateOp::Avg => self.merge_mean(other, cell),
                AggregateOp::Min if self.values[cell] > value || self.values[cell].is_nan() => {
                    self.values[cell] = value;
                }
                AggregateOp::Max if self.values[cell] < value || self.values[cell].is_nan() => {
                    self.values[cell] = value;
                }
                _ => {}
            }
            self.counts[cell] += other.counts[cell];
        }
    }

    fn take_over(&mut self, other: &Self, cell: usize) {
        self.values[cell] = other.values[cell];
        self.counts[cell] = other.counts[cell];
        if let Some(second) = self.seconds.get_mut(cell) {
            *second = other.seconds[cell];
        }
        if other.has_overflown(cell) {
            self.overflows.resize(self.values.len(), false);
            self.overflows[cell] = true;
        }
    }

    fn merge_mean(&mut self, other: &Self, cell: usize) {
        let (here, there) = (self.counts[cell], other.counts[cell]);
        let (mut value, mut rest) = (other.values[cell], other.seconds[cell]);
        if !self.has_overflown(cell) {
            let sum = kahan_add(value, self.values[cell], self.seconds[cell]);
            if !other.has_overflown(cell) && !sum.0.is_infinite() {
                (self.values[cell], self.seconds[cell]) = (sum.0, sum.1 + rest);
                return;
            }
            self.overflow(cell, here);
        }
        if !other.has_overflown(cell) {
            (value, rest) = (value / there, rest / there);
        }
        let (mine, theirs) = (here / (here + there), there / (here + there));
        let sum = kahan_add(
            value * theirs,
            self.values[cell] * mine,
            self.seconds[cell] * mine,
        );
        (self.values[cell], self.seconds[cell]) = (sum.0, sum.1 + rest * theirs);
    }

    fn finish(&self, columns: &mut Columns) {
        for group in 0..columns.len() {
            let start = group * self.steps;
            let mut column = columns.column_mut(group);
            for step in 0..self.steps {
                let cell = start + step;
                if self.counts[cell] > 0.0 {
                    column.set(step, self.result(cell));
                }
            }
        }
    }

    fn result(&self, cell: usize) -> f64 {
        let (value, count) = (self.values[cell], self.counts[cell]);
        match self.op {
            AggregateOp::Sum => value + self.seconds[cell],
            AggregateOp::Avg if self.has_overflown(cell) => value + self.seconds[cell],
            AggregateOp::Avg => value / count + self.seconds[cell] / count,
            AggregateOp::Count => count,
            AggregateOp::Group => 1.0,
            AggregateOp::Stdvar => value / count,
            AggregateOp::Stddev => (value / count).sqrt(),
            _ => value,
        }
    }
}

/// Adds up, with a compensation for the digits that get lost.
fn total(column: &ColumnMut<'_>, sums: &mut [f64], rests: &mut [f64], counts: &mut [f64]) {
    let steps = column.values.len();
    let (sums, rests, counts) = (
        &mut sums[..steps],
        &mut rests[..steps],
        &mut counts[..steps],
    );
    let add = |step: usize| {
        (sums[step], rests[step]) = kahan_add(column.values[step], sums[step], rests[step]);
        counts[step] += 1.0;
    };
    if column.bits().count() < steps {
        column.bits().for_each(add);
    } else {
        (0..steps).for_each(add);
    }
}

/// Adds up squared distances from the mean (Welford). What is not finite first spoils all.
fn spread(column: &ColumnMut<'_>, squares: &mut [f64], means: &mut [f64], counts: &mut [f64]) {
    column.bits().for_each(|step| {
        let value = column.values[step];
        let is_first = counts[step] == 0.0;
        counts[step] += 1.0;
        if is_first {
            squares[step] = if value.is_finite() { 0.0 } else { f64::NAN };
            means[step] = value;
        } else {
            let delta = value - means[step];
            means[step] += delta / counts[step];
            squares[step] += delta * (value - means[step]);
        }
    });
}

/// Keeps the first value, or a later one that `gives_way` holds for. NaN gives way to anything.
fn extreme(
    column: &ColumnMut<'_>,
    values: &mut [f64],
    counts: &mut [f64],
    gives_way: impl Fn(f64, f64) -> bool,
) {
    column.bits().for_each(|step| {
        let (old, new) = (values[step], column.values[step]);
        if counts[step] == 0.0 || gives_way(old, new) || old.is_nan() {
            values[step] = new;
        }
        counts[step] += 1.0;
    });
}
