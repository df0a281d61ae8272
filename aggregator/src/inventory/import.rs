//! The history of the older server: what its hosts pushed, as if they had pushed it here.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::IgnoredAny;
use system_stats_model::append::{AppendError, Urgency};
use system_stats_sql::SqlError;
use system_stats_sql::legacy::{Details, LegacyDatabase, Reading};
use system_stats_storage::{CommitError, Object, ObjectKind};

use super::ingest::{Arrival, Kept, MEBIBYTE, Measured, Moment, SECOND};
use super::vocabulary::{CPU, DISK, DISK_READ, DISK_WRITTEN, MEMORY, MOUNTPOINT};
use super::{Inventory, InventoryError, PUSH_JOB};

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
                match self.take(arrival(reading), Urgency::Relaxed).await {
                    Ok((ticket, _)) => last = Some(ticket),
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

fn arrival(reading: Reading) -> Arrival {
    let disk = vec![(MOUNTPOINT, "/".to_owned())];
    let speed = |speed: Option<f64>| speed.unwrap_or_default() * MEBIBYTE;
    Arrival {
        job: PUSH_JOB,
        host: reading.hostname,
        moment: Moment::Second(reading.timestamp.div_euclid(SECOND)),
        samples: vec![
            Measured::plain(CPU, reading.cpu),
            Measured::plain(MEMORY, reading.ram),
            Measured {
                metric: DISK,
                labels: disk,
                value: reading.disk,
            },
            Measured::plain(DISK_READ, speed(reading.disk_read)),
            Measured::plain(DISK_WRITTEN, speed(reading.disk_write)),
        ],
        kept: Kept::Details {
            details: None,
            unknown: BTreeMap::new(),
        },
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
