//! What a deletion takes of buckets.

use std::sync::Arc;

use system_stats_model::rollup::Bucket;
use system_stats_model::sample::{Millis, TimeRange};

use crate::past::Deletion;

/// Whether a deletion concerns a bucket whose samples have gone: it goes as a whole then.
pub(crate) fn is_hidden(
    deletions: &[Arc<Deletion>],
    id: u32,
    bucket: &Bucket,
    length: Millis,
) -> bool {
    let range = TimeRange {
        start: bucket.end - length + 1,
        end: bucket.end,
    };
    let concerns = |one: &Arc<Deletion>| one.range.overlaps(range) && one.is_meant(id);
    deletions.iter().any(concerns)
}
