//! Opens the store, brings an older server's history into it, and forgets what is older than the
//! retention.

mod older;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use system_stats_model::sample::Millis;
use system_stats_sql::SqlError;
use system_stats_storage::store::Tier;
use system_stats_storage::{Options as StorageOptions, Storage};

pub use self::older::OlderError;
use super::{Options, StartError};
use crate::clock::Clock;
use crate::housekeeping::{Housekeeping, HousekeepingError};
use crate::inventory::{Inventory, METRICS};

/// How often it is looked for something to fold.
const FASTEST_FOLD: Duration = Duration::from_millis(50);
const SLOWEST_FOLD: Duration = Duration::from_secs(5);

/// How often samples beyond the retention are looked for.
const RETENTION_PERIOD: Duration = Duration::from_mins(10);

/// Opens the database, making it if need be, and loads what is in it. The older server's database
/// is left as it is; its history goes into a new one beside it.
pub(super) async fn open(options: &Options, clock: &Clock) -> Result<Storage, StartError> {
    let store = match system_stats_sql::open(&options.storage.url()).await {
        Err(SqlError::Legacy { path }) => {
            let path = older::imported(&path, clock).await?;
            system_stats_sql::open(&sqlite_url(&path)).await?
        }
        opened => opened?,
    };
    let storage = Storage::open(store, storage_options(options)).await?;
    let status = storage.status();
    tracing::info!(
        series = status.series,
        samples = status.samples,
        "the store is open"
    );
    Ok(storage)
}

fn storage_options(options: &Options) -> StorageOptions {
    let fold_after = options.fold_after;
    StorageOptions {
        out_of_order_window: options.out_of_order_window,
        rollups: options.rollups.iter().map(|(tier, _)| *tier).collect(),
        fold_grace: fold_after,
        fold_stagger: fold_after * 3 / 2,
        fold_interval: fold_after.clamp(FASTEST_FOLD, SLOWEST_FOLD),
        leave_after: options.leave_after,
        lasting: METRICS.to_vec(),
        ..StorageOptions::default()
    }
}

pub(super) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// Schedules the removal of samples, and of what clients reported beside them, older than
/// `retention`.
pub(super) async fn expire_regularly(
    housekeeping: &Housekeeping,
    storage: &Arc<Storage>,
    inventory: &Arc<Inventory>,
    clock: &Clock,
    retention: Duration,
) -> Result<(), HousekeepingError> {
    let (storage, inventory) = (Arc::clone(storage), Arc::clone(inventory));
    let clock = clock.clone();
    let expire = move || {
        let (storage, inventory) = (Arc::clone(&storage), Arc::clone(&inventory));
        let clock = clock.clone();
        async move {
            inventory.expire(horizon(Some(Millis::MAX), clock.now(), retention));
            let Some(horizon) = horizon(storage.newest(), clock.now(), retention) else {
                return;
            };
            match storage.expire(horizon).await {
                Ok(expired) => tracing::debug!(?expired, "removed what is beyond the retention"),
                Err(error) => tracing::warn!(%error, "cannot remove what is beyond the retention"),
            }
        }
    };
    housekeeping
        .every("retention", RETENTION_PERIOD, expire)
        .await
}

/// Schedules the removal of the oldest samples while the database holds more than `bytes`.
pub(super) async fn shrink_regularly(
    housekeeping: &Housekeeping,
    storage: &Arc<Storage>,
    bytes: u64,
) -> Result<(), HousekeepingError> {
    let storage = Arc::clone(storage);
    let shrink = move || {
        let storage = Arc::clone(&storage);
        async move {
            match storage.shrink(bytes).await {
                Ok(expired) => tracing::debug!(?expired, "removed what is beyond the size"),
                Err(error) => tracing::warn!(%error, "cannot remove what is beyond the size"),
            }
        }
    };
    housekeeping
        .every("retention by size", RETENTION_PERIOD, shrink)
        .await
}

/// Schedules the removal of rollups older than the retention of their tier.
pub(super) async fn expire_rollups_regularly(
    housekeeping: &Housekeeping,
    storage: &Arc<Storage>,
    clock: &Clock,
    rollups: &[(Tier, Duration)],
) -> Result<(), HousekeepingError> {
    let limited = rollups.iter().filter(|(_, retention)| !retention.is_zero());
    let limited: Arc<[(Tier, Duration)]> = limited.copied().collect();
    if limited.is_empty() {
        return Ok(());
    }
    let (storage, clock) = (Arc::clone(storage), clock.clone());
    let expire = move || {
        let (storage, clock) = (Arc::clone(&storage), clock.clone());
        let limited = Arc::clone(&limited);
        async move {
            for &(tier, retention) in &*limited {
                let Some(horizon) = horizon(storage.newest(), clock.now(), retention) else {
                    return;
                };
                if let Err(error) = storage.expire_rollups(tier, horizon).await {
                    tracing::warn!(%error, "cannot remove what is beyond the retention of rollups");
                }
            }
        }
    };
    housekeeping
        .every("rollup-retention", RETENTION_PERIOD, expire)
        .await
}

/// Samples before it are to go. Counted from the newest sample when that is behind the clock: a
/// clock that jumps ahead removes nothing, and imported history keeps its span.
pub(super) fn horizon(newest: Option<Millis>, now: Millis, retention: Duration) -> Option<Millis> {
    let retention = Millis::try_from(retention.as_millis()).ok()?;
    Some(newest?.min(now).saturating_sub(retention))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_follows_the_older_of_clock_and_samples() {
        let second = Duration::from_secs(1);
        assert_eq!(horizon(None, 10_000, second), None);
        assert_eq!(horizon(Some(9_000), 10_000, second), Some(8_000));
        assert_eq!(horizon(Some(9_000), 400_000_000, second), Some(8_000));
        assert_eq!(horizon(Some(90_000), 10_000, second), Some(9_000));
    }
}
