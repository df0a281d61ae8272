//! The words that the whole aggregator speaks: labels, samples, matchers, the exposition formats
//! and the two seams through which samples travel.
//!
//! Not here: anything asynchronous, any I/O, any clock. Whoever needs the time passes it in.
//!
//! * [`labels`] - a label set as one compact, comparable, cheaply cloned string
//! * [`sample`] - timestamps, values, the staleness marker
//! * [`matcher`] - label matchers as PromQL has them
//! * [`exposition`] - the exposition formats, read
//! * [`append`] - the write seam, [`Appender`](append::Appender)
//! * [`relabel`] - rules that rewrite label sets
//! * [`rollup`] - samples summed up over buckets of time
//! * [`source`] - the read seam, [`SeriesSource`](source::SeriesSource)

pub mod append;
pub mod exposition;
pub mod labels;
pub mod matcher;
pub mod relabel;
pub mod rollup;
pub mod sample;
pub mod source;
