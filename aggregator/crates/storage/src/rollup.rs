//! Rollups: what is kept of samples when the samples themselves are gone.
//!
//! A tier has a resolution; of each series it keeps a [`Bucket`](system_stats_model::rollup::Bucket)
//! per stretch of that length. Buckets are computed from a whole day of stored samples, never from
//! what is still in memory, and computed again when late samples or deletions change what they
//! stand for: the header of a tier's window says up to which commit it knows the samples.
//!
//! * `codec` - a series' buckets of one window as bytes
//! * `deletion` - what a deletion takes of buckets
//! * `tier` - a window of a tier: shapes and groups of columns

mod codec;
mod deletion;
mod tier;

pub(crate) use deletion::is_hidden;
pub(crate) use tier::{DAY, Shapes, TierWriter, day_of, range_of_day, resolution, tier_of};
