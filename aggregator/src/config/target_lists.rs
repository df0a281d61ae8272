//! Lists of targets outside of the configuration: in files, and as HTTP servers send them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use system_stats_model::labels::Labels;

use super::fields::Problems;
use super::{ConfigError, StaticConfig, discovery, parse_with, read_text};

/// The most targets that one file or one answer may name.
const MAX_TARGETS: usize = 100_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(default)]
    targets: Vec<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// Reads a file of `file_sd_configs`; how its name ends tells the format.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load_targets(path: &Path) -> Result<Vec<StaticConfig>, ConfigError> {
    let (text, file) = (read_text(path)?, path.display().to_string());
    let extension = path.extension().unwrap_or_default();
    if extension.eq_ignore_ascii_case("json") {
        parse_targets_json(&text, &file)
    } else {
        parse_targets(&text, &file)
    }
}

/// Reads a list in YAML; `file` is what messages call it.
fn parse_targets(text: &str, file: &str) -> Result<Vec<StaticConfig>, ConfigError> {
    parse_with(text, file, |root, problems| {
        let places = root.list(problems)?;
        let lists = places
            .iter()
            .map(|place| discovery::list(place, false, problems));
        let lists: Option<Vec<StaticConfig>> = lists.collect();
        bounded(lists?, problems)
    })
}

/// Reads a list in JSON; `from` is what messages call it.
///
/// # Errors
/// [`ConfigError::Invalid`], with the line.
pub fn parse_targets_json(text: &str, from: &str) -> Result<Vec<StaticConfig>, ConfigError> {
    let mut problems = Problems::new(from);
    let lists = match serde_json::from_str::<Vec<Group>>(text) {
        Ok(groups) => bounded(
            groups.into_iter().map(Group::into_list).collect(),
            &mut problems,
        ),
        Err(error) => {
            problems.add(error.line(), "", error.to_string());
            None
        }
    };
    lists.ok_or_else(|| ConfigError::Invalid(problems.into_sorted()))
}

fn bounded(lists: Vec<StaticConfig>, problems: &mut Problems) -> Option<Vec<StaticConfig>> {
    let targets: usize = lists.iter().map(|list| list.targets.len()).sum();
    if targets > MAX_TARGETS {
        problems.add(1, "", format!("more than {MAX_TARGETS} targets"));
        return None;
    }
    Some(lists)
}

impl Group {
    fn into_list(self) -> StaticConfig {
        let labels = self.labels.unwrap_or_default();
        let labels = labels.iter().filter(|(name, _)| !name.is_empty());
        StaticConfig {
            labels: Labels::from_pairs(labels),
            targets: self.targets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lists: Result<Vec<StaticConfig>, ConfigError>) -> String {
        match lists {
            Ok(lists) => {
                let list = |list: &StaticConfig| format!("{:?} {}", list.targets, list.labels);
                let lists: Vec<String> = lists.iter().map(list).collect();
                lists.join(" | ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn lists_in_both_formats() {
        let expected = r#"["a:1", "b"] {x="y"} | ["c"] {} | [] {}"#;
        let yaml = "- targets: ['a:1', b]\n  labels: {x: y}\n- targets: [c]\n- {}\n";
        assert_eq!(shown(parse_targets(yaml, "t.yml")), expected);
        let json = r#"[{"targets": ["a:1", "b"], "labels": {"x": "y"}},
            {"targets": ["c"], "labels": null}, {}]"#;
        assert_eq!(shown(parse_targets_json(json, "t.json")), expected);
    }

    #[test]
    fn mistakes_name_the_line() {
        let yaml = [
            ("- targets: a", "t.yml:1: [0].targets: expected a list"),
            (
                "- targets: [a]\n  label: {}\n",
                "t.yml:2: [0].label: unknown key",
            ),
            ("targets: [a]", "t.yml:1: expected a list"),
        ];
        for (text, expected) in yaml {
            let said = shown(parse_targets(text, "t.yml"));
            assert!(said.starts_with(expected), "{text}: {said}");
        }
        let json = [
            (
                "[{\"targets\": [\"a\"],\n \"label\": {}}]",
                "u:2: unknown field `label`",
            ),
            ("[null]", "u:1: invalid type: null"),
            ("{}", "u:1: invalid type: map"),
            ("[", "u:1: EOF"),
        ];
        for (text, expected) in json {
            let said = shown(parse_targets_json(text, "u"));
            assert!(said.starts_with(expected), "{text}: {said}");
        }
        let many = vec!["\"a\""; MAX_TARGETS + 1].join(",");
        let said = shown(parse_targets_json(
            &format!("[{{\"targets\": [{many}]}}]"),
            "u",
        ));
        assert_eq!(said, "u:1: more than 100000 targets");
    }
}
