//! Pipelines: their runs, how far each is and how long it took.

use serde::Serialize;
use system_stats_model::sample::Millis;

use super::super::view::{Seen, length};
use super::{Asked, SHOWN};
use crate::inventory::Inventory;
use crate::inventory::pipelines::{COMPLETED, FAILED, PipelineRun, RUNNING};

#[derive(Serialize)]
pub(super) struct Table {
    running: usize,
    failed: usize,
    rows: Vec<Row>,
    /// Rows that match and are not shown.
    omitted: usize,
}

#[derive(Serialize)]
struct Row {
    pipeline: String,
    status: String,
    /// How the status is to be taken.
    level: &'static str,
    /// Percent.
    progress: Option<String>,
    began: Option<Seen>,
    /// Of the newest report.
    reported: Seen,
    duration: Option<String>,
    error: Option<String>,
}

impl Table {
    pub(super) fn read(inventory: &Inventory, asked: &Asked, now: Millis) -> Self {
        let runs = inventory.pipelines();
        let count = |status| {
            let alike = runs.iter().filter(|run| run.newest.status == status);
            alike.count()
        };
        let is_picked = |run: &&PipelineRun| {
            let error = run.newest.error_message.as_deref().unwrap_or_default();
            asked.picks(&[&run.newest.pipeline_type, &run.newest.status, error])
        };
        let picked: Vec<&PipelineRun> = runs.iter().filter(is_picked).collect();
        let shown = picked.iter().take(SHOWN);
        Self {
            running: count(RUNNING),
            failed: count(FAILED),
            rows: shown.map(|run| Row::new(run, now)).collect(),
            omitted: picked.len().saturating_sub(SHOWN),
        }
    }
}

impl Row {
    fn new(run: &PipelineRun, now: Millis) -> Self {
        let newest = &run.newest;
        Self {
            pipeline: newest.pipeline_type.clone(),
            level: match newest.status.as_str() {
                COMPLETED => "up",
                FAILED => "down",
                _ => "running",
            },
            status: newest.status.clone(),
            progress: newest.progress.map(|progress| format!("{progress:.0}")),
            began: newest.started.map(|started| Seen::new(started, now)),
            reported: Seen::new(newest.at, now),
            duration: run.duration.map(length),
            error: newest.error_message.clone(),
        }
    }
}
