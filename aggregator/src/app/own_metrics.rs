//! The aggregator's own metrics: one registry, filled by the parts.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use system_stats_storage::Storage;

use super::configuration::Reloader;
use crate::alerting::Alerting;
use crate::http::OwnMetrics;
use crate::telemetry::metrics;
use crate::write::Writer;

/// Registers everything; the result writes it in a format.
pub(super) fn renderer(
    reloader: &Reloader,
    storage: &Arc<Storage>,
    writer: &Writer,
    alerting: &Alerting,
) -> OwnMetrics {
    let mut registry = metrics::registry();
    reloader.metrics().register(&mut registry);
    reloader.scraper().metrics().register(&mut registry);
    reloader.query().metrics().register(&mut registry);
    reloader.rules().metrics().register(&mut registry);
    reloader.notifier().metrics().register(&mut registry);
    reloader.discovery().metrics().register(&mut registry);
    writer.metrics().register(&mut registry);
    alerting.metrics().register(&mut registry);
    registry.register_collector(Box::new(StorageMetrics(Arc::clone(storage))));
    Arc::new(move |exposition| metrics::render(&registry, exposition))
}

/// What the store says of itself, asked once a scrape.
struct StorageMetrics(Arc<Storage>);

impl fmt::Debug for StorageMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageMetrics")
    }
}

impl Collector for StorageMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let status = self.0.status();
        let left = status.left_series as u64;
        let gauges: [(&str, &str, u64); 12] = [
            (
                "storage_targets",
                "Targets in memory",
                status.targets as u64,
            ),
            ("storage_series", "Series in memory", status.series as u64),
            ("storage_left_series", "Series not in memory", left),
            ("storage_samples", "Samples in memory", status.samples),
            (
                "storage_sample_bytes",
                "Memory that samples take, without the index",
                status.sample_bytes,
            ),
            (
                "storage_journal_segments",
                "Segments of the journal",
                status.journal_segments as u64,
            ),
            (
                "storage_journal_bytes",
                "Size of the journal, compressed",
                status.journal_bytes,
            ),
            (
                "storage_block_windows",
                "Hours of packs of targets that are in blocks",
                status.windows as u64,
            ),
            (
                "storage_deletions",
                "Deletions that blocks still hold samples of",
                status.deletions as u64,
            ),
            (
                "storage_waiting_batches",
                "Batches that wait to be committed",
                status.waiting_batches as u64,
            ),
            (
                "storage_waiting_bytes",
                "Size of what waits to be committed",
                status.waiting_bytes as u64,
            ),
            (
                "storage_commit_failing",
                "Whether the last attempt to commit failed",
                u64::from(status.commit_error.is_some()),
            ),
        ];
        for (name, help, value) in gauges {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        let counters = [
            (
                "storage_batches_committed",
                "Batches committed since the database was made",
                status.committed,
            ),
            (
                "storage_folded_samples",
                "Samples that went into blocks",
                status.folded_samples,
            ),
            (
                "storage_fold_failures",
                "Hours that could not go into blocks when they were to",
                status.fold_failures,
            ),
            (
                "storage_refused_samples",
                "Late samples refused because a block had another value at their time",
                status.refused_samples,
            ),
            (
                "storage_raw_groups",
                "Groups of columns stored uncompressed because they did not decode to what they were",
                status.raw_groups,
            ),
            (
                "storage_damaged_blocks",
                "Damaged blocks met",
                status.damaged_blocks,
            ),
            (
                "storage_unreadable_rows",
                "Rows of the journal that could not be read at start",
                status.unreadable_rows,
            ),
        ];
        for (name, help, value) in counters {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)?;
        }
        Ok(())
    }
}
