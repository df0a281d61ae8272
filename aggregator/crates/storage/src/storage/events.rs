//! What happened to alerts: read back newest first, and removed when it is old.

use system_stats_model::sample::{Millis, TimeRange};

use super::{ExpireError, ReadError, Storage};
use crate::journal::unpack;
use crate::object::Event;
use crate::store::{EventRow, StoreError};

/// Events that one transaction removes.
const EXPIRE_ROWS: usize = 500;

/// Where an event stands among all: they are in the order of their times, those of one moment in
/// the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventPlace {
    /// When it happened, in milliseconds since 1970.
    pub at: Millis,
    /// Its number.
    pub id: u64,
}

impl Storage {
    /// Up to `limit` durable events in `range`, newest first, from `before` on backwards if it is
    /// given.
    ///
    /// # Errors
    /// [`ReadError`] when the database cannot be read or one of the rows is damaged.
    pub async fn events(
        &self,
        range: TimeRange,
        before: Option<EventPlace>,
        limit: usize,
    ) -> Result<Vec<(EventPlace, Event)>, ReadError> {
        let end = (range.end.saturating_add(1), 0);
        let before = before.map_or(end, |place| end.min((place.at, place.id)));
        let rows = self.inner.store.events(range.start, before, limit).await?;
        let event = |EventRow { at, id, body }: EventRow| {
            let body = unpack(&body).map_err(|reason| StoreError::Corrupt {
                place: format!("the stored event {id}"),
                reason: reason.to_string(),
            })?;
            let body = body.into();
            Ok((EventPlace { at, id }, Event { at, body }))
        };
        rows.into_iter().map(event).collect()
    }

    /// Removes the events from before `horizon`; returns how many.
    ///
    /// # Errors
    /// [`ExpireError`] when the store is unavailable; the rest goes the next time.
    pub async fn expire_events(&self, horizon: Millis) -> Result<usize, ExpireError> {
        let mut expired = 0;
        loop {
            let rows = self.inner.store.expire_events(horizon, EXPIRE_ROWS).await?;
            expired += rows;
            if rows < EXPIRE_ROWS {
                return Ok(expired);
            }
            tokio::task::yield_now().await;
        }
    }
}
