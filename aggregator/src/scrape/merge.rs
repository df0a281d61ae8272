//! The labels of a series: what was exposed and what the target adds.

use system_stats_model::exposition::LabelPair;
use system_stats_model::labels::{Labels, LabelsBuilder};

/// What an exposed label is called when the target has one of that name.
const EXPORTED: &str = "exported_";

/// Joins the labels of an exposed series, sorted by name, with its target's.
///
/// With `honor_labels` the exposed ones win; a label that is exposed with an empty value keeps the
/// target's away without being there itself. Otherwise the target's win, and an exposed one of the
/// same name is kept with `exported_` before it, as often as it takes.
pub(super) fn merge(pairs: &[LabelPair<'_>], target: &Labels, honor_labels: bool) -> Labels {
    let mut labels = LabelsBuilder::new();
    for (name, value) in pairs {
        labels.set(name, value);
    }
    if honor_labels {
        for (name, value) in target {
            if !pairs.iter().any(|(exposed, _)| exposed == name) {
                labels.set(name, value);
            }
        }
        return labels.build();
    }
    let mut displaced = Vec::new();
    for (name, value) in target {
        if let Some(exposed) = labels.get(name) {
            displaced.push((name, exposed.to_owned()));
        }
        labels.set(name, value);
    }
    // Short names first, so that the outcome does not depend on the order of the labels.
    displaced.sort_by_key(|(name, _)| name.len());
    for (name, value) in displaced {
        let mut name = format!("{EXPORTED}{name}");
        while labels.get(&name).is_some() {
            name.insert_str(0, EXPORTED);
        }
        labels.set(&name, &value);
    }
    labels.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(exposed: &[(&str, &str)], target: &[(&str, &str)], honor_labels: bool) -> String {
        let pairs: Vec<LabelPair<'_>> = exposed
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect();
        let target = Labels::from_pairs(target.iter().copied());
        merge(&pairs, &target, honor_labels).to_string()
    }

    #[test]
    fn the_target_wins() {
        type Pairs = &'static [(&'static str, &'static str)];
        let cases: [(Pairs, Pairs, &str); 5] = [
            (&[("a", "1")], &[("job", "j")], r#"{a="1",job="j"}"#),
            (
                &[("job", "x")],
                &[("job", "j")],
                r#"{exported_job="x",job="j"}"#,
            ),
            (&[("job", "")], &[("job", "j")], r#"{job="j"}"#),
            (
                &[("exported_job", "y"), ("job", "x")],
                &[("job", "j")],
                r#"{exported_exported_job="x",exported_job="y",job="j"}"#,
            ),
            (
                &[("exported_job", "y"), ("job", "x")],
                &[("exported_job", "e"), ("job", "j")],
                r#"{exported_exported_exported_job="y",exported_exported_job="x",exported_job="e",job="j"}"#,
            ),
        ];
        for (exposed, target, expected) in cases {
            assert_eq!(merged(exposed, target, false), expected);
        }
    }

    #[test]
    fn the_exposed_win_when_honored() {
        let target: &[(&str, &str)] = &[("instance", "i"), ("job", "j")];
        assert_eq!(
            merged(&[("job", "x")], target, true),
            r#"{instance="i",job="x"}"#
        );
        assert_eq!(merged(&[("instance", "")], target, true), r#"{job="j"}"#);
    }
}
