use system_stats_model::source::SourceError;

use crate::ast::ValueType;

/// Why there is no result. The texts are those that users of Prometheus know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// More samples at once than [`Options::max_samples`](super::Options::max_samples).
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// A selector picks more series than [`Options::max_series`](super::Options::max_series).
    #[error("the query selects {found} series, more than the limit of {limit}; select fewer")]
    TooManySeries {
        /// How many it picks.
        found: usize,
        /// How many it may.
        limit: usize,
    },
    /// The time for the query is over.
    #[error("query timed out in expression evaluation")]
    TimedOut,
    /// Nobody waits for the query any more.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// Two series of one vector have the same labels.
    #[error("vector cannot contain metrics with the same labelset")]
    SameLabels,
    /// Two elements of the side that may have only one.
    #[error(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{one}, {other}];many-to-many matching not allowed: matching labels must be unique on one side"
    )]
    ManyToMany {
        /// The labels that are matched.
        group: String,
        /// `left` or `right`.
        side: &'static str,
        /// The second of them.
        one: String,
        /// The first of them.
        other: String,
    },
    /// Several elements match one in a one-to-one match.
    #[error(
        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
    )]
    ImplicitManyToOne,
    /// Several elements become one with the labels that are grouped by.
    #[error("multiple matches for labels: grouping labels must ensure unique matches")]
    AmbiguousGrouping,
    /// Two series describe one target.
    #[error("found duplicate series for info metric {0}")]
    DuplicateInfo(String),
    /// Two info series say different things.
    #[error("conflicting label: {0}")]
    ConflictingInfo(String),
    /// A parameter cannot be used.
    #[error("{0}")]
    Parameter(String),
    /// The expression is not well typed; one that was parsed is.
    #[error("expected type {expected}, got {found}")]
    Type {
        /// What was needed.
        expected: ValueType,
        /// What was there.
        found: ValueType,
    },
    /// A range query of something that is no series.
    #[error("invalid expression type \"{0}\" for range query, must be Scalar or instant Vector")]
    RangeType(ValueType),
    /// The plan was made for something else.
    #[error("unexpected error: a selector that was not planned for")]
    Unplanned,
    /// The stored samples cannot be read.
    #[error("expanding series: {0}")]
    Source(#[from] SourceError),
}
