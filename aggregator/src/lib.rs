//! Pulls a fleet of exporters, stores what it pulls in SQL, and serves it.
//!
//! The library exists for the binary and its tests; see ARCHITECTURE.md for the map.

pub mod alerting;
pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod discovery;
pub mod housekeeping;
pub mod http;
pub mod inventory;
pub mod metadata;
pub mod notify;
pub mod query;
pub mod rules;
pub mod scrape;
pub mod telemetry;
pub mod write;
