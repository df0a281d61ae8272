use std::collections::HashSet;

use system_stats_model::labels::{Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::{MatchOp, Matcher};

use super::super::collect;
use super::super::error::EvalError;
use super::super::evaluator::Evaluator;
use super::super::producer::Producer;
use super::super::ranged::Ranged;
use crate::ast::Function;
use crate::plan::{Kind, Node};
use crate::value::{Columns, Timeline};

/// `absent`: 1 where the vector is empty.
pub(super) fn instant(
    evaluator: &Evaluator<'_>,
    arg: &Node,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let found = evaluator.columns(arg, on)?;
    where_nothing_is(evaluator, &found, arg, on)
}

/// `absent_over_time`: 1 where no window has a sample.
pub(super) fn over_time(
    evaluator: &Evaluator<'_>,
    arg: &Node,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let args = std::slice::from_ref(arg);
    let present = Ranged::new(evaluator, Function::PresentOverTime, args, on)?;
    // Only whether there are samples matters, not whether names can be told apart.
    let found = collect::collect(evaluator, &Nameless(present))?;
    where_nothing_is(evaluator, &found, arg, on)
}

fn where_nothing_is(
    evaluator: &Evaluator<'_>,
    found: &Columns,
    arg: &Node,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let mut is_there = vec![false; on.steps];
    let mut pace = evaluator.budget.pace();
    for series in 0..found.len() {
        pace.step(on.steps)?;
        found
            .valid(series)
            .iter()
            .for_each(|step| is_there[step] = true);
    }
    let mut columns = Columns::new(*on);
    let mut column = columns.push(expected_labels(arg));
    for (step, _) in is_there.iter().enumerate().filter(|(_, there)| !**there) {
        column.set(step, 1.0);
    }
    columns.retain_valued();
    Ok(columns)
}

/// What a selector says that its series look like: the labels that one equality fixes.
fn expected_labels(arg: &Node) -> Labels {
    let matchers: &[Matcher] = match &arg.kind {
        Kind::Select(select) => &select.matchers,
        Kind::Range(range) => &range.select.matchers,
        _ => &[],
    };
    let mut labels = LabelsBuilder::new();
    let mut seen = HashSet::new();
    for matcher in matchers.iter().filter(|m| m.name() != METRIC_NAME) {
        if matcher.op() == MatchOp::Equal && seen.insert(matcher.name()) {
            labels.set(matcher.name(), matcher.value());
        } else {
            labels.remove(matcher.name());
        }
    }
    labels.build()
}

struct Nameless<'e>(Ranged<'e>);

impl Producer for Nameless<'_> {
    fn timeline(&self) -> Timeline {
        self.0.timeline()
    }

    fn labels(&self) -> &[Labels] {
        self.0.labels()
    }

    fn drops(&self, _: usize) -> bool {
        false
    }

    fn same_name(&self) -> bool {
        true
    }

    fn effort(&self) -> usize {
        self.0.effort()
    }

    fn produce(
        &self,
        series: usize,
        into: &mut crate::value::ColumnMut<'_>,
        scratch: &mut super::super::producer::Scratch,
    ) -> Result<(), EvalError> {
        self.0.produce(series, into, scratch)
    }
}
