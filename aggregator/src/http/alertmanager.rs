//! Alertmanager's API v2, as far as this server is one: it has silences and shows alerts, and
//! notifies nobody. The shapes and the words are those of Alertmanager's `api/v2`.
//!
//! * `alerts`, `silences`, `status` - what can be asked for
//! * `filter` - its parameters

mod alerts;
mod filter;
mod silences;
mod status;

pub(super) use alerts::{alerts, groups};
pub(super) use silences::{GettableSilence, create, expire, silence, silences};
pub(super) use status::{receivers, status};

use super::error::ApiError;
use crate::alerting::AlertingError;

/// The one receiver of all alerts: this server's own pages.
const RECEIVER: &str = "system-stats";

impl From<AlertingError> for ApiError {
    fn from(error: AlertingError) -> Self {
        match error {
            AlertingError::Invalid(text) => Self::BadRequest(text),
            AlertingError::Missing(text) => Self::Missing(text),
            AlertingError::Full(text) => Self::TooMany(text),
            AlertingError::Unavailable(reason) => {
                tracing::warn!(%reason, "storage refused a request");
                Self::Unavailable("the store is unavailable, try again later".to_owned())
            }
            AlertingError::Unreadable(reason) => {
                tracing::error!(%reason, "stored data cannot be read");
                Self::Internal
            }
        }
    }
}
