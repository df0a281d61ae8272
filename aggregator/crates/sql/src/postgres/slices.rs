//! The tables that blocks are in: one for each slice of time of a tier.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sqlx::{AssertSqlSafe, PgConnection, Row};
use system_stats_model::sample::Millis;
use system_stats_storage::store::Tier;

use super::statements;
use crate::statements::tier_index;

const DAY: Millis = 86_400_000;

/// How long a slice is, and what its table's name begins with, by tier.
const SLICES: [(Millis, &str); 3] = [
    (DAY, "block_raw_"),
    (7 * DAY, "block_5m_"),
    (30 * DAY, "block_1h_"),
];

/// A slice of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slice {
    pub(crate) tier: Tier,
    pub(crate) number: i64,
}

impl Slice {
    pub(crate) fn table(self) -> String {
        format!("{}{}", SLICES[tier_index(self.tier)].1, self.number)
    }

    /// The first millisecond after it.
    pub(crate) fn end(self) -> Millis {
        let (length, _) = SLICES[tier_index(self.tier)];
        (self.number + 1).saturating_mul(length)
    }

    fn start(self) -> Millis {
        self.number.saturating_mul(SLICES[tier_index(self.tier)].0)
    }
}

/// Which slices have a table, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Slices(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The earliest slice of each tier; it holds everything before it, too.
    first: [i64; 3],
    made: BTreeSet<Slice>,
    /// Windows before it may be gone while their blocks are still there.
    expired: [Millis; 3],
}

impl Slices {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what there is from the database.
    pub(crate) async fn load(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut known = Known {
            expired: [Millis::MIN; 3],
            ..Known::default()
        };
        for row in sqlx::query(statements::FIRST_SLICES)
            .fetch_all(&mut *connection)
            .await?
        {
            if let Some(tier) = Tier::from_code(row.try_get(0)?) {
                known.first[tier_index(tier)] = row.try_get(1)?;
            }
        }
        for row in sqlx::query(statements::SLICES)
            .fetch_all(&mut *connection)
            .await?
        {
            if let Some(tier) = Tier::from_code(row.try_get(0)?) {
                let number = row.try_get(1)?;
                known.made.insert(Slice { tier, number });
            }
        }
        for row in sqlx::query(statements::LAST_EXPIRED)
            .fetch_all(connection)
            .await?
        {
            if let Some(tier) = Tier::from_code(row.try_get(0)?) {
                known.expired[tier_index(tier)] = row.try_get::<i64, _>(1)?.saturating_add(1);
            }
        }
        *self.lock() = known;
        Ok(())
    }

    /// The slice of a window.
    pub(crate) fn of(&self, tier: Tier, window: Millis) -> Slice {
        let (length, _) = SLICES[tier_index(tier)];
        let first = self.lock().first[tier_index(tier)];
        let number = window.div_euclid(length).max(first);
        Slice { tier, number }
    }

    /// The earliest slice of a tier.
    pub(crate) fn first(&self, tier: Tier) -> Slice {
        let number = self.lock().first[tier_index(tier)];
        Slice { tier, number }
    }

    /// The slices with a table that windows from `from` to `to` may be in, each with its windows:
    /// the first one it has and the first one it does not have.
    pub(crate) fn between(
        &self,
        tier: Tier,
        from: Millis,
        to: Millis,
    ) -> Vec<(Slice, Millis, Millis)> {
        let (from, to) = (self.of(tier, from), self.of(tier, to));
        let first = self.first(tier);
        let known = self.lock();
        let made = known.made.range(from..=to);
        let bounds = made.map(|slice| {
            let start = if *slice == first {
                Millis::MIN
            } else {
                slice.start()
            };
            (*slice, start, slice.end())
        });
        bounds.collect()
    }

    pub(crate) fn has(&self, slice: Slice) -> bool {
        self.lock().made.contains(&slice)
    }

    /// Makes the table of a slice.
    pub(crate) async fn make(
        &self,
        connection: &mut PgConnection,
        slice: Slice,
    ) -> Result<(), sqlx::Error> {
        let table = slice.table();
        // Its storage comes with the columns.
        let create =
            format!("CREATE TABLE IF NOT EXISTS {table} (LIKE block_of_slice INCLUDING ALL)");
        sqlx::query(AssertSqlSafe(create))
            .execute(&mut *connection)
            .await?;
        let note = sqlx::query(statements::NOTE_SLICE)
            .bind(slice.tier.code())
            .bind(slice.number);
        note.execute(connection).await?;
        Ok(())
    }

    pub(crate) fn made(&self, slice: Slice) {
        self.lock().made.insert(slice);
    }

    pub(crate) fn dropped(&self, slice: Slice) {
        self.lock().made.remove(&slice);
    }

    /// Whether a window may have blocks of a time before it was expired.
    pub(crate) fn may_be_expired(&self, tier: Tier, window: Millis) -> bool {
        window < self.lock().expired[tier_index(tier)]
    }

    pub(crate) fn expired(&self, tier: Tier, before: Millis) {
        let expired = &mut self.lock().expired[tier_index(tier)];
        *expired = before.max(*expired);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_their_slices() {
        let slices = Slices::default();
        {
            let mut known = slices.lock();
            known.first = [100, 10, 2];
            for number in [100, 101, 103] {
                let tier = Tier::Raw;
                known.made.insert(Slice { tier, number });
            }
        }
        let number = |tier, window| slices.of(tier, window).number;
        assert_eq!(number(Tier::Raw, 103 * DAY + 5), 103);
        assert_eq!(number(Tier::Raw, -1), 100);
        assert_eq!(number(Tier::FiveMinutes, 80 * DAY), 11);
        assert_eq!(number(Tier::Hour, 61 * DAY), 2);
        let between = slices.between(Tier::Raw, 50 * DAY, 103 * DAY);
        let of = |number| Slice {
            tier: Tier::Raw,
            number,
        };
        let expected = [
            (of(100), Millis::MIN, 101 * DAY),
            (of(101), 101 * DAY, 102 * DAY),
            (of(103), 103 * DAY, 104 * DAY),
        ];
        assert_eq!(between, expected);
        assert_eq!(between[1].0.table(), "block_raw_101");
        assert_eq!(slices.between(Tier::Raw, 102 * DAY, 102 * DAY), []);
    }
}
