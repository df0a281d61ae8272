//! The history of the older server: what its hosts pushed, as if they had pushed it here.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::IgnoredAny;
use system_stats_model::append::{AppendError, Urgency};
use system_stats_sql::SqlError;
use system_stats_sql::legacy::{Details, LegacyDatabase, Reading};
use system_stats_storage::{CommitError, Object, ObjectKind};

use super::ingest::{MEBIBYTE, Push, SECOND};
use super::{Inventory, InventoryError};

/// Rows read, taken and committed at a time.
const PAGE: u32 = 5_000;

/// What came over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Readings.
    pub readings: usize,
    /// Whole documents of hosts.
    pub details: usize,
    /// Rows that could not be understood.
    pub unusable: usize,
}

/// The history could not be brought over.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The old database cannot be read.
    #[error(transparent)]
    Source(#[from] SqlError),
    /// A reading was not taken.
    #[error("a reading of the older server cannot be stored: {0}")]
    Reading(#[from] InventoryError),
    /// A document was not taken.
    #[error("a document of the older server cannot be stored: {0}")]
    Details(#[from] AppendError),
    /// What was taken could not be committed.
    #[error("the history of the older server cannot be committed: {0}")]
    Commit(#[from] CommitError),
}

impl Inventory {
    /// Takes over everything in the older server's database, oldest row first; what was imported
    /// is committed when it returns.
    ///
    /// # Errors
    /// [`ImportError`]; what came over before stays.
    pub async fn import(&self, old: &mut LegacyDatabase) -> Result<Imported, ImportError> {
        let mut imported = Imported::default();
        let mut after = Some(0);
        while let Some(row) = after {
            let page = old.readings(row, PAGE).await?;
            imported.unusable += page.unusable;
            let mut last = None;
            for reading in page.rows {
                match self.take(push(reading), Urgency::Relaxed).await {
                    Ok(ticket) => last = Some(ticket),
                    // A row that no push could have brought costs nothing but itself.
                    Err(InventoryError::TooOld | InventoryError::SecondFull { .. }) => {
                        imported.unusable += 1;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
                imported.readings += 1;
            }
            if let Some(ticket) = last {
                self.storage.committed(ticket).await?;
            }
            after = page.next;
        }
        after = Some(0);
        while let Some(row) = after {
            let page = old.details(row, PAGE).await?;
            imported.unusable += page.unusable;
            let mut last = None;
            for object in page.rows.into_iter().map(object) {
                let Some(object) = object else {
                    imported.unusable += 1;
                    continue;
                };
                imported.details += 1;
                last = Some(self.storage.put_object(object, Urgency::Relaxed)?);
            }
            if let Some(ticket) = last {
                self.storage.committed(ticket).await?;
            }
            after = page.next;
        }
        Ok(imported)
    }
}

fn push(reading: Reading) -> Push {
    Push {
        host: reading.hostname,
        second: reading.timestamp.div_euclid(SECOND),
        cpu: reading.cpu,
        memory: reading.ram,
        disk: reading.disk,
        disk_read: reading.disk_read.unwrap_or_default() * MEBIBYTE,
        disk_written: reading.disk_write.unwrap_or_default() * MEBIBYTE,
        details: None,
        unknown: BTreeMap::new(),
    }
}

/// None when the text is not JSON.
fn object(details: Details) -> Option<Object> {
    serde_json::from_str::<IgnoredAny>(&details.details).ok()?;
    Some(Object {
        kind: ObjectKind::System,
        key: details.hostname,
        updated: details.updated,
        body: Bytes::from(details.details),
    })
}
