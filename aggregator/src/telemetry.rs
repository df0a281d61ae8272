//! What the program says about itself: its log, its build, its own metrics.

pub mod logging;
pub mod metrics;

/// The build, as `--version` prints it and `system_stats_aggregator_build_info` carries it.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    /// The package version.
    pub version: &'static str,
    /// The commit it was built from, or `unknown`.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
    /// The target, as `arch-os`.
    pub platform: &'static str,
    /// All of it in several lines, for `--version`.
    pub text: &'static str,
}

/// This build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("SYSTEM_STATS_REVISION"),
    rustc: env!("SYSTEM_STATS_RUSTC"),
    platform: env!("SYSTEM_STATS_PLATFORM"),
    text: concat!(
        env!("CARGO_PKG_VERSION"),
        "\nrevision: ",
        env!("SYSTEM_STATS_REVISION"),
        "\nrustc: ",
        env!("SYSTEM_STATS_RUSTC"),
        "\nplatform: ",
        env!("SYSTEM_STATS_PLATFORM"),
    ),
};
