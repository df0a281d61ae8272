use regex::RegexBuilder;
use system_stats_model::labels::{LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::anchored_pattern;

use super::super::error::EvalError;
use super::super::evaluator::Evaluator;
use super::super::held::Held;
use super::super::naming;
use super::{first, wrong};
use crate::plan::Node;
use crate::value::{Columns, Timeline};

/// The largest compiled expression, in bytes.
const REGEX_SIZE_LIMIT: usize = 1 << 20;

/// `label_replace`.
pub(super) fn replace(
    evaluator: &Evaluator<'_>,
    node: &Node,
    args: &[Node],
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let texts: Vec<&str> = args.iter().skip(1).filter_map(Node::text).collect();
    let [target, template, source, pattern] = texts[..] else {
        return Err(wrong(node));
    };
    let refused = |what: &str, which: &str| {
        EvalError::Parameter(format!("invalid {what} in label_replace(): {which}"))
    };
    let compiled = anchored_pattern(pattern).ok().and_then(|pattern| {
        let mut builder = RegexBuilder::new(&pattern);
        builder.size_limit(REGEX_SIZE_LIMIT).build().ok()
    });
    let regex = compiled.ok_or_else(|| refused("regular expression", pattern))?;
    if !args.get(1).is_some_and(Node::names_label) {
        return Err(refused("destination label name", target));
    }
    let mut columns = Held::take(evaluator.columns(first(args, node)?, on)?);
    let mut value = String::new();
    for series in 0..columns.len() {
        evaluator.budget.check()?;
        let labels = columns.labels()[series].clone();
        if let Some(found) = regex.captures(labels.get(source).unwrap_or_default()) {
            value.clear();
            found.expand(template, &mut value);
            set_label(&mut columns, series, target, &value);
        }
    }
    naming::merge_alike(&mut columns, false)?;
    Ok(columns)
}

/// `label_join`.
pub(super) fn join(
    evaluator: &Evaluator<'_>,
    node: &Node,
    args: &[Node],
    on: &Timeline,
) -> Result<Columns, EvalError> {
    let texts: Vec<&str> = args.iter().skip(1).filter_map(Node::text).collect();
    let [target, separator, sources @ ..] = &texts[..] else {
        return Err(wrong(node));
    };
    let refused = |what: &str, name: &str| {
        EvalError::Parameter(format!("invalid {what} label name in label_join(): {name}"))
    };
    if let Some(bad) = args.iter().skip(3).find(|source| !source.names_label()) {
        return Err(refused("source", bad.text().unwrap_or_default()));
    }
    if !args.get(1).is_some_and(Node::names_label) {
        return Err(refused("destination", target));
    }
    let mut columns = Held::take(evaluator.columns(first(args, node)?, on)?);
    for series in 0..columns.len() {
        evaluator.budget.check()?;
        let labels = columns.labels()[series].clone();
        let values: Vec<&str> = sources
            .iter()
            .map(|source| labels.get(source).unwrap_or_default())
            .collect();
        set_label(&mut columns, series, target, &values.join(separator));
    }
    naming::merge_alike(&mut columns, false)?;
    Ok(columns)
}

fn set_label(columns: &mut Columns, series: usize, name: &str, value: &str) {
    let mut labels = LabelsBuilder::from(&columns.labels()[series]);
    columns.set_labels(series, labels.set(name, value).build());
    // A name that was just given is not dropped.
    if name == METRIC_NAME {
        columns.set_drops(series, false);
    }
}
