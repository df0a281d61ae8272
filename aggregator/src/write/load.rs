//! What one request wants stored, whatever format it came in.

use system_stats_model::exposition::Limits;
use system_stats_model::labels::{INSTANCE, JOB, Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::sample::Sample;

use crate::metadata::Description;

/// Series with their samples, descriptions of metrics, and what could not be used.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) series: Vec<Series>,
    /// The samples of all series, one series after the other.
    pub(super) samples: Vec<Sample>,
    pub(super) descriptions: Vec<(String, Description)>,
    /// Samples of series whose labels cannot be used, and what is wrong with the first of them.
    pub(super) invalid: u64,
    pub(super) first_invalid: Option<String>,
    /// Native histograms, which are not stored.
    pub(super) histograms: u64,
    /// Exemplars, which are not stored.
    pub(super) exemplars: u64,
}

/// A series; its samples are the next `samples` ones of the load.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) samples: usize,
}

impl Load {
    /// Notes that the labels of so many samples cannot be used.
    pub(super) fn refuse(&mut self, samples: usize, reason: impl FnOnce() -> String) {
        self.invalid += samples as u64;
        self.first_invalid.get_or_insert_with(reason);
    }
}

/// Why a label set cannot be stored, in Prometheus' words. `pairs` are as they came, in any order.
pub(super) fn check(pairs: &[(&str, &str)]) -> Result<(), String> {
    let limits = Limits::default();
    let labels = || Labels::from_pairs(pairs.iter().filter(|(name, _)| !name.is_empty()).copied());
    let shown = || labels().to_string().chars().take(200).collect::<String>();
    let has_metric = |(name, value): &(&str, &str)| *name == METRIC_NAME && !value.is_empty();
    if !pairs.iter().any(has_metric) || pairs.iter().any(|(name, _)| name.is_empty()) {
        return Err(format!("invalid metric name or labels, got {}", shown()));
    }
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
        let (shown, name) = (shown(), twice[0]);
        return Err(format!(
            "invalid labels for series, labels {shown}, duplicated label {name}"
        ));
    }
    if names.len() > limits.labels {
        let (count, bound) = (names.len(), limits.labels);
        return Err(format!(
            "invalid labels for series, {count} labels, the most is {bound}"
        ));
    }
    let is_long = |(name, value): &(&str, &str)| {
        name.len() > limits.name_bytes || value.len() > limits.value_bytes
    };
    if pairs.iter().any(is_long) {
        let (name, value) = (limits.name_bytes, limits.value_bytes);
        return Err(format!(
            "invalid labels for series, a name may have {name} bytes and a value {value}"
        ));
    }
    Ok(())
}

/// The labels of the target that a series belongs to: what it shares its clock with. `job` and
/// `instance` as far as they are there, else everything but the metric's name and its buckets.
pub(super) fn target_of(labels: &Labels) -> Labels {
    let is_shared = |name: &str| name == JOB || name == INSTANCE;
    let mut target = LabelsBuilder::from(labels);
    if labels.iter().any(|(name, _)| is_shared(name)) {
        target.retain(|name, _| is_shared(name));
    } else {
        target.retain(|name, _| ![METRIC_NAME, "le", "quantile"].contains(&name));
    }
    target.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_clock_are_one_target() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let cases: [(Pairs<'_>, Pairs<'_>); 5] = [
            (
                &[
                    ("__name__", "m"),
                    ("job", "j"),
                    ("instance", "i"),
                    ("a", "b"),
                ],
                &[("instance", "i"), ("job", "j")],
            ),
            (
                &[("__name__", "m"), ("instance", "i"), ("a", "b")],
                &[("instance", "i")],
            ),
            (
                &[("__name__", "m"), ("job", "j"), ("le", "1")],
                &[("job", "j")],
            ),
            (
                &[
                    ("__name__", "m"),
                    ("host", "h"),
                    ("le", "1"),
                    ("quantile", "0.5"),
                ],
                &[("host", "h")],
            ),
            (&[("__name__", "m")], &[]),
        ];
        for (series, target) in cases {
            let labels = Labels::from_pairs(series.iter().copied());
            let expected = Labels::from_pairs(target.iter().copied());
            assert_eq!(target_of(&labels), expected, "{labels}");
        }
    }

    #[test]
    fn labels_that_cannot_be_stored_are_named() {
        let long = "x".repeat(5000);
        let many: Vec<String> = (0..600).map(|n| format!("l{n}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "v")).collect();
        let many = [&[("__name__", "m")], many.as_slice()].concat();
        let cases: [(&[(&str, &str)], &str); 6] = [
            (
                &[("a", "b")],
                r#"invalid metric name or labels, got {a="b"}"#,
            ),
            (&[("__name__", "")], "invalid metric name or labels, got {}"),
            (
                &[("__name__", "m"), ("", "b")],
                "invalid metric name or labels, got m",
            ),
            (
                &[("__name__", "m"), ("a", "b"), ("a", "c")],
                r#"invalid labels for series, labels m{a="c"}, duplicated label a"#,
            ),
            (
                &[("__name__", "m"), (&long, "b")],
                "invalid labels for series, a name may have 4096 bytes and a value 262144",
            ),
            (
                &many,
                "invalid labels for series, 601 labels, the most is 512",
            ),
        ];
        for (pairs, expected) in cases {
            assert_eq!(check(pairs), Err(expected.to_owned()));
        }
        assert_eq!(
            check(&[("__name__", "m.ü"), ("a b", ""), ("c", "d")]),
            Ok(())
        );
    }
}
