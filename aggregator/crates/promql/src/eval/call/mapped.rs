use system_stats_model::labels::Labels;

use super::super::error::EvalError;
use super::super::evaluator::Vector;
use super::super::producer::{Producer, Scratch};
use crate::value::{ColumnMut, Timeline};

/// A vector with another value in the place of each one. Names are dropped.
pub(crate) struct Mapped<'e, F> {
    input: Vector<'e>,
    apply: F,
    strict: bool,
}

impl<'e, F: Fn(usize, f64) -> f64 + Sync> Mapped<'e, F> {
    /// `apply` gets the number of the step and the value.
    pub(crate) fn new(input: Vector<'e>, apply: F) -> Self {
        let strict = input.is_strict();
        Self {
            input,
            apply,
            strict,
        }
    }

    /// Two series that become alike are an error even where they do not overlap.
    pub(crate) fn strict(self) -> Self {
        Self {
            strict: true,
            ..self
        }
    }
}

impl<F: Fn(usize, f64) -> f64 + Sync> Producer for Mapped<'_, F> {
    fn timeline(&self) -> Timeline {
        self.input.timeline()
    }

    fn labels(&self) -> &[Labels] {
        self.input.labels()
    }

    fn drops(&self, _: usize) -> bool {
        true
    }

    fn same_name(&self) -> bool {
        self.input.same_name()
    }

    fn is_strict(&self) -> bool {
        self.strict
    }

    fn effort(&self) -> usize {
        self.input.effort()
    }

    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.input.produce(series, into, scratch)?;
        // What is not there is changed as well, so that the loop has no branch.
        for (step, value) in into.values.iter_mut().enumerate() {
            *value = (self.apply)(step, *value);
        }
        Ok(())
    }
}

/// A vector with another value in the place of some, the others gone.
pub(crate) struct Filtered<'e, F> {
    input: Vector<'e>,
    apply: F,
    drops: bool,
}

impl<'e, F: Fn(usize, f64) -> Option<f64> + Sync> Filtered<'e, F> {
    /// `apply` gets the number of the step and the value.
    pub(crate) fn new(input: Vector<'e>, drops: bool, apply: F) -> Self {
        Self {
            input,
            apply,
            drops,
        }
    }
}

impl<F: Fn(usize, f64) -> Option<f64> + Sync> Producer for Filtered<'_, F> {
    fn timeline(&self) -> Timeline {
        self.input.timeline()
    }

    fn labels(&self) -> &[Labels] {
        self.input.labels()
    }

    fn drops(&self, series: usize) -> bool {
        self.drops || self.input.drops(series)
    }

    fn same_name(&self) -> bool {
        self.input.same_name()
    }

    fn is_strict(&self) -> bool {
        self.input.is_strict()
    }

    fn effort(&self) -> usize {
        self.input.effort()
    }

    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.input.produce(series, into, scratch)?;
        for step in 0..into.values.len() {
            if !into.bits().has(step) {
                continue;
            }
            match (self.apply)(step, into.values[step]) {
                Some(value) => into.values[step] = value,
                None => into.unset(step),
            }
        }
        Ok(())
    }
}
