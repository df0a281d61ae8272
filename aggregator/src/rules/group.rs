//! One group: its rules, evaluated one after another on schedule.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
use super::recording::Renaming;
use super::{Engine, External};
use crate::config::{Rule, RuleGroup, RuleKind};

/// What is told of an evaluation that panicked.
const BROKE_OFF: &str = "unexpected error: the evaluation broke off";

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

/// What an evaluation of a group needs.
#[derive(Clone, Copy)]
struct Evaluation<'a> {
    engine: &'a Engine,
    /// For what waits. The evaluation runs on none of its own threads.
    runtime: &'a Handle,
    /// What it is for.
    at: Millis,
    /// The time that expressions are evaluated at: earlier by the group's offset.
    asked: Millis,
}

/// A rule and what it remembers.
pub(super) struct RunningRule {
    pub(super) rule: Rule,
    /// The expression as it is written back.
    pub(super) query: String,
    plan: Arc<Plan>,
    renaming: Renaming,
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
                renaming: Renaming::new(rule.name(), &rule.labels),
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
        leftover.add(std::mem::take(&mut *lock(&before.leftover)));
        for old in &before.rules {
            let written = std::mem::take(&mut *lock(&old.written));
            match heirs.get_mut(&old.identity()).and_then(Vec::pop) {
                Some(heir) => {
                    *lock(&heir.alerts) = lock(&old.alerts).clone();
                    *lock(&heir.progress) = lock(&old.progress).clone();
                    *lock(&heir.written) = written;
                }
                None => leftover.add(written),
            }
        }
        *lock(&self.last) = *lock(&before.last);
    }

    /// When it was last evaluated, and how long that took.
    pub(super) fn last(&self) -> (Option<Millis>, Duration) {
        *lock(&self.last)
    }

    /// Evaluates all rules for `at`, on a thread of their own: most of them are done before another
    /// thread would have begun. One that fails leaves the others alone.
    pub(super) async fn evaluate(self: &Arc<Self>, engine: &Arc<Engine>, at: Millis) {
        let _turn = engine.turns.acquire().await;
        let (group, engine) = (Arc::clone(self), Arc::clone(engine));
        let (tasks, runtime) = (engine.tasks.clone(), Handle::current());
        let offset = super::alert::millis(self.definition.query_offset);
        let evaluated = tasks.spawn_blocking(move || {
            group.evaluate_all(&Evaluation {
                engine: &engine,
                runtime: &runtime,
                at,
                asked: at - offset,
            });
        });
        if let Err(error) = evaluated.await {
            let (file, group) = self.key();
            tracing::error!(file, group, %error, "a group of rules was not evaluated");
        }
    }

    fn evaluate_all(&self, evaluation: &Evaluation<'_>) {
        let Evaluation { engine, at, .. } = *evaluation;
        let started = Instant::now();
        for rule in &self.rules {
            let began = Instant::now();
            let result = catch_unwind(AssertUnwindSafe(|| self.evaluate_rule(rule, evaluation)));
            let result = result.unwrap_or_else(|_| Err(RuleError::Query(BROKE_OFF.to_owned())));
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
        let mut leftover = lock(&self.leftover);
        let left = self.output(engine).end(&mut leftover, evaluation.asked);
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

    fn evaluate_rule(
        &self,
        rule: &RunningRule,
        evaluation: &Evaluation<'_>,
    ) -> Result<(), RuleError> {
        let Evaluation {
            engine,
            runtime,
            at,
            asked,
        } = *evaluation;
        let answer = engine.query.evaluate(&rule.plan, asked, runtime);
        let answer = answer.map_err(|error| RuleError::Query(error.to_string()))?;
        let elements = elements_of(answer.value)?;
        let limit = self.definition.limit;
        let mut written = lock(&rule.written);
        let series = match rule.alerting() {
            None => rule.renaming.series(limit, elements, written.labels())?,
            Some(alerting) => {
                let found = self.found(&alerting, evaluation, &elements)?;
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
        let stored = self.output(engine).replace(&mut written, &series, asked);
        let stored = stored.map(|outcome| engine.metrics.stored(outcome));
        self.report(stored);
        Ok(())
    }

    /// Expands the templates of all elements. They may ask further queries.
    fn found(
        &self,
        alerting: &AlertingRule<'_>,
        evaluation: &Evaluation<'_>,
        elements: &[Element],
    ) -> Result<Found, RuleError> {
        let Evaluation {
            engine,
            runtime,
            at,
            ..
        } = *evaluation;
        let ask = |expression: &str| {
            let answer = runtime.block_on(engine.query.instant(expression, at));
            let found = elements_of(answer.map_err(|error| error.to_string())?.value);
            let found = found.map_err(|error| error.to_string())?;
            let sample = |Element { labels, value }| template::Sample { labels, value };
            Ok(found.into_iter().map(sample).collect())
        };
        Found::new(alerting, at, elements, |text, element| {
            self.external.expand(alerting.name, text, element, &ask)
        })
    }

    pub(super) fn key(&self) -> (&str, &str) {
        (&self.file, &self.definition.name)
    }

    /// Ends all series of the group.
    pub(super) fn end(&self, engine: &Engine, at: Millis) {
        let mut all = std::mem::take(&mut *lock(&self.leftover));
        for rule in &self.rules {
            all.add(std::mem::take(&mut *lock(&rule.written)));
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
        let rule = &self.rule;
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
