use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use system_stats_model::labels::Labels;
use system_stats_model::sample::{Millis, is_stale};
use system_stats_model::source::SampleBuffer;

use super::annotations::{Annotations, Note};
use super::budget::Budget;
use super::error::EvalError;
use super::evaluator::{Evaluator, Scalars, Selected};
use super::held::Held;
use super::producer::{Producer, Scratch};
use super::window::{self, Frame, Room, Windows, extended};
use crate::ast::{Extent, Function, Span};
use crate::plan::{Kind, Node, Want};
use crate::value::{ColumnMut, Reference, Timeline};

/// The ends of names by which counters are known.
const COUNTER_ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// The series of a range.
pub(crate) enum Input<'e> {
    Selected(Selected<'e>),
    /// The columns of a subquery, whose values are the samples.
    Subquery(Arc<Held<'e>>),
}

/// The windows of a range over its series.
pub(crate) struct Range<'e> {
    pub(crate) input: Input<'e>,
    pub(crate) reference: Reference,
    /// The length of a window, in milliseconds.
    pub(crate) length: Millis,
    pub(crate) timeline: Timeline,
    /// Whether samples around a window count too, and how far around.
    pub(crate) extent: Option<(Extent, Millis)>,
}

impl<'e> Range<'e> {
    /// The range that a node describes, a subquery evaluated.
    pub(crate) fn of(
        evaluator: &'e Evaluator<'_>,
        node: &Node,
        function: Option<Function>,
        on: &Timeline,
    ) -> Result<Self, EvalError> {
        match &node.kind {
            Kind::Range(range) => Ok(Self {
                input: Input::Selected(evaluator.select(
                    &range.select,
                    on,
                    Want::window(range, function, &evaluator.lookup),
                    node.span,
                )?),
                reference: on.shifted(evaluator.resolve(range.select.at), range.select.offset),
                length: range.range,
                timeline: *on,
                extent: (range.select.extent).map(|extent| (extent, evaluator.lookup.lookback)),
            }),
            Kind::Subquery(subquery) => {
                let at = evaluator.resolve(subquery.at);
                let grid = evaluator.lookup.grid(subquery, at, on);
                evaluator.budget.check_cells(1, grid.steps)?;
                Ok(Self {
                    input: Input::Subquery(evaluator.columns(&subquery.expr, &grid)?),
                    reference: on.shifted(at, subquery.offset),
                    length: subquery.range,
                    timeline: *on,
                    extent: None,
                })
            }
            _ => Err(EvalError::Type {
                expected: crate::ast::ValueType::Matrix,
                found: node.value_type,
            }),
        }
    }

    /// The ends and the length of the stretches that windows take their samples from.
    fn stretches(&self) -> (Reference, Millis) {
        let (mut reference, mut length) = (self.reference, self.length);
        if let Some((extent, around)) = self.extent {
            length = length.saturating_add(around);
            if extent == Extent::Smoothed {
                reference.first = reference.first.saturating_add(around);
                length = length.saturating_add(around);
            }
        }
        (reference, length)
    }

    pub(crate) fn labels(&self) -> &[Labels] {
        match &self.input {
            Input::Selected(selected) => selected.set.labels(),
            Input::Subquery(columns) => columns.labels(),
        }
    }

    /// Replaces `samples` by those of a series that lie in any window, markers left out.
    pub(crate) fn read(&self, series: usize, samples: &mut SampleBuffer) -> Result<(), EvalError> {
        match &self.input {
            Input::Selected(selected) => {
                selected.set.read(series, selected.range, samples)?;
                leave_markers_out(samples);
            }
            Input::Subquery(columns) => {
                samples.clear();
                for (timestamp, value) in columns.samples(series) {
                    samples.timestamps.push(timestamp);
                    samples.values.push(value);
                }
            }
        }
        Ok(())
    }
}

/// Removes markers of staleness.
pub(crate) fn leave_markers_out(samples: &mut SampleBuffer) {
    if !samples.values.iter().any(|value| is_stale(*value)) {
        return;
    }
    let mut kept = 0;
    for at in 0..samples.values.len() {
        if !is_stale(samples.values[at]) {
            samples.values[kept] = samples.values[at];
            samples.timestamps[kept] = samples.timestamps[at];
            kept += 1;
        }
    }
    samples.values.truncate(kept);
    samples.timestamps.truncate(kept);
}

/// A function over the windows of a range.
pub(crate) struct Ranged<'e> {
    budget: &'e Budget<'e>,
    annotations: &'e Annotations,
    function: Function,
    range: Range<'e>,
    scalars: Vec<Scalars>,
    /// Where the argument stands that notes are about.
    span: Span,
    /// The names that were noted as those of no counters.
    noted: Mutex<HashSet<String>>,
}

impl<'e> Ranged<'e> {
    pub(crate) fn new(
        evaluator: &'e Evaluator<'_>,
        function: Function,
        args: &[Node],
        on: &Timeline,
    ) -> Result<Self, EvalError> {
        let is_range = |node: &&Node| matches!(node.kind, Kind::Range(_) | Kind::Subquery(_));
        let (ranges, others): (Vec<&Node>, Vec<&Node>) = args.iter().partition(is_range);
        let [range] = ranges[..] else {
            return Err(EvalError::Type {
                expected: crate::ast::ValueType::Matrix,
                found: crate::ast::ValueType::Vector,
            });
        };
        let range = Range::of(evaluator, range, Some(function), on)?;
        let scalars = others.iter().map(|node| evaluator.scalars(node, on));
        Ok(Self {
            budget: &evaluator.budget,
            annotations: &evaluator.annotations,
            function,
            range,
            scalars: scalars.collect::<Result<_, _>>()?,
            // The samples of a subquery have no place in the text; notes name its beginning.
            span: match args[0].kind {
                Kind::Subquery(_) => Span::default(),
                _ => args[0].span,
            },
            noted: Mutex::default(),
        })
    }

    fn note(&self, series: usize, windows: Windows<'_>, into: &ColumnMut<'_>) {
        match self.function {
            Function::Rate | Function::Increase => self.note_name(series, into),
            Function::QuantileOverTime => {
                for (step, (lo, hi)) in windows.bounds.iter().enumerate() {
                    let quantile = self.scalars[0].at(step);
                    if lo < hi && !(0.0..=1.0).contains(&quantile) {
                        self.annotations.add(Note::quantile(quantile), self.span);
                    }
                }
            }
            _ => {}
        }
    }

    fn note_name(&self, series: usize, into: &ColumnMut<'_>) {
        let name = self.range.labels()[series].metric_name();
        let is_counter = COUNTER_ENDINGS.iter().any(|end| name.ends_with(end));
        if name.is_empty() || is_counter || !into.bits().any() {
            return;
        }
        let mut noted = self.noted.lock();
        let is_new = (noted.as_mut()).is_ok_and(|noted| noted.insert(name.to_owned()));
        if is_new {
            let note = Note::PossiblyNoCounter(name.to_owned());
            self.annotations.add(note, self.span);
        }
    }

    fn frame(&self) -> Frame<'_> {
        Frame {
            reference: self.range.reference,
            range: self.range.length,
            timeline: self.range.timeline,
            scalars: &self.scalars,
        }
    }

    /// The windows of a series that is there as buckets.
    fn produce_from_buckets(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        let Scratch {
            buckets, counts, ..
        } = scratch;
        let budget = self.budget;
        budget.hold(buckets.len())?;
        window::buckets::apply(self.function, buckets, &self.frame(), into, counts)?;
        if matches!(self.function, Function::Rate | Function::Increase) {
            self.note_name(series, into);
        }
        budget.looked_at(counts.iter().sum());
        if budget.counts_steps() {
            budget.looked_at_steps(&self.range.timeline, counts.iter().copied());
        }
        budget.release(buckets.len());
        Ok(())
    }

    fn count(&self, windows: Windows<'_>, total: u64) {
        let budget = self.budget;
        budget.looked_at(total);
        if budget.counts_steps() {
            let counts = windows.bounds.iter().map(|(lo, hi)| u64::from(hi - lo));
            budget.looked_at_steps(&self.range.timeline, counts);
        }
    }
}

impl Producer for Ranged<'_> {
    fn timeline(&self) -> Timeline {
        self.range.timeline
    }

    fn labels(&self) -> &[Labels] {
        self.range.labels()
    }

    fn drops(&self, series: usize) -> bool {
        match &self.range.input {
            _ if !matches!(
                self.function,
                Function::LastOverTime | Function::FirstOverTime
            ) =>
            {
                true
            }
            Input::Selected(_) => false,
            Input::Subquery(columns) => columns.drops(series),
        }
    }

    fn same_name(&self) -> bool {
        match &self.range.input {
            Input::Selected(selected) => selected.same_name,
            Input::Subquery(_) => false,
        }
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn effort(&self) -> usize {
        let samples = match &self.range.input {
            Input::Selected(selected) => selected.expected(),
            Input::Subquery(columns) => columns.timeline().steps,
        };
        self.range.timeline.steps.saturating_add(samples)
    }

    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        if let Input::Selected(Selected {
            set,
            range,
            resolution: Some(by),
            ..
        }) = self.range.input
        {
            let Scratch {
                samples, buckets, ..
            } = scratch;
            set.read_buckets(series, range, by, samples, buckets)?;
            return self.produce_from_buckets(series, into, scratch);
        }
        let Scratch {
            samples,
            grid,
            floats,
            indices,
            ..
        } = scratch;
        self.range.read(series, samples)?;
        let budget = self.budget;
        budget.hold(samples.values.len())?;
        let (reference, length) = self.range.stretches();
        grid.find(&samples.timestamps, &reference, length);
        let windows = Windows {
            timestamps: &samples.timestamps,
            values: &samples.values,
            bounds: &grid.bounds,
            stops: &|| budget.check().is_err(),
        };
        let total = grid.total;
        let frame = self.frame();
        let mut room = Room {
            floats,
            indices,
            gaps: &mut grid.gaps,
        };
        match self.range.extent {
            None => window::apply(self.function, windows, &frame, into, &mut room)?,
            Some((extent, _)) => {
                extended::apply(self.function, extent, windows, &frame, into, &mut room);
            }
        }
        budget.check()?;
        self.note(series, windows, into);
        self.count(windows, total);
        budget.release(samples.values.len());
        Ok(())
    }
}
