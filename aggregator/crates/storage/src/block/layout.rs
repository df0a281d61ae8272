//! A layout: which series is which column of a pack's blocks.

use system_stats_model::labels::Labels;

use crate::journal::{pack, unpack};
use crate::varint::{Malformed, Reader, write_i64, write_len};

/// The most columns a layout may have.
const MOST: usize = 1 << 24;

/// Columns in order. The first of them are sorted by name, labels and target, so that one metric
/// of all targets lies together; those that came later follow as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// By column.
    ids: Box<[u32]>,
    /// The columns, ascending by series.
    by_series: Box<[u32]>,
    /// How many are sorted.
    sorted: usize,
}

impl Layout {
    fn new(ids: Vec<u32>, sorted: usize) -> Self {
        let mut places: Vec<(u32, u32)> = ids.iter().copied().zip(0u32..).collect();
        places.sort_unstable();
        Self {
            ids: ids.into(),
            by_series: places.iter().map(|place| place.1).collect(),
            sorted,
        }
    }

    /// The layout of some series, in any order. `labels` gives the whole label set of one.
    pub(crate) fn of(series: &[(u32, u32)], labels: impl Fn(u32) -> Option<Labels>) -> Self {
        let mut named: Vec<(Box<str>, u32, u32)> = series
            .iter()
            .map(|&(target, id)| (key(&labels(id).unwrap_or_default()), target, id))
            .collect();
        named.sort_unstable();
        let ids: Vec<u32> = named.iter().map(|(_, _, id)| *id).collect();
        let sorted = ids.len();
        Self::new(ids, sorted)
    }

    /// This layout with more series behind the last.
    pub(crate) fn extended(&self, more: impl IntoIterator<Item = u32>) -> Self {
        let ids = self.ids.iter().copied().chain(more).collect();
        Self::new(ids, self.sorted)
    }

    /// Whether it is still worth following for a window that has these series, ascending: three
    /// quarters of its columns are used, and a tenth at most would follow the sorted ones.
    pub(crate) fn suits(&self, series: &[u32]) -> bool {
        let is_known = |id: &&u32| self.column(**id).is_some();
        let live = series.iter().filter(is_known).count();
        let tail = self.ids.len() - self.sorted + series.len() - live;
        live * 4 >= self.ids.len() * 3 && tail * 10 <= self.ids.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The series of a column.
    pub(crate) fn series(&self, column: u32) -> Option<u32> {
        self.ids.get(column as usize).copied()
    }

    /// The column of a series.
    pub(crate) fn column(&self, series: u32) -> Option<u32> {
        let of = |column: &u32| self.ids[*column as usize];
        let at = self.by_series.binary_search_by_key(&series, of);
        at.ok().map(|at| self.by_series[at])
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.ids.len() * 4 + self.by_series.len() * 4
    }

    /// The blob.
    ///
    /// # Errors
    /// When zstd fails, which it does only when memory is short.
    pub(crate) fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut content = Vec::with_capacity(self.ids.len() * 2 + 8);
        write_len(&mut content, self.sorted);
        write_len(&mut content, self.ids.len());
        let mut last = 0i64;
        for &id in &self.ids {
            write_i64(&mut content, i64::from(id) - last);
            last = i64::from(id);
        }
        pack(&content)
    }

    /// Takes what [`Layout::encode`] wrote.
    ///
    /// # Errors
    /// On anything else.
    pub(crate) fn decode(blob: &[u8]) -> Result<Self, Malformed> {
        let content = unpack(blob)?;
        let mut reader = Reader::new(&content);
        let sorted = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
        let count = reader.count()?;
        if count > MOST || sorted > count {
            return Err(Malformed("a layout that is too long"));
        }
        let mut ids = Vec::with_capacity(count);
        let mut last = 0i64;
        for _ in 0..count {
            last = last.wrapping_add(reader.i64()?);
            let id = u32::try_from(last);
            ids.push(id.map_err(|_| Malformed("a series number too large"))?);
        }
        let layout = Self::new(ids, sorted);
        let of = |column: u32| layout.ids[column as usize];
        let mut pairs = layout.by_series.windows(2);
        if pairs.any(|pair| of(pair[0]) == of(pair[1])) {
            return Err(Malformed("a series twice in a layout"));
        }
        Ok(layout)
    }
}

/// What sorts a series: the name, then the labels but those that only tell the target.
fn key(labels: &Labels) -> Box<str> {
    let is_own = |pair: &(&str, &str)| !["__name__", "instance"].contains(&pair.0);
    let mut key = labels.metric_name().to_owned();
    for (name, value) in labels.iter().filter(is_own) {
        for part in [name, value] {
            key.push('\0');
            key.push_str(part);
        }
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_metric_of_all_targets_lies_together() {
        let labels = |id: u32| {
            let (name, instance) = (["up", "load"][id as usize % 2], format!("host{}", id / 4));
            let cpu = (id / 2 % 2).to_string();
            Some(Labels::from_pairs([
                ("__name__", name),
                ("instance", &instance),
                ("cpu", &cpu),
            ]))
        };
        let series: Vec<(u32, u32)> = (0..8).map(|id| (id / 4, id)).collect();
        let layout = Layout::of(&series, labels);
        assert_eq!(*layout.ids, [1, 5, 3, 7, 0, 4, 2, 6]);
        assert_eq!((layout.column(5), layout.column(9)), (Some(1), None));
        assert_eq!((layout.series(1), layout.series(8)), (Some(5), None));
    }

    #[test]
    fn it_suits_while_most_of_it_is_used_and_little_is_new() {
        let ids: Vec<u32> = (0..100).collect();
        let layout = Layout::new(ids.clone(), 100);
        let of = |range: std::ops::Range<u32>| range.collect::<Vec<_>>();
        assert!(layout.suits(&ids));
        assert!(layout.suits(&of(25..100)));
        assert!(!layout.suits(&of(26..100)));
        assert!(layout.suits(&of(0..110)));
        assert!(!layout.suits(&of(0..111)));
        let extended = layout.extended(100..110);
        assert!(extended.suits(&of(0..110)));
        assert!(extended.suits(&of(0..111)));
        assert!(!extended.suits(&of(0..113)));
    }

    proptest! {
        #[test]
        fn layouts_come_back(ids in prop::collection::hash_set(any::<u32>(), 0..60), sorted in 0usize..60) {
            let ids: Vec<u32> = ids.into_iter().collect();
            let sorted = sorted.min(ids.len());
            let layout = Layout::new(ids, sorted);
            prop_assert_eq!(Layout::decode(&layout.encode().unwrap()), Ok(layout));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Layout::decode(&bytes);
            let _ = Layout::decode(&pack(&bytes).unwrap());
        }
    }
}
