//! Rules: groups of recording and alerting rules, evaluated on schedule.
//!
//! What a group gives becomes visible rule by rule, so that a rule sees the results of those
//! before it. An alert's life is told to an [`AlertSink`].
//!
//! * `group` - one group and its evaluation; `worker` - its loop
//! * `alert`, `recording` - what results become; `due` - what of it has to be told
//! * `output` - writing series and their ends; `restore` - pending alerts after a restart
//! * `view` - what is told to others; `suppression` - what a dead host explains
//! * `unit_test` - all of that over series that a file has, at the times that it names

mod alert;
mod due;
mod group;
mod link;
mod metrics;
mod output;
mod recording;
mod restore;
mod suppression;
mod unit_test;
mod view;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use system_stats_model::labels::Labels;
use system_stats_promql::parse::parse;
use system_stats_promql::plan::Plan;
use system_stats_promql::value::Element;
use system_stats_storage::Storage;
use system_stats_template as template;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::alert::{ALERT_NAME, ALERT_STATE, ALERTS};
pub use self::alert::{Alert, AlertState, Transition};
use self::group::Group;
pub use self::group::{Progress, RuleHealth};
pub use self::link::expression_link;
pub use self::metrics::RuleMetrics;
pub use self::suppression::DeadHosts;
pub use self::unit_test::{UnitTestReport, UnitTests};
pub use self::view::{FiringRule, GroupView, RuleView};
use self::worker::{Ending, Worker};
use crate::clock::{Clock, Schedule};
use crate::config::RuleFile;
use crate::query::QueryService;

/// How rules are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleOptions {
    /// How old the state before a restart may be to be restored.
    pub outage_tolerance: Duration,
    /// Rules with a shorter `for` are not restored; the others wait at least so long.
    pub grace_period: Duration,
    /// How long after an alert was told it is told again.
    pub resend_delay: Duration,
}

impl Default for RuleOptions {
    fn default() -> Self {
        Self {
            outage_tolerance: Duration::from_hours(1),
            grace_period: Duration::from_mins(10),
            resend_delay: Duration::from_mins(1),
        }
    }
}

/// Who is told about alerts. Must not wait.
pub trait AlertSink: Send + Sync {
    /// Alerts of a group (its file and name) changed their states.
    fn changed(&self, group: (&str, &str), transitions: &[Transition]);

    /// Alerts of a rule with this expression fire, or have ended, and somebody may not know it:
    /// they are new, or were not told for a while.
    fn send(&self, _expression: &str, _alerts: &[Alert]) {}
}

/// Nobody is told.
impl AlertSink for () {
    fn changed(&self, _: (&str, &str), _: &[Transition]) {}
}

/// What every alert of this server carries, for templates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct External {
    /// `external_labels` of the configuration.
    pub labels: Labels,
    /// Where this server is reached.
    pub url: String,
}

impl External {
    fn expand(
        &self,
        alert: &str,
        text: &str,
        element: &Element,
        query: &template::Query<'_>,
    ) -> String {
        let data = template::Data {
            labels: element.labels.clone(),
            external_labels: self.labels.clone(),
            external_url: self.url.clone(),
            value: element.value,
        };
        template::expand(&format!("__alert_{alert}"), text, &data, query).unwrap_or_else(|error| {
            tracing::warn!(alert, %error, "a template was not expanded");
            format!("<error expanding template: {error}>")
        })
    }
}

/// What the loops of all groups share.
struct Engine {
    appender: Arc<Storage>,
    query: Arc<QueryService>,
    sink: Arc<dyn AlertSink>,
    clock: Clock,
    options: RuleOptions,
    metrics: RuleMetrics,
    tasks: TaskTracker,
    /// As many groups are evaluated at the same time as queries: each holds a thread.
    turns: Semaphore,
}

impl Engine {
    fn new(
        storage: Arc<Storage>,
        query: Arc<QueryService>,
        sink: Arc<dyn AlertSink>,
        clock: Clock,
        options: RuleOptions,
    ) -> Self {
        Self {
            turns: Semaphore::new(query.max_concurrency()),
            appender: storage,
            query,
            sink,
            clock,
            options,
            metrics: RuleMetrics::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// The plan of an expression, and its usual spelling.
    fn plan(&self, expression: &str) -> Option<(Plan, String)> {
        match parse(expression, &self.query.parse_options()) {
            Ok(tree) => Some((Plan::new(&tree, expression), tree.to_string())),
            Err(error) => {
                tracing::error!(expression, %error, "a rule is left out");
                None
            }
        }
    }
}

/// Owns the loops of all groups.
pub struct RuleManager {
    engine: Arc<Engine>,
    shutdown: CancellationToken,
    running: Mutex<Vec<Running>>,
    external: Mutex<Labels>,
}

struct Running {
    group: Arc<Group>,
    /// Held by the loop as long as it runs.
    turn: Arc<tokio::sync::Mutex<()>>,
    ending: Ending,
}

/// What groups are evaluated with.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// The files, in order.
    pub files: Vec<RuleFile>,
    /// For templates.
    pub external: External,
}

impl RuleManager {
    /// A manager without rules.
    pub fn new(
        storage: Arc<Storage>,
        query: Arc<QueryService>,
        sink: Arc<dyn AlertSink>,
        clock: Clock,
        options: RuleOptions,
    ) -> Self {
        Self {
            engine: Arc::new(Engine::new(storage, query, sink, clock, options)),
            shutdown: CancellationToken::new(),
            running: Mutex::default(),
            external: Mutex::default(),
        }
    }

    /// The labels that say whose series and alerts these are, once they leave the server.
    pub fn external_labels(&self) -> Labels {
        let labels = self.external.lock();
        labels.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the manager counts about itself.
    pub fn metrics(&self) -> &RuleMetrics {
        &self.engine.metrics
    }

    /// Puts rules into effect; their expressions have to be ones that parse. Groups that do not
    /// change go on undisturbed, those that change keep the state of their rules, those that are
    /// gone end their series. `restores` is for the first rules after a start. Has to be called
    /// within a tokio runtime.
    pub fn apply(&self, rules: &RuleSet, restores: bool) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shutdown.is_cancelled() {
            return;
        }
        let labels = rules.external.labels.clone();
        *(self.external.lock()).unwrap_or_else(PoisonError::into_inner) = labels;
        let external = Arc::new(rules.external.clone());
        let key = |group: &Group| (group.file.clone(), group.definition.name.clone());
        let mut before: HashMap<(String, String), Running> = (running.drain(..))
            .map(|one| (key(&one.group), one))
            .collect();
        for file in &rules.files {
            for definition in &file.groups {
                let same = before.remove(&(file.path.clone(), definition.name.clone()));
                let next = match same {
                    Some(same)
                        if same.group.definition == *definition
                            && *same.group.external == *external =>
                    {
                        same
                    }
                    other => {
                        let plan = |expression: &str| self.engine.plan(expression);
                        let (definition, external) = (definition.clone(), Arc::clone(&external));
                        let group = Group::new(&file.path, definition, external, plan, restores);
                        self.start(group, other, restores)
                    }
                };
                running.push(next);
            }
        }
        for gone in before.into_values() {
            gone.ending.removed.cancel();
        }
        let rules = running.iter().map(|one| one.group.rules.len()).sum();
        self.engine.metrics.loaded(running.len(), rules);
    }

    fn start(&self, group: Group, before: Option<Running>, restores: bool) -> Running {
        let group = Arc::new(group);
        let ending = Ending {
            shutdown: self.shutdown.clone(),
            removed: CancellationToken::new(),
            replaced: CancellationToken::new(),
        };
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        let name = format!("{};{}", group.file, group.definition.name);
        let worker = Worker {
            engine: Arc::clone(&self.engine),
            schedule: Schedule::new(group.definition.interval, xxh3_64(name.as_bytes()), 0),
            group: Arc::clone(&group),
            turn: Arc::clone(&turn),
            before: before.map(|before| {
                before.ending.replaced.cancel();
                (before.group, before.turn)
            }),
            ending: ending.clone(),
            restores,
        };
        self.engine.tasks.spawn(worker.run());
        Running {
            group,
            turn,
            ending,
        }
    }

    /// All groups as they are now, in the order of the files.
    pub fn groups(&self) -> Vec<GroupView> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running
            .iter()
            .map(|one| GroupView::new(&one.group))
            .collect()
    }

    /// The alerts that fire of all rules with this annotation.
    pub fn firing(&self, annotation: &str) -> Vec<FiringRule> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = running.iter();
        let rules = groups.flat_map(|one| FiringRule::all(&one.group, annotation));
        rules.collect()
    }

    /// Ends all loops and waits for them. Alerts and series are not ended: they go on after the
    /// next start.
    pub async fn stop(&self) {
        {
            let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            self.shutdown.cancel();
        }
        self.engine.tasks.close();
        self.engine.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests;
