//! PromQL as Prometheus 3 speaks it.
//!
//! Pure and synchronous: text in, tree out; tree and samples in, values out. Not here: fetching,
//! HTTP, clocks, threads that outlive a call. Native histograms are not evaluated.
//!
//! * [`ast`] - the tree, with the place of every node in the text
//! * [`parse`] - from text to tree
//! * [`mod@print`] - from tree to text, in one line or in many

pub mod ast;
pub mod parse;
pub mod print;
