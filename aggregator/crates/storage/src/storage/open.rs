//! Opening: names from the tables, samples from the journal.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use system_stats_model::sample::Millis;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::append::{NEXT_SERIES, NEXT_TARGET, join};
use super::objects::Objects;
use super::{Catalog, Inner, OpenError, Storage, Target};
use crate::committer::Committer;
use crate::head::{LATEST, finish};
use crate::journal::{Decoder, Replayed, unpack};
use crate::options::Options;
use crate::queue::{Queue, Segment, Segments};
use crate::store::{JournalRow, SeriesRow, Store, TargetRow};

/// Metadata: what retention has passed.
pub(super) const HORIZON: &str = "horizon";

/// Rows of names, and of the journal, that are read at once.
const NAMES: usize = 1000;
const ROWS: usize = 16;

/// Windows that may wait to be finished; a fleet's windows all end in the same seconds.
const FINISHING: usize = 4096;

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
        let mut replay = Replay::new(meta(HORIZON).unwrap_or_default());
        load_names(&*store, &mut replay.catalog).await?;
        replay
            .catalog
            .skip_ids(meta(NEXT_TARGET), meta(NEXT_SERIES));
        let mut after = (0, 0);
        loop {
            let rows = store.journal(after.0, after.1, ROWS).await?;
            let Some(last) = rows.last() else { break };
            after = (last.segment, last.seq);
            let read = move || {
                for row in &rows {
                    replay.read(row);
                }
                replay
            };
            let read = tokio::task::spawn_blocking(read).await;
            replay = read.map_err(|panic| OpenError::Interrupted(panic.to_string()))?;
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
        let (finishing, ended) = mpsc::channel(FINISHING);
        let stopped = stop.clone();
        tasks.spawn(async move { stopped.run_until_cancelled(finish_windows(ended)).await });
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
            finishing,
            tasks,
            _guard: stop.clone().drop_guard(),
            stop,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

/// Finishes windows one after the other, off the runtime's threads.
async fn finish_windows(mut ended: mpsc::Receiver<(Arc<Target>, Millis)>) {
    while let Some((target, start)) = ended.recv().await {
        let task = tokio::task::spawn_blocking(move || finish(&target.head, start));
        if let Err(error) = task.await {
            tracing::error!(%error, start, "a window could not be finished");
        }
    }
}

async fn load_names(store: &dyn Store, catalog: &mut Catalog) -> Result<(), OpenError> {
    let mut after = 0;
    loop {
        let rows = store.targets(after, NAMES).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in rows {
            catalog.load_target(row);
        }
    }
    after = 0;
    loop {
        let rows = store.series(after, NAMES).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        for row in &rows {
            catalog.load_series(row);
        }
    }
    Ok(())
}

impl Catalog {
    fn load_target(&mut self, row: TargetRow) {
        // Ids that this program never gives are no targets of it.
        if let Ok(id) = u32::try_from(row.id) {
            self.add_target(Target::new(id, row.labels, true));
            self.next_target = self.next_target.max(id.saturating_add(1));
        }
    }

    fn load_series(&mut self, row: &SeriesRow) {
        let (Ok(id), Ok(target)) = (u32::try_from(row.id), u32::try_from(row.target)) else {
            return;
        };
        let Some(target) = self.targets.get(&target) else {
            return;
        };
        let labels = join(row.inherits, &row.labels, &target.labels);
        Inner::head_of(target).add(id, None);
        self.index.insert(id, target.id, &labels);
        self.next_series = self.next_series.max(id.saturating_add(1));
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
    decoder: Decoder,
    segments: BTreeMap<u64, Segment>,
    floor: Millis,
    newest: Millis,
    unreadable: u64,
}

impl Replay {
    fn new(floor: Millis) -> Self {
        Self {
            catalog: Catalog::default(),
            decoder: Decoder::default(),
            segments: BTreeMap::new(),
            floor,
            newest: Millis::MIN,
            unreadable: 0,
        }
    }

    fn read(&mut self, row: &JournalRow) {
        let (mut newest, mut deletes) = (None, false);
        let catalog = &self.catalog;
        let floor = self.floor;
        let mut visit = |replayed| match replayed {
            Replayed::Row { target, row } => {
                newest = newest.max(Some(row.timestamp));
                if (floor..=LATEST).contains(&row.timestamp)
                    && let Some(target) = catalog.targets.get(&target)
                {
                    let mut head = Inner::head_of(target);
                    head.replay(row);
                    head.finish_ended();
                }
            }
            Replayed::Deletion { matchers, range } => {
                deletes = true;
                catalog.remove(&matchers, range);
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
            .add(row.blob.len(), newest, deletes);
        self.newest = self.newest.max(newest.unwrap_or(Millis::MIN));
    }
}
