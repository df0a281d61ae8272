//! PromQL as Prometheus 3 speaks it.
//!
//! Pure and synchronous: text in, tree out; tree and samples in, values out. Not here: fetching,
//! HTTP, clocks, threads that outlive a call. Native histograms are not evaluated.
//!
//! * [`ast`] - the tree, with the place of every node in the text
//! * [`parse`] - from text to tree
//! * [`mod@print`] - from tree to text, in one line or in many
//! * [`plan`] - from tree to what is evaluated, and what has to be fetched for it
//! * [`eval`] - from plan and samples to values
//! * [`value`] - what comes out

pub mod ast;
pub mod eval;
pub mod parse;
pub mod plan;
pub mod print;
pub mod value;
