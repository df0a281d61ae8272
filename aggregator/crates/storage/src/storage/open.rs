//! Opening: names from the tables, samples from the journal.

mod names;

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
use super::{Catalog, Counters, Inner, OpenError, ReadError, Storage, Target};
use crate::block::{Totals, decode_totals};
use crate::committer::Committer;
use crate::head::{LATEST, window_of};
use crate::index::Index;
use crate::journal::{Decoder, Replayed, unpack};
use crate::left::Left;
use crate::options::Options;
use crate::past::{Deletion, Past};
use crate::queue::{Queue, Segment, Segments};
use crate::store::{FoldCommit, JournalRow, Store, Tier, WindowKey};

/// Metadata: what retention has passed.
pub(super) const HORIZON: &str = "horizon";

/// Rows of the journal that are read at once.
const ROWS: usize = 16;

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
        load_past(&*store, &mut replay).await?;
        replay
            .catalog
            .skip_ids(meta(NEXT_TARGET), meta(NEXT_SERIES));
        let mut rows = store.journal(0, 0, ROWS).await?;
        while let Some(last) = rows.last() {
            let after = (last.segment, last.seq);
            let read = move || {
                for row in &rows {
                    replay.read(row);
                }
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
        let uncounted = std::mem::take(&mut replay.uncounted);
        let unreadable = Unreadable {
            rows: replay.unreadable,
            records: replay.decoder.orphans,
        };
        let inner = Inner {
            options,
            store,
            gate: RwLock::new(()),
            catalog: RwLock::new(replay.catalog),
            queue,
            objects,
            floor: AtomicI64::new(replay.floor),
            newest: AtomicI64::new(replay.newest),
            unreadable,
            past: replay.past,
            folding: tokio::sync::Mutex::default(),
            turning: tokio::sync::Mutex::default(),
            leaving: Arc::default(),
            recall: tokio::sync::watch::Sender::new(false),
            looked: Mutex::default(),
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

/// Loads which windows there are, what they add up to, and what is deleted from them.
async fn load_past(store: &dyn Store, replay: &mut Replay) -> Result<(), OpenError> {
    for tier in Tier::ALL {
        let mut after = None;
        loop {
            let heads = store.windows(tier, after, HEADERS).await?;
            let Some(last) = heads.last() else { break };
            after = Some(last.key);
            for head in heads {
                // No hour outside of these is ever folded.
                if (0..=LATEST).contains(&head.key.window) {
                    replay.past.set(tier, head);
                }
            }
        }
    }
    let mut after = 0;
    replay.uncounted = replay.past.packs(Tier::Raw);
    loop {
        let packs = store.packs(after, PACKS).await?;
        let Some(last) = packs.last() else { break };
        after = last.id;
        for pack in packs {
            match decode_totals(&pack.blob) {
                Ok(totals) => {
                    replay.load_totals(&totals);
                    replay.uncounted.retain(|uncounted| *uncounted != pack.id);
                }
                Err(reason) => tracing::error!(pack = pack.id, %reason,
                    "what the blocks of a pack add up to cannot be read; it is counted again"),
            }
        }
    }
    for row in store.deletions().await? {
        match Deletion::read(row.seq, &row.blob) {
            Ok(all) => all.into_iter().for_each(|one| replay.past.delete(one)),
            Err(reason) => tracing::error!(seq = row.seq, %reason,
                "a deletion cannot be read; what it removed from blocks is back"),
        }
    }
    Ok(())
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

/// The head while the journal is being read.
struct Replay {
    catalog: Catalog,
    past: Past,
    /// What blocks add up to, and the packs of which that is not known.
    totals: Totals,
    uncounted: Vec<u64>,
    decoder: Decoder,
    segments: BTreeMap<u64, Segment>,
    floor: Millis,
    newest: Millis,
    unreadable: u64,
}

impl Replay {
    fn new(catalog: Catalog, floor: Millis, past: Past) -> Self {
        Self {
            catalog,
            past,
            totals: Totals::new(),
            uncounted: Vec::new(),
            decoder: Decoder::default(),
            segments: BTreeMap::new(),
            floor,
            newest: Millis::MIN,
            unreadable: 0,
        }
    }

    /// Takes what the blocks of a pack add up to.
    fn load_totals(&mut self, totals: &Totals) {
        for (&id, tally) in totals {
            let target = self.catalog.index.target(id);
            if let Some(target) = target.and_then(|target| self.catalog.targets.get(&target)) {
                Inner::head_of(target).add_tally(id, tally);
                self.totals.insert(id, *tally);
            }
            let newest = tally.latest_at().unwrap_or(Millis::MIN);
            self.newest = self.newest.max(newest);
        }
    }

    fn read(&mut self, row: &JournalRow) {
        let mut newest = None;
        let catalog = &self.catalog;
        let (floor, past, totals) = (self.floor, &self.past, &self.totals);
        // Whether a commit came after what the blocks of an hour hold.
        let is_new = |target: &Target, timestamp: Millis| {
            let (window, pack) = (window_of(timestamp), u64::from(target.pack));
            let head = past.head(Tier::Raw, WindowKey { window, pack });
            head.is_none_or(|head| row.seq > head.fold_seq)
        };
        let mut visit = |replayed| match replayed {
            Replayed::Row {
                target,
                row: samples,
            } => {
                newest = newest.max(Some(samples.timestamp));
                if (floor..=LATEST).contains(&samples.timestamp)
                    && let Some(target) = catalog.targets.get(&target)
                    && is_new(target, samples.timestamp)
                {
                    Inner::head_of(target).replay(samples, row.seq);
                }
            }
            Replayed::Deletion { matchers, range } => {
                catalog.remove(&matchers, range, totals);
            }
        };
        let records = unpack(&row.blob);
        let read = records.and_then(|records| self.decoder.read(row.segment, &records, &mut visit));
        if let Err(reason) = read {
            tracing::error!(seq = row.seq, segment = row.segment, %reason,
                "a row of the journal cannot be read; its samples, and those in the same segment \
                 that build on them, are lost");
            self.unreadable += 1;
        }
        self.segments
            .entry(row.segment)
            .or_default()
            .add(row.seq, row.blob.len());
        self.newest = self.newest.max(newest.unwrap_or(Millis::MIN));
    }
}
