//! Tells the truth about one host, over HTTP: node_exporter-compatible metrics on `/metrics`
//! (OpenMetrics and Prometheus text), the documented JSON on `/system`, and `/health`.
//!
//! It keeps no history, sends nothing anywhere and needs no privileges. The program
//! `system-stats-exporter` is a command line around [`serve`]; whoever wants an exporter inside
//! another process calls [`serve`] with a [`Config`] on a tokio runtime of any flavour.
//!
//! - `cli`, `telemetry`: the program's command line and log
//! - `server`: the routes; the only place that knows axum

pub mod cli;
mod clock;
mod config;
mod server;
pub mod telemetry;

pub use config::{Config, Roots};
pub use server::{ServeError, serve, serve_all};
