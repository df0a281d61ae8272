//! Pipelines: what was reported of them, and the runs that the reports make.
//!
//! A run begins with the first report of a type that has none under way, and ends with a report
//! that says completed or failed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use system_stats_model::append::{Ticket, Urgency};
use system_stats_model::sample::Millis;
use system_stats_storage::{ObjectKind, Storage};

use super::alerts::{Alert, Severity, locked};
use super::log::{Bounds, Log, Record, document};
use super::{Inventory, InventoryError};

/// The status of a run under way.
pub const RUNNING: &str = "running";
/// The status of a run that came to its end.
pub const COMPLETED: &str = "completed";
/// The status of a run that did not.
pub const FAILED: &str = "failed";

/// What is kept of reports.
const REPORTS: Bounds = Bounds {
    records: 50_000,
    bytes: 32 << 20,
};

/// What a client says of a pipeline.
#[derive(Clone, Debug)]
pub struct PipelineUpdate {
    /// Which pipeline.
    pub pipeline_type: String,
    /// How its run is doing.
    pub status: String,
    /// Whatever else the client knows; an object.
    pub metadata: Option<Box<RawValue>>,
    /// Why it failed.
    pub error_message: Option<String>,
}

/// A report, as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PipelineReport {
    /// When.
    pub at: Millis,
    /// Which pipeline.
    pub pipeline_type: String,
    /// How its run is doing.
    pub status: String,
    /// Whatever else the client knew; an object.
    pub metadata: Option<Box<RawValue>>,
    /// Why it failed.
    pub error_message: Option<String>,
    /// The run that it belongs to: the number of the run's first report.
    pub run: u64,
    /// When the run began; `None` when it was over with its first report.
    pub started: Option<Millis>,
    /// How much of the run is done, 0 to 100, as far as anybody said.
    pub progress: Option<f64>,
}

impl PipelineReport {
    /// Whether the run is over with it.
    #[must_use]
    pub fn is_end(&self) -> bool {
        self.status == COMPLETED || self.status == FAILED
    }

    /// How long the run took until this report, in milliseconds.
    #[must_use]
    pub fn elapsed(&self) -> Option<Millis> {
        self.started.map(|started| (self.at - started).max(0))
    }
}

impl Record for PipelineReport {
    const KIND: ObjectKind = ObjectKind::Pipeline;
    fn at(&self) -> Millis {
        self.at
    }
}

/// A run of a pipeline: its newest report, and how long it has taken.
#[derive(Clone, Debug)]
pub struct PipelineRun {
    /// The number of its first report.
    pub id: u64,
    /// What was last said of it.
    pub newest: Arc<PipelineReport>,
    /// How long it took, or has taken so far, in milliseconds; `None` when nobody said when it
    /// began.
    pub duration: Option<Millis>,
}

/// The reports, and the newest of each type.
#[derive(Debug)]
pub(super) struct Pipelines {
    log: Log<PipelineReport>,
    newest: HashMap<String, (u64, Arc<PipelineReport>)>,
}

impl Pipelines {
    pub(super) async fn load(storage: &Storage) -> Result<Mutex<Self>, InventoryError> {
        let log = Log::load(storage, REPORTS).await?;
        let rows = log.iter();
        let newest = rows
            .map(|(id, row): (u64, &Arc<PipelineReport>)| {
                (row.pipeline_type.clone(), (id, Arc::clone(row)))
            })
            .collect();
        Ok(Mutex::new(Self { log, newest }))
    }

    fn report(&self, id: u64, update: PipelineUpdate, at: Millis) -> PipelineReport {
        let before = self.newest.get(&update.pipeline_type);
        let before = before.map(|(_, report)| report.as_ref());
        let running = before.filter(|report| !report.is_end());
        let is_end = update.status == COMPLETED || update.status == FAILED;
        let said = progress(update.metadata.as_deref());
        let so_far = running.and_then(|report| report.progress);
        let done = (update.status == COMPLETED).then_some(100.0);
        PipelineReport {
            at,
            run: running.map_or(id, |report| report.run),
            started: running.map_or((!is_end).then_some(at), |report| report.started),
            progress: said.or(done).or(so_far),
            pipeline_type: update.pipeline_type,
            status: update.status,
            metadata: update.metadata,
            error_message: update.error_message,
        }
    }

    pub(super) fn trim(&mut self, storage: &Storage, horizon: Option<Millis>) {
        let before = self.log.len();
        self.log.trim(storage, horizon);
        if self.log.len() < before {
            self.newest.retain(|_, (id, _)| self.log.get(*id).is_some());
        }
    }
}

/// What the metadata says of the progress.
fn progress(metadata: Option<&RawValue>) -> Option<f64> {
    let metadata: Value = serde_json::from_str(metadata?.get()).ok()?;
    let progress = metadata.get("progress")?.as_f64()?;
    (0.0..=100.0).contains(&progress).then_some(progress)
}

/// The alert of a run that failed.
fn failure(report: &PipelineReport) -> Alert {
    let title = format!("Pipeline {} failed", report.pipeline_type);
    Alert {
        at: report.at,
        message: report
            .error_message
            .clone()
            .unwrap_or_else(|| title.clone()),
        title,
        severity: Severity::Critical,
        service: None,
        acknowledged: None,
    }
}

impl Inventory {
    /// Keeps what a client says of a pipeline; one that failed raises an alert. The report's
    /// number and the report, once both are committed.
    ///
    /// # Errors
    /// [`InventoryError`] when the store does not take it.
    pub async fn report_pipeline(
        &self,
        update: PipelineUpdate,
    ) -> Result<(u64, Arc<PipelineReport>), InventoryError> {
        let (id, report, ticket) = self.put_pipeline(update)?;
        self.durable(ticket).await?;
        Ok((id, report))
    }

    fn put_pipeline(
        &self,
        update: PipelineUpdate,
    ) -> Result<(u64, Arc<PipelineReport>, Ticket), InventoryError> {
        let mut pipelines = locked(&self.pipelines);
        let id = pipelines.log.next();
        let report = pipelines.report(id, update, self.clock.now());
        let object = document(id, &report)?;
        let bytes = object.body.len();
        let ticket = if report.status == FAILED {
            self.put_alert(failure(&report), vec![object])?.1
        } else {
            self.storage.put_object(object, Urgency::Waiting)?
        };
        let shared = Arc::new(report.clone());
        pipelines.log.insert(id, report, bytes);
        let newest = (id, Arc::clone(&shared));
        pipelines
            .newest
            .insert(shared.pipeline_type.clone(), newest);
        pipelines.trim(&self.storage, None);
        Ok((id, shared, ticket))
    }

    /// The reports that `wanted` picks, newest first, with their numbers.
    #[must_use]
    pub fn pipeline_reports(
        &self,
        wanted: impl Fn(&PipelineReport) -> bool,
    ) -> Vec<(u64, Arc<PipelineReport>)> {
        let pipelines = locked(&self.pipelines);
        let picked = pipelines.log.iter().rev().filter(|(_, row)| wanted(row));
        picked.map(|(id, row)| (id, Arc::clone(row))).collect()
    }

    /// The runs of all pipelines, those that began last first.
    #[must_use]
    pub fn pipelines(&self) -> Vec<PipelineRun> {
        let now = self.clock.now();
        let pipelines = locked(&self.pipelines);
        let mut runs: BTreeMap<u64, Arc<PipelineReport>> = BTreeMap::new();
        for (_, report) in pipelines.log.iter() {
            runs.insert(report.run, Arc::clone(report));
        }
        drop(pipelines);
        let run = |(id, newest): (u64, Arc<PipelineReport>)| {
            let end = if newest.is_end() { newest.at } else { now };
            let duration = newest.started.map(|started| (end - started).max(0));
            PipelineRun {
                id,
                newest,
                duration,
            }
        };
        runs.into_iter().rev().map(run).collect()
    }
}
