//! What a recording rule makes of its result.

use std::collections::HashSet;

use system_stats_model::labels::{LabelsBuilder, METRIC_NAME};

use system_stats_promql::value::Element;

use super::alert::RuleError;

/// The series to write: the elements under the rule's name, with its labels.
pub(crate) fn series(
    name: &str,
    labels: &[(String, String)],
    limit: u64,
    elements: Vec<Element>,
) -> Result<Vec<Element>, RuleError> {
    let mut seen = HashSet::with_capacity(elements.len());
    let mut series = Vec::with_capacity(elements.len());
    for element in elements {
        let mut builder = LabelsBuilder::from(&element.labels);
        builder.set(METRIC_NAME, name);
        for (label, value) in labels {
            builder.set(label, value);
        }
        let labels = builder.build();
        if !seen.insert(labels.clone()) {
            return Err(RuleError::SameSeries);
        }
        let value = element.value;
        series.push(Element { labels, value });
    }
    if limit > 0 && series.len() as u64 > limit {
        return Err(RuleError::Limit {
            limit,
            found: series.len(),
            what: "series",
        });
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use system_stats_model::labels::Labels;

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
        let recorded = series("x:y", &labels, 0, found).unwrap();
        assert_eq!(recorded[0].labels, expected.labels);
        assert_eq!(recorded.len(), 1);
    }

    #[test]
    fn two_of_the_same_and_too_many_are_refused() {
        let two = || vec![element(&[("a", "1")], 1.0), element(&[("a", "2")], 2.0)];
        let same = [("a".to_owned(), "x".to_owned())];
        assert_eq!(
            series("m", &same, 0, two()).unwrap_err(),
            RuleError::SameSeries
        );
        let limited = series("m", &[], 1, two()).unwrap_err();
        assert_eq!(limited.to_string(), "exceeded limit of 1 with 2 series");
        assert!(series("m", &[], 2, two()).is_ok());
    }
}
