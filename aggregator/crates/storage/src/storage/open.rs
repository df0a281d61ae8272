//! Opening: names from the tables, samples from the journal.

mod names;
mod replay;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};

use system_stats_model::sample::Millis;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::append::{NEXT_SERIES, NEXT_TARGET};
use super::fold::{self, NEXT_LAYOUT};
use super::leave::LEFT_UNTIL;
use super::objects::Objects;
use super::packs::Packs;
use super::{Catalog, Counters, Inner, OpenError, ReadError, Storage};
use crate::block::{Totals, decode_totals};
use crate::committer::Committer;
use crate::head::LATEST;
use crate::index::Index;
use crate::left::Left;
use crate::options::Options;
use crate::past::{Deletion, Past};
use crate::queue::{Queue, Segments};
use crate::store::{FoldCommit, Store, Tier};
use replay::{Known, Replay};

/// Metadata: what retention has passed.
pub(super) const HORIZON: &str = "horizon";

/// Rows of the journal that are read at once.
const ROWS: usize = 32;

/// Headers and packs that are read at once.
const HEADERS: usize = 4096;
const PACKS: usize = 16;

/// What the journal did not give back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unreadable {
    pub(super) rows: u64,
    pub(super) records: u64,
}

impl Storage {
    /// Takes a store over: reads the names, replays the journal, and starts committing.
    ///
    /// # Errors
    /// [`OpenError`] when the store cannot be read. A damaged row of the journal is no error: it
    /// is logged with its number and counted in [`Status`](super::Status).
    pub async fn open(store: Arc<dyn Store>, options: Options) -> Result<Self, OpenError> {
        let opened = store.open().await?;
        let meta = |key: &str| {
            opened
                .meta
                .iter()
                .find(|(have, _)| have == key)
                .map(|have| have.1)
        };
        let past = Past::new(options.layout_bytes, options.group_bytes);
        let catalog = Catalog::new(&options, meta(LEFT_UNTIL));
        let catalog = names::load(&*store, catalog).await?;
        let mut replay = Replay::new(catalog, meta(HORIZON).unwrap_or_default(), past);
        let uncounted = load_past(&*store, &mut replay).await?;
        let catalog = &mut replay.known.catalog;
        catalog.skip_ids(meta(NEXT_TARGET), meta(NEXT_SERIES));
        let mut rows = store.journal(0, 0, ROWS).await?;
        while let Some(last) = rows.last() {
            let after = (last.segment, last.seq);
            let read = move || {
                replay.read(&rows);
                replay
            };
            // The next rows are fetched while these are read.
            let read = tokio::task::spawn_blocking(read);
            let (next, read) = tokio::join!(store.journal(after.0, after.1, ROWS), read);
            replay = read.map_err(|panic| OpenError::Interrupted(panic.to_string()))?;
            rows = next?;
        }
        let segments = std::mem::take(&mut replay.segments);
        let segments = Segments::after(segments, options.segment_length, options.segment_bytes);
        let queue = Arc::new(Queue::new(opened.committed, segments, &options));
        let objects = Arc::new(Objects::load(opened.objects));
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let committer = Committer::new(
            Arc::clone(&store),
            Arc::clone(&queue),
            Arc::clone(&objects),
            &options,
        );
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(committer.run()).await });
        let next_layout = meta(NEXT_LAYOUT).and_then(|next| u64::try_from(next).ok());
        let next_layout = next_layout.unwrap_or(1).max(1);
        let unreadable = replay.unreadable();
        let Known {
            catalog,
            past,
            floor,
            ..
        } = replay.known;
        let inner = Inner {
            options,
            store,
            gate: RwLock::new(()),
            catalog: RwLock::new(catalog),
            queue,
            objects,
            floor: AtomicI64::new(floor),
            newest: AtomicI64::new(replay.newest),
            unreadable,
            past,
            folding: tokio::sync::Mutex::default(),
            turning: tokio::sync::Mutex::default(),
            leaving: Arc::default(),
            recall: tokio::sync::watch::Sender::new(false),
            looked: Mutex::default(),
            given_back: Mutex::default(),
            last_deletion: AtomicU64::new(0),
            horizon_seq: AtomicU64::new(0),
            next_layout: AtomicU64::new(next_layout),
            rollups_due: AtomicBool::new(true),
            counters: Arc::new(Counters::default()),
            tasks,
            _guard: stop.clone().drop_guard(),
            stop,
        };
        let storage = Self {
            inner: Arc::new(inner),
        };
        for pack in uncounted {
            storage.inner.count_pack(pack).await?;
        }
        let folding = fold::run(
            Arc::downgrade(&storage.inner),
            storage.inner.options.fold_interval,
        );
        storage.inner.list_left().await?;
        let stopped = storage.inner.stop.clone();
        let tasks = &storage.inner.tasks;
        tasks.spawn(async move { stopped.run_until_cancelled(folding).await });
        Ok(storage)
    }
}

impl Inner {
    /// Reads the blocks of a pack to know what they add up to.
    async fn count_pack(&self, pack: u64) -> Result<(), ReadError> {
        let _turning = self.turning.lock().await;
        let heads = self.past.between(Tier::Raw, pack, Millis::MIN, Millis::MAX);
        let mut totals = Totals::new();
        let mut visit = |id: u32, timestamps: &[Millis], values: &[f64]| {
            let tally = totals.entry(id).or_default();
            for (&timestamp, &value) in timestamps.iter().zip(values) {
                tally.count(timestamp, value);
            }
        };
        self.scan(&heads, None, &mut visit).await?;
        let packs = vec![Self::pack_row(pack, &totals)?];
        let commit = FoldCommit {
            packs,
            ..FoldCommit::default()
        };
        self.turn(&commit).await?;
        self.recount(totals.keys().copied(), &totals);
        Ok(())
    }
}

/// Loads which windows there are, what they add up to, and what is deleted from them. The packs of
/// which it is not known what they add up to.
async fn load_past(store: &dyn Store, replay: &mut Replay) -> Result<Vec<u64>, OpenError> {
    for tier in Tier::ALL {
        let mut after = None;
        loop {
            let heads = store.windows(tier, after, HEADERS).await?;
            let Some(last) = heads.last() else { break };
            after = Some(last.key);
            for head in heads {
                // No hour outside of these is ever folded.
                if (0..=LATEST).contains(&head.key.window) {
                    replay.known.past.set(tier, head);
                }
            }
        }
    }
    let mut after = 0;
    let mut uncounted = replay.known.past.packs(Tier::Raw);
    loop {
        let packs = store.packs(after, PACKS).await?;
        let Some(last) = packs.last() else { break };
        after = last.id;
        for pack in packs {
            match decode_totals(&pack.blob) {
                Ok(totals) => {
                    replay.load_totals(&totals);
                    uncounted.retain(|uncounted| *uncounted != pack.id);
                }
                Err(reason) => tracing::error!(pack = pack.id, %reason,
                    "what the blocks of a pack add up to cannot be read; it is counted again"),
            }
        }
    }
    for row in store.deletions().await? {
        match Deletion::read(row.seq, &row.blob) {
            Ok(all) => all
                .into_iter()
                .for_each(|one| replay.known.past.delete(one)),
            Err(reason) => tracing::error!(seq = row.seq, %reason,
                "a deletion cannot be read; what it removed from blocks is back"),
        }
    }
    Ok(uncounted)
}

impl Catalog {
    fn new(options: &Options, until: Option<Millis>) -> Self {
        Self {
            index: Index::default(),
            targets: BTreeMap::new(),
            by_labels: HashMap::new(),
            packs: Packs::new(options.pack_targets),
            left: Left::new(options.name_bytes, until),
            back: Vec::new(),
            next_target: 0,
            next_series: 0,
        }
    }

    /// Ids below these have been given before, and begin at 1.
    fn skip_ids(&mut self, target: Option<i64>, series: Option<i64>) {
        let id = |meta: Option<i64>| meta.and_then(|id| u32::try_from(id).ok()).unwrap_or(1);
        self.next_target = self.next_target.max(id(target));
        self.next_series = self.next_series.max(id(series));
    }
}
