//! A batch while it is being filled.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use system_stats_model::sample::Millis;
use tokio::time::Instant;

use super::Done;
use crate::journal::Records;
use crate::object::{Event, Object, ObjectKind};
use crate::store::{PackRow, SeriesRow, TargetRow};

/// What a row of a table counts for beside its text.
const ROW_BYTES: usize = 48;

/// The low bits of an event's number count the events of its batch. A batch is closed when it has
/// a few megabytes: it has fewer events by far.
const EVENT_BITS: u32 = 20;

/// While less than this waits, uncompressed and for nobody, it may wait so many intervals: a commit
/// of SQLite writes four pages beside its content.
const QUIET_BYTES: usize = 64 << 10;
const QUIET_INTERVALS: u32 = 5;

/// When a batch is to be committed: so many intervals after the first thing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    since: Instant,
    intervals: u32,
}

impl Due {
    pub(super) fn at(self, interval: Duration) -> Instant {
        self.since + interval * self.intervals
    }
}

/// Everything that will become one commit.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) seq: u64,
    pub(crate) segment: u64,
    /// Records of the journal.
    pub(crate) records: Records,
    pub(crate) targets: Vec<TargetRow>,
    pub(crate) series: Vec<SeriesRow>,
    pub(crate) forgotten_series: Vec<u64>,
    pub(crate) forgotten_targets: Vec<u64>,
    /// New versions of documents; none for a document that is gone.
    objects: BTreeMap<(ObjectKind, String), Option<Object>>,
    /// What happened to alerts: when, and the body.
    events: Vec<Event>,
    pub(crate) meta: BTreeMap<&'static str, i64>,
    /// How high metadata was raised by this batch or one before.
    raised: BTreeMap<&'static str, i64>,
    /// With the time of the last sample; without it those that came back.
    left_series: BTreeMap<u64, Option<Millis>>,
    /// What is deleted from blocks.
    pub(crate) deletions: Vec<u8>,
    /// Packs whose row changes.
    packs: BTreeMap<u64, Bytes>,
    /// Somebody waits for it.
    pub(super) urgent: bool,
    /// When the first thing was added.
    pub(super) since: Option<Instant>,
    /// Bytes apart from the records.
    rest_bytes: usize,
}

impl Pending {
    pub(super) fn new(seq: u64) -> Self {
        Self {
            seq,
            segment: 0,
            records: Records::default(),
            targets: Vec::new(),
            series: Vec::new(),
            forgotten_series: Vec::new(),
            forgotten_targets: Vec::new(),
            objects: BTreeMap::new(),
            events: Vec::new(),
            meta: BTreeMap::new(),
            raised: BTreeMap::new(),
            left_series: BTreeMap::new(),
            deletions: Vec::new(),
            packs: BTreeMap::new(),
            urgent: false,
            since: None,
            rest_bytes: 0,
        }
    }

    /// The batch after this one.
    pub(super) fn next(&self) -> Self {
        Self {
            raised: self.raised.clone(),
            ..Self::new(self.seq + 1)
        }
    }

    pub(crate) fn add_target(&mut self, row: TargetRow) {
        self.rest_bytes += row.labels.encoded().len() + ROW_BYTES;
        self.targets.push(row);
    }

    pub(crate) fn add_series(&mut self, row: SeriesRow) {
        self.rest_bytes += row.labels.encoded().len() + ROW_BYTES;
        self.series.push(row);
    }

    pub(crate) fn forget(&mut self, series: &[u32], target: Option<u32>) {
        self.rest_bytes += series.len() * 8 + 8;
        self.forgotten_series
            .extend(series.iter().copied().map(u64::from));
        self.forgotten_targets.extend(target.map(u64::from));
    }

    /// Notes that a series has left memory, or without the time of its last sample that it is back.
    pub(crate) fn leave(&mut self, series: u32, last: Option<Millis>) {
        self.rest_bytes += 16;
        self.left_series.insert(u64::from(series), last);
    }

    pub(crate) fn left_series(&self) -> Vec<(u64, Option<Millis>)> {
        self.left_series
            .iter()
            .map(|(id, last)| (*id, *last))
            .collect()
    }

    pub(crate) fn set_pack(&mut self, row: PackRow) {
        self.rest_bytes += row.blob.len() + ROW_BYTES;
        if let Some(before) = self.packs.insert(row.id, row.blob) {
            self.rest_bytes = self.rest_bytes.saturating_sub(before.len());
        }
    }

    pub(crate) fn packs(&self) -> impl Iterator<Item = PackRow> {
        let packs = self.packs.iter();
        packs.map(|(&id, blob)| PackRow {
            id,
            blob: blob.clone(),
        })
    }

    pub(crate) fn add_event(&mut self, event: Event) {
        self.rest_bytes += event.body.len() + ROW_BYTES;
        self.events.push(event);
    }

    /// The events with their numbers, which begin with that of the batch: they follow each other
    /// over batches and restarts.
    pub(crate) fn events(&self) -> impl Iterator<Item = (u64, &Event)> {
        let first = self.seq << EVENT_BITS;
        (first..).zip(&self.events)
    }

    pub(crate) fn set_meta(&mut self, key: &'static str, value: i64) {
        self.rest_bytes += ROW_BYTES;
        self.meta.insert(key, value);
    }

    /// Sets metadata unless a higher value was set before, by whichever batch.
    pub(crate) fn raise_meta(&mut self, key: &'static str, value: i64) {
        let highest = self.raised.entry(key).or_insert(value);
        *highest = value.max(*highest);
        self.meta.insert(key, *highest);
    }

    pub(crate) fn put_object(&mut self, object: Object) {
        let key = (object.kind, object.key.clone());
        self.rest_bytes += object.body.len() + object.key.len() + ROW_BYTES;
        if let Some(Some(before)) = self.objects.insert(key, Some(object)) {
            self.rest_bytes = self.rest_bytes.saturating_sub(before.body.len());
        }
    }

    pub(crate) fn delete_object(&mut self, kind: ObjectKind, key: &str) {
        self.rest_bytes += key.len() + ROW_BYTES;
        self.objects.insert((kind, key.to_owned()), None);
    }

    pub(crate) fn objects(&self) -> &BTreeMap<(ObjectKind, String), Option<Object>> {
        &self.objects
    }

    /// What there is to note when it has been committed.
    pub(crate) fn done(&self) -> Done {
        Done {
            seq: self.seq,
            segment: self.segment,
            bytes: self.bytes(),
            written: 0,
        }
    }

    /// What it counts for while it waits.
    pub(crate) fn bytes(&self) -> usize {
        self.records.len() + self.rest_bytes
    }

    /// None while it is empty.
    pub(super) fn due(&self) -> Option<Due> {
        let intervals = match self.bytes() {
            _ if self.urgent => 0,
            bytes if bytes < QUIET_BYTES => QUIET_INTERVALS,
            _ => 1,
        };
        let since = self.since?;
        Some(Due { since, intervals })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }
}
