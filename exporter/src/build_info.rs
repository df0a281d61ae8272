//! What this program is.

use crate::family::{Families, Kind};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The family that tells who exposes all this. What dashboards made for `node_exporter` look for
/// is there as well.
pub(crate) fn describe(families: &mut Families) {
    families
        .add(
            "system_stats_exporter_build_info",
            "A constant 1, labelled with the version and platform of this exporter.",
            Kind::Gauge,
        )
        .push(
            &[
                ("arch", std::env::consts::ARCH),
                ("os", std::env::consts::OS),
                ("version", VERSION),
            ],
            1.0,
        );
    families
        .add(
            "node_exporter_build_info",
            "A constant 1, under the name that dashboards for node_exporter look for.",
            Kind::Gauge,
        )
        .push(
            &[
                ("branch", "unknown"),
                ("goarch", std::env::consts::ARCH),
                ("goos", std::env::consts::OS),
                ("goversion", "none"),
                ("revision", "unknown"),
                ("version", VERSION),
            ],
            1.0,
        );
}
