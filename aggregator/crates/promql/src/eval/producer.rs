use system_stats_model::labels::Labels;
use system_stats_model::rollup::Bucket;
use system_stats_model::source::SampleBuffer;

use super::error::EvalError;
use super::window::Grid;
use crate::value::{ColumnMut, Columns, Timeline};

/// Series whose columns are made one at a time. Several threads may make different ones.
pub(crate) trait Producer: Sync {
    fn timeline(&self) -> Timeline;

    /// The label sets, names that are to be dropped included.
    fn labels(&self) -> &[Labels];

    /// Whether the name of a series is dropped.
    fn drops(&self, series: usize) -> bool;

    /// Whether all series are known to have the same name, so that dropping it cannot make two of
    /// them alike.
    fn same_name(&self) -> bool;

    /// Whether two series that become alike are an error even if they have no step in common.
    fn is_strict(&self) -> bool {
        false
    }

    /// About how many samples and steps a column takes.
    fn effort(&self) -> usize {
        self.timeline().steps
    }

    /// Fills a column that has no bit set.
    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError>;
}

/// Room that a worker uses for one series after the other.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) samples: SampleBuffer,
    pub(crate) buckets: Vec<Bucket>,
    pub(crate) counts: Vec<u64>,
    pub(crate) grid: Grid,
    pub(crate) floats: Vec<f64>,
    pub(crate) indices: Vec<u32>,
}

/// Columns that exist already.
impl Producer for Columns {
    fn timeline(&self) -> Timeline {
        Columns::timeline(self)
    }

    fn labels(&self) -> &[Labels] {
        Columns::labels(self)
    }

    fn drops(&self, series: usize) -> bool {
        Columns::drops(self, series)
    }

    fn same_name(&self) -> bool {
        false
    }

    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        _: &mut Scratch,
    ) -> Result<(), EvalError> {
        into.values.copy_from_slice(self.values(series));
        into.valid.copy_from_slice(self.words(series));
        Ok(())
    }
}
