//! Replaying the journal: each thread takes some of the targets.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use system_stats_model::sample::Millis;

use super::Unreadable;
use crate::block::Totals;
use crate::head::{LATEST, window_of};
use crate::journal::{Decoder, Replayed, unpack};
use crate::past::Past;
use crate::queue::Segment;
use crate::storage::{Catalog, Inner, Target};
use crate::store::{JournalRow, Tier, WindowKey};
use crate::varint::Malformed;

/// So many threads at most.
const MOST_THREADS: usize = 4;

/// Storage while the journal is being read.
pub(super) struct Replay {
    pub(super) known: Known,
    pub(super) segments: BTreeMap<u64, Segment>,
    /// The time of the newest sample; `Millis::MIN` before the first.
    pub(super) newest: Millis,
    parts: Vec<Part>,
    unreadable: u64,
}

/// What is known before the journal is read.
pub(super) struct Known {
    pub(super) catalog: Catalog,
    pub(super) past: Past,
    /// What blocks add up to.
    pub(super) totals: Totals,
    pub(super) floor: Millis,
}

/// What one thread keeps from row to row.
struct Part {
    number: u32,
    of: u32,
    decoder: Decoder,
    newest: Millis,
}

/// A row of the journal, decompressed.
struct Unpacked<'a> {
    row: &'a JournalRow,
    records: Vec<u8>,
}

/// By number: the segment of a row, and what is wrong with it.
type Failed = BTreeMap<u64, (u64, Malformed)>;

impl Replay {
    pub(super) fn new(catalog: Catalog, floor: Millis, past: Past) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let of = u32::try_from(threads.min(MOST_THREADS)).unwrap_or(1);
        let numbered = |number| Part {
            number,
            of,
            decoder: Decoder::of_part(number, of),
            newest: Millis::MIN,
        };
        Self {
            known: Known {
                catalog,
                past,
                totals: Totals::new(),
                floor,
            },
            segments: BTreeMap::new(),
            newest: Millis::MIN,
            parts: (0..of).map(numbered).collect(),
            unreadable: 0,
        }
    }

    /// Takes what the blocks of a pack add up to.
    pub(super) fn load_totals(&mut self, totals: &Totals) {
        let Known {
            catalog,
            totals: all,
            ..
        } = &mut self.known;
        for (&id, tally) in totals {
            let target = catalog.index.target(id);
            if let Some(target) = target.and_then(|target| catalog.targets.get(&target)) {
                Inner::head_of(target).add_tally(id, tally);
                all.insert(id, *tally);
            }
            let newest = tally.latest_at().unwrap_or(Millis::MIN);
            self.newest = self.newest.max(newest);
        }
    }

    /// Takes the next rows.
    pub(super) fn read(&mut self, rows: &[JournalRow]) {
        let mut failed = Failed::new();
        let mut unpacked = Vec::with_capacity(rows.len());
        for row in rows {
            let segment = self.segments.entry(row.segment).or_default();
            segment.add(row.seq, row.blob.len());
            match unpack(&row.blob) {
                Ok(records) => unpacked.push(Unpacked { row, records }),
                Err(reason) => drop(failed.insert(row.seq, (row.segment, reason))),
            }
        }
        let (known, rows) = (&self.known, &unpacked[..]);
        if let Some((first, others)) = self.parts.split_first_mut() {
            std::thread::scope(|scope| {
                let others: Vec<_> = others
                    .iter_mut()
                    .map(|part| scope.spawn(move || part.read(known, rows)))
                    .collect();
                failed.append(&mut first.read(known, rows));
                for other in others {
                    // A panic there goes on here.
                    let read = other.join();
                    failed.append(&mut read.unwrap_or_else(|e| std::panic::resume_unwind(e)));
                }
            });
        }
        for (seq, (segment, reason)) in failed {
            tracing::error!(seq, segment, %reason,
                "a row of the journal cannot be read; its samples, and those in the same segment \
                 that build on them, are lost");
            self.unreadable += 1;
        }
        let newest = self.parts.iter().map(|part| part.newest).max();
        self.newest = self.newest.max(newest.unwrap_or(Millis::MIN));
    }

    pub(super) fn unreadable(&self) -> Unreadable {
        Unreadable {
            rows: self.unreadable,
            records: self.parts.iter().map(|part| part.decoder.orphans).sum(),
        }
    }
}

impl Part {
    fn read(&mut self, known: &Known, rows: &[Unpacked<'_>]) -> Failed {
        let mut failed = Failed::new();
        let (number, of, newest) = (self.number, self.of, &mut self.newest);
        let is_mine = |target: u32| target % of == number;
        for Unpacked { row, records } in rows {
            let mut visit = |replayed| match replayed {
                Replayed::Row {
                    target,
                    row: samples,
                } => {
                    *newest = samples.timestamp.max(*newest);
                    if (known.floor..=LATEST).contains(&samples.timestamp)
                        && let Some(target) = known.catalog.targets.get(&target)
                        && known.is_new(target, samples.timestamp, row.seq)
                    {
                        Inner::head_of(target).replay(samples, row.seq);
                    }
                }
                Replayed::Deletion { matchers, range } => {
                    let (catalog, totals) = (&known.catalog, &known.totals);
                    catalog.remove(&matchers, range, totals, &is_mine);
                }
            };
            let decoder = &mut self.decoder;
            if let Err(reason) = decoder.read(row.segment, records, &mut visit) {
                failed.insert(row.seq, (row.segment, reason));
            }
        }
        failed
    }
}

impl Known {
    /// Whether commit `seq` came after what the blocks of an hour hold.
    fn is_new(&self, target: &Target, timestamp: Millis, seq: u64) -> bool {
        let (window, pack) = (window_of(timestamp), u64::from(target.pack));
        let head = self.past.head(Tier::Raw, WindowKey { window, pack });
        head.is_none_or(|head| seq > head.fold_seq)
    }
}
