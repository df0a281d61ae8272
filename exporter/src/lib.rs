//! Tells the truth about one host, over HTTP: node_exporter-compatible metrics on `/metrics`
//! (OpenMetrics and Prometheus text), the documented JSON on `/system`, and `/health`.
//!
//! It keeps no history, sends nothing anywhere and needs no privileges. The program
//! `system-stats-exporter` is a command line around [`serve`]; whoever wants an exporter inside
//! another process calls [`serve`] with a [`Config`] on a tokio runtime of any flavour.
//!
//! From the bottom up:
//! - `config`: what to look at; `clock`: the time of day
//! - `files`, `kernel`, `netlink`, `interfaces`, `hwmon`, `mounts`, `statfs`, `processes`, `adjtimex`,
//!   `local_time`: what the kernel says, read and parsed
//! - `portable`: the same where there is no `/proc`
//! - `sampler`, `host`: the readings of one scrape, and the history that rates need
//! - `family`, `collect`, `system`: what is exposed of it
//! - `runner`: the collecting thread and its watchdog
//! - `encode`: the formats; `server`: the routes, and the only place that knows axum
//! - `cli`, `telemetry`: the program's command line and log

mod adjtimex;
mod build_info;
pub mod cli;
mod clock;
mod collect;
mod config;
mod encode;
mod family;
mod files;
#[cfg(test)]
mod fixture;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod golden;
mod host;
mod hwmon;
mod interfaces;
mod kernel;
mod local_time;
mod mounts;
mod netlink;
#[cfg(not(target_os = "linux"))]
mod portable;
mod processes;
mod runner;
mod sampler;
mod server;
mod statfs;
mod system;
pub mod telemetry;

pub use config::{Collectors, Config, Roots, TelemetryPath, TelemetryPathError};
pub use server::{ServeError, serve, serve_all};
