use system_stats_promql::eval::EvalError;
use system_stats_promql::parse::ParseError;

/// Why a query has no answer. The texts are those that users of Prometheus know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The expression cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The expression is no series, which over a range it must be.
    #[error("{0}")]
    RangeType(String),
    /// The expression has no value over these samples, or would need too many of them.
    #[error("{0}")]
    Invalid(String),
    /// Its time was over; where.
    #[error("query timed out in {0}")]
    TimedOut(&'static str),
    /// Nobody waited for it any more; where.
    #[error("query was canceled in {0}")]
    Canceled(&'static str),
    /// What is stored cannot be read.
    #[error("the store cannot be read: {0}")]
    Storage(String),
}

impl From<EvalError> for QueryError {
    fn from(error: EvalError) -> Self {
        const EVALUATION: &str = "expression evaluation";
        match error {
            EvalError::TimedOut => Self::TimedOut(EVALUATION),
            EvalError::Canceled => Self::Canceled(EVALUATION),
            EvalError::Source(error) => Self::Storage(error.to_string()),
            error @ EvalError::RangeType(_) => Self::RangeType(error.to_string()),
            error => Self::Invalid(error.to_string()),
        }
    }
}
