//! What is done once for an expression, whatever the times it is evaluated at.
//!
//! Parentheses go, computations on constants are carried out, what does not depend on the
//! evaluation's time is marked, and selectors that are alike share one number.

mod build;
mod fetch;
mod node;

use crate::ast::Expr;

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
}

impl Plan {
    /// Plans the evaluation of `expr`, which was parsed from `text`.
    ///
    /// Annotations name places in `text`; without a text they name none.
    #[must_use]
    pub fn new(expr: &Expr, text: &str) -> Self {
        let (root, uses) = build::build(expr);
        Self {
            root,
            text: text.to_owned(),
            uses,
        }
    }

    /// What the expression evaluates to.
    #[must_use]
    pub fn value_type(&self) -> crate::ast::ValueType {
        self.root.value_type
    }
}
