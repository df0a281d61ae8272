//! Unit tests of rules, in the format of promtool's files.

use std::path::Path;
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::parse::{Point, parse_labels, parse_series};
use system_stats_promql::value::Element;

use super::fields::{Fields, Place, Problems, boolean};
use super::global::duration;
use super::units::parse_duration;
use super::{ConfigError, yaml};

/// How often rules are evaluated where the file does not say it.
const DEFAULT_INTERVAL: Duration = Duration::from_mins(1);
/// The most points that the series of one file may have.
const MAX_POINTS: usize = 10_000_000;
/// The most evaluations that a test may ask for.
const MAX_EVALUATIONS: u128 = 10_000_000;
/// What is said where a native histogram stands.
const NO_HISTOGRAMS: &str = "native histograms are not supported; test with numbers";

/// Names and values, ascending by name.
pub type Pairs = Vec<(String, String)>;

/// A file of unit tests, defaults filled in.
#[derive(Clone, Debug)]
pub struct RuleTestFile {
    /// Patterns of rule files, relative to the folder of this file.
    pub rule_files: Vec<String>,
    /// How often rules are evaluated; above 0.
    pub evaluation_interval: Duration,
    /// Names of groups in the order in which they are evaluated; the others have no order.
    pub group_eval_order: Vec<String>,
    /// Whether the last bit of a value may differ.
    pub fuzzy_compare: bool,
    /// The tests, in order.
    pub tests: Vec<RuleTest>,
}

/// Series, and what is expected of rules and expressions over them.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// Its name; may be empty.
    pub name: String,
    /// The distance of points; above 0.
    pub interval: Duration,
    /// The time of the first points and of the first evaluation, in milliseconds since 1970.
    pub start: Millis,
    /// What there is.
    pub input: Vec<InputSeries>,
    /// What alerts are expected.
    pub alerts: Vec<AlertCase>,
    /// What results are expected.
    pub expressions: Vec<ExpressionCase>,
    /// For templates.
    pub external_labels: Labels,
    /// For templates.
    pub external_url: String,
}

/// A series of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSeries {
    /// Its labels.
    pub labels: Labels,
    /// Its values, one interval apart; none where there is no sample.
    pub points: Vec<Option<f64>>,
}

/// Alerts that have to fire, and no other of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertCase {
    /// When, counted from the start of the test.
    pub at: Duration,
    /// Their name.
    pub alert: String,
    /// The alerts.
    pub expected: Vec<ExpectedAlert>,
}

/// An alert as it has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpectedAlert {
    /// Its labels, `alertname` included.
    pub labels: Pairs,
    /// Its annotations, expanded.
    pub annotations: Pairs,
}

/// What an expression has to give.
#[derive(Clone, Debug)]
pub struct ExpressionCase {
    /// The expression.
    pub expression: String,
    /// When, counted from the start of the test.
    pub at: Duration,
    /// The result, in any order.
    pub expected: Vec<Element>,
}

/// Reads a file of unit tests.
///
/// # Errors
/// [`ConfigError`]; its text names file, line and remedy.
pub fn load_rule_tests(file: &Path) -> Result<RuleTestFile, ConfigError> {
    parse_rule_tests(&super::read_text(file)?, &file.display().to_string())
}

/// Reads unit tests; `file` is what messages call it.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn parse_rule_tests(text: &str, file: &str) -> Result<RuleTestFile, ConfigError> {
    let mut problems = Problems::new(file);
    let read = match yaml::parse(text.trim_start_matches('\u{feff}')) {
        Ok(document) => read_file(&Place::root(&document), &mut problems),
        Err(error) => {
            problems.add(error.line, "", error.reason);
            None
        }
    };
    let found = problems.into_sorted();
    match read {
        Some(read) if found.is_empty() => Ok(read),
        _ => Err(ConfigError::Invalid(found)),
    }
}

fn read_file(root: &Place<'_>, problems: &mut Problems) -> Option<RuleTestFile> {
    let mut fields = root.fields(problems)?;
    let listed = |fields: &mut Fields<'_>, key, problems: &mut Problems| -> Vec<String> {
        let places = items(fields, key, problems).into_iter();
        let texts = places.filter_map(|place| place.text(problems).map(str::to_owned));
        texts.collect()
    };
    let rule_files = listed(&mut fields, "rule_files", problems);
    let (_, evaluation_interval) = duration(&mut fields, "evaluation_interval", problems);
    let evaluation_interval = evaluation_interval.unwrap_or(DEFAULT_INTERVAL);
    let mut group_eval_order: Vec<String> = Vec::new();
    for place in items(&mut fields, "group_eval_order", problems) {
        let name = place.text(problems).unwrap_or_default();
        if group_eval_order.iter().any(|other| other == name) {
            let message = format!("group name repeated in evaluation order: {name}");
            place.problem(problems, message);
        }
        group_eval_order.push(name.to_owned());
    }
    let fuzzy_compare = fields.read("fuzzy_compare", false, problems, boolean);
    let mut reader = Reader {
        interval: evaluation_interval,
        points: 0,
        problems,
    };
    let places = items(&mut fields, "tests", reader.problems).into_iter();
    let tests = places.filter_map(|place| reader.test(&place)).collect();
    fields.finish(&[], problems);
    Some(RuleTestFile {
        rule_files,
        evaluation_interval,
        group_eval_order,
        fuzzy_compare,
        tests,
    })
}

fn items<'n>(
    fields: &mut Fields<'n>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<Place<'n>> {
    let list = fields.take(key).and_then(|place| place.list(problems));
    list.unwrap_or_default()
}

fn text(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> String {
    let place = fields.take(key);
    let text = place.and_then(|place| place.text(problems).map(str::to_owned));
    text.unwrap_or_default()
}

fn pairs(fields: &mut Fields<'_>, key: &'static str, problems: &mut Problems) -> Pairs {
    let entries = fields.take(key).and_then(|place| place.entries(problems));
    let entries = entries.unwrap_or_default().into_iter();
    let pair = |(name, place): (&str, Place<'_>)| {
        let value = place.text(problems)?;
        Some((name.to_owned(), value.to_owned()))
    };
    let mut pairs: Pairs = entries.filter_map(pair).collect();
    pairs.sort();
    pairs
}

struct Reader<'a> {
    /// How often rules are evaluated.
    interval: Duration,
    /// How many points there are so far.
    points: usize,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn test(&mut self, place: &Place<'_>) -> Option<RuleTest> {
        let mut fields = place.fields(self.problems)?;
        let (_, interval) = duration(&mut fields, "interval", self.problems);
        let input = items(&mut fields, "input_series", self.problems).into_iter();
        let input = input.filter_map(|place| self.series(&place)).collect();
        let alerts = items(&mut fields, "alert_rule_test", self.problems).into_iter();
        let alerts = alerts.filter_map(|place| self.alert_case(&place)).collect();
        let expressions = items(&mut fields, "promql_expr_test", self.problems).into_iter();
        let expressions = expressions
            .filter_map(|place| self.expression_case(&place))
            .collect();
        let start = fields.read("start_timestamp", 0, self.problems, timestamp);
        let external_labels = pairs(&mut fields, "external_labels", self.problems);
        let test = RuleTest {
            name: text(&mut fields, "name", self.problems),
            interval: interval.unwrap_or(self.interval),
            start,
            input,
            alerts,
            expressions,
            external_labels: Labels::from_pairs(external_labels),
            external_url: text(&mut fields, "external_url", self.problems),
        };
        fields.finish(&[], self.problems);
        Some(test)
    }

    fn series(&mut self, place: &Place<'_>) -> Option<InputSeries> {
        let mut fields = place.fields(self.problems)?;
        let series = text(&mut fields, "series", self.problems);
        let values = text(&mut fields, "values", self.problems);
        fields.finish(&[], self.problems);
        let read = parse_series(&format!("{series} {values}")).map_err(|error| error.to_string());
        let read = read.and_then(|(labels, points)| {
            let point = |point: Point| match point {
                Point::Nothing => Ok(None),
                Point::Value(value) => Ok(Some(value)),
                Point::Histogram => Err(NO_HISTOGRAMS.to_owned()),
            };
            let points: Result<Vec<_>, String> = points.into_iter().map(point).collect();
            Ok((labels, points?))
        });
        match read {
            Ok((labels, points)) if self.points + points.len() <= MAX_POINTS => {
                self.points += points.len();
                Some(InputSeries { labels, points })
            }
            Ok(_) => {
                let message = format!("more than {MAX_POINTS} points in one file; split it");
                place.problem(self.problems, message);
                None
            }
            Err(message) => {
                place.problem(self.problems, message);
                None
            }
        }
    }

    fn alert_case(&mut self, place: &Place<'_>) -> Option<AlertCase> {
        let mut fields = place.fields(self.problems)?;
        let at = self.eval_time(&mut fields);
        let alert = text(&mut fields, "alertname", self.problems);
        if alert.is_empty() {
            place.problem(self.problems, "alertname is missing; name the alert");
        }
        let mut expected = Vec::new();
        for place in items(&mut fields, "exp_alerts", self.problems) {
            let mut fields = place.fields(self.problems)?;
            let mut labels = pairs(&mut fields, "exp_labels", self.problems);
            labels.retain(|(name, _)| name != "alertname");
            labels.push(("alertname".to_owned(), alert.clone()));
            labels.sort();
            expected.push(ExpectedAlert {
                labels,
                annotations: pairs(&mut fields, "exp_annotations", self.problems),
            });
            fields.finish(&[], self.problems);
        }
        fields.finish(&[], self.problems);
        Some(AlertCase {
            at,
            alert,
            expected,
        })
    }

    fn expression_case(&mut self, place: &Place<'_>) -> Option<ExpressionCase> {
        let mut fields = place.fields(self.problems)?;
        let at = self.eval_time(&mut fields);
        let expression = text(&mut fields, "expr", self.problems);
        let mut expected = Vec::new();
        for place in items(&mut fields, "exp_samples", self.problems) {
            let mut fields = place.fields(self.problems)?;
            let labels = fields.read("labels", Labels::empty(), self.problems, |text| {
                parse_labels(text).map_err(|error| error.to_string())
            });
            let value = fields.read("value", 0.0, self.problems, number);
            if let Some(place) = fields.take("histogram") {
                place.problem(self.problems, NO_HISTOGRAMS);
            }
            fields.finish(&[], self.problems);
            expected.push(Element { labels, value });
        }
        fields.finish(&[], self.problems);
        Some(ExpressionCase {
            expression,
            at,
            expected,
        })
    }

    fn eval_time(&mut self, fields: &mut Fields<'_>) -> Duration {
        let Some(place) = fields.take("eval_time") else {
            return Duration::ZERO;
        };
        let at = place.read(self.problems, parse_duration);
        let at = at.unwrap_or_default();
        if at.as_millis() / self.interval.as_millis().max(1) > MAX_EVALUATIONS {
            let message = format!(
                "more than {MAX_EVALUATIONS} evaluations until then; use a longer \
                 evaluation_interval"
            );
            place.problem(self.problems, message);
        }
        at
    }
}

/// A number as YAML writes it.
fn number(text: &str) -> Result<f64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let value = match rest {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => rest.parse().ok().filter(|_| is_number),
    };
    let value = value.map(|value: f64| sign * value);
    value.ok_or_else(|| format!("{text:?} is no number; write one like 1.5, 2e3, .inf or .nan"))
}

/// Seconds since 1970, or a date with a time of RFC 3339.
fn timestamp(text: &str) -> Result<Millis, String> {
    const REMEDY: &str = "write seconds since 1970, or 2026-01-02T03:04:05Z";
    let millis = match text.parse::<f64>() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturating; what is out of bounds is refused below"
        )]
        Ok(seconds) if seconds.is_finite() => Some((seconds * 1000.0).round() as Millis),
        Ok(_) => None,
        Err(_) => text.parse().ok().map(jiff::Timestamp::as_millisecond),
    };
    match millis {
        Some(millis @ 0..=253_402_300_799_999) => Ok(millis),
        Some(_) => Err(format!("{text:?} is not from 1970 to 9999; {REMEDY}")),
        None => Err(format!("{text:?} is no time; {REMEDY}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_rule_tests(text, "t.yml").unwrap_err().to_string()
    }

    #[test]
    fn everything_written_is_read() {
        let text = "rule_files: [a.yml, 'b/*.yml']\nevaluation_interval: 30s\n\
                    group_eval_order: [x, y]\nfuzzy_compare: true\ntests:\n- name: one\n  \
                    interval: 10s\n  start_timestamp: 1970-01-02T00:00:00Z\n  input_series:\n  - \
                    series: a{b=\"c\"}\n    values: 1 _ 2+1x1 stale\n  alert_rule_test:\n  - \
                    eval_time: 1m\n    alertname: Hot\n    exp_alerts:\n    - exp_labels: {b: c}\n      \
                    exp_annotations: {text: ''}\n    - {}\n  promql_expr_test:\n  - expr: a\n    \
                    exp_samples:\n    - labels: a{b=\"c\"}\n      value: -.inf\n    - value: 1e3\n  \
                    external_labels: {region: eu}\n  external_url: http://here\n- {}\n";
        let file = parse_rule_tests(text, "t.yml").unwrap();
        assert_eq!(file.rule_files, ["a.yml", "b/*.yml"]);
        assert_eq!(file.evaluation_interval, Duration::from_secs(30));
        assert_eq!(file.group_eval_order, ["x", "y"]);
        assert!(file.fuzzy_compare);
        let first = &file.tests[0];
        assert_eq!(
            (first.name.as_str(), first.interval, first.start),
            ("one", Duration::from_secs(10), 86_400_000)
        );
        let points = &first.input[0].points;
        assert_eq!(points[..4], [Some(1.0), None, Some(2.0), Some(3.0)]);
        assert_eq!(points.len(), 5);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            ExpectedAlert {
                labels: vec![pair("alertname", "Hot"), pair("b", "c")],
                annotations: vec![pair("text", "")],
            },
            ExpectedAlert {
                labels: vec![pair("alertname", "Hot")],
                annotations: Vec::new(),
            },
        ];
        assert_eq!(first.alerts[0].expected, expected);
        assert_eq!(first.alerts[0].at, Duration::from_mins(1));
        let values: Vec<f64> = first.expressions[0]
            .expected
            .iter()
            .map(|e| e.value)
            .collect();
        assert_eq!(values, [f64::NEG_INFINITY, 1000.0]);
        assert_eq!(first.expressions[0].expected[1].labels, Labels::empty());
        assert_eq!(
            first.external_labels,
            Labels::from_pairs([("region", "eu")])
        );
        assert_eq!(first.external_url, "http://here");
        assert_eq!(file.tests[1].interval, Duration::from_secs(30));
    }

    #[test]
    fn nothing_written_is_the_defaults() {
        let file = parse_rule_tests("", "t.yml").unwrap();
        assert_eq!(file.evaluation_interval, DEFAULT_INTERVAL);
        assert!(file.tests.is_empty());
    }

    #[test]
    fn what_is_wrong_names_its_line() {
        let cases = [
            (
                "tests:\n- inteval: 1m\n",
                "t.yml:2: tests[0].inteval: unknown key; did you mean interval?",
            ),
            (
                "tests:\n- input_series:\n  - series: a{\n    values: 1\n",
                "t.yml:3: tests[0].input_series[0]: 1:4: parse error: ",
            ),
            (
                "tests:\n- input_series:\n  - series: a\n    values: '{{}}'\n",
                "t.yml:3: tests[0].input_series[0]: native histograms are not supported; test with numbers",
            ),
            (
                "tests:\n- promql_expr_test:\n  - expr: a\n    exp_samples:\n    - histogram: '{{}}'\n",
                "t.yml:5: tests[0].promql_expr_test[0].exp_samples[0].histogram: native histograms",
            ),
            (
                "tests:\n- promql_expr_test:\n  - expr: a\n    exp_samples:\n    - value: Inf\n",
                "t.yml:5: tests[0].promql_expr_test[0].exp_samples[0].value: \"Inf\" is no number",
            ),
            (
                "tests:\n- alert_rule_test:\n  - eval_time: 5x\n    alertname: A\n",
                "t.yml:3: tests[0].alert_rule_test[0].eval_time: unknown unit in \"5x\"",
            ),
            (
                "tests:\n- alert_rule_test:\n  - eval_time: 5m\n",
                "t.yml:3: tests[0].alert_rule_test[0]: alertname is missing; name the alert",
            ),
            (
                "evaluation_interval: 1ms\ntests:\n- promql_expr_test:\n  - eval_time: 1d\n",
                "t.yml:4: tests[0].promql_expr_test[0].eval_time: more than 10000000 evaluations",
            ),
            (
                "group_eval_order: [a, b, a]\n",
                "t.yml:1: group_eval_order[2]: group name repeated in evaluation order: a",
            ),
            (
                "tests:\n- start_timestamp: -1\n",
                "t.yml:2: tests[0].start_timestamp: \"-1\" is not from 1970",
            ),
            (
                "tests:\n- start_timestamp: soon\n",
                "t.yml:2: tests[0].start_timestamp: \"soon\" is no time",
            ),
            ("tests: [", "t.yml:2: not valid YAML"),
        ];
        for (text, expected) in cases {
            let found = refused(text);
            assert!(found.starts_with(expected), "{text}\n{found}");
        }
    }

    #[test]
    fn points_are_bounded() {
        let series = "  - {series: a, values: 0x999999}\n".repeat(11);
        let found = refused(&format!("tests:\n- input_series:\n{series}"));
        assert!(found.contains("t.yml:13: tests[0].input_series[10]: more than 10000000 points"));
    }
}
