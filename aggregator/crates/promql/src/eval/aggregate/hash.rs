use system_stats_model::labels::Labels;
use xxhash_rust::xxh64::xxh64;

/// Lengths from here on take four bytes.
const LONG: usize = 255;

/// Where the series lies between 0 and 1, by a hash of its labels. Prometheus' default build
/// hashes the same bytes, so `limit_ratio` picks the same series.
pub(super) fn share(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        if text.len() < LONG {
            #[expect(clippy::cast_possible_truncation, reason = "below 255")]
            bytes.push(text.len() as u8);
        } else {
            bytes.push(u8::MAX);
            bytes.extend_from_slice(&text.len().to_le_bytes()[..3]);
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}
