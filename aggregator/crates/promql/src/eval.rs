//! The evaluator.
//!
//! A node yields columns: for each series one value a step, with a bit for those that are there.
//! Selectors, functions over ranges and element-wise functions are lazy (`producer::Producer`):
//! they make one column at a time, so that an aggregation folds series that never exist together.
//! Everything else works on whole sets of columns. No step has a map of its own; label sets are
//! compared once a query.

mod aggregate;
mod annotations;
mod binary;
mod budget;
mod call;
mod collect;
mod error;
mod evaluator;
mod finish;
mod held;
mod instant;
mod naming;
mod options;
mod parts;
mod producer;
mod ranged;
mod scalar;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use binary::scalar_operation as binary_operation;
pub use error::EvalError;
pub use options::{Options, Output, Statistics, Stop};

use system_stats_model::source::SeriesSource;

use crate::plan::Plan;

/// Evaluates a plan over the samples of a source, which holds at least what
/// [`Plan::selectors`] asks for at the same times.
///
/// # Errors
/// [`EvalError`]; nothing of a result is given then.
pub fn evaluate(
    plan: &Plan,
    source: &dyn SeriesSource,
    options: &Options<'_>,
) -> Result<Output, EvalError> {
    let timed = plan.timed(&options.span);
    let timed = timed.map_err(|error| EvalError::Parameter(error.to_string()))?;
    let plan = timed.as_ref().unwrap_or(plan);
    let evaluator = evaluator::Evaluator::new(plan, source, options)?;
    let value = finish::value(&evaluator, plan)?;
    Ok(evaluator.into_output(value))
}
