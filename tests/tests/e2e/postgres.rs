//! The aggregator on Postgres.

mod conformance;
mod start;
mod tables;
