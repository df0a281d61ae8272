//! What a recording rule makes of its result.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::iter::from_fn;

use system_stats_model::labels::{Labels, METRIC_NAME};
use system_stats_promql::value::Element;

use super::alert::RuleError;

/// What a rule puts in the place of an element's labels: its name and its own labels. An empty
/// value takes a label away.
pub(crate) struct Renaming(BTreeMap<String, String>);

impl Renaming {
    pub(crate) fn new(name: &str, labels: &[(String, String)]) -> Self {
        let name = (METRIC_NAME.to_owned(), name.to_owned());
        Self(
            std::iter::once(name)
                .chain(labels.iter().cloned())
                .collect(),
        )
    }

    /// The labels of the series to write, in their order.
    fn of<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        let (mut theirs, mut ours) = (labels.iter().peekable(), self.0.iter().peekable());
        from_fn(move || {
            loop {
                let before = match (theirs.peek(), ours.peek()) {
                    (Some(their), Some(our)) => their.0.cmp(our.0.as_str()),
                    (Some(_), None) => Ordering::Less,
                    (None, _) => Ordering::Greater,
                };
                if before == Ordering::Less {
                    return theirs.next();
                }
                if before == Ordering::Equal {
                    theirs.next();
                }
                let (name, value) = ours.next()?;
                if !value.is_empty() {
                    return Some((name.as_str(), value.as_str()));
                }
            }
        })
    }

    /// The series to write. `before` are those that were written last, none of them twice: what
    /// is in the same place of both is not made again.
    pub(crate) fn series<'a>(
        &self,
        limit: u64,
        mut elements: Vec<Element>,
        mut before: impl Iterator<Item = &'a Labels>,
    ) -> Result<Vec<Element>, RuleError> {
        let mut are_the_same = true;
        for element in &mut elements {
            let labels = self.of(&element.labels);
            let known = before
                .next()
                .filter(|known| labels.clone().eq(known.iter()));
            are_the_same &= known.is_some();
            element.labels = known.map_or_else(|| Labels::from_sorted(labels), Labels::clone);
        }
        let mut seen = HashSet::new();
        if !are_the_same && !elements.iter().all(|element| seen.insert(&element.labels)) {
            return Err(RuleError::SameSeries);
        }
        if limit > 0 && elements.len() as u64 > limit {
            return Err(RuleError::Limit {
                limit,
                found: elements.len(),
                what: "series",
            });
        }
        Ok(elements)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(pairs: &[(&str, &str)], value: f64) -> Element {
        let labels = Labels::from_pairs(pairs.iter().copied());
        Element { labels, value }
    }

    #[test]
    fn the_rule_names_and_labels_what_it_records() {
        let labels = [
            ("b".to_owned(), String::new()),
            ("c".to_owned(), "new".to_owned()),
        ];
        let found = vec![element(
            &[("__name__", "old"), ("a", "1"), ("b", "2"), ("c", "3")],
            4.0,
        )];
        let expected = element(&[("__name__", "x:y"), ("a", "1"), ("c", "new")], 4.0);
        let renaming = Renaming::new("x:y", &labels);
        let recorded = renaming.series(0, found, [].iter()).unwrap();
        assert_eq!(recorded[0].labels, expected.labels);
        assert_eq!(recorded.len(), 1);
    }

    #[test]
    fn what_was_written_before_makes_no_difference() {
        let renaming = Renaming::new("m", &[("b".to_owned(), "x".to_owned())]);
        let record = |hosts: &[&str], before: &[Labels]| {
            let elements = hosts
                .iter()
                .map(|host| element(&[("a", host), ("z", "1")], 1.0));
            let recorded = renaming.series(0, elements.collect(), before.iter());
            let labels = |all: Vec<Element>| all.into_iter().map(|one| one.labels).collect();
            recorded.map(labels)
        };
        let lists: [&[&str]; 5] = [&["1", "2", "3"], &["1", "3"], &["3", "2"], &[], &["1", "1"]];
        for hosts in lists {
            let fresh: Result<Vec<Labels>, RuleError> = record(hosts, &[]);
            for before in lists {
                let before = record(before, &[]).unwrap_or_default();
                assert_eq!(record(hosts, &before), fresh, "{hosts:?} after {before:?}");
            }
        }
    }

    #[test]
    fn two_of_the_same_and_too_many_are_refused() {
        let two = || vec![element(&[("a", "1")], 1.0), element(&[("a", "2")], 2.0)];
        let same = [("a".to_owned(), "x".to_owned())];
        let series = |labels: &[(String, String)], limit: u64| {
            Renaming::new("m", labels).series(limit, two(), [].iter())
        };
        assert_eq!(series(&same, 0).unwrap_err(), RuleError::SameSeries);
        let limited = series(&[], 1).unwrap_err();
        assert_eq!(limited.to_string(), "exceeded limit of 1 with 2 series");
        assert!(series(&[], 2).is_ok());
    }
}
