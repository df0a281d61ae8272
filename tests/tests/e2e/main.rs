//! The real programs end to end. `tests/run` builds them, brings what they are tested against, and
//! runs this.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod beside_node_exporter;
mod harness;
mod metrics;
mod procfs;
mod system;
