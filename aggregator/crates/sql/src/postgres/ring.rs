//! The journal as a ring of tables.
//!
//! A segment has a table of its own while there are free ones; after that the newest table takes
//! further segments. A trimmed table is out of use at once and emptied when nobody reads it.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use system_stats_storage::store::{JournalRow, StoreError};

use super::{PostgresStore, statements};
use crate::numbers::{signed, signed_size, size};

/// What Postgres says when a lock was not to be had in time ("Appendix A. Error Codes").
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Whether somebody else had a lock for too long.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| error.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

/// A table of the journal, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) number: usize,
    /// The first and the last segment in it; none when it is out of use.
    pub(super) segments: Option<(i64, i64)>,
    /// Whether it is certainly empty while it is out of use.
    pub(super) is_clean: bool,
}

impl Slot {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let first: Option<i64> = row.try_get(1)?;
        let last: Option<i64> = row.try_get(2)?;
        let number: i64 = row.try_get(0)?;
        Ok(Self {
            number: usize::try_from(number)
                .ok()
                .filter(|number| *number < statements::SLOTS)
                .ok_or_else(|| sqlx::Error::Protocol(format!("journal_ring: no slot {number}")))?,
            segments: first.zip(last),
            is_clean: row.try_get(3)?,
        })
    }
}

/// The slot that a new segment goes to: the next clean one after the newest, or the newest itself
/// when the ring is full. One that waits to be emptied is the last resort; its old rows are hidden
/// by their numbers.
fn choose(slots: &[Slot]) -> Option<Slot> {
    let newest = slots
        .iter()
        .filter(|slot| slot.segments.is_some())
        .max_by_key(|slot| slot.segments);
    let start = newest.map_or(0, |slot| slot.number + 1);
    let free = |is_clean: bool| {
        let free = slots
            .iter()
            .filter(move |slot| slot.segments.is_none() && slot.is_clean == is_clean);
        free.min_by_key(|slot| (slot.number + slots.len() - start) % slots.len())
    };
    free(true).or(newest).or_else(|| free(false)).copied()
}

/// The slot of a segment that a row is about to be written to.
pub(super) async fn place(
    connection: &mut PgConnection,
    segment: u64,
) -> Result<usize, sqlx::Error> {
    let rows = sqlx::query(statements::RING).fetch_all(&mut *connection);
    let rows = rows.await?;
    let slots = rows.iter().map(Slot::read);
    let slots = slots.collect::<Result<Vec<_>, _>>()?;
    let segment = signed(segment);
    let has = |slot: &&Slot| slot.segments.is_some_and(|(_, last)| last == segment);
    if let Some(slot) = slots.iter().find(has) {
        return Ok(slot.number);
    }
    let changed = || sqlx::Error::Protocol("the journal's ring has changed meanwhile".to_owned());
    let slot = choose(&slots).ok_or_else(changed)?;
    let extend = sqlx::query(statements::EXTEND_SLOT)
        .bind(signed_size(slot.number))
        .bind(segment)
        .bind(slot.segments.map(|(_, last)| last));
    match extend.execute(connection).await?.rows_affected() {
        1 => Ok(slot.number),
        _ => Err(changed()),
    }
}

impl PostgresStore {
    pub(super) async fn read_journal(
        &self,
        segment: u64,
        after: u64,
        limit: usize,
    ) -> Result<Vec<JournalRow>, sqlx::Error> {
        let slots = sqlx::query(statements::RING).fetch_all(&self.pools.readers);
        let slots = slots.await?;
        let slots = slots.iter().map(Slot::read);
        let mut slots = slots.collect::<Result<Vec<_>, _>>()?;
        slots.sort_by_key(|slot| slot.segments);
        let mut found = Vec::new();
        for slot in slots {
            let Some((first, last)) = slot.segments else {
                continue;
            };
            if last < signed(segment) || found.len() >= limit {
                continue;
            }
            let query = sqlx::query(statements::JOURNAL[slot.number])
                .bind(signed(segment))
                .bind(signed(after))
                .bind(first)
                .bind(signed_size(limit - found.len()));
            for row in query.fetch_all(&self.pools.readers).await? {
                found.push(JournalRow {
                    segment: row.try_get::<i64, _>(0)?.cast_unsigned(),
                    seq: row.try_get::<i64, _>(1)?.cast_unsigned(),
                    blob: Bytes::from(row.try_get::<Vec<u8>, _>(2)?),
                });
            }
        }
        Ok(found)
    }

    /// Takes the segment's table out of use; when others share it, deletes up to `limit` rows.
    pub(super) async fn trim_segment(
        &self,
        segment: u64,
        limit: usize,
    ) -> Result<usize, StoreError> {
        let failed = |error| self.place.failed(&error);
        let mut transaction = self.job().await?;
        let slot = sqlx::query(statements::FIND_SLOT)
            .bind(signed(segment))
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let Some(slot) = slot else { return Ok(0) };
        let slot = Slot::read(&slot).map_err(failed)?;
        let Some((first, last)) = slot.segments else {
            return Ok(0);
        };
        let has_others = first != last
            && sqlx::query_scalar(statements::HAS_OTHERS[slot.number])
                .bind(signed(segment))
                .bind(first)
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?;
        let rows = if has_others {
            let delete = sqlx::query(statements::DELETE_ROWS[slot.number])
                .bind(signed(segment))
                .bind(signed_size(limit));
            let deleted = delete.execute(&mut *transaction).await.map_err(failed)?;
            size(deleted.rows_affected())
        } else {
            let rows: i64 = sqlx::query_scalar(statements::COUNT_SEGMENT[slot.number])
                .bind(signed(segment))
                .fetch_one(&mut *transaction)
                .await
                .map_err(failed)?;
            let free = sqlx::query(statements::FREE_SLOT).bind(signed_size(slot.number));
            free.execute(&mut *transaction).await.map_err(failed)?;
            self.forget_slot();
            size(rows.cast_unsigned())
        };
        transaction.commit().await.map_err(failed)?;
        if !has_others {
            self.empty_slots().await.map_err(failed)?;
        }
        Ok(rows)
    }

    /// Empties the tables that are out of use. One that somebody reads stays for the next time.
    pub(super) async fn empty_slots(&self) -> Result<(), sqlx::Error> {
        let slots = sqlx::query(statements::RING).fetch_all(&self.pools.jobs);
        for row in slots.await? {
            let slot = Slot::read(&row)?;
            if slot.is_clean || slot.segments.is_some() {
                continue;
            }
            match self.empty(slot.number).await {
                Ok(()) => {}
                Err(error) if is_locked(&error) => {
                    tracing::debug!(
                        slot = slot.number,
                        "somebody reads a table of the journal; \
                        it is emptied later"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn empty(&self, slot: usize) -> Result<(), sqlx::Error> {
        let number = signed_size(slot);
        let mut transaction = self.pools.jobs.begin().await?;
        let free = sqlx::query(statements::LOCK_FREE_SLOT).bind(number);
        if free.fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(());
        }
        let epoch = self.epoch.load(Ordering::SeqCst);
        let owner = sqlx::query(statements::HOLD_LEASE).bind(epoch);
        if owner.fetch_optional(&mut *transaction).await?.is_none() {
            return Ok(());
        }
        for statement in [statements::SHORT_LOCK_TIMEOUT, statements::TRUNCATE[slot]] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        let clean = sqlx::query(statements::CLEAN_SLOT).bind(number);
        clean.execute(&mut *transaction).await?;
        transaction.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of four: `3-5` has these segments, `.` is clean, `?` waits to be emptied.
    fn ring(text: &str) -> Vec<Slot> {
        let slot = |(number, text): (usize, &str)| Slot {
            number,
            segments: text
                .split_once('-')
                .map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap())),
            is_clean: text == ".",
        };
        text.split(' ').enumerate().map(slot).collect()
    }

    #[test]
    fn where_a_new_segment_goes() {
        let cases = [
            (". . . .", 0),
            ("1-1 . . .", 1),
            ("1-1 2-2 ? .", 3),
            (". 1-1 2-2 3-3", 0),
            ("5-5 . 3-3 4-4", 1),
            // Full: the newest goes on.
            ("1-1 2-2 3-3 4-9", 3),
            ("5-5 2-2 3-3 4-4", 0),
            ("1-1 2-2 3-3 ?", 2),
            // Nothing but tables that somebody reads.
            ("? ? ? ?", 0),
        ];
        for (text, expected) in cases {
            let chosen = choose(&ring(text)).map(|slot| slot.number);
            assert_eq!(chosen, Some(expected), "{text}");
        }
    }
}
