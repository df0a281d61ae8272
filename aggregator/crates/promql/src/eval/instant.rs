use system_stats_model::labels::Labels;
use system_stats_model::rollup::Run;
use system_stats_model::sample::{Millis, Sample, is_stale};
use system_stats_model::source::SampleBuffer;

use super::budget::Budget;
use super::error::EvalError;
use super::evaluator::{Evaluator, Selected};
use super::producer::{Producer, Scratch};
use super::ranged::leave_markers_out;
use super::window::extended;
use crate::ast::{Extent, Span};
use crate::plan::{SelectNode, Want};
use crate::value::{ColumnMut, Reference, Timeline};

/// An instant selector: the newest sample of each series that is not too old.
pub(crate) struct Lookback<'e> {
    selected: Selected<'e>,
    timeline: Timeline,
    reference: Reference,
    /// How old a sample may be.
    oldest: Millis,
    /// Whether the time of the sample is asked for, in seconds, instead of its value.
    asks_time: bool,
    /// Whether a value lies on the line between the samples around.
    is_smoothed: bool,
    budget: &'e Budget<'e>,
}

impl<'e> Lookback<'e> {
    pub(crate) fn new(
        evaluator: &'e Evaluator<'_>,
        (select, span): (&SelectNode, Span),
        on: &Timeline,
        asks_time: bool,
    ) -> Result<Self, EvalError> {
        let want = Want::newest(select, &evaluator.lookup);
        Ok(Self {
            selected: evaluator.select(select, on, want, span)?,
            timeline: *on,
            reference: on.shifted(evaluator.resolve(select.at), select.offset),
            oldest: evaluator.lookup.lookback,
            asks_time,
            is_smoothed: select.extent == Some(Extent::Smoothed) && !asks_time,
            budget: &evaluator.budget,
        })
    }
}

impl Producer for Lookback<'_> {
    fn timeline(&self) -> Timeline {
        self.timeline
    }

    fn labels(&self) -> &[Labels] {
        self.selected.set.labels()
    }

    fn drops(&self, _: usize) -> bool {
        self.asks_time
    }

    fn same_name(&self) -> bool {
        self.selected.same_name
    }

    fn effort(&self) -> usize {
        let samples = self.selected.expected();
        self.timeline.steps.saturating_add(samples)
    }

    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.find(series, into, scratch)?;
        self.budget.looked_at(into.bits().count() as u64);
        if self.budget.counts_steps() {
            let bits = into.bits();
            let counts = (0..self.timeline.steps).map(|step| u64::from(bits.has(step)));
            self.budget.looked_at_steps(&self.timeline, counts);
        }
        Ok(())
    }
}

impl Lookback<'_> {
    fn find(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let Selected { set, range, .. } = self.selected;
        if let Some(by) = self.selected.resolution {
            let Scratch {
                samples, buckets, ..
            } = scratch;
            set.read_buckets(series, range, by, samples, buckets)?;
            let mut run = Run::new(buckets);
            for step in 0..self.reference.steps {
                let now = self.reference.time(step);
                run.advance(Millis::MIN, now);
                if let Some(Sample { timestamp, value }) = run.current() {
                    self.show(step, timestamp, value, into);
                }
            }
            return Ok(());
        }
        set.read(series, range, &mut scratch.samples)?;
        if self.is_smoothed {
            self.smooth(&mut scratch.samples, into);
            return Ok(());
        }
        let (timestamps, values) = (&scratch.samples.timestamps, &scratch.samples.values);
        let mut after = 0;
        for step in 0..self.reference.steps {
            let now = self.reference.time(step);
            while timestamps.get(after).is_some_and(|t| *t <= now) {
                after += 1;
            }
            let Some(newest) = after.checked_sub(1) else {
                continue;
            };
            self.show(step, timestamps[newest], values[newest], into);
        }
        Ok(())
    }

    /// Shows what lies between the samples before and behind each step. Without one behind the one
    /// before goes on; markers of staleness are no samples.
    fn smooth(&self, samples: &mut SampleBuffer, into: &mut ColumnMut<'_>) {
        leave_markers_out(samples);
        let sample = |at: usize| Sample {
            timestamp: samples.timestamps[at],
            value: samples.values[at],
        };
        let mut after = 0;
        for step in 0..self.reference.steps {
            let now = self.reference.time(step);
            while samples.timestamps.get(after).is_some_and(|t| *t <= now) {
                after += 1;
            }
            let oldest = now.saturating_sub(self.oldest);
            let before = after.checked_sub(1).map(sample);
            let Some(before) = before.filter(|before| before.timestamp > oldest) else {
                continue;
            };
            let latest = now.saturating_add(self.oldest);
            let has_next = samples.timestamps.get(after).is_some_and(|t| *t <= latest);
            let value = if before.timestamp < now && has_next {
                extended::on_line(before, sample(after), now)
            } else {
                before.value
            };
            into.set(step, value);
        }
    }

    /// Shows the newest sample if it is young enough.
    fn show(&self, step: usize, timestamp: Millis, value: f64, into: &mut ColumnMut<'_>) {
        let now = self.reference.time(step);
        // A marker of staleness hides everything before it.
        if timestamp > now.saturating_sub(self.oldest) && !is_stale(value) {
            let seconds = timestamp as f64 / 1000.0;
            into.set(step, if self.asks_time { seconds } else { value });
        }
    }
}
