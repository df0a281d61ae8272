//! What can be chosen about a store.

use std::time::Duration;

use crate::store::Tier;

/// How a [`Storage`](crate::Storage) behaves. The defaults are what the program runs with.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long samples that nobody waits for may wait for others to be committed with them, and
    /// five times that while they are few, which spares flash memory. 1 s; 0 commits at once.
    pub commit_interval: Duration,
    /// How long a writer waits for its acknowledgement before it is told that the store is
    /// unavailable. The batch stays queued all the same. 10 s.
    pub acknowledge_within: Duration,
    /// The first pause before a failed commit is tried again; it doubles from there. 50 ms.
    pub retry_first: Duration,
    /// The longest such pause. 5 s.
    pub retry_most: Duration,
    /// How many bytes may wait to be committed before new data is refused. 64 MiB.
    pub waiting_bytes: usize,
    /// How much older than the newest sample of its series a late sample may be. 1 h; decades are
    /// fine.
    pub out_of_order_window: Duration,
    /// How many series a target may have. 100,000.
    pub series_per_target: usize,
    /// How long a segment of the journal is filled, on a monotonic clock. 10 min.
    pub segment_length: Duration,
    /// How many bytes of uncompressed records a segment takes before the next begins. 32 MiB.
    pub segment_bytes: usize,
    /// How many targets of a job share blocks. 64; with 1 each has its own.
    pub pack_targets: usize,
    /// How often it is looked for something to fold. 5 s.
    pub fold_interval: Duration,
    /// How long nothing may have come for an hour before it is folded, on a monotonic clock.
    /// 10 min: so much of the past is answered from memory.
    pub fold_grace: Duration,
    /// Up to how much longer a pack waits, so that not all fold at once. 15 min.
    pub fold_stagger: Duration,
    /// How much memory hours of long ago may take while they wait for their late samples. 64 MiB.
    pub cold_bytes: usize,
    /// How many groups of columns a deletion of parts of series reads to count what is left; when
    /// it would be more, that is counted when the samples have left the blocks. 1024.
    pub counted_groups: usize,
    /// Which tiers of rollups are kept. None here; the program keeps those that it has a retention
    /// for.
    pub rollups: Vec<Tier>,
    /// How much memory the layouts of blocks may take, of many series. 32 MiB; beside few series
    /// they take less.
    pub layout_bytes: usize,
    /// How much memory groups of blocks may take that have been decoded, for whoever asks for the
    /// same again. 16 MiB.
    pub group_bytes: usize,
    /// How much older than the newest sample of all the newest of a series is before the series
    /// leaves memory; it is found again when a range reaches back to it. 2 h.
    pub leave_after: Duration,
    /// Metrics whose series never leave: those that hosts are listed by. None here.
    pub lasting: Vec<&'static str>,
    /// How much memory the names of series that have left may take, beside many that have not.
    /// 32 MiB; beside few they take less.
    pub name_bytes: usize,
    /// How many bytes of blocks, compressed, one snapshot may hold. 512 MiB.
    pub snapshot_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_secs(1),
            acknowledge_within: Duration::from_secs(10),
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_secs(5),
            waiting_bytes: 64 << 20,
            out_of_order_window: Duration::from_hours(1),
            series_per_target: 100_000,
            segment_length: Duration::from_mins(10),
            segment_bytes: 32 << 20,
            pack_targets: 64,
            fold_interval: Duration::from_secs(5),
            fold_grace: Duration::from_mins(10),
            fold_stagger: Duration::from_mins(15),
            cold_bytes: 64 << 20,
            counted_groups: 1024,
            rollups: Vec::new(),
            layout_bytes: 32 << 20,
            group_bytes: 16 << 20,
            leave_after: Duration::from_hours(2),
            lasting: Vec::new(),
            name_bytes: 32 << 20,
            snapshot_bytes: 512 << 20,
        }
    }
}
