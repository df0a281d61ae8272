//! Names of series as both databases give them: lists of numbers, and one text.

use system_stats_storage::store::{SeriesNames, StoreError};

use crate::place::Place;

/// Some series, in order: of each its id, its target, and twice the length of its labels, one more
/// if it inherits.
#[derive(Debug, Default)]
pub(crate) struct NameColumns {
    pub(crate) ids: Vec<i64>,
    pub(crate) targets: Vec<i64>,
    pub(crate) sizes: Vec<i64>,
    /// The labels of all of them.
    pub(crate) labels: Vec<u8>,
}

impl NameColumns {
    /// The names, of which those up to `after` have been read before.
    pub(crate) fn names(self, place: &Place, after: u64) -> Result<SeriesNames, StoreError> {
        let corrupt = |reason| {
            let rows = format!("table series, after id {after}");
            place.corrupt(&rows, &reason)
        };
        let text = String::from_utf8(self.labels).map_err(|_| corrupt("labels are not UTF-8"))?;
        let columns = self.ids.iter().zip(&self.targets).zip(&self.sizes);
        let rows =
            columns.map(|((id, target), size)| [id, target, size].map(|n| n.cast_unsigned()));
        SeriesNames::in_text(text, rows).ok_or_else(|| corrupt("labels are not UTF-8"))
    }
}
