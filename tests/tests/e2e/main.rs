//! The real programs end to end. `tests/run` builds them, brings what they are tested against, and
//! runs this.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod alert_history;
mod alertmanager;
mod beside_node_exporter;
mod built_in_rules;
mod clients;
mod collectors;
mod command_line;
mod configuration;
mod contracts;
mod defaults;
mod differential;
mod durability;
mod faults;
mod harness;
mod host_alerts;
mod hostile;
mod leaving;
mod metrics;
mod old_server;
mod operations;
mod page;
mod past;
mod postgres;
mod procfs;
mod prometheus_api;
mod pushes;
mod queries;
mod rollups;
mod rules;
mod scraping;
mod service;
mod side_by_side;
mod stopping;
mod system;
mod unit_tests;
