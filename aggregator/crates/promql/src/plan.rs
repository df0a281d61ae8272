//! What is done once for an expression, whatever the times it is evaluated at.
//!
//! Parentheses go, computations on constants are carried out, what does not depend on the
//! evaluation's time is marked, and selectors that are alike share one number.

mod build;
mod fetch;
mod node;

use crate::ast::Expr;
use crate::parse::{Fault, ParseError};

pub(crate) use fetch::{Fetches, Look, Want, stretch};
pub use fetch::{Lookup, TimeSpan};
pub(crate) use node::{Kind, Node, SelectNode};

/// An expression, ready to be evaluated any number of times.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) root: Node,
    /// What the expression was written as, for the positions in annotations.
    pub(crate) text: String,
    /// How many nodes use each selector.
    pub(crate) uses: Vec<usize>,
    /// What is planned anew for the times of each query, where the plan depends on them.
    pub(crate) timed: Option<Box<Expr>>,
}

impl Plan {
    /// Plans the evaluation of `expr`, which was parsed from `text`.
    ///
    /// Annotations name places in `text`; without a text they name none.
    #[must_use]
    pub fn new(expr: &Expr, text: &str) -> Self {
        let built = build::build(expr, TimeSpan::instant(0));
        Self {
            root: built.root,
            text: text.to_owned(),
            uses: built.uses,
            timed: built.is_timed.then(|| Box::new(expr.clone())),
        }
    }

    /// The plan for a query at `span`; absent where this one is for all times.
    ///
    /// # Errors
    /// [`ParseError`] when a duration that depends on the times makes no sense at these.
    pub fn timed(&self, span: &TimeSpan) -> Result<Option<Self>, ParseError> {
        let Some(expr) = &self.timed else {
            return Ok(None);
        };
        let built = build::build(expr, *span);
        if let Some(fault) = built.fault {
            return Err(Fault::from(fault).locate(&self.text));
        }
        Ok(Some(Self {
            root: built.root,
            text: self.text.clone(),
            uses: built.uses,
            timed: None,
        }))
    }

    /// What the expression evaluates to.
    #[must_use]
    pub fn value_type(&self) -> crate::ast::ValueType {
        self.root.value_type
    }
}
