use std::ops::Deref;
use std::sync::Arc;

use super::budget::Budget;
use super::error::EvalError;
use crate::value::{Columns, Timeline};

/// Columns that count against the budget while they exist.
pub(crate) struct Held<'a> {
    columns: Columns,
    samples: usize,
    budget: Arc<Budget<'a>>,
}

impl<'a> Held<'a> {
    /// Counts the samples of `columns` from now on.
    pub(crate) fn new(columns: Columns, budget: &Arc<Budget<'a>>) -> Result<Arc<Self>, EvalError> {
        let samples = columns.count();
        budget.hold(samples)?;
        Ok(Self::counted(columns, samples, budget))
    }

    /// Takes over samples that were counted as they were made.
    pub(crate) fn counted(columns: Columns, samples: usize, budget: &Arc<Budget<'a>>) -> Arc<Self> {
        Arc::new(Self {
            columns,
            samples,
            budget: Arc::clone(budget),
        })
    }

    /// The columns to be changed; copied if somebody else needs them too.
    pub(crate) fn take(held: Arc<Self>) -> Columns {
        match Arc::try_unwrap(held) {
            Ok(mut held) => {
                let empty = Columns::new(Timeline::instant(0));
                std::mem::replace(&mut held.columns, empty)
            }
            Err(shared) => shared.columns.clone(),
        }
    }
}

impl Deref for Held<'_> {
    type Target = Columns;

    fn deref(&self) -> &Columns {
        &self.columns
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.release(self.samples);
    }
}
