//! Unit tests of rules: groups evaluated over the series that a test writes down.
//!
//! Nothing is evaluated otherwise than on a server: the groups are the manager's own, over a store
//! in memory and with a clock that is set. A moment knows no later sample, as there.

mod report;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use system_stats_model::append::{Appender, Batch, Order, Row, SeriesId, TargetId, Urgency};
use system_stats_model::labels::Labels;
use system_stats_model::matcher::{InvalidMatcher, MatchOp, Matcher};
use system_stats_model::sample::Millis;
use system_stats_storage::Storage;
use system_stats_storage::memory::MemoryStore;

use self::report::{Place, alerts_differ, is_same, samples_differ};
use super::alert::{AlertState, millis};
use super::group::{Group, RunningRule, elements_of};
use super::{Engine, External, RuleOptions};
use crate::clock::Clock;
use crate::config::{
    ConfigError, ExpectedAlert, InputSeries, RuleDefaults, RuleFile, RuleKind, RuleTest,
    RuleTestFile, format_duration, load_rule_tests, load_rules,
};
use crate::query::{QueryOptions, QueryService};

/// How unit tests are run.
#[derive(Clone, Debug, Default)]
pub struct UnitTests {
    query: QueryOptions,
    /// Matches the names of the tests to run.
    selected: Option<Matcher>,
}

/// What came of the tests of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitTestReport {
    /// What is odd and no failure.
    pub warnings: Vec<String>,
    /// What is not as expected, in order; none means success.
    pub failures: Vec<String>,
}

/// Why a test could not go on.
type Broken = String;

impl UnitTests {
    /// All tests.
    #[must_use]
    pub fn new(query: QueryOptions) -> Self {
        let selected = None;
        Self { query, selected }
    }

    /// Only tests in whose name one of the regular expressions matches something; all if there is
    /// none.
    ///
    /// # Errors
    /// [`InvalidMatcher`].
    pub fn only(mut self, patterns: &[String]) -> Result<Self, InvalidMatcher> {
        if !patterns.is_empty() {
            let any = format!(".*(?:{}).*", patterns.join("|"));
            self.selected = Some(Matcher::new("name", MatchOp::Regex, any)?);
        }
        Ok(self)
    }

    /// Runs the tests of a file. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// [`ConfigError`] for a file of tests or of rules that cannot be read.
    pub async fn run(&self, file: &Path) -> Result<UnitTestReport, ConfigError> {
        let tests = load_rule_tests(file)?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let (paths, warnings) = rule_files(&tests.rule_files, folder)?;
        let is_selected = |test: &&RuleTest| {
            let selected = self.selected.as_ref();
            selected.is_none_or(|pattern| pattern.matches(&test.name))
        };
        let mut report = UnitTestReport {
            warnings,
            failures: Vec::new(),
        };
        let mut selected = tests.tests.iter().filter(is_selected).peekable();
        if selected.peek().is_none() {
            return Ok(report);
        }
        let expressions = self.query.parse_options();
        let defaults = RuleDefaults {
            interval: tests.evaluation_interval,
            query_offset: Duration::ZERO,
            expressions,
        };
        let rules = load_rules(&paths, &defaults)?;
        for test in selected {
            let failures = &mut report.failures;
            if let Err(broken) = self.run_one(&tests, test, &rules, failures).await {
                failures.push(broken);
            }
        }
        Ok(report)
    }

    async fn run_one(
        &self,
        file: &RuleTestFile,
        test: &RuleTest,
        rules: &[RuleFile],
        failures: &mut Vec<String>,
    ) -> Result<(), Broken> {
        let mut world = World::new(self, file, test, rules).await?;
        let mut cases: Vec<_> = test.alerts.iter().collect();
        cases.sort_by_key(|case| case.at);
        let mut cases = cases.into_iter().peekable();
        let step = file.evaluation_interval;
        let ends = test.alerts.iter().map(|case| case.at);
        let ends = ends.chain(test.expressions.iter().map(|case| case.at));
        let last = ends.max().unwrap_or_default();
        let mut elapsed = Duration::ZERO;
        while elapsed <= last {
            let broken = world.evaluate(elapsed).await?;
            if !broken.is_empty() {
                failures.extend(broken);
                return Ok(());
            }
            while let Some(case) = cases.next_if(|case| case.at < elapsed + step) {
                let mut expected = case.expected.clone();
                expected.sort();
                let found = world.firing(&case.alert);
                if found != expected {
                    let place = Place::new(&test.name, case.at);
                    failures.push(alerts_differ(&place, &case.alert, &expected, &found));
                }
            }
            elapsed += step;
        }
        for case in &test.expressions {
            let place = Place::new(&test.name, case.at);
            let at = test.start.saturating_add(millis(case.at));
            let answer = world.engine.query.instant(&case.expression, at).await;
            let found = answer.map_err(|error| error.to_string());
            let found = found
                .and_then(|answer| elements_of(answer.value).map_err(|error| error.to_string()));
            let difference = match found {
                Err(error) => place.failed(&case.expression, &error),
                Ok(found) if is_same(&case.expected, &found, file.fuzzy_compare) => continue,
                Ok(found) => samples_differ(&place, &case.expression, &case.expected, &found),
            };
            failures.push(difference);
        }
        world.engine.appender.close().await.map_err(broken)
    }
}

fn broken(error: impl std::fmt::Display) -> Broken {
    format!("    {error}")
}

/// The files that patterns name, and what to say of patterns that name none.
fn rule_files(
    patterns: &[String],
    folder: &Path,
) -> Result<(Vec<PathBuf>, Vec<String>), ConfigError> {
    let (mut files, mut warnings) = (Vec::new(), Vec::new());
    for pattern in patterns {
        let whole = folder.join(pattern);
        let unusable = |reason: String| ConfigError::Pattern {
            pattern: pattern.clone(),
            reason,
        };
        let found = glob::glob(&whole.to_string_lossy());
        let before = files.len();
        for file in found.map_err(|error| unusable(error.to_string()))? {
            let file = file.map_err(|error| unusable(error.to_string()))?;
            if !files.contains(&file) {
                files.push(file);
            }
        }
        if files.len() == before {
            warnings.push(format!("no file match pattern {}", whole.display()));
        }
    }
    Ok((files, warnings))
}

/// A server of a test's own.
struct World {
    engine: Arc<Engine>,
    /// In the order in which they are evaluated.
    groups: Vec<Arc<Group>>,
    start: Millis,
    /// What the points of the test belong to.
    target: TargetId,
    input: Vec<Input>,
}

/// A series of the test, and what of it is still to come.
struct Input {
    series: SeriesId,
    /// Times and values, the newest first.
    ahead: Vec<(Millis, f64)>,
}

impl World {
    async fn new(
        tests: &UnitTests,
        file: &RuleTestFile,
        test: &RuleTest,
        rules: &[RuleFile],
    ) -> Result<Self, Broken> {
        // What a test holds stays in memory until its end.
        let options = system_stats_storage::Options {
            commit_interval: Duration::ZERO,
            fold_grace: Duration::from_hours(24 * 365),
            ..system_stats_storage::Options::default()
        };
        let storage = Storage::open(Arc::new(MemoryStore::new()), options).await;
        let storage = Arc::new(storage.map_err(broken)?);
        let query = QueryService::new(Arc::clone(&storage), tests.query.clone());
        query.set_subquery_step(file.evaluation_interval);
        let target = storage.target(&Labels::from_pairs([("__unit_test__", "input")]));
        let target = target.map_err(broken)?;
        let mut input = Vec::new();
        for (at, one) in test.input.iter().enumerate() {
            // Of several with the same labels the last one counts.
            if test.input[at + 1..]
                .iter()
                .all(|later| later.labels != one.labels)
            {
                input.push(Input {
                    series: Appender::series(&*storage, target, &one.labels).map_err(broken)?,
                    ahead: ahead(test, one),
                });
            }
        }
        let clock = Clock::manual(test.start);
        let options = RuleOptions::default();
        let engine = Engine::new(storage, Arc::new(query), Arc::new(()), clock, options);
        let engine = Arc::new(engine);
        let external = Arc::new(External {
            labels: test.external_labels.clone(),
            url: test.external_url.clone(),
        });
        let group = |path: &str, definition: &crate::config::RuleGroup| {
            let plan = |expression: &str| engine.plan(expression);
            let external = Arc::clone(&external);
            Arc::new(Group::new(path, definition.clone(), external, plan, false))
        };
        let groups = rules.iter().flat_map(|file| {
            let groups = file.groups.iter();
            groups.map(|definition| group(&file.path, definition))
        });
        let mut groups: Vec<Arc<Group>> = groups.collect();
        // Those that are not mentioned have no order: they come with the first one.
        let place = |group: &Arc<Group>| {
            let mut order = file.group_eval_order.iter();
            order.position(|name| *name == group.definition.name)
        };
        groups.sort_by_key(|group| place(group).unwrap_or(0));
        Ok(Self {
            engine,
            groups,
            start: test.start,
            target,
            input,
        })
    }

    /// Evaluates all groups at a time after the start; gives the errors of rules.
    async fn evaluate(&mut self, elapsed: Duration) -> Result<Vec<String>, Broken> {
        let at = self.start.saturating_add(millis(elapsed));
        self.feed(at).await?;
        self.engine.clock.set(at);
        let mut errors = Vec::new();
        for group in &self.groups {
            group.evaluate(&self.engine, at).await;
            for rule in &group.rules {
                let error = rule.progress().last_error;
                if !error.is_empty() {
                    let (name, time) = (rule.rule.name(), format_duration(elapsed));
                    errors.push(format!("    rule: {name}, time: {time}, err: {error}"));
                }
            }
        }
        Ok(errors)
    }

    /// Writes the samples up to `at`. Waits for them and for what rules gave before: nothing of a
    /// test is refused because much waits.
    async fn feed(&mut self, at: Millis) -> Result<(), Broken> {
        let mut rows = Vec::new();
        for input in &mut self.input {
            let series = input.series;
            while let Some((timestamp, value)) = input.ahead.pop_if(|(time, _)| *time <= at) {
                rows.push(Row {
                    series,
                    timestamp,
                    value,
                });
            }
        }
        let batch = Batch {
            target: self.target,
            order: Order::Strict,
            rows,
        };
        let storage = &self.engine.appender;
        let taken = storage.append(batch, Urgency::Waiting).map_err(broken)?;
        storage.committed(taken.0).await.map_err(broken)
    }

    /// The alerts of that name that fire, in order.
    fn firing(&self, name: &str) -> Vec<ExpectedAlert> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        let rules = rules.filter(|rule| match &rule.rule.kind {
            RuleKind::Alerting { alert, .. } => alert == name,
            RuleKind::Recording { .. } => false,
        });
        let alerts = rules.flat_map(RunningRule::active);
        let firing = alerts.filter(|alert| alert.state == AlertState::Firing);
        let mut firing: Vec<ExpectedAlert> = firing
            .map(|alert| ExpectedAlert {
                labels: (alert.labels.iter())
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                annotations: alert.annotations,
            })
            .collect();
        firing.sort();
        firing
    }
}

fn ahead(test: &RuleTest, series: &InputSeries) -> Vec<(Millis, f64)> {
    let interval = millis(test.interval);
    let points = (0..).zip(&series.points);
    let samples = points.filter_map(|(at, point)| {
        let time = test.start.checked_add(interval.checked_mul(at)?)?;
        Some((time, (*point)?))
    });
    let mut ahead: Vec<_> = samples.collect();
    ahead.reverse();
    ahead
}

#[cfg(test)]
mod tests;
