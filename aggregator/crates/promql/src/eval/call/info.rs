use std::collections::HashMap;

use system_stats_model::labels::{INSTANCE, JOB, Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::Matcher;

use super::super::collect;
use super::super::error::EvalError;
use super::super::evaluator::Evaluator;
use super::super::instant::Lookback;
use crate::plan::{Node, SelectNode};
use crate::value::{Columns, Timeline};

/// The name of an info metric, and the target it is about.
type Target<'l> = (&'l str, &'l str, &'l str);

fn target<'l>(name: &'l str, labels: &'l Labels) -> Target<'l> {
    let get = |label| labels.get(label).unwrap_or_default();
    (name, get(INSTANCE), get(JOB))
}

/// `info`: the elements of a vector with the labels of the info series about the same target
/// (`instance` and `job`).
pub(super) fn joined(
    evaluator: &Evaluator<'_>,
    arg: &Node,
    select: &SelectNode,
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let base = evaluator.columns(arg, on)?;
    // Of several series about one target the newest sample counts, so the times are asked for.
    let lookback = Lookback::new(evaluator, (select, arg.span), on, true)?;
    let infos = collect::collect(evaluator, &Named(lookback))?;
    let (names, wanted): (Vec<&Matcher>, Vec<&Matcher>) = select
        .matchers
        .iter()
        .partition(|matcher| matcher.name() == METRIC_NAME);
    let about = about_targets(&infos);
    let mut metrics: Vec<&str> = infos.labels().iter().map(Labels::metric_name).collect();
    metrics.sort_unstable();
    metrics.dedup();
    let mut join = Join {
        infos: &infos,
        wanted: &wanted,
        result: Columns::new(*on),
        rows: HashMap::new(),
    };
    for series in 0..base.len() {
        evaluator.budget.check()?;
        let labels = &base.labels()[series];
        let is_info = names
            .iter()
            .all(|matcher| matcher.matches(labels.metric_name()));
        for step in base.valid(series).iter() {
            let mut found = Vec::new();
            if !is_info {
                for name in &metrics {
                    if let Some(rows) = about.get(&target(name, labels)) {
                        found.extend(newest(&infos, rows, step)?);
                    }
                }
            }
            join.add(labels, is_info, &found, (step, base.values(series)[step]))?;
        }
    }
    Ok(join.result)
}

fn about_targets(infos: &Columns) -> HashMap<Target<'_>, Vec<usize>> {
    let mut about: HashMap<Target<'_>, Vec<usize>> = HashMap::new();
    for (row, labels) in infos.labels().iter().enumerate() {
        about
            .entry(target(labels.metric_name(), labels))
            .or_default()
            .push(row);
    }
    about
}

/// The series with the newest sample at a step.
fn newest(infos: &Columns, rows: &[usize], step: usize) -> Result<Option<usize>, EvalError> {
    let mut best: Option<usize> = None;
    for row in rows
        .iter()
        .copied()
        .filter(|row| infos.valid(*row).has(step))
    {
        let time = |row: usize| infos.values(row)[step];
        match best.map(|best| time(row).total_cmp(&time(best))) {
            Some(std::cmp::Ordering::Equal) => {
                let name = infos.labels()[row].metric_name().to_owned();
                return Err(EvalError::DuplicateInfo(name));
            }
            Some(std::cmp::Ordering::Less) => {}
            _ => best = Some(row),
        }
    }
    Ok(best)
}

struct Join<'j> {
    infos: &'j Columns,
    wanted: &'j [&'j Matcher],
    result: Columns,
    rows: HashMap<Labels, usize>,
}

impl Join<'_> {
    fn add(
        &mut self,
        base: &Labels,
        is_info: bool,
        found: &[usize],
        (step, value): (usize, f64),
    ) -> Result<(), EvalError> {
        let labels = if is_info {
            base.clone()
        } else {
            let added = self.added_labels(base, found)?;
            let is_bare = added.iter().next().is_none();
            if is_bare && !self.wanted.iter().all(|matcher| matcher.matches("")) {
                return Ok(());
            }
            let mut labels = LabelsBuilder::from(base);
            for (name, value) in added.iter() {
                labels.set(name, value);
            }
            labels.build()
        };
        let row = *self.rows.entry(labels.clone()).or_insert_with(|| {
            self.result.push(labels);
            self.result.len() - 1
        });
        let mut column = self.result.column_mut(row);
        if column.bits().has(step) {
            return Err(EvalError::SameLabels);
        }
        column.set(step, value);
        Ok(())
    }

    /// What the info series add to an element: their labels that it does not have, or of those
    /// the ones that were asked for.
    fn added_labels(&self, base: &Labels, found: &[usize]) -> Result<LabelsBuilder, EvalError> {
        let mut added = LabelsBuilder::new();
        for row in found {
            for (name, value) in &self.infos.labels()[*row] {
                let is_wanted = self.wanted.is_empty()
                    || self.wanted.iter().any(|matcher| matcher.name() == name);
                if name == METRIC_NAME || !is_wanted {
                    continue;
                }
                if added.get(name).is_some_and(|have| have != value) {
                    return Err(EvalError::ConflictingInfo(name.to_owned()));
                }
                if base.get(name).is_none() {
                    added.set(name, value);
                }
            }
        }
        Ok(added)
    }
}

/// The times of samples under the names of their series.
struct Named<'e>(Lookback<'e>);

impl super::super::producer::Producer for Named<'_> {
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
        false
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
