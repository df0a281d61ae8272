//! Label sets: parts of them as keys, parts of them as new sets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use system_stats_model::labels::{Labels, METRIC_NAME};

use super::error::EvalError;
use crate::print::quote;
use crate::value::Columns;

/// The labels that say what a series is; an operation that makes something else of it drops them.
const RESERVED: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Whether a set has reserved labels besides the name.
pub(crate) fn has_more_than_a_name(labels: &Labels) -> bool {
    // Names ascend, and all but a few lie behind the reserved ones.
    let names = labels.iter().map(|(name, _)| name);
    let mut first = names.take_while(|name| *name <= RESERVED[2]);
    first.any(|name| RESERVED[1..].contains(&name))
}

/// The labels without the reserved ones.
pub(crate) fn without_reserved(labels: &Labels) -> Labels {
    Labels::from_sorted(labels.iter().filter(|(name, _)| !is_reserved(name)))
}

/// Some of the labels: those that are listed, or all the others.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    /// Ascending, each once.
    names: Vec<String>,
    without: bool,
}

impl Projection {
    /// The labels of `names`.
    pub(crate) fn by(names: &[String]) -> Self {
        Self::new(names.to_vec(), false)
    }

    /// The labels that are neither in `names` nor the metric name.
    pub(crate) fn without(names: &[String]) -> Self {
        let mut names = names.to_vec();
        names.push(METRIC_NAME.to_owned());
        Self::new(names, true)
    }

    fn new(mut names: Vec<String>, without: bool) -> Self {
        names.sort_unstable();
        names.dedup();
        Self { names, without }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|have| have == name) != self.without
    }

    /// The labels that belong to it; reserved ones are not looked at if `strips`.
    fn pick<'a>(
        &'a self,
        labels: &'a Labels,
        strips: bool,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        let keeps =
            move |(name, _): &(&str, &str)| self.has(name) && !(strips && is_reserved(name));
        // Names ascend: behind the last that is listed there is nothing more to find.
        let last = self.names.last().filter(|_| !self.without);
        let may_come = move |(name, _): &(&str, &str)| last.is_none_or(|last| *name <= last);
        labels.iter().take_while(may_come).filter(keeps)
    }

    /// The labels that belong to it, as a set.
    pub(crate) fn labels(&self, labels: &Labels, strips: bool) -> Labels {
        if !self.without && self.names.is_empty() {
            return Labels::empty();
        }
        Labels::from_sorted(self.pick(labels, strips))
    }

    /// Replaces `key` by bytes that are the same exactly for the same labels.
    pub(crate) fn key(&self, labels: &Labels, strips: bool, key: &mut Vec<u8>) {
        key.clear();
        if !self.without && self.names.is_empty() {
            return;
        }
        for (name, value) in self.pick(labels, strips) {
            for text in [name, value] {
                key.extend_from_slice(&text.len().to_le_bytes());
                key.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Gives numbers to keys, in the order in which they are seen first.
#[derive(Default)]
pub(crate) struct Numbering {
    numbers: HashMap<Vec<u8>, usize>,
}

impl Numbering {
    /// The number of a key, and whether it is new.
    pub(crate) fn number(&mut self, key: &[u8]) -> (usize, bool) {
        if let Some(number) = self.numbers.get(key) {
            return (*number, false);
        }
        let number = self.numbers.len();
        self.numbers.insert(key.to_vec(), number);
        (number, true)
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// Makes one series of those with the same labels, which must not have a step in common. If
/// `strict`, there must not be two that have a value at all.
pub(crate) fn merge_alike(columns: &mut Columns, strict: bool) -> Result<(), EvalError> {
    let mut firsts: HashMap<Labels, usize> = HashMap::with_capacity(columns.len());
    let mut merged = Vec::new();
    for series in 0..columns.len() {
        if !columns.valid(series).any() {
            continue;
        }
        match firsts.entry(columns.labels()[series].clone()) {
            Entry::Vacant(entry) => {
                entry.insert(series);
            }
            Entry::Occupied(_) if strict => return Err(EvalError::SameLabels),
            Entry::Occupied(entry) => merged.push((*entry.get(), series)),
        }
    }
    for (into, from) in &merged {
        let samples: Vec<(usize, f64)> = {
            let values = columns.values(*from);
            columns
                .valid(*from)
                .iter()
                .map(|at| (at, values[at]))
                .collect()
        };
        let mut column = columns.column_mut(*into);
        for (at, value) in samples {
            if column.bits().has(at) {
                return Err(EvalError::SameLabels);
            }
            column.set(at, value);
        }
    }
    if !merged.is_empty() {
        let mut gone = vec![false; columns.len()];
        for (_, from) in &merged {
            gone[*from] = true;
        }
        columns.retain(|series| !gone[series]);
    }
    Ok(())
}

/// The set as Prometheus writes it into messages: the name among the other labels.
pub(crate) fn braced(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let name = if is_plain {
                name.to_owned()
            } else {
                quote(name)
            };
            format!("{name}={}", quote(value))
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Timeline;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn projections_pick_what_is_listed_or_the_rest() {
        let labels = Labels::from_pairs([("__name__", "m"), ("a", "1"), ("b", "2"), ("c", "3")]);
        let cases = [
            (Projection::by(&names(&["b", "x"])), false, r#"{b="2"}"#),
            (
                Projection::by(&names(&["__name__", "a"])),
                false,
                r#"m{a="1"}"#,
            ),
            (
                Projection::by(&names(&["__name__", "a"])),
                true,
                r#"{a="1"}"#,
            ),
            (
                Projection::without(&names(&["b"])),
                false,
                r#"{a="1",c="3"}"#,
            ),
            (Projection::by(&[]), false, "{}"),
        ];
        for (projection, strips, expected) in cases {
            assert_eq!(projection.labels(&labels, strips).to_string(), expected);
        }
    }

    #[test]
    fn keys_do_not_run_into_each_other() {
        let by = Projection::by(&names(&["a", "b"]));
        let key = |a: &str, b: &str| {
            let mut key = Vec::new();
            by.key(&Labels::from_pairs([("a", a), ("b", b)]), false, &mut key);
            key
        };
        assert_ne!(key("xb", ""), key("x", "b"));
        assert_ne!(key("x", ""), key("", "x"));
        assert_eq!(key("x", "y"), key("x", "y"));
    }

    #[test]
    fn alike_series_merge_where_they_do_not_overlap() {
        let columns = |second: usize| {
            let mut columns = Columns::new(Timeline::between(0, 20, 10));
            columns.push(Labels::empty()).set(0, 1.0);
            columns.push(Labels::from_pairs([("a", "b")])).set(0, 5.0);
            columns.push(Labels::empty()).set(second, 2.0);
            columns
        };
        let mut apart = columns(2);
        merge_alike(&mut apart, false).unwrap();
        assert_eq!(apart.len(), 2);
        assert_eq!(apart.samples(0).collect::<Vec<_>>(), [(0, 1.0), (20, 2.0)]);
        assert_eq!(
            merge_alike(&mut columns(0), false),
            Err(EvalError::SameLabels)
        );
        assert_eq!(
            merge_alike(&mut columns(2), true),
            Err(EvalError::SameLabels)
        );
    }

    #[test]
    fn sets_in_messages() {
        let labels = Labels::from_pairs([("__name__", "m"), ("a.b", "x\"y")]);
        assert_eq!(braced(&labels), r#"{__name__="m", "a.b"="x\"y"}"#);
    }
}
