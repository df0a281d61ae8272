use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;

use super::{Duration, Expr, Span};

/// The newest sample of each series that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The name in front of the braces, if there is one.
    pub name: Option<String>,
    /// Every condition; the name's, if there is one, comes last.
    pub matchers: Vec<Matcher>,
    /// How far back to look from where it would look otherwise.
    pub offset: Option<Duration>,
    /// The time to look at instead of the evaluation's.
    pub at: Option<At>,
    /// Whether samples around the range or the time count too.
    pub extent: Option<Extent>,
    /// Modifiers included.
    pub span: Span,
}

/// Which samples count besides those of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// `anchored`: the newest one before the range, which stands for its beginning.
    Anchored,
    /// `smoothed`: the one before and the one behind as well, and what lies on the lines between
    /// them and the nearest ones inside stands for both ends.
    Smoothed,
}

impl Extent {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anchored => "anchored",
            Self::Smoothed => "smoothed",
        }
    }
}

/// The samples of each series that matches, within a range.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// Which series; offset and `@` of the range are kept there.
    pub selector: VectorSelector,
    /// The length of the range.
    pub range: Duration,
    /// Modifiers included.
    pub span: Span,
}

/// An expression evaluated at every step of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated, an instant vector.
    pub expr: Box<Expr>,
    /// The length of the range.
    pub range: Duration,
    /// The distance of the steps; the default one if absent.
    pub step: Option<Duration>,
    /// How far back to look from where it would look otherwise.
    pub offset: Option<Duration>,
    /// The time to end at instead of the evaluation's.
    pub at: Option<At>,
    /// Modifiers included.
    pub span: Span,
}

/// The modifier `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// A fixed time.
    Time(Millis),
    /// The first step of the query.
    Start,
    /// The last step of the query.
    End,
}

impl VectorSelector {
    /// The offset in milliseconds, 0 if there is none.
    #[must_use]
    pub fn offset_millis(&self) -> Millis {
        self.offset.as_ref().map_or(0, |offset| offset.millis)
    }
}

impl Subquery {
    /// The offset in milliseconds, 0 if there is none.
    #[must_use]
    pub fn offset_millis(&self) -> Millis {
        self.offset.as_ref().map_or(0, |offset| offset.millis)
    }
}
