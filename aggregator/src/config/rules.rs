//! Alerting rules in Prometheus' rule files.

use super::fields::{Place, Problems};
use super::units::parse_duration;
use super::{ConfigError, yaml};

/// An alerting rule as its file has it: nothing is compiled, templates are text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRule {
    /// `alert:`
    pub name: String,
    /// `expr:`
    pub expr: String,
    /// `labels:`, in the order of the file.
    pub labels: Vec<(String, String)>,
    /// `annotations:`, in the order of the file.
    pub annotations: Vec<(String, String)>,
}

/// Reads the alerting rules of a file's content; recording rules are left out.
///
/// # Errors
/// [`ConfigError`], with file, line and remedy.
pub fn parse_alerts(text: &str, file: &str) -> Result<Vec<AlertRule>, ConfigError> {
    let mut problems = Problems::new(file);
    let mut rules = Vec::new();
    match yaml::parse(text) {
        Ok(node) => groups(&Place::root(&node), &mut rules, &mut problems),
        Err(unreadable) => problems.add(unreadable.line, "", unreadable.reason),
    }
    let problems = problems.into_sorted();
    if problems.is_empty() {
        Ok(rules)
    } else {
        Err(ConfigError::Invalid(problems))
    }
}

fn groups(place: &Place<'_>, rules: &mut Vec<AlertRule>, problems: &mut Problems) {
    let Some(mut file) = place.fields(problems) else {
        return;
    };
    let groups = file.take("groups").and_then(|list| list.list(problems));
    for group in groups.unwrap_or_default() {
        let Some(mut fields) = group.fields(problems) else {
            continue;
        };
        for known in ["name", "interval", "limit", "query_offset", "labels"] {
            fields.take(known);
        }
        let listed = fields.take("rules").and_then(|list| list.list(problems));
        for item in listed.unwrap_or_default() {
            rules.extend(rule(&item, problems));
        }
        fields.finish(&[], problems);
    }
    file.finish(&[], problems);
}

fn rule(place: &Place<'_>, problems: &mut Problems) -> Option<AlertRule> {
    let mut fields = place.fields(problems)?;
    let alert = fields.take("alert");
    let record = fields.take("record");
    let expr = fields.take("expr").and_then(|expr| expr.text(problems));
    for duration in ["for", "keep_firing_for"] {
        if let Some(place) = fields.take(duration) {
            place.read(problems, parse_duration);
        }
    }
    let labels = pairs(fields.take("labels").as_ref(), problems);
    let annotations = pairs(fields.take("annotations").as_ref(), problems);
    fields.finish(&[], problems);
    if expr.is_none() {
        place.problem(problems, "a rule needs an expr");
    }
    match (alert, record) {
        (Some(alert), None) => Some(AlertRule {
            name: alert.text(problems)?.to_owned(),
            expr: expr?.to_owned(),
            labels,
            annotations,
        }),
        (None, Some(_)) => None,
        _ => {
            place.problem(problems, "a rule has either alert or record");
            None
        }
    }
}

fn pairs(place: Option<&Place<'_>>, problems: &mut Problems) -> Vec<(String, String)> {
    let entries = place.and_then(|place| place.entries(problems));
    let entries = entries.unwrap_or_default().into_iter();
    let pair = |(name, place): (&str, Place<'_>)| {
        Some((name.to_owned(), place.text(problems)?.to_owned()))
    };
    entries.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerting_rules_are_read_and_mistakes_located() {
        let text = "groups:\n- name: a\n  rules:\n  - alert: Hot\n    expr: t > 80\n    for: 5m\n\
                    \x20   labels: {severity: critical}\n  - record: x\n    expr: y\n";
        let rules = parse_alerts(text, "r").unwrap();
        assert_eq!(rules.len(), 1);
        assert_eq!(
            (rules[0].name.as_str(), rules[0].expr.as_str()),
            ("Hot", "t > 80")
        );
        assert_eq!(
            rules[0].labels,
            [("severity".to_owned(), "critical".to_owned())]
        );

        let bad = [
            (
                "groups:\n- rules:\n  - expr: x\n",
                "r:3: groups[0].rules[0]: a rule has either",
            ),
            (
                "groups:\n- rules:\n  - alert: A\n",
                "r:3: groups[0].rules[0]: a rule needs an expr",
            ),
            (
                "groups:\n- rules:\n  - {alert: A, expr: x, for: 5}\n",
                "r:3:",
            ),
            ("gruops: []\n", "did you mean groups?"),
        ];
        for (text, expected) in bad {
            let error = parse_alerts(text, "r").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
