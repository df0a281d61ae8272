//! The text format 0.0.4, read far enough to compare two exporters. Trusting: what is checked here
//! has passed a real parser elsewhere.

use std::collections::BTreeMap;

/// Families by name.
pub type Exposition = BTreeMap<String, Family>;

/// One family: its type and its samples by their labels in order of name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge`, …; empty when nothing was said.
    pub kind: String,
    /// Values by labels, written as `{a="b",c="d"}`.
    pub samples: BTreeMap<String, f64>,
}

/// Reads an exposition.
#[track_caller]
pub fn parse(text: &str) -> Exposition {
    let mut families = Exposition::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').expect("a name and a type");
            kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, normal(labels.trim_end_matches('}'))),
                None => (series, String::new()),
            };
            let value = value.parse().unwrap_or_else(|e| panic!("{e} in {line}"));
            families
                .entry(name.to_owned())
                .or_default()
                .samples
                .insert(labels, value);
        }
    }
    families
}

/// Labels in order of their names: exporters order them as they like.
fn normal(labels: &str) -> String {
    let mut pairs = Vec::new();
    let mut rest = labels.trim_end_matches(',');
    while !rest.is_empty() {
        let open = rest.find('"').expect("a quoted value");
        let mut escaped = false;
        let length = rest[open + 1..]
            .find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            })
            .expect("an end of the value");
        let end = open + 1 + length + 1;
        pairs.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(',');
    }
    pairs.sort_unstable();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_types_and_labels_are_read() {
        let text =
            "# HELP a Words.\n# TYPE a counter\na{z=\"1\",b=\"x,\\\"}\"} 2\na 1e+06\n\nb{} NaN\n";
        let found = parse(text);
        assert_eq!(found["a"].kind, "counter");
        let labels: Vec<&String> = found["a"].samples.keys().collect();
        assert_eq!(labels, ["", "{b=\"x,\\\"}\",z=\"1\"}"]);
        assert!((found["a"].samples[""] - 1e6).abs() < f64::EPSILON);
        assert!(found["b"].samples["{}"].is_nan());
    }
}
