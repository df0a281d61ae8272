use std::cmp::Ordering;

use system_stats_model::labels::Labels;

use super::super::error::EvalError;
use super::super::evaluator::{Evaluator, Vector};
use super::super::held::Held;
use super::first;
use crate::ast::Function;
use crate::plan::Node;
use crate::value::{Columns, Timeline};

/// `sort`, `sort_desc`, `sort_by_label` and `sort_by_label_desc`. The order of several steps is
/// that of labels, whatever the expression says.
pub(super) fn vector<'e>(
    evaluator: &'e Evaluator<'_>,
    node: &Node,
    (function, args): (Function, &[Node]),
    on: &Timeline,
) -> Result<Vector<'e>, EvalError> {
    let columns = evaluator.columns(first(args, node)?, on)?;
    if on.steps != 1 {
        return Ok(Vector::Ready(columns));
    }
    let names: Vec<&str> = args[1..].iter().filter_map(Node::text).collect();
    let by_labels = |a: usize, b: usize| {
        let labels = columns.labels();
        compare_labels(&names, &labels[a], &labels[b])
    };
    let value = |series| columns.values(series)[0];
    let mut order: Vec<usize> = (0..columns.len()).collect();
    match function {
        Function::Sort => order.sort_by(|a, b| nan_last(value(*a), value(*b), false)),
        Function::SortDesc => order.sort_by(|a, b| nan_last(value(*a), value(*b), true)),
        Function::SortByLabel => order.sort_by(|a, b| by_labels(*a, *b)),
        _ => order.sort_by(|a, b| by_labels(*b, *a)),
    }
    let sorted: Columns = columns.reordered(&order);
    Ok(Vector::Ready(Held::new(sorted, &evaluator.budget)?))
}

/// NaNs come last in both directions.
pub(crate) fn nan_last(a: f64, b: f64, descends: bool) -> Ordering {
    match a.partial_cmp(&b) {
        Some(order) if descends => order.reverse(),
        Some(order) => order,
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

/// By the values of the labels that are named, what has no such label last, then by all labels.
fn compare_labels(names: &[&str], a: &Labels, b: &Labels) -> Ordering {
    let by_value = |name: &&str| {
        let a = a.get(name).unwrap_or_default();
        let b = b.get(name).unwrap_or_default();
        let by_presence = a.is_empty().cmp(&b.is_empty());
        by_presence.then_with(|| natural(a, b))
    };
    names
        .iter()
        .map(by_value)
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.cmp(b))
}

/// Runs of digits are numbers: `a9` comes before `a10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (chunk_a, next_a) = chunk(rest_a);
        let (chunk_b, next_b) = chunk(rest_b);
        let order = match (chunk_a.parse::<u64>(), chunk_b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => chunk_a.cmp(chunk_b),
        };
        if order.is_ne() {
            return order;
        }
        if next_a.is_empty() || next_b.is_empty() {
            return next_a.len().cmp(&next_b.len()).then_with(|| a.cmp(b));
        }
        (rest_a, rest_b) = (next_a, next_b);
    }
}

/// Splits off the first run of digits or of anything else.
fn chunk(text: &str) -> (&str, &str) {
    let is_digit = |c: char| c.is_ascii_digit();
    let Some(kind) = text.chars().next().map(is_digit) else {
        return ("", "");
    };
    let end = text.find(|c| is_digit(c) != kind).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_compared_as_numbers() {
        let mut texts = ["a10", "b1", "a9", "", "a", "a9x", "a09", "10", "9"];
        texts.sort_by(|a, b| natural(a, b));
        assert_eq!(texts, ["", "9", "10", "a", "a09", "a9", "a9x", "a10", "b1"]);
    }

    #[test]
    fn nan_comes_last_both_ways() {
        for descends in [false, true] {
            let mut values = [f64::NAN, 1.0, 3.0, 2.0];
            values.sort_by(|a, b| nan_last(*a, *b, descends));
            assert!(values[3].is_nan());
            assert_eq!(values[0] > 2.0, descends);
        }
    }
}
