//! One group: its rules, evaluated one after another on schedule.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;
use system_stats_promql::plan::Plan;
use system_stats_promql::value::{Element, Value};
use system_stats_template as template;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::alert::{Alert, AlertState, AlertingRule, Alerts, Evaluated, Found, RuleError};
use super::output::{Output, Written};
use super::{Engine, External, recording};
use crate::config::{Rule, RuleGroup, RuleKind};

/// How an evaluation ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Whether there was one, and whether it worked.
    pub health: RuleHealth,
    /// Why it did not.
    pub last_error: String,
    /// When the last one was, in milliseconds since 1970.
    pub last_evaluation: Option<Millis>,
    /// How long it took.
    pub duration: Duration,
}

/// Whether a rule works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleHealth {
    /// It was not evaluated yet.
    #[default]
    Unknown,
    /// It does.
    Ok,
    /// It does not.
    Err,
}

impl RuleHealth {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Err => "err",
        }
    }
}

/// A group that is evaluated.
pub(super) struct Group {
    pub(super) file: String,
    pub(super) definition: RuleGroup,
    pub(super) external: Arc<External>,
    pub(super) rules: Vec<RunningRule>,
    /// The labels of the target that its series belong to.
    target: Labels,
    last: Mutex<(Option<Millis>, Duration)>,
    /// Series of rules that are not in the group any more.
    leftover: Mutex<Written>,
}

/// A rule and what it remembers.
pub(super) struct RunningRule {
    pub(super) rule: Rule,
    /// The expression as it is written back.
    pub(super) query: String,
    plan: Arc<Plan>,
    alerts: Mutex<Alerts>,
    written: Mutex<Written>,
    progress: Mutex<Progress>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Group {
    /// A group that was not evaluated yet. `plan` plans an expression and writes it back; `restores` says whether its alerts wait for what they
    /// were before the program stopped.
    pub(super) fn new(
        file: &str,
        definition: RuleGroup,
        external: Arc<External>,
        plan: impl Fn(&str) -> Option<(Plan, String)>,
        restores: bool,
    ) -> Self {
        let rules = definition.rules.iter().filter_map(|rule| {
            let (plan, query) = plan(&rule.expr)?;
            Some(RunningRule {
                rule: rule.clone(),
                query,
                plan: Arc::new(plan),
                alerts: Mutex::new(Alerts::new(!restores)),
                written: Mutex::default(),
                progress: Mutex::default(),
            })
        });
        let name = definition.name.as_str();
        Self {
            file: file.to_owned(),
            target: Labels::from_pairs([("__rule_file__", file), ("__rule_group__", name)]),
            rules: rules.collect(),
            definition,
            external,
            last: Mutex::default(),
            leftover: Mutex::default(),
        }
    }

    /// Takes over what the rules of `before` remember that are rules here too.
    pub(super) fn inherit(&self, before: &Self) {
        let mut heirs: HashMap<Identity<'_>, Vec<&RunningRule>> = HashMap::new();
        for rule in self.rules.iter().rev() {
            heirs.entry(rule.identity()).or_default().push(rule);
        }
        let mut leftover = lock(&self.leftover);
        leftover.extend(lock(&before.leftover).drain());
        for old in &before.rules {
            let written = std::mem::take(&mut *lock(&old.written));
            match heirs.get_mut(&old.identity()).and_then(Vec::pop) {
                Some(heir) => {
                    *lock(&heir.alerts) = lock(&old.alerts).clone();
                    *lock(&heir.progress) = lock(&old.progress).clone();
                    *lock(&heir.written) = written;
                }
                None => leftover.extend(written),
            }
        }
        *lock(&self.last) = *lock(&before.last);
    }

    /// When it was last evaluated, and how long that took.
    pub(super) fn last(&self) -> (Option<Millis>, Duration) {
        *lock(&self.last)
    }

    /// Evaluates all rules for `at`. One that fails leaves the others alone.
    pub(super) async fn evaluate(&self, engine: &Engine, at: Millis) {
        let started = Instant::now();
        let offset = super::alert::millis(self.definition.query_offset);
        for rule in &self.rules {
            let began = Instant::now();
            let result = self.evaluate_rule(engine, rule, at, at - offset).await;
            engine.metrics.evaluated(result.is_ok());
            let error = result.err().map(|error| error.to_string());
            if let Some(error) = &error {
                let (file, group, name) = (&self.file, &self.definition.name, rule.rule.name());
                tracing::warn!(file, group, rule = name, error, "a rule was not evaluated");
            }
            *lock(&rule.progress) = Progress {
                health: if error.is_some() {
                    RuleHealth::Err
                } else {
                    RuleHealth::Ok
                },
                last_error: error.unwrap_or_default(),
                last_evaluation: Some(at),
                duration: began.elapsed(),
            };
        }
        let left = self
            .output(engine)
            .end(&mut lock(&self.leftover), at - offset);
        self.report(left.map(drop));
        let took = started.elapsed();
        *lock(&self.last) = (Some(at), took);
        engine.metrics.iterated(took);
    }

    fn output<'a>(&'a self, engine: &'a Engine) -> Output<'a> {
        Output {
            appender: &*engine.appender,
            target: &self.target,
        }
    }

    fn report(&self, stored: Result<(), system_stats_model::append::AppendError>) {
        if let Err(error) = stored {
            let (file, group) = (&self.file, &self.definition.name);
            tracing::error!(file, group, %error, "what a rule gave was not stored");
        }
    }

    async fn evaluate_rule(
        &self,
        engine: &Engine,
        rule: &RunningRule,
        at: Millis,
        asked: Millis,
    ) -> Result<(), RuleError> {
        let answer = engine.query.evaluate(&rule.plan, asked).await;
        let answer = answer.map_err(|error| RuleError::Query(error.to_string()))?;
        let elements = elements_of(answer.value)?;
        let limit = self.definition.limit;
        let series = match rule.alerting() {
            None => recording::series(rule.rule.name(), &rule.rule.labels, limit, elements)?,
            Some(alerting) => {
                let found = self.found(engine, rule, at, elements).await?;
                let (resend_delay, interval) =
                    (engine.options.resend_delay, self.definition.interval);
                let (evaluated, due) = {
                    let mut alerts = lock(&rule.alerts);
                    let evaluated = alerts.advance(&alerting, limit, at, found);
                    (evaluated, alerts.due(at, resend_delay, interval))
                };
                if let Err(exceeded) = &evaluated
                    && !exceeded.ended.is_empty()
                {
                    engine.sink.changed(self.key(), &exceeded.ended);
                }
                let evaluated = evaluated.map_err(|exceeded| exceeded.error)?;
                let Evaluated {
                    series,
                    transitions,
                } = evaluated;
                if !due.is_empty() {
                    engine.sink.send(&rule.query, &due);
                }
                if !transitions.is_empty() {
                    engine.sink.changed(self.key(), &transitions);
                }
                series
            }
        };
        let stored = self
            .output(engine)
            .replace(&mut lock(&rule.written), &series, asked);
        let stored = stored.map(|outcome| engine.metrics.stored(outcome));
        self.report(stored);
        Ok(())
    }

    /// Expands the templates of all elements beside the runtime's own threads: they may ask
    /// further queries.
    async fn found(
        &self,
        engine: &Engine,
        rule: &RunningRule,
        at: Millis,
        elements: Vec<Element>,
    ) -> Result<Found, RuleError> {
        if elements.is_empty() {
            return Ok(Found::default());
        }
        let (rule, external) = (rule.rule.clone(), Arc::clone(&self.external));
        let (query, runtime) = (Arc::clone(&engine.query), Handle::current());
        let expanded = engine.tasks.spawn_blocking(move || {
            let ask = |expression: &str| {
                let answer = runtime.block_on(query.instant(expression, at));
                let found = elements_of(answer.map_err(|error| error.to_string())?.value);
                let found = found.map_err(|error| error.to_string())?;
                let sample = |Element { labels, value }| template::Sample { labels, value };
                Ok(found.into_iter().map(sample).collect())
            };
            match alerting(&rule) {
                Some(alerting) => Found::new(&alerting, at, &elements, |text, element| {
                    external.expand(alerting.name, text, element, &ask)
                }),
                None => Ok(Found::default()),
            }
        });
        let broken = |error: tokio::task::JoinError| RuleError::Query(error.to_string());
        expanded.await.map_err(broken)?
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.file, &self.definition.name)
    }

    /// Ends all series of the group.
    pub(super) fn end(&self, engine: &Engine, at: Millis) {
        let mut all = std::mem::take(&mut *lock(&self.leftover));
        for rule in &self.rules {
            all.extend(std::mem::take(&mut *lock(&rule.written)));
        }
        let ended = self.output(engine).end(&mut all, at);
        self.report(ended.map(drop));
    }
}

/// What makes a rule the same one after a change: its name and its labels.
type Identity<'a> = (&'a str, &'a [(String, String)]);

impl RunningRule {
    fn identity(&self) -> Identity<'_> {
        (self.rule.name(), &self.rule.labels)
    }

    fn alerting(&self) -> Option<AlertingRule<'_>> {
        alerting(&self.rule)
    }

    pub(super) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    /// The alerts that are pending or firing.
    pub(super) fn active(&self) -> Vec<Alert> {
        let alerts = lock(&self.alerts);
        let active = alerts
            .iter()
            .filter(|alert| alert.state != AlertState::Inactive);
        active.cloned().collect()
    }

    pub(super) fn alerts(&self) -> MutexGuard<'_, Alerts> {
        lock(&self.alerts)
    }
}

fn alerting(rule: &Rule) -> Option<AlertingRule<'_>> {
    match &rule.kind {
        RuleKind::Recording { .. } => None,
        RuleKind::Alerting {
            alert,
            hold,
            keep_firing_for,
            annotations,
        } => Some(AlertingRule {
            name: alert,
            hold: *hold,
            keep_firing_for: *keep_firing_for,
            labels: &rule.labels,
            annotations,
        }),
    }
}

pub(super) fn elements_of(value: Value) -> Result<Vec<Element>, RuleError> {
    match value {
        Value::Vector { elements, .. } => Ok(elements),
        Value::Scalar { value, .. } => Ok(vec![Element {
            labels: Labels::empty(),
            value,
        }]),
        _ => Err(RuleError::Query(
            "rule result is not a vector or scalar".to_owned(),
        )),
    }
}
