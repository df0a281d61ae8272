//! What writing counts about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Why something was not taken; the words are a fixed few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Reason {
    reason: &'static str,
}

/// The writer's own metrics; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct WriteMetrics {
    requests: Counter,
    samples: Counter,
    rejected: Family<Reason, Counter>,
    exemplars: Counter,
    histograms: Counter,
}

impl WriteMetrics {
    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "write_requests",
            "Remote writes and imports that could be read",
            self.requests.clone(),
        );
        registry.register(
            "write_samples",
            "Samples stored by remote write and imports",
            self.samples.clone(),
        );
        registry.register(
            "write_samples_rejected",
            "Samples of remote write and imports that were not stored, by what was wrong with them",
            self.rejected.clone(),
        );
        registry.register(
            "write_exemplars_skipped",
            "Exemplars in remote writes, which are not stored",
            self.exemplars.clone(),
        );
        registry.register(
            "write_histograms_skipped",
            "Native histograms in remote writes, which are not stored",
            self.histograms.clone(),
        );
    }

    pub(super) fn read(&self, exemplars: u64, histograms: u64) {
        self.requests.inc();
        self.exemplars.inc_by(exemplars);
        self.histograms.inc_by(histograms);
    }

    pub(super) fn stored(&self, samples: u64) {
        self.samples.inc_by(samples);
    }

    pub(super) fn reject(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.rejected
                .get_or_create(&Reason { reason })
                .inc_by(count);
        }
    }
}
