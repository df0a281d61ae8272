use std::collections::HashMap;
use std::sync::Arc;

use system_stats_model::labels::{Labels, LabelsBuilder};

use super::super::budget::Budget;
use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Vector};
use super::super::held::Held;
use super::super::naming::{self, braced, is_reserved};
use super::super::producer::{Producer, Scratch};
use super::matching::{Matches, members, projection};
use super::{Operator, operation};
use crate::ast::{Cardinality, VectorMatching};
use crate::value::{Bits, ColumnMut, Columns, Timeline};

/// What making a label set takes, in cells of a column.
const CELLS_OF_LABELS: usize = 256;

/// Arithmetic and comparisons between two vectors.
pub(super) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    operator: Operator,
    matching: &VectorMatching,
    (left, right): (Arc<Held<'e>>, Arc<Held<'e>>),
) -> Result<Vector<'e>, EvalError> {
    let matches = Matches::of(matching, &left, &right);
    let swapped = matching.cardinality == Cardinality::OneToMany;
    let (many, one, of_many, of_one, fill_many, fill_one) = if swapped {
        let Matches {
            left: l, right: r, ..
        } = &matches;
        (right, left, r, l, matching.fill.right, matching.fill.left)
    } else {
        let Matches {
            left: l, right: r, ..
        } = &matches;
        (left, right, l, r, matching.fill.left, matching.fill.right)
    };
    let sides = Sides {
        manies: members(matches.groups, of_many),
        ones: members(matches.groups, of_one),
        many,
        one,
        fill_many,
        fill_one,
        swapped,
    };
    let budget = &evaluator.budget;
    sides.check_ones(matching, budget)?;
    let pairs = sides.pairs(of_many, budget)?;
    let mut pace = budget.pace();
    let labels = pairs.iter().map(|pair| {
        pace.step(CELLS_OF_LABELS)?;
        Ok(sides.labels(pair, operator, matching, evaluator.is_eager))
    });
    let labels: Vec<Labels> = labels.collect::<Result<_, EvalError>>()?;
    let is_plain = sides.is_plain(matching);
    let joined = Joined {
        drops: operator.return_bool,
        sides,
        pairs,
        labels,
        operator,
    };
    if is_plain {
        return Ok(Vector::lazy(joined));
    }
    let columns = joined.checked(evaluator, matching)?;
    Ok(Vector::Ready(Held::new(columns, &evaluator.budget)?))
}

/// The two sides by the number of elements they may have in a group. If `swapped`, the one with
/// many is the right operand.
struct Sides<'e> {
    many: Arc<Held<'e>>,
    one: Arc<Held<'e>>,
    manies: Vec<Vec<usize>>,
    ones: Vec<Vec<usize>>,
    fill_many: Option<f64>,
    fill_one: Option<f64>,
    swapped: bool,
}

/// Two series whose values meet. One that is missing stands for the steps at which its group has
/// no element on that side.
#[derive(Clone, Copy)]
struct Pair {
    group: usize,
    many: Option<usize>,
    one: Option<usize>,
}

impl Sides<'_> {
    /// Two elements of one group at one step on the side that may have only one are an error,
    /// unless the other side is empty there.
    fn check_ones(&self, matching: &VectorMatching, budget: &Budget<'_>) -> Result<(), EvalError> {
        let several = self.ones.iter().filter(|ones| ones.len() > 1);
        let several: Vec<&Vec<usize>> = several.collect();
        if several.is_empty() {
            return Ok(());
        }
        let mut pace = budget.pace();
        for step in 0..self.one.timeline().steps {
            pace.step(self.many.len() + self.one.len())?;
            let is_there = |series: usize| self.many.valid(series).has(step);
            if self.fill_many.is_none() && !(0..self.many.len()).any(is_there) {
                continue;
            }
            for ones in &several {
                let mut here = ones
                    .iter()
                    .filter(|series| self.one.valid(**series).has(step));
                let (Some(first), Some(second)) = (here.next(), here.next()) else {
                    continue;
                };
                let labels = |series: &usize| &self.one.labels()[*series];
                return Err(EvalError::ManyToMany {
                    group: braced(&projection(matching).labels(labels(second), false)),
                    side: if self.swapped { "left" } else { "right" },
                    one: braced(labels(second)),
                    other: braced(labels(first)),
                });
            }
        }
        Ok(())
    }

    /// Whether labels alone show that no two results are alike.
    fn is_plain(&self, matching: &VectorMatching) -> bool {
        let single = |groups: &[Vec<usize>]| groups.iter().all(|group| group.len() <= 1);
        matching.cardinality == Cardinality::OneToOne
            && single(&self.manies)
            && single(&self.ones)
            && self.fill_many.is_none()
            && self.fill_one.is_none()
    }

    /// All pairs, which must not be more than there may be columns.
    fn pairs(&self, of_many: &[usize], budget: &Budget<'_>) -> Result<Vec<Pair>, EvalError> {
        let of_each = of_many.iter().map(|group| self.ones[*group].len());
        budget.check_cells(of_each.sum(), self.one.timeline().steps)?;
        let mut pairs = Vec::with_capacity(of_many.len());
        for (many, group) in of_many.iter().copied().enumerate() {
            let many = Some(many);
            let ones = self.ones[group].iter().copied().map(Some);
            let missing = self.fill_one.map(|_| None);
            pairs.extend(ones.chain(missing).map(|one| Pair { group, many, one }));
        }
        if self.fill_many.is_some() {
            for (group, ones) in self.ones.iter().enumerate() {
                let one = ones.iter().copied().map(Some);
                pairs.extend(one.map(|one| Pair {
                    group,
                    many: None,
                    one,
                }));
            }
        }
        Ok(pairs)
    }

    /// The labels of what becomes of a pair.
    fn labels(
        &self,
        pair: &Pair,
        operator: Operator,
        matching: &VectorMatching,
        is_eager: bool,
    ) -> Labels {
        let one = pair.one.map(|series| &self.one.labels()[series]);
        let group;
        let many = match (pair.many, one) {
            (Some(series), _) => &self.many.labels()[series],
            // What stands in for an element has the labels that are matched.
            (None, one) => {
                let labels = |one| projection(matching).labels(one, false);
                group = one.map(labels).unwrap_or_default();
                &group
            }
        };
        let strips = !operator.op.is_comparison() || (operator.return_bool && is_eager);
        let is_listed = |name: &str| matching.labels.iter().any(|label| label == name);
        let keeps = |name: &str| {
            !(strips && is_reserved(name))
                && (matching.cardinality != Cardinality::OneToOne || is_listed(name) == matching.on)
        };
        let kept = many.iter().filter(|(name, _)| keeps(name));
        if matching.include.is_empty() {
            return Labels::from_sorted(kept);
        }
        let mut labels = LabelsBuilder::new();
        for (name, value) in kept {
            labels.set(name, value);
        }
        for name in &matching.include {
            // What is absent on the one side is absent in the result.
            labels.set(name, one.and_then(|one| one.get(name)).unwrap_or_default());
        }
        labels.build()
    }
}

/// The results of all pairs.
struct Joined<'e> {
    sides: Sides<'e>,
    pairs: Vec<Pair>,
    labels: Vec<Labels>,
    operator: Operator,
    drops: bool,
}

impl Joined<'_> {
    /// All results, none of them alike.
    fn checked(
        &self,
        evaluator: &Evaluator<'_>,
        matching: &VectorMatching,
    ) -> Result<Columns, EvalError> {
        let timeline = Producer::timeline(self);
        evaluator
            .budget
            .check_cells(self.pairs.len(), timeline.steps)?;
        let mut columns = Columns::with_labels(timeline, self.labels.clone());
        let mut scratch = Scratch::default();
        for at in 0..self.pairs.len() {
            evaluator.budget.check()?;
            self.produce(at, &mut columns.column_mut(at), &mut scratch)?;
        }
        self.check_groups(&columns, matching.cardinality == Cardinality::OneToOne)?;
        for at in 0..self.pairs.len() {
            let is_marked = self.drops && !evaluator.is_eager;
            columns.set_drops(at, is_marked);
        }
        columns.retain_valued();
        naming::merge_alike(&mut columns, false)?;
        Ok(columns)
    }

    /// Within a group, one result a step; or, where many are allowed, one for each label set.
    fn check_groups(&self, columns: &Columns, is_one_to_one: bool) -> Result<(), EvalError> {
        let mut seen: HashMap<(usize, Option<&Labels>), Vec<u64>> = HashMap::new();
        for (at, pair) in self.pairs.iter().enumerate() {
            let labels = (!is_one_to_one).then(|| &self.labels[at]);
            let own = columns.words(at);
            let seen = seen
                .entry((pair.group, labels))
                .or_insert_with(|| vec![0; own.len()]);
            if seen.iter().zip(own).any(|(seen, own)| seen & own != 0) {
                return Err(if is_one_to_one {
                    EvalError::ImplicitManyToOne
                } else {
                    EvalError::AmbiguousGrouping
                });
            }
            seen.iter_mut()
                .zip(own)
                .for_each(|(seen, own)| *seen |= own);
        }
        Ok(())
    }

    /// Puts one side of a pair into the column: its values, and the steps at which it counts.
    fn load(&self, pair: &Pair, is_many: bool, values: &mut [f64], valid: &mut [u64]) {
        let sides = &self.sides;
        let (columns, series, all, fill) = if is_many {
            (
                &sides.many,
                pair.many,
                &sides.manies[pair.group],
                sides.fill_many,
            )
        } else {
            (
                &sides.one,
                pair.one,
                &sides.ones[pair.group],
                sides.fill_one,
            )
        };
        if let Some(series) = series {
            values.copy_from_slice(columns.values(series));
            valid.copy_from_slice(columns.words(series));
            return;
        }
        values.fill(fill.unwrap_or(f64::NAN));
        valid.fill(u64::MAX);
        for series in all {
            let there = columns.words(*series);
            valid
                .iter_mut()
                .zip(there)
                .for_each(|(valid, there)| *valid &= !there);
        }
    }
}

impl Producer for Joined<'_> {
    fn timeline(&self) -> Timeline {
        self.sides.many.timeline()
    }

    fn labels(&self) -> &[Labels] {
        &self.labels
    }

    fn drops(&self, _: usize) -> bool {
        self.drops
    }

    fn same_name(&self) -> bool {
        // Reserved labels are gone where they are dropped, and the rest tells the groups apart.
        true
    }

    fn produce(
        &self,
        at: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let pair = &self.pairs[at];
        let Operator { op, return_bool } = self.operator;
        let left_is_many = !self.sides.swapped;
        self.load(pair, left_is_many, into.values, into.valid);
        let other = &mut scratch.floats;
        other.resize(into.values.len(), 0.0);
        let mut other_valid = vec![0; into.valid.len()];
        self.load(pair, !left_is_many, other, &mut other_valid);
        into.valid
            .iter_mut()
            .zip(&other_valid)
            .for_each(|(own, other)| *own &= other);
        if !op.is_comparison() || return_bool {
            operation::columns(op, into.values, other);
            return Ok(());
        }
        let apply = operation::function(op);
        let valid = into.valid.to_vec();
        for step in Bits::new(&valid).iter() {
            if apply(into.values[step], other[step]) == 0.0 {
                into.unset(step);
            }
        }
        Ok(())
    }
}
