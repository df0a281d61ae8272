//! What can be chosen about a store.

use std::time::Duration;

/// How a [`Storage`](crate::Storage) behaves. The defaults are what the program runs with.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long samples that nobody waits for may wait for others to be committed with them.
    /// 1 s; up to 5 s spares flash memory at low rates; 0 commits at once.
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
        }
    }
}
