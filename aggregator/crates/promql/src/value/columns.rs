use system_stats_model::labels::Labels;
use system_stats_model::sample::Millis;

use super::bits::{self, Bits};
use super::timeline::Timeline;

/// Series on a common grid of times, one column of values each.
///
/// All columns lie in one block of memory, series by series; so do the bits that say which values
/// are there.
#[derive(Clone, Debug)]
pub struct Columns {
    timeline: Timeline,
    labels: Vec<Labels>,
    values: Vec<f64>,
    valid: Vec<u64>,
    /// Which names are to be dropped at the end of the query; empty unless that is how names are
    /// dropped.
    drops: Vec<bool>,
}

/// A column to be filled: values, and the bits of those that are there.
pub(crate) struct ColumnMut<'a> {
    pub(crate) values: &'a mut [f64],
    pub(crate) valid: &'a mut [u64],
}

impl ColumnMut<'_> {
    pub(crate) fn set(&mut self, at: usize, value: f64) {
        self.values[at] = value;
        bits::set(self.valid, at);
    }

    pub(crate) fn unset(&mut self, at: usize) {
        bits::clear(self.valid, at);
    }

    pub(crate) fn bits(&self) -> Bits<'_> {
        Bits::new(self.valid)
    }

    pub(crate) fn fill(&mut self, value: f64) {
        self.values.fill(value);
        bits::set_all(self.valid, self.values.len());
    }
}

/// Columns that are still without labels.
pub(crate) struct Block {
    steps: usize,
    values: Vec<f64>,
    valid: Vec<u64>,
}

impl Block {
    pub(crate) fn new(steps: usize) -> Self {
        Self {
            steps,
            values: Vec::new(),
            valid: Vec::new(),
        }
    }

    /// Adds a column without values.
    pub(crate) fn push(&mut self) -> ColumnMut<'_> {
        let (values, valid) = (self.values.len(), self.valid.len());
        self.values.resize(values + self.steps, 0.0);
        self.valid.resize(valid + bits::words_for(self.steps), 0);
        ColumnMut {
            values: &mut self.values[values..],
            valid: &mut self.valid[valid..],
        }
    }

    /// Takes the last column away.
    pub(crate) fn pop(&mut self) {
        self.values
            .truncate(self.values.len().saturating_sub(self.steps));
        let words = bits::words_for(self.steps);
        self.valid.truncate(self.valid.len().saturating_sub(words));
    }

    /// Adds the columns of another block, which is as long.
    pub(crate) fn append(&mut self, other: &Self) {
        self.values.extend_from_slice(&other.values);
        self.valid.extend_from_slice(&other.valid);
    }
}

impl Columns {
    /// No series yet.
    #[must_use]
    pub(crate) fn new(timeline: Timeline) -> Self {
        Self::with_labels(timeline, Vec::new())
    }

    /// A column for each label set, without values.
    pub(crate) fn with_labels(timeline: Timeline, labels: Vec<Labels>) -> Self {
        let words = bits::words_for(timeline.steps);
        Self {
            timeline,
            values: vec![0.0; labels.len() * timeline.steps],
            valid: vec![0; labels.len() * words],
            labels,
            drops: Vec::new(),
        }
    }

    /// A column of the block for each label set.
    pub(crate) fn from_block(timeline: Timeline, labels: Vec<Labels>, block: Block) -> Self {
        Self {
            timeline,
            labels,
            values: block.values,
            valid: block.valid,
            drops: Vec::new(),
        }
    }

    /// The times of the columns' rows.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        self.timeline
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The label sets.
    #[must_use]
    pub fn labels(&self) -> &[Labels] {
        &self.labels
    }

    /// The values of a series, one for each step; those without a bit in [`valid`](Self::valid)
    /// mean nothing.
    #[must_use]
    pub fn values(&self, series: usize) -> &[f64] {
        let steps = self.timeline.steps;
        &self.values[series * steps..(series + 1) * steps]
    }

    /// Which values of a series are there.
    #[must_use]
    pub fn valid(&self, series: usize) -> Bits<'_> {
        Bits::new(self.words(series))
    }

    /// The values of a series that are there, with their times.
    pub fn samples(&self, series: usize) -> impl Iterator<Item = (Millis, f64)> + '_ {
        let values = self.values(series);
        let valid = self.valid(series);
        valid
            .iter()
            .map(move |at| (self.timeline.time(at), values[at]))
    }

    /// How many values are there in all.
    #[must_use]
    pub fn count(&self) -> usize {
        Bits::new(&self.valid).count()
    }

    pub(crate) fn words(&self, series: usize) -> &[u64] {
        let words = bits::words_for(self.timeline.steps);
        &self.valid[series * words..(series + 1) * words]
    }

    pub(crate) fn column_mut(&mut self, series: usize) -> ColumnMut<'_> {
        let (steps, words) = (self.timeline.steps, bits::words_for(self.timeline.steps));
        ColumnMut {
            values: &mut self.values[series * steps..(series + 1) * steps],
            valid: &mut self.valid[series * words..(series + 1) * words],
        }
    }

    /// Adds a series without values.
    pub(crate) fn push(&mut self, labels: Labels) -> ColumnMut<'_> {
        let words = bits::words_for(self.timeline.steps);
        self.labels.push(labels);
        self.values
            .resize(self.values.len() + self.timeline.steps, 0.0);
        self.valid.resize(self.valid.len() + words, 0);
        if !self.drops.is_empty() {
            self.drops.push(false);
        }
        self.column_mut(self.labels.len() - 1)
    }

    /// Whether the name of a series is to be dropped at the end of the query.
    pub(crate) fn drops(&self, series: usize) -> bool {
        self.drops.get(series).copied().unwrap_or(false)
    }

    pub(crate) fn set_drops(&mut self, series: usize, drops: bool) {
        if drops || !self.drops.is_empty() {
            self.drops.resize(self.labels.len(), false);
            self.drops[series] = drops;
        }
    }

    pub(crate) fn set_labels(&mut self, series: usize, labels: Labels) {
        self.labels[series] = labels;
    }

    /// Leaves out the series for which `keep` does not hold.
    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let kept: Vec<usize> = (0..self.len()).filter(|at| keep(*at)).collect();
        if kept.len() == self.len() {
            return;
        }
        let (steps, words) = (self.timeline.steps, bits::words_for(self.timeline.steps));
        for (to, from) in kept.iter().copied().enumerate() {
            self.labels.swap(to, from);
            self.values
                .copy_within(from * steps..(from + 1) * steps, to * steps);
            self.valid
                .copy_within(from * words..(from + 1) * words, to * words);
            if !self.drops.is_empty() {
                self.drops.swap(to, from);
            }
        }
        self.labels.truncate(kept.len());
        self.values.truncate(kept.len() * steps);
        self.valid.truncate(kept.len() * words);
        self.drops.truncate(kept.len());
    }

    /// Leaves out the series without a value.
    pub(crate) fn retain_valued(&mut self) {
        let full: Vec<bool> = (0..self.len()).map(|at| self.valid(at).any()).collect();
        self.retain(|at| full[at]);
    }

    /// The same series in the order of `order`.
    pub(crate) fn reordered(&self, order: &[usize]) -> Self {
        let labels = order.iter().map(|at| self.labels[*at].clone()).collect();
        let mut sorted = Self::with_labels(self.timeline, labels);
        for (to, from) in order.iter().copied().enumerate() {
            let column = sorted.column_mut(to);
            column.values.copy_from_slice(self.values(from));
            column.valid.copy_from_slice(self.words(from));
            sorted.set_drops(to, self.drops(from));
        }
        sorted
    }

    /// Ascending by labels.
    pub(crate) fn sorted(self) -> Self {
        if self.labels.is_sorted() {
            return self;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|a, b| self.labels[*a].cmp(&self.labels[*b]));
        self.reordered(&order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Labels {
        Labels::from_pairs([("a", name)])
    }

    #[test]
    fn series_without_a_value_are_left_out_and_the_rest_sorted() {
        let mut columns = Columns::new(Timeline::between(0, 90, 10));
        columns.push(named("z")).set(9, 1.0);
        columns.push(named("y"));
        columns.push(named("x")).fill(2.0);
        columns.retain_valued();
        let columns = columns.sorted();
        assert_eq!(columns.labels(), [named("x"), named("z")]);
        assert_eq!(columns.samples(1).collect::<Vec<_>>(), [(90, 1.0)]);
        assert_eq!(columns.count(), 11);
    }

    #[test]
    fn names_to_be_dropped_stay_with_their_series() {
        let mut columns = Columns::new(Timeline::instant(0));
        for name in ["c", "b", "a"] {
            columns.push(named(name)).set(0, 1.0);
        }
        columns.set_drops(0, true);
        let columns = columns.sorted();
        assert_eq!([0, 1, 2].map(|at| columns.drops(at)), [false, false, true]);
    }
}
