//! The name of a database in errors, and the errors of a store.

use std::fmt::Display;

use system_stats_model::labels::Labels;
use system_stats_storage::store::StoreError;

/// What a database is called: a path, or a server's URL without secrets.
#[derive(Clone, Debug)]
pub(crate) struct Place(pub(crate) String);

impl Place {
    pub(crate) fn failed(&self, error: &sqlx::Error) -> StoreError {
        StoreError::Failed(self.text(error))
    }

    pub(crate) fn unknown(&self, error: &sqlx::Error) -> StoreError {
        StoreError::Unknown(self.text(error))
    }

    pub(crate) fn corrupt(&self, place: &str, reason: &dyn Display) -> StoreError {
        StoreError::Corrupt {
            place: format!("{}: {place}", self.0),
            reason: reason.to_string(),
        }
    }

    /// The labels of a row; `place` names the table and the row.
    pub(crate) fn labels(&self, place: &str, encoded: &[u8]) -> Result<Labels, StoreError> {
        let text = std::str::from_utf8(encoded).map_err(|e| self.corrupt(place, &e))?;
        Labels::decode(text).map_err(|error| self.corrupt(place, &error))
    }

    /// The key of a row of the table of documents.
    pub(crate) fn key(&self, key: Vec<u8>) -> Result<String, StoreError> {
        String::from_utf8(key).map_err(|error| self.corrupt("table object", &error))
    }

    fn text(&self, error: &sqlx::Error) -> String {
        match error {
            sqlx::Error::PoolTimedOut => format!("{}: no connection is to be had", self.0),
            error => format!("{}: {error}", self.0),
        }
    }
}
