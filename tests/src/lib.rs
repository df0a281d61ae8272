//! The real programs, end to end, and the checks of the repository's own rules.
//!
//! The rules are unit tests of this library and part of every `cargo test`. The rest is a harness
//! for `tests/e2e`, behind the feature `full`: it starts programs, talks to them over loopback and
//! ends them. It blocks on purpose: a test is one story told in order. And it panics instead of
//! returning errors: whatever goes wrong in a test ends that test, with the programs' logs.
//!
//! Behind the feature `measure` are the programs that measure: a simulated fleet, a recorder of
//! real exporters, and the tables of what storing takes.
#![cfg_attr(
    feature = "full",
    allow(
        clippy::expect_used,
        clippy::missing_panics_doc,
        clippy::must_use_candidate,
        clippy::panic,
        clippy::print_stderr,
        clippy::unwrap_used,
        reason = "a harness reports by ending the test"
    )
)]

#[cfg(feature = "full")]
pub mod browser;
#[cfg(feature = "full")]
pub mod certificate;
#[cfg(feature = "full")]
pub mod exposition;
#[cfg(feature = "measure")]
pub mod fleet;
#[cfg(feature = "full")]
pub mod folder;
#[cfg(feature = "full")]
pub mod http;
#[cfg(feature = "measure")]
pub mod measure;
#[cfg(feature = "full")]
pub mod peers;
#[cfg(feature = "full")]
pub mod postgres;
#[cfg(feature = "full")]
pub mod process;
#[cfg(feature = "full")]
pub mod programs;
#[cfg(feature = "full")]
pub mod proxy;
#[cfg(feature = "full")]
pub mod random;
#[cfg(feature = "full")]
pub mod remote_write;
#[cfg(feature = "full")]
pub mod server;
#[cfg(feature = "full")]
pub mod wait;

#[cfg(test)]
mod tidy;
