//! What this program is.

use crate::family::{Families, Kind};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REVISION: &str = env!("SYSTEM_STATS_REVISION");
const RUSTC: &str = env!("SYSTEM_STATS_RUSTC");

/// What `--version` prints.
pub(crate) fn version() -> String {
    format!(
        "system-stats-exporter, version {VERSION} (revision: {REVISION})\n  built with: {RUSTC}\n  \
         platform: {}/{}\n",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

/// The family that tells who exposes all this. What dashboards made for `node_exporter` look for
/// is there as well.
pub(crate) fn describe(families: &mut Families) {
    families
        .add(
            "system_stats_exporter_build_info",
            "A constant 1, labelled with what this exporter was built from.",
            Kind::Gauge,
        )
        .push(
            &[
                ("arch", std::env::consts::ARCH),
                ("os", std::env::consts::OS),
                ("revision", REVISION),
                ("rustc", RUSTC),
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
                ("revision", REVISION),
                ("version", VERSION),
            ],
            1.0,
        );
}
