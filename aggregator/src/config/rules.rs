//! Rule files: groups of recording and alerting rules, in Prometheus' format.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use system_stats_model::labels::METRIC_NAME;
use system_stats_promql::parse::{ParseOptions, parse as parse_expression};

use super::fields::{Fields, Place, Problems, count};
use super::global::duration;
use super::units::parse_duration;
use super::{ConfigError, Global, yaml};

/// The most rules of all files together.
const MAX_RULES: usize = 100_000;
/// Rules that one group may hold.
const MAX_RULES_OF_A_GROUP: usize = 10_000;

/// What a rule file says, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The file as messages and the API name it.
    pub path: String,
    /// Its groups, in order; their names differ.
    pub groups: Vec<RuleGroup>,
}

/// Rules that are evaluated one after another, at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGroup {
    /// Its name; not empty.
    pub name: String,
    /// How often it is evaluated; above 0.
    pub interval: Duration,
    /// The most series or alerts that one of its rules may give; 0 is no limit.
    pub limit: u64,
    /// How far in the past expressions are evaluated.
    pub query_offset: Duration,
    /// The rules, in order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its line in the file, from 1.
    pub line: usize,
    /// The expression as it is written; it parses.
    pub expr: String,
    /// Labels to add or replace, the group's included; an alert's are templates. Sorted by name.
    pub labels: Vec<(String, String)>,
    /// What becomes of the result.
    pub kind: RuleKind,
}

/// What becomes of an expression's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// New series.
    Recording {
        /// Their name.
        record: String,
    },
    /// Alerts.
    Alerting {
        /// Their name.
        alert: String,
        /// How long an element must be there before its alert fires.
        hold: Duration,
        /// How long an alert goes on firing after its element is gone.
        keep_firing_for: Duration,
        /// Templates of what people are told. Sorted by name.
        annotations: Vec<(String, String)>,
    },
}

impl Rule {
    /// The name of the series or of the alert.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Recording { record } => record,
            RuleKind::Alerting { alert, .. } => alert,
        }
    }
}

/// What rule files are read with.
#[derive(Clone, Copy, Debug)]
pub struct RuleDefaults {
    /// The interval of groups that do not say it.
    pub interval: Duration,
    /// The offset of groups that do not say it.
    pub query_offset: Duration,
    /// What expressions may use.
    pub expressions: ParseOptions,
}

impl Default for RuleDefaults {
    fn default() -> Self {
        Self::new(&Global::default(), ParseOptions::default())
    }
}

impl RuleDefaults {
    /// What a configuration and the switches of the program ask for.
    #[must_use]
    pub fn new(global: &Global, expressions: ParseOptions) -> Self {
        Self {
            interval: global.evaluation_interval,
            query_offset: global.rule_query_offset,
            expressions,
        }
    }
}

/// The files that patterns name, without repetition; relative patterns start at `base`. A pattern
/// without a wildcard names a file that has to be there.
///
/// # Errors
/// [`ConfigError`] for a pattern that is none, or a folder that cannot be read.
pub fn rule_files(patterns: &[String], base: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let mut files = BTreeSet::new();
    for pattern in patterns {
        let whole = base.join(pattern);
        if !pattern.contains(['*', '?', '[']) {
            files.insert(whole);
            continue;
        }
        let text = whole.to_string_lossy();
        let unusable = |reason: String| ConfigError::Pattern {
            pattern: pattern.clone(),
            reason,
        };
        for found in glob::glob(&text).map_err(|error| unusable(error.to_string()))? {
            files.insert(found.map_err(|error| unusable(error.to_string()))?);
        }
    }
    Ok(files.into_iter().collect())
}

/// Reads rule files.
///
/// # Errors
/// [`ConfigError`]; its text names file, line, group, rule and remedy.
pub fn load_rules(
    files: &[PathBuf],
    defaults: &RuleDefaults,
) -> Result<Vec<RuleFile>, ConfigError> {
    let mut read = Vec::new();
    for file in files {
        let name = file.display().to_string();
        read.push(parse_rules(&super::read_text(file)?, &name, defaults)?);
    }
    let groups = read.iter().flat_map(|file: &RuleFile| &file.groups);
    if groups.map(|group| group.rules.len()).sum::<usize>() > MAX_RULES {
        return Err(ConfigError::TooManyRules);
    }
    Ok(read)
}

/// Reads one rule file; `file` is what messages call it.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn parse_rules(
    text: &str,
    file: &str,
    defaults: &RuleDefaults,
) -> Result<RuleFile, ConfigError> {
    let mut problems = Problems::new(file);
    let document = match yaml::parse(text.trim_start_matches('\u{feff}')) {
        Ok(document) => document,
        Err(error) => {
            problems.add(error.line, "", error.reason);
            return Err(ConfigError::Invalid(problems.into_sorted()));
        }
    };
    let groups = read_file(&Place::root(&document), defaults, &mut problems);
    let found = problems.into_sorted();
    if !found.is_empty() {
        return Err(ConfigError::Invalid(found));
    }
    Ok(RuleFile {
        path: file.to_owned(),
        groups,
    })
}

fn read_file(root: &Place<'_>, defaults: &RuleDefaults, problems: &mut Problems) -> Vec<RuleGroup> {
    let Some(mut fields) = root.fields(problems) else {
        return Vec::new();
    };
    let mut groups: Vec<RuleGroup> = Vec::new();
    let places = fields.take("groups");
    for place in (places.and_then(|groups| groups.list(problems))).unwrap_or_default() {
        let Some(group) = read_group(&place, defaults, problems) else {
            continue;
        };
        if groups.iter().any(|other| other.name == group.name) {
            let message = format!(
                "a second group is named {:?}; the names of a file's groups must differ",
                group.name
            );
            place.problem(problems, message);
        }
        groups.push(group);
    }
    fields.finish(&[], problems);
    groups
}

fn read_group(
    place: &Place<'_>,
    defaults: &RuleDefaults,
    problems: &mut Problems,
) -> Option<RuleGroup> {
    let mut fields = place.fields(problems)?;
    let name = text(&mut fields, "name", problems).unwrap_or_default();
    if name.is_empty() {
        place.problem(problems, "name is missing; give every group a name");
    }
    let (_, interval) = duration(&mut fields, "interval", problems);
    let offset = fields.take("query_offset");
    let offset = offset.and_then(|place| place.read(problems, parse_duration));
    let limit = fields.read("limit", 0, problems, count);
    let shared = match fields.take("labels") {
        Some(labels) => pairs(&labels, &format!("group {name:?}"), Of::Labels, problems),
        None => Vec::new(),
    };
    let mut rules = Vec::new();
    let places = fields.take("rules");
    for place in (places.and_then(|rules| rules.list(problems))).unwrap_or_default() {
        let context = Context {
            group: &name,
            shared: &shared,
            expressions: defaults.expressions,
        };
        rules.extend(context.rule(&place, problems));
    }
    if rules.len() > MAX_RULES_OF_A_GROUP {
        let message = format!("more than {MAX_RULES_OF_A_GROUP} rules in one group; split it");
        place.problem(problems, message);
    }
    fields.finish(&["partial_response_strategy", "source_tenants"], problems);
    Some(RuleGroup {
        name,
        interval: interval.unwrap_or(defaults.interval),
        limit,
        query_offset: offset.unwrap_or(defaults.query_offset),
        rules,
    })
}

fn text(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Option<String> {
    let place = fields.take(key)?;
    place.text(problems).map(str::to_owned)
}

/// What the rules of a group share.
struct Context<'a> {
    group: &'a str,
    shared: &'a [(String, String)],
    expressions: ParseOptions,
}

impl Context<'_> {
    fn rule(&self, place: &Place<'_>, problems: &mut Problems) -> Option<Rule> {
        let mut fields = place.fields(problems)?;
        let record = text(&mut fields, "record", problems).unwrap_or_default();
        let alert = text(&mut fields, "alert", problems).unwrap_or_default();
        let name = if alert.is_empty() { &record } else { &alert };
        let who = format!("group {:?}, rule {name:?}", self.group);
        match (record.is_empty(), alert.is_empty()) {
            (true, true) => {
                place.problem(problems, format!("{who}: write record or alert"));
            }
            (false, false) => {
                place.problem(problems, format!("{who}: only one of record and alert"));
            }
            (false, true) if !is_metric_name(&record) => {
                place.problem(
                    problems,
                    format!("{who}: invalid recording rule name: {record}"),
                );
            }
            _ => {}
        }
        let expr = self.expr(&mut fields, place, &who, problems);
        let of = if alert.is_empty() {
            Of::Labels
        } else {
            Of::Templates(&alert)
        };
        let mut labels = self.shared.to_vec();
        if let Some(place) = fields.take("labels") {
            let own = pairs(&place, &who, of, problems);
            labels.retain(|(name, _)| own.iter().all(|(other, _)| name != other));
            labels.extend(own);
        }
        labels.sort();
        let kind = if alert.is_empty() {
            for key in ["for", "keep_firing_for", "annotations"] {
                if let Some(place) = fields.take(key) {
                    place.problem(problems, format!("{who}: only alerting rules have {key}"));
                }
            }
            RuleKind::Recording { record }
        } else {
            let mut time = |key| {
                let place = fields.take(key);
                let read = place.and_then(|place| place.read(problems, parse_duration));
                read.unwrap_or_default()
            };
            let (hold, keep_firing_for) = (time("for"), time("keep_firing_for"));
            let mut annotations = match fields.take("annotations") {
                Some(place) => pairs(&place, &who, Of::Annotations(&alert), problems),
                None => Vec::new(),
            };
            annotations.sort();
            RuleKind::Alerting {
                alert,
                hold,
                keep_firing_for,
                annotations,
            }
        };
        fields.finish(&[], problems);
        Some(Rule {
            line: place.line,
            expr,
            labels,
            kind,
        })
    }

    fn expr(
        &self,
        fields: &mut Fields<'_>,
        rule: &Place<'_>,
        who: &str,
        problems: &mut Problems,
    ) -> String {
        let Some(place) = fields.take("expr") else {
            rule.problem(problems, format!("{who}: expr is missing"));
            return String::new();
        };
        let read = place.read(problems, |text| {
            match parse_expression(text, &self.expressions) {
                Ok(_) => Ok(text.to_owned()),
                Err(error) => Err(format!("{who}: could not parse expression: {error}")),
            }
        });
        read.unwrap_or_default()
    }
}

/// What a map holds.
#[derive(Clone, Copy)]
enum Of<'a> {
    /// Labels as they are.
    Labels,
    /// Labels of an alert.
    Templates(&'a str),
    /// Annotations of an alert.
    Annotations(&'a str),
}

fn pairs(
    place: &Place<'_>,
    who: &str,
    of: Of<'_>,
    problems: &mut Problems,
) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for (name, place) in place.entries(problems).unwrap_or_default() {
        let value = place.read(problems, |value| {
            let what = match of {
                Of::Annotations(_) => "annotation",
                _ => "label",
            };
            if name.is_empty() || (what == "label" && name == METRIC_NAME) {
                return Err(format!("{who}: invalid {what} name: {name}"));
            }
            if let Of::Templates(alert) | Of::Annotations(alert) = of {
                let template = format!("__alert_{alert}");
                system_stats_template::check(&template, value)
                    .map_err(|error| format!("{who}: {what} {name:?}: {error}"))?;
            }
            Ok(value.to_owned())
        });
        pairs.extend(value.map(|value| (name.to_owned(), value)));
    }
    pairs
}

/// Whether series may have this name: any text but an empty one, since names are UTF-8 now. Braces
/// are a selector that somebody meant for `expr`.
fn is_metric_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['{', '}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RuleFile, ConfigError> {
        parse_rules(text, "r.yml", &RuleDefaults::default())
    }

    #[test]
    fn everything_written_is_read() {
        let text = "groups:\n- name: g\n  interval: 15s\n  limit: 5\n  query_offset: 10s\n  \
                    labels: {team: a, tier: x}\n  rules:\n  - record: x:y\n    expr: sum(y)\n    \
                    labels: {tier: z}\n  - alert: Hot\n    expr: t > 80\n    for: 5m\n    \
                    keep_firing_for: 1m\n    annotations: {summary: '{{ $value }}'}\n\
                    - name: h\n  rules: []\n";
        let file = read(text).unwrap();
        let group = &file.groups[0];
        assert_eq!((group.interval, group.limit), (Duration::from_secs(15), 5));
        assert_eq!(group.query_offset, Duration::from_secs(10));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            group.rules[0].labels,
            [pair("team", "a"), pair("tier", "z")]
        );
        assert_eq!(
            group.rules[1].labels,
            [pair("team", "a"), pair("tier", "x")]
        );
        assert_eq!(group.rules[1].line, 11);
        let expected = RuleKind::Alerting {
            alert: "Hot".to_owned(),
            hold: Duration::from_mins(5),
            keep_firing_for: Duration::from_mins(1),
            annotations: vec![pair("summary", "{{ $value }}")],
        };
        assert_eq!(group.rules[1].kind, expected);
        assert_eq!(file.groups[1].interval, Duration::from_mins(1));
    }

    #[test]
    fn mistakes_name_line_group_and_rule() {
        let rule = |rule: &str| format!("groups:\n- name: g\n  rules:\n  - {rule}\n");
        let cases = [
            (
                rule("{alert: A, expr: 'sum('}"),
                "r.yml:4: groups[0].rules[0].expr: group \"g\", rule \"A\": could not parse expression: 1:5: parse error:",
            ),
            (
                rule("{expr: x}"),
                "r.yml:4: groups[0].rules[0]: group \"g\", rule \"\": write record or alert",
            ),
            (
                rule("{alert: A, record: b, expr: x}"),
                "only one of record and alert",
            ),
            (rule("{alert: A}"), "rule \"A\": expr is missing"),
            (
                rule("{record: r, expr: x, for: 5m}"),
                "only alerting rules have for",
            ),
            (
                rule("{record: 'r{a=1}', expr: x}"),
                "invalid recording rule name: r{a=1}",
            ),
            (
                rule("{alert: A, expr: x, for: 5}"),
                "r.yml:4: groups[0].rules[0].for: no unit",
            ),
            (
                rule("{alert: A, expr: x, annotations: {s: '{{ $x }}'}}"),
                "annotation \"s\": template: __alert_A:1: undefined variable \"$x\"",
            ),
            (
                rule("{alert: A, expr: x, labels: {__name__: b}}"),
                "invalid label name: __name__",
            ),
            ("groups: [{rules: []}]".to_owned(), "name is missing"),
            (
                "groups: [{name: a}, {name: a}]".to_owned(),
                "a second group is named \"a\"",
            ),
            ("gruops: []".to_owned(), "did you mean groups?"),
        ];
        for (text, expected) in cases {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn patterns_name_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.yml", "b.yml", "c.txt"] {
            std::fs::write(folder.path().join(name), "groups: []").unwrap();
        }
        let patterns = [
            "*.yml".to_owned(),
            "a.yml".to_owned(),
            "missing.yml".to_owned(),
        ];
        let files = rule_files(&patterns, folder.path()).unwrap();
        let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
        assert_eq!(names, ["a.yml", "b.yml", "missing.yml"]);
        assert!(load_rules(&files[..2], &RuleDefaults::default()).is_ok());
        let error = load_rules(&files, &RuleDefaults::default()).unwrap_err();
        assert!(error.to_string().contains("missing.yml: cannot be read"));
    }
}
