use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use system_stats_model::labels::{Labels, METRIC_NAME};
use system_stats_model::matcher::MatchOp;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Fetch, SeriesSet, SeriesSource, SourceError};

use super::annotations::{Annotations, Note};
use super::budget::Budget;
use super::error::EvalError;
use super::held::Held;
use super::instant::Lookback;
use super::options::{Options, Output};
use super::producer::{Producer, Scratch};
use super::{aggregate, binary, call, collect, naming, scalar};
use crate::ast::{At, Span};
use crate::plan::{self, Fetches, Kind, Look, Lookup, Node, Plan, SelectNode, TimeSpan, Want};
use crate::value::{ColumnMut, Columns, Timeline, Value};

/// How far samples are apart, as far as one can guess, in milliseconds.
const USUAL_INTERVAL: Millis = 15_000;

/// What the evaluation of one query needs everywhere.
pub(crate) struct Evaluator<'a> {
    pub(crate) budget: Arc<Budget<'a>>,
    pub(crate) annotations: Annotations,
    pub(crate) threads: NonZeroUsize,
    pub(crate) lookup: Lookup,
    /// Whether names are dropped where an operation drops them and not at the end.
    pub(crate) is_eager: bool,
    span: TimeSpan,
    text: &'a str,
    uses: &'a [usize],
    fetches: Fetches,
    sets: Vec<Box<dyn SeriesSet + 'a>>,
    /// The columns of selectors that are used more than once.
    selected: RefCell<HashMap<(usize, Timeline), Arc<Held<'a>>>>,
}

/// That what is not there any more is not asked for.
fn check_samples(set: &dyn SeriesSet, fetch: &Fetch) -> Result<(), EvalError> {
    let has_buckets = fetch.resolution.is_some_and(|by| set.has_buckets(by));
    let gone = set.expired_before().filter(|_| !has_buckets);
    match (gone, set.labels().first()) {
        (Some(before), Some(series)) => Err(SourceError::Expired {
            series: series.clone(),
            before,
        }
        .into()),
        _ => Ok(()),
    }
}

/// An instant vector.
pub(crate) enum Vector<'e> {
    Ready(Arc<Held<'e>>),
    Lazy(Box<dyn Producer + 'e>),
}

/// The series of a selector, and the stretch of time it looks at.
#[derive(Clone, Copy)]
pub(crate) struct Selected<'e> {
    pub(crate) set: &'e dyn SeriesSet,
    pub(crate) range: TimeRange,
    /// The resolution of the buckets by which it is read, if it is.
    pub(crate) resolution: Option<Millis>,
    /// Whether dropping reserved labels cannot make two of them alike.
    pub(crate) same_name: bool,
}

impl Selected<'_> {
    /// About how many samples each series has there.
    pub(crate) fn expected(&self) -> usize {
        let TimeRange { start, end } = self.range;
        let apart = self.resolution.unwrap_or(USUAL_INTERVAL).max(1);
        usize::try_from(end.saturating_sub(start) / apart).unwrap_or_default()
    }
}

/// A scalar at every step.
#[derive(Clone, Debug)]
pub(crate) enum Scalars {
    Same(f64),
    Each(Vec<f64>),
}

impl Scalars {
    pub(crate) fn at(&self, step: usize) -> f64 {
        match self {
            Self::Same(value) => *value,
            Self::Each(values) => values[step],
        }
    }

    /// The values of `steps` steps, a constant one only once.
    pub(crate) fn distinct(&self) -> &[f64] {
        match self {
            Self::Same(value) => std::slice::from_ref(value),
            Self::Each(values) => values,
        }
    }
}

impl<'e> Vector<'e> {
    pub(crate) fn lazy(producer: impl Producer + 'e) -> Self {
        Self::Lazy(Box::new(producer))
    }

    fn producer(&self) -> &dyn Producer {
        match self {
            Self::Ready(columns) => &***columns,
            Self::Lazy(producer) => &**producer,
        }
    }
}

impl Producer for Vector<'_> {
    fn timeline(&self) -> Timeline {
        self.producer().timeline()
    }

    fn labels(&self) -> &[Labels] {
        self.producer().labels()
    }

    fn drops(&self, series: usize) -> bool {
        self.producer().drops(series)
    }

    fn same_name(&self) -> bool {
        self.producer().same_name()
    }

    fn is_strict(&self) -> bool {
        self.producer().is_strict()
    }

    fn effort(&self) -> usize {
        self.producer().effort()
    }

    fn produce(
        &self,
        series: usize,
        into: &mut ColumnMut<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), EvalError> {
        self.producer().produce(series, into, scratch)
    }
}

impl<'a> Evaluator<'a> {
    /// Picks the series of every selector.
    pub(crate) fn new(
        plan: &'a Plan,
        source: &'a dyn SeriesSource,
        options: &Options<'a>,
    ) -> Result<Self, EvalError> {
        let fetches = plan.fetches(&options.span, &options.lookup);
        let mut sets = Vec::with_capacity(fetches.fetches.len());
        for fetch in &fetches.fetches {
            let set = source.select(&fetch.selector)?;
            check_samples(&*set, fetch)?;
            let found = set.labels().len();
            if found > options.max_series {
                let limit = options.max_series;
                return Err(EvalError::TooManySeries { found, limit });
            }
            sets.push(set);
        }
        Ok(Self {
            budget: Arc::new(Budget::new(options)),
            annotations: Annotations::default(),
            threads: options.threads,
            lookup: options.lookup,
            is_eager: !options.delayed_name_removal,
            span: options.span,
            text: &plan.text,
            uses: &plan.uses,
            fetches,
            sets,
            selected: RefCell::new(HashMap::new()),
        })
    }

    /// The result with everything that was noted on the way to it.
    pub(crate) fn into_output(self, value: Value) -> Output {
        drop(self.selected);
        let (warnings, infos) = self.annotations.into_texts(self.text);
        Output {
            value,
            warnings,
            infos,
            statistics: self.budget.statistics(),
        }
    }

    pub(crate) fn timeline(&self) -> Timeline {
        self.span.timeline()
    }

    /// Whether one time is asked for, and not a grid that happens to have one.
    pub(crate) fn is_instant(&self) -> bool {
        self.span.step == 0
    }

    /// The time that `@` names.
    pub(crate) fn resolve(&self, at: Option<At>) -> Option<Millis> {
        self.span.resolve(at)
    }

    /// What a selector looks at.
    pub(crate) fn select(
        &self,
        select: &SelectNode,
        on: &Timeline,
        want: Want,
        at: Span,
    ) -> Result<Selected<'_>, EvalError> {
        let look = plan::stretch(select, &self.span, on, want);
        let Look { range, resolution } = look;
        let planned = self.fetches.find(&select.matchers, look);
        let set = &*self.sets[planned.ok_or(EvalError::Unplanned)?];
        let resolution = resolution.filter(|by| set.has_buckets(*by));
        if let Some((before, by)) = set.expired_before().zip(resolution)
            && range.start < before
        {
            self.annotations.add(Note::Rollups { before, by }, at);
        }
        let is_name = |op, name: &str| op == MatchOp::Equal && name == METRIC_NAME;
        let names_one = select.matchers.iter().any(|m| is_name(m.op(), m.name()));
        let has_more = || set.labels().iter().any(naming::has_more_than_a_name);
        Ok(Selected {
            set,
            range,
            resolution,
            same_name: names_one && !has_more(),
        })
    }

    /// The value of a node that is an instant vector.
    pub(crate) fn vector(&self, node: &Node, on: &Timeline) -> Result<Vector<'_>, EvalError> {
        self.budget.check()?;
        if on.steps == 0 {
            return Ok(Vector::Ready(Held::new(Columns::new(*on), &self.budget)?));
        }
        if node.is_invariant && on.steps > 1 {
            let once = self.columns(node, &Timeline::instant(on.start))?;
            let everywhere = collect::repeat(&once, *on, &self.budget)?;
            return Ok(Vector::Ready(Held::new(everywhere, &self.budget)?));
        }
        match &node.kind {
            Kind::Select(select) => {
                let known = self.selected.borrow().get(&(select.id, *on)).cloned();
                if let Some(columns) = known {
                    self.count_again(&columns, on);
                    return Ok(Vector::Ready(columns));
                }
                let lookback = Lookback::new(self, (select, node.span), on, false)?;
                if self.uses[select.id] > 1 {
                    let columns = collect::collect(self, &lookback)?;
                    let key = (select.id, *on);
                    self.selected.borrow_mut().insert(key, Arc::clone(&columns));
                    return Ok(Vector::Ready(columns));
                }
                Ok(Vector::lazy(lookback))
            }
            Kind::Call {
                function,
                args,
                info,
            } => call::vector(self, node, (*function, args, info.as_ref()), on),
            Kind::Aggregate { .. } => aggregate::vector(self, node, on),
            Kind::Binary { .. } => binary::vector(self, node, on),
            Kind::Negate(inner) => {
                let input = self.vector(inner, on)?;
                Ok(Vector::lazy(
                    call::Mapped::new(input, |_, value| -value).strict(),
                ))
            }
            _ => Err(EvalError::Type {
                expected: crate::ast::ValueType::Vector,
                found: node.value_type,
            }),
        }
    }

    /// Counts the samples of a selector that stands in another place too.
    fn count_again(&self, columns: &Columns, on: &Timeline) {
        let mut counts = vec![
            0_u64;
            if self.budget.counts_steps() {
                on.steps
            } else {
                0
            }
        ];
        let mut total = 0;
        for series in 0..columns.len() {
            let valid = columns.valid(series);
            total += valid.count() as u64;
            if !counts.is_empty() {
                valid.iter().for_each(|step| counts[step] += 1);
            }
        }
        self.budget.looked_at(total);
        self.budget.looked_at_steps(on, counts.into_iter());
    }

    /// The vector itself where no two series can have become alike, else what it comes to: for
    /// those who leave out values or add them up, and would not see that there were two.
    pub(crate) fn told_apart<'e>(&'e self, vector: Vector<'e>) -> Result<Vector<'e>, EvalError> {
        let Vector::Lazy(lazy) = &vector else {
            return Ok(vector);
        };
        let mut series = 0..lazy.labels().len();
        if !self.is_eager || lazy.same_name() || !series.any(|series| lazy.drops(series)) {
            return Ok(vector);
        }
        Ok(Vector::Ready(collect::collect(self, &**lazy)?))
    }

    /// The value of a node that is an instant vector, all at once.
    pub(crate) fn columns(&self, node: &Node, on: &Timeline) -> Result<Arc<Held<'_>>, EvalError> {
        match self.vector(node, on)? {
            Vector::Ready(columns) => Ok(columns),
            Vector::Lazy(producer) => collect::collect(self, &*producer),
        }
    }

    /// The value of a node that is a scalar.
    pub(crate) fn scalars(&self, node: &Node, on: &Timeline) -> Result<Scalars, EvalError> {
        scalar::scalars(self, node, on)
    }
}
