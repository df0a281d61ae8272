//! A row: values of one target at one moment.

use std::sync::Arc;

use system_stats_model::sample::Millis;

/// Series that have a value at a moment, ascending, and the values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) timestamp: Millis,
    /// Ids, strictly ascending; often shared with the row before.
    pub(crate) ids: Arc<[u32]>,
    /// As many as there are ids.
    pub(crate) values: Box<[f64]>,
}

impl Row {
    pub(crate) fn get(&self, id: u32) -> Option<f64> {
        let at = self.ids.binary_search(&id).ok()?;
        self.values.get(at).copied()
    }

    /// Adds the values of a row of the same time. Where both have one, `self`'s stays.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut ids = Vec::with_capacity(self.ids.len() + other.ids.len());
        let mut values = Vec::with_capacity(ids.capacity());
        let mut theirs = other.iter().peekable();
        for (id, value) in self.iter() {
            while let Some((id, value)) = theirs.next_if(|(other, _)| *other < id) {
                ids.push(id);
                values.push(value);
            }
            theirs.next_if(|(other, _)| *other == id);
            ids.push(id);
            values.push(value);
        }
        for (id, value) in theirs {
            ids.push(id);
            values.push(value);
        }
        self.ids = ids.into();
        self.values = values.into();
    }

    /// The row without the series for which `drop` holds; none if nothing is left.
    pub(crate) fn without(&self, drop: &dyn Fn(u32) -> bool) -> Option<Self> {
        let (ids, values): (Vec<_>, Vec<_>) = self.iter().filter(|(id, _)| !drop(*id)).unzip();
        (!ids.is_empty()).then(|| Self {
            timestamp: self.timestamp,
            ids: ids.into(),
            values: values.into(),
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, f64)> {
        self.ids.iter().copied().zip(self.values.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pairs: &[(u32, f64)]) -> Row {
        Row {
            timestamp: 7,
            ids: pairs.iter().map(|p| p.0).collect(),
            values: pairs.iter().map(|p| p.1).collect(),
        }
    }

    #[test]
    fn merging_keeps_order_and_the_first_value() {
        let mut ours = row(&[(2, 2.0), (5, 5.0)]);
        ours.merge(&row(&[(1, 1.0), (5, 9.0), (7, 7.0)]));
        assert_eq!(ours, row(&[(1, 1.0), (2, 2.0), (5, 5.0), (7, 7.0)]));
    }

    #[test]
    fn nothing_left_is_no_row() {
        let ours = row(&[(2, 2.0), (5, 5.0)]);
        assert_eq!(ours.without(&|id| id == 2), Some(row(&[(5, 5.0)])));
        assert_eq!(ours.without(&|_| true), None);
    }
}
