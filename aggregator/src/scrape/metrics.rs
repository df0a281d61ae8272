//! What the scraper counts about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Why something was not taken; the words are a fixed few.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Reason {
    reason: &'static str,
}

/// The scraper's own metrics; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct ScrapeMetrics {
    pub(super) targets: Gauge,
    pub(super) scrapes: Counter,
    pub(super) failures: Family<Reason, Counter>,
    pub(super) missed: Counter,
    pub(super) samples: Counter,
    pub(super) rejected: Family<Reason, Counter>,
    pub(super) system_failures: Counter,
}

impl ScrapeMetrics {
    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "scrape_targets",
            "Targets that are scraped",
            self.targets.clone(),
        );
        registry.register(
            "scrapes",
            "Scrapes, failed ones included",
            self.scrapes.clone(),
        );
        registry.register(
            "scrape_failures",
            "Scrapes that failed, by what went wrong",
            self.failures.clone(),
        );
        registry.register(
            "scrapes_missed",
            "Scrapes left out because the one before took too long",
            self.missed.clone(),
        );
        registry.register(
            "scrape_samples",
            "Samples stored by scrapes",
            self.samples.clone(),
        );
        registry.register(
            "scrape_samples_rejected",
            "Scraped samples that were not stored, by what was wrong with them",
            self.rejected.clone(),
        );
        registry.register(
            "scrape_system_failures",
            "Documents of /system that could not be fetched or kept",
            self.system_failures.clone(),
        );
    }

    pub(super) fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&Reason { reason }).inc();
    }

    pub(super) fn reject(&self, reason: &'static str, count: u64) {
        if count > 0 {
            self.rejected
                .get_or_create(&Reason { reason })
                .inc_by(count);
        }
    }
}
