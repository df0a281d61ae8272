//! What is counted about finding targets.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The label of the kind of a source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Mechanism {
    mechanism: &'static str,
}

/// The own metrics of discovery; clones share their values.
#[derive(Clone, Debug, Default)]
pub struct DiscoveryMetrics {
    looks: Family<Mechanism, Counter>,
    failures: Family<Mechanism, Counter>,
}

impl DiscoveryMetrics {
    /// Registers the families.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "sd_refreshes",
            "How often targets were looked for",
            self.looks.clone(),
        );
        registry.register(
            "sd_refresh_failures",
            "How often targets were looked for in vain",
            self.failures.clone(),
        );
    }

    pub(super) fn looked(&self, mechanism: &'static str, is_ok: bool) {
        self.looks.get_or_create(&Mechanism { mechanism }).inc();
        let failures = self.failures.get_or_create(&Mechanism { mechanism });
        if !is_ok {
            failures.inc();
        }
    }
}
