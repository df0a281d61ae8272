//! Imports in the text format of Prometheus, with the samples' own times.

use system_stats_model::exposition::{Entry, Format, LabelPair, Limits, Parser};
use system_stats_model::labels::{Labels, LabelsBuilder};
use system_stats_model::sample::{Millis, Sample};

use super::WriteError;
use super::load::{Load, Series, check};
use crate::metadata::Descriptions;

/// What an import says beside its text.
#[derive(Clone, Debug)]
pub struct Import {
    /// The format of the text.
    pub format: Format,
    /// Labels that every series gets; they win over its own.
    pub extra: Vec<(String, String)>,
    /// The time of samples without their own.
    pub timestamp: Millis,
}

/// Reads all of a text, or nothing of it.
pub(super) fn read(body: &[u8], import: &Import) -> Result<Load, WriteError> {
    let mut parser = Parser::new(body, import.format, Limits::default());
    let mut load = Load::default();
    let mut descriptions = Descriptions::default();
    let mut pairs = Vec::new();
    let mut last: Option<(&str, Labels)> = None;
    while let Some(entry) = parser.next() {
        match entry? {
            Entry::Series(series) => {
                let sample = Sample {
                    timestamp: series.timestamp.unwrap_or(import.timestamp),
                    value: series.value,
                };
                // An export has the samples of a series one after the other.
                if let Some((raw, _)) = &last
                    && *raw == series.raw
                    && let Some(series) = load.series.last_mut()
                {
                    series.samples += 1;
                    load.samples.push(sample);
                    continue;
                }
                parser.labels(&series, &mut pairs)?;
                match labels(&pairs, &import.extra) {
                    Ok(labels) => {
                        last = Some((series.raw, labels.clone()));
                        load.samples.push(sample);
                        load.series.push(Series { labels, samples: 1 });
                    }
                    Err(reason) => {
                        last = None;
                        load.refuse(1, || reason);
                    }
                }
            }
            entry => descriptions.add(entry),
        }
    }
    load.descriptions = descriptions.into_iter().collect();
    Ok(load)
}

fn labels(pairs: &[LabelPair<'_>], extra: &[(String, String)]) -> Result<Labels, String> {
    let mut labels = LabelsBuilder::new();
    for (name, value) in pairs {
        labels.set(name, value);
    }
    for (name, value) in extra {
        labels.set(name, value);
    }
    let all: Vec<(&str, &str)> = labels.iter().collect();
    check(&all).map(|()| labels.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(extra: &[(&str, &str)]) -> Import {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Import {
            format: Format::Text,
            extra: extra.iter().map(own).collect(),
            timestamp: 7000,
        }
    }

    fn shown(text: &str, extra: &[(&str, &str)]) -> Vec<String> {
        let load = read(text.as_bytes(), &import(extra)).unwrap();
        let mut samples = load.samples.iter();
        let series = load.series.iter().map(|series| {
            let samples = samples.by_ref().take(series.samples);
            let samples: Vec<String> = samples
                .map(|sample| format!("{}@{}", sample.value, sample.timestamp))
                .collect();
            format!("{} {}", series.labels, samples.join(" "))
        });
        series.collect()
    }

    #[test]
    fn times_labels_and_descriptions() {
        let text = "# HELP m Much\n# TYPE m counter\nm{a=\"1\"} 1 1000\nm{a=\"1\"} 2 2000\n\
                    m{a=\"2\",job=\"x\"} 3\n{\"ü.x\"} 4 0\n";
        assert_eq!(
            shown(text, &[("job", "import"), ("zone", "z")]),
            [
                r#"m{a="1",job="import",zone="z"} 1@1000 2@2000"#,
                r#"m{a="2",job="import",zone="z"} 3@7000"#,
                r#"ü.x{job="import",zone="z"} 4@0"#,
            ]
        );
    }

    #[test]
    fn a_mistake_names_its_line_and_nothing_is_read() {
        let error = read(b"a 1 1\nb two 2\n", &import(&[])).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn an_extra_label_may_not_take_the_name_away() {
        let load = read(b"m 1 1\n", &import(&[("__name__", "")])).unwrap();
        assert_eq!((load.invalid, load.series.len()), (1, 0));
    }
}
