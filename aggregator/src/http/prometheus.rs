//! Prometheus' own HTTP API, as far as it goes: the shapes are those of its `web/api/v1`.
//!
//! * `query`, `result` - instant and range queries, and how their results are written
//! * `expression` - how expressions are written and what they are made of
//! * `federate` - samples for another Prometheus
//! * `names` - label names, label values, series
//! * `alertmanagers`, `metadata`, `rules`, `status`, `targets` - what else clients ask for
//! * `history` - what alerts did, and acknowledging them: ours, not Prometheus'
//! * `admin` - deletion
//! * `write` - remote write and imports
//! * `form`, `times`, `body` - parameters in, JSON out

mod admin;
mod alertmanagers;
mod body;
mod expression;
mod federate;
mod form;
mod history;
mod metadata;
mod names;
mod query;
mod result;
mod rules;
mod status;
mod targets;
mod times;
mod write;

use serde::Serialize;

pub(super) use admin::{clean_tombstones, delete_series};
pub(super) use alertmanagers::alertmanagers;
pub(super) use expression::{format, parse};
pub(super) use federate::federate;
pub(super) use history::{acknowledge, history};
pub(super) use metadata::metadata;
pub(super) use names::{names, series, values};
pub(super) use query::{exemplars, instant, range};
pub(super) use rules::{alerts, rules};
pub(super) use status::buildinfo;
pub(super) use targets::{scrape_pools, targets};
pub(super) use write::{import, write};

/// The envelope of every answer that is not an error.
#[derive(Debug, Serialize)]
pub(super) struct Success<T> {
    status: &'static str,
    data: T,
}

impl<T> Success<T> {
    fn new(data: T) -> Self {
        Self {
            status: "success",
            data,
        }
    }
}
