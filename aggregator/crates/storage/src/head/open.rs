//! The newest rows of a window, which are no tile yet.
//!
//! The newest row of all is kept as it came. One before it that has the same series is kept as what
//! it differs in from the one after it: most values stay as they are from one row to the next.

use std::sync::Arc;

use system_stats_model::sample::Millis;

use super::row::Row;

/// A row that has the same series as the one after it.
#[derive(Debug)]
struct Older {
    timestamp: Millis,
    ids: Arc<[u32]>,
    /// By place in `ids`, lowest bit first: whether the value is another one.
    differs: Box<[u64]>,
    /// The values that are.
    values: Box<[f64]>,
}

impl Older {
    /// `row` as it differs from `next`, if that takes less memory.
    fn of(row: &Row, next: &Row) -> Option<Self> {
        if !Arc::ptr_eq(&row.ids, &next.ids) {
            return None;
        }
        let chunks = row.values.chunks(64);
        let word = |(own, next): (&[f64], &[f64])| {
            let is_other = own
                .iter()
                .zip(next)
                .map(|(a, b)| a.to_bits() != b.to_bits());
            let bits = is_other.zip(0u32..).map(|(bit, at)| u64::from(bit) << at);
            bits.fold(0, |word, bit| word | bit)
        };
        let differs = chunks.clone().zip(next.values.chunks(64)).map(word);
        let differs: Vec<u64> = differs.collect();
        let count: u32 = differs.iter().map(|word| word.count_ones()).sum();
        if count as usize + differs.len() >= row.values.len() {
            return None;
        }
        let mut values = Vec::with_capacity(count as usize);
        for (mut word, own) in differs.iter().copied().zip(chunks) {
            while word != 0 {
                values.push(own[word.trailing_zeros() as usize]);
                word &= word - 1;
            }
        }
        Some(Self {
            timestamp: row.timestamp,
            ids: Arc::clone(&row.ids),
            differs: differs.into(),
            values: values.into(),
        })
    }

    /// The value at a place in `ids`, if it is not that of the next row.
    fn get(&self, at: usize) -> Option<f64> {
        let (word, bit) = (self.differs.get(at / 64)?, 1u64 << (at % 64));
        if word & bit == 0 {
            return None;
        }
        let before = self.differs[..at / 64].iter().map(|word| word.count_ones());
        let rank = before.sum::<u32>() + (word & (bit - 1)).count_ones();
        self.values.get(rank as usize).copied()
    }

    /// The row, given the values of the next.
    fn row(&self, next: &[f64]) -> Row {
        let mut values: Box<[f64]> = next.into();
        let mut own = self.values.iter();
        for (at, word) in self.differs.iter().enumerate() {
            let mut word = *word;
            while word != 0 {
                let place = at * 64 + word.trailing_zeros() as usize;
                if let (Some(value), Some(own)) = (values.get_mut(place), own.next()) {
                    *value = *own;
                }
                word &= word - 1;
            }
        }
        Row {
            timestamp: self.timestamp,
            ids: Arc::clone(&self.ids),
            values,
        }
    }
}

#[derive(Clone, Debug)]
enum Kept {
    Whole(Arc<Row>),
    /// There is a next row.
    Older(Arc<Older>),
}

impl Kept {
    fn timestamp(&self) -> Millis {
        match self {
            Self::Whole(row) => row.timestamp,
            Self::Older(row) => row.timestamp,
        }
    }

    fn ids(&self) -> &Arc<[u32]> {
        match self {
            Self::Whole(row) => &row.ids,
            Self::Older(row) => &row.ids,
        }
    }

    /// In memory, without the list of ids.
    fn bytes(&self) -> usize {
        match self {
            Self::Whole(row) => size_of::<Row>() + row.values.len() * 8,
            Self::Older(row) => size_of::<Older>() + row.differs.len() * 8 + row.values.len() * 8,
        }
    }
}

/// Some rows, ascending in time. Cloning copies pointers.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenRows(Vec<Kept>);

impl OpenRows {
    pub(super) fn of(rows: impl IntoIterator<Item = Arc<Row>>) -> Self {
        let mut open = Self::default();
        for row in rows {
            open.push(row);
        }
        open
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a row, or to the one of the same time what it lacks.
    pub(super) fn insert(&mut self, row: Arc<Row>) {
        let Some(last) = self.0.last_mut() else {
            return self.push(row);
        };
        if last.timestamp() < row.timestamp {
            return self.push(row);
        }
        let after_another = !matches!(self.0.iter().nth_back(1), Some(Kept::Older(_)));
        if let Some(Kept::Whole(last)) = self.0.last_mut()
            && last.timestamp == row.timestamp
            && after_another
        {
            Arc::make_mut(last).merge(&row);
            return self.settle();
        }
        let mut rows = self.rows();
        match rows.binary_search_by_key(&row.timestamp, |have| have.timestamp) {
            Ok(at) => Arc::make_mut(&mut rows[at]).merge(&row),
            Err(at) => rows.insert(at, row),
        }
        *self = Self::of(rows);
    }

    /// All rows as they came.
    pub(super) fn rows(&self) -> Vec<Arc<Row>> {
        let mut rows: Vec<Arc<Row>> = Vec::with_capacity(self.0.len());
        for kept in self.0.iter().rev() {
            let row = match (kept, rows.last()) {
                (Kept::Whole(row), _) => Arc::clone(row),
                (Kept::Older(older), Some(next)) => Arc::new(older.row(&next.values)),
                // There is a next one.
                (Kept::Older(_), None) => continue,
            };
            rows.push(row);
        }
        rows.reverse();
        rows
    }

    /// Takes the newest row out of its place: the others, and it.
    pub(super) fn split_last(&self) -> Option<(Vec<Arc<Row>>, Arc<Row>)> {
        let mut rows = self.rows();
        let newest = rows.pop()?;
        Some((rows, newest))
    }

    /// The value of a series at a moment.
    pub(super) fn at(&self, id: u32, timestamp: Millis) -> Option<f64> {
        let from = self.0.binary_search_by_key(&timestamp, Kept::timestamp);
        let rows = &self.0[from.ok()?..];
        let place = rows.first()?.ids().binary_search(&id).ok()?;
        rows.iter().find_map(|kept| match kept {
            Kept::Whole(row) => row.values.get(place).copied(),
            Kept::Older(row) => row.get(place),
        })
    }

    /// Appends the samples of a series, oldest first.
    pub(super) fn read(&self, id: u32, timestamps: &mut Vec<Millis>, values: &mut Vec<f64>) {
        let start = timestamps.len();
        let mut guess: Option<(&Arc<[u32]>, Option<usize>)> = None;
        let mut next = None;
        for kept in self.0.iter().rev() {
            let place = match guess {
                Some((ids, place)) if Arc::ptr_eq(ids, kept.ids()) => place,
                _ => kept.ids().binary_search(&id).ok(),
            };
            guess = Some((kept.ids(), place));
            let value = place.and_then(|place| match kept {
                Kept::Whole(row) => row.values.get(place).copied(),
                Kept::Older(row) => row.get(place).or(next),
            });
            if let Some(value) = value {
                timestamps.push(kept.timestamp());
                values.push(value);
            }
            next = value;
        }
        timestamps[start..].reverse();
        values[start..].reverse();
    }

    /// The lists of series, one a row.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Arc<[u32]>> {
        self.0.iter().map(Kept::ids)
    }

    /// In memory, without the lists of ids.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Kept::bytes).sum()
    }

    fn push(&mut self, row: Arc<Row>) {
        self.0.push(Kept::Whole(row));
        self.settle();
    }

    /// Makes the last row but one smaller, if it can be.
    fn settle(&mut self) {
        let [.., Kept::Whole(row), Kept::Whole(last)] = &mut self.0[..] else {
            return;
        };
        if !Arc::ptr_eq(&row.ids, &last.ids) && row.ids == last.ids {
            Arc::make_mut(last).ids = Arc::clone(&row.ids);
        }
        if let Some(older) = Older::of(row, last) {
            let before = self.0.len() - 2;
            self.0[before] = Kept::Older(Arc::new(older));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn row(timestamp: Millis, pairs: &BTreeMap<u32, f64>) -> Arc<Row> {
        Arc::new(Row {
            timestamp,
            ids: pairs.keys().copied().collect(),
            values: pairs.values().copied().collect(),
        })
    }

    fn samples() -> impl Strategy<Value = BTreeMap<u32, f64>> {
        let value = prop_oneof![9 => Just(1.0), 1 => any::<i8>().prop_map(f64::from)];
        prop_oneof![
            prop::collection::vec(value.clone(), 130)
                .prop_map(|values| (0..).zip(values).collect()),
            prop::collection::btree_map(0u32..140, value, 1..140),
        ]
    }

    proptest! {
        #[test]
        fn rows_are_as_they_came(
            arriving in prop::collection::vec((0i64..30, any::<bool>(), samples()), 1..30),
        ) {
            let mut open = OpenRows::default();
            let mut model: BTreeMap<Millis, BTreeMap<u32, f64>> = BTreeMap::new();
            for (now, (time, is_late, samples)) in (30i64..).zip(arriving) {
                let time = if is_late { time } else { now };
                open.insert(row(time, &samples));
                let have = model.entry(time).or_default();
                for (id, value) in samples {
                    have.entry(id).or_insert(value);
                }
            }
            let expected: Vec<_> = model.iter().map(|(time, samples)| row(*time, samples)).collect();
            prop_assert_eq!(&open.rows(), &expected);
            prop_assert_eq!(open.len(), expected.len());
            for id in [0, 63, 64, 100, 129, 139] {
                let (mut times, mut values) = (Vec::new(), Vec::new());
                open.read(id, &mut times, &mut values);
                let of_id = || expected.iter().filter_map(|row| Some((row.timestamp, row.get(id)?)));
                prop_assert!(of_id().eq(times.into_iter().zip(values)));
                for row in &expected {
                    prop_assert_eq!(open.at(id, row.timestamp), row.get(id));
                }
                prop_assert_eq!(open.at(id, 1000), None);
            }
        }
    }

    #[test]
    fn what_stays_as_it_is_takes_a_bit() {
        let ids: Arc<[u32]> = (0..1000).collect();
        let rows = (0..16).map(|timestamp| {
            let value = |id: u32| {
                if id.is_multiple_of(4) {
                    timestamp as f64
                } else {
                    1.0
                }
            };
            Arc::new(Row {
                timestamp,
                ids: Arc::clone(&ids),
                values: (0..1000).map(value).collect(),
            })
        });
        let open = OpenRows::of(rows);
        // A whole row, and a quarter of fifteen.
        assert!(open.bytes() < 8 * 1000 + 15 * 2300, "{}", open.bytes());
    }
}
