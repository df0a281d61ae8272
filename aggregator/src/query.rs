//! Questions to the stored samples: expressions, and what names there are.
//!
//! A query waits for a place, has what it needs fetched, and is evaluated off the asynchronous
//! threads. It ends when its time is over or when nobody waits for it any more.
//!
//! * `names` - label names, label values, series
//! * `newest` - the newest samples
//! * `error` - why there is no answer
//! * `metrics` - what is counted

mod error;
mod metrics;
mod names;
mod newest;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use system_stats_model::matcher::Matcher;
use system_stats_model::sample::Millis;
use system_stats_model::source::Fetch;
use system_stats_promql::ast::Expr;
use system_stats_promql::eval::{self, EvalError, Output, Statistics, Stop, evaluate};
use system_stats_promql::parse::{ParseError, ParseOptions, parse, parse_selector};
use system_stats_promql::plan::{Lookup, Plan, TimeSpan};
use system_stats_promql::value::Value;
use system_stats_storage::{ReadError, Snapshot, Storage};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

pub use self::error::QueryError;
use self::metrics::Counted;
pub use self::metrics::QueryMetrics;

/// Threads that work on one query at most.
const MAX_THREADS: usize = 8;
/// Expressions above this are read beside the runtime's own threads, in bytes.
const INLINE_EXPRESSION: usize = 16 << 10;

/// How queries are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a feature of its own"
)]
pub struct QueryOptions {
    /// How old the newest sample of a series may be.
    pub lookback: Duration,
    /// How long a query may take, its waiting included.
    pub timeout: Duration,
    /// How many samples a query may hold at once.
    pub max_samples: usize,
    /// How many queries run at the same time; further ones wait.
    pub max_concurrency: usize,
    /// Whether experimental functions may be called.
    pub experimental_functions: bool,
    /// Whether names that an operation drops are visible until the end of the query.
    pub delayed_name_removal: bool,
    /// Whether operators may be told what to put in the place of what is missing.
    pub fill_modifiers: bool,
    /// Whether selectors may be `anchored` or `smoothed`.
    pub extended_selectors: bool,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            lookback: Duration::from_mins(5),
            timeout: Duration::from_mins(2),
            max_samples: 50_000_000,
            max_concurrency: 20,
            experimental_functions: false,
            delayed_name_removal: false,
            fill_modifiers: false,
            extended_selectors: false,
        }
    }
}

impl QueryOptions {
    /// What expressions may use.
    pub(crate) fn parse_options(&self) -> ParseOptions {
        ParseOptions {
            experimental_functions: self.experimental_functions,
            fill_modifiers: self.fill_modifiers,
            extended_selectors: self.extended_selectors,
            ..ParseOptions::default()
        }
    }
}

/// A question in PromQL.
#[derive(Clone, Debug)]
pub struct Query {
    /// The expression.
    pub expression: String,
    /// The times that are asked for.
    pub span: TimeSpan,
    /// How old the newest sample of a series may be, in milliseconds; as configured if absent.
    pub lookback: Option<Millis>,
    /// How long it may take; never longer than configured.
    pub timeout: Option<Duration>,
    /// Whether samples are counted for each step.
    pub per_step: bool,
}

impl Query {
    /// An expression at one time.
    pub fn instant(expression: impl Into<String>, at: Millis) -> Self {
        Self {
            expression: expression.into(),
            span: TimeSpan::instant(at),
            lookback: None,
            timeout: None,
            per_step: false,
        }
    }
}

/// What came of a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result.
    pub value: Value,
    /// What is probably wrong.
    pub warnings: Vec<String>,
    /// What may be unintended.
    pub infos: Vec<String>,
    /// What it took.
    pub statistics: Statistics,
    /// How long it took.
    pub timings: Timings,
}

/// How long the parts of a query took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for a place.
    pub queue: Duration,
    /// Fetching what is needed.
    pub preparation: Duration,
    /// The evaluation.
    pub evaluation: Duration,
    /// All of it.
    pub total: Duration,
}

/// Answers queries over everything that is stored.
pub struct QueryService {
    storage: Arc<Storage>,
    options: QueryOptions,
    /// The distance of a subquery's steps where it names none, in milliseconds.
    subquery_step: AtomicI64,
    places: Arc<Semaphore>,
    threads: NonZeroUsize,
    metrics: QueryMetrics,
}

impl QueryService {
    /// A service over `storage`.
    #[must_use]
    pub fn new(storage: Arc<Storage>, options: QueryOptions) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            storage,
            subquery_step: AtomicI64::new(60_000),
            places: Arc::new(Semaphore::new(options.max_concurrency.max(1))),
            options,
            threads: NonZeroUsize::new(threads.min(MAX_THREADS)).unwrap_or(NonZeroUsize::MIN),
            metrics: QueryMetrics::default(),
        }
    }

    /// What the service counts about itself.
    #[must_use]
    pub fn metrics(&self) -> &QueryMetrics {
        &self.metrics
    }

    /// Sets the distance of a subquery's steps where it names none: the interval at which rules
    /// are evaluated.
    pub fn set_subquery_step(&self, step: Duration) {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        self.subquery_step.store(step.max(1), Ordering::Relaxed);
    }

    /// The matchers of a selector, `up{job="a"}`.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn matchers(&self, selector: &str) -> Result<Vec<Matcher>, ParseError> {
        parse_selector(selector)
    }

    /// Reads an expression and plans its evaluation.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn plan(&self, expression: &str) -> Result<Plan, ParseError> {
        let tree = parse(expression, &self.parse_options())?;
        Ok(Plan::new(&tree, expression))
    }

    /// Answers a query.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn run(self: &Arc<Self>, query: Query) -> Result<Answer, QueryError> {
        let began = Instant::now();
        let plan = self.read(&query.expression, Plan::new).await?;
        self.answer(Arc::new(plan), &query, began).await
    }

    /// Reads an expression and makes something of its tree and its text, of a long one off the
    /// asynchronous threads.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        expression: &str,
        make: impl FnOnce(&Expr, &str) -> T + Send + 'static,
    ) -> Result<T, QueryError> {
        let options = self.parse_options();
        if expression.len() <= INLINE_EXPRESSION {
            return Ok(make(&parse(expression, &options)?, expression));
        }
        let text = expression.to_owned();
        let read = move || Ok(make(&parse(&text, &options)?, &text));
        let done = tokio::task::spawn_blocking(read).await;
        done.map_err(|error| QueryError::Storage(error.to_string()))?
    }

    /// Answers an expression at one time.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn instant(
        self: &Arc<Self>,
        expression: &str,
        at: Millis,
    ) -> Result<Answer, QueryError> {
        self.run(Query::instant(expression, at)).await
    }

    /// Evaluates an expression that was planned before, at one time: on the calling thread and no
    /// other. That must not be one of `runtime`'s own, but one that may wait.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn evaluate(
        &self,
        plan: &Arc<Plan>,
        at: Millis,
        runtime: &Handle,
    ) -> Result<Answer, QueryError> {
        let query = Query::instant(String::new(), at);
        let prepared = self.prepare(Arc::clone(plan), &query, Instant::now());
        let (mut job, moments) = runtime.block_on(prepared)?;
        job.options.threads = NonZeroUsize::MIN;
        let evaluated = job.run();
        self.finish(moments, evaluated)
    }

    /// How many queries run at the same time.
    pub(crate) fn max_concurrency(&self) -> usize {
        self.options.max_concurrency.max(1)
    }

    async fn answer(
        self: &Arc<Self>,
        plan: Arc<Plan>,
        query: &Query,
        began: Instant,
    ) -> Result<Answer, QueryError> {
        let mut asked = Asked::new(&self.metrics);
        let answer = self.answer_asked(&asked, plan, query, began).await;
        asked.is_answered = true;
        answer
    }

    async fn answer_asked(
        &self,
        asked: &Asked,
        plan: Arc<Plan>,
        query: &Query,
        began: Instant,
    ) -> Result<Answer, QueryError> {
        let (mut job, moments) = self.prepare(plan, query, began).await?;
        job.canceled = Arc::clone(&asked.canceled);
        let evaluated = tokio::task::spawn_blocking(move || job.run()).await;
        let evaluated = evaluated.map_err(|error| {
            tracing::error!(%error, "an evaluation broke off");
            QueryError::Invalid("unexpected error: the evaluation broke off".to_owned())
        })?;
        self.finish(moments, evaluated)
    }

    /// Waits for a place and has what is needed fetched.
    async fn prepare(
        &self,
        plan: Arc<Plan>,
        query: &Query,
        began: Instant,
    ) -> Result<(Job, Moments), QueryError> {
        let timeout = query.timeout.unwrap_or(self.options.timeout);
        let deadline = began + timeout.min(self.options.timeout);
        let plan = plan.timed(&query.span)?.map_or(plan, Arc::new);
        let place = self.place(deadline).await?;
        let queued = Instant::now();
        let lookup = self.lookup(query);
        let fetches = plan.wanted(&query.span, &lookup);
        let snapshot = self.snapshot(&fetches, deadline).await?;
        let job = Job {
            plan,
            snapshot,
            options: self.eval_options(query, lookup),
            deadline,
            canceled: Arc::default(),
            _place: place,
            _running: self.metrics.running(),
        };
        let moments = Moments {
            began,
            queued,
            prepared: Instant::now(),
        };
        Ok((job, moments))
    }

    fn finish(
        &self,
        moments: Moments,
        evaluated: Result<Output, EvalError>,
    ) -> Result<Answer, QueryError> {
        let timings = moments.timings();
        self.metrics.note(&timings, evaluated.is_ok());
        let output = evaluated?;
        Ok(Answer {
            value: output.value,
            warnings: output.warnings,
            infos: output.infos,
            statistics: output.statistics,
            timings,
        })
    }

    async fn place(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, QueryError> {
        let _waiting = self.metrics.waiting();
        match timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(QueryError::Canceled("query queue")),
            Err(_) => Err(QueryError::TimedOut("query queue")),
        }
    }

    async fn snapshot(&self, fetches: &[Fetch], deadline: Instant) -> Result<Snapshot, QueryError> {
        match timeout_at(deadline, self.storage.fetch(fetches)).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err(error @ ReadError::TooMuch(_))) => Err(QueryError::Invalid(error.to_string())),
            Ok(Err(error)) => Err(QueryError::Storage(error.to_string())),
            Err(_) => Err(QueryError::TimedOut("query preparation")),
        }
    }

    fn lookup(&self, query: &Query) -> Lookup {
        let usual = i64::try_from(self.options.lookback.as_millis()).unwrap_or(i64::MAX);
        Lookup {
            lookback: query.lookback.unwrap_or(usual),
            subquery_step: self.subquery_step.load(Ordering::Relaxed),
        }
    }

    /// What expressions may use.
    pub(crate) fn parse_options(&self) -> ParseOptions {
        self.options.parse_options()
    }

    fn eval_options(&self, query: &Query, lookup: Lookup) -> eval::Options<'static> {
        eval::Options {
            lookup,
            max_samples: self.options.max_samples,
            delayed_name_removal: self.options.delayed_name_removal,
            threads: self.threads,
            per_step: query.per_step,
            ..eval::Options::new(query.span)
        }
    }
}

/// When the parts of a query were done.
#[derive(Clone, Copy)]
struct Moments {
    began: Instant,
    queued: Instant,
    prepared: Instant,
}

impl Moments {
    /// How long they took, if the evaluation has just ended.
    fn timings(&self) -> Timings {
        Timings {
            queue: self.queued - self.began,
            preparation: self.prepared - self.queued,
            evaluation: self.prepared.elapsed(),
            total: self.began.elapsed(),
        }
    }
}

/// An evaluation, with all that it needs.
struct Job {
    plan: Arc<Plan>,
    snapshot: Snapshot,
    options: eval::Options<'static>,
    deadline: Instant,
    canceled: Arc<AtomicBool>,
    _place: OwnedSemaphorePermit,
    _running: Counted,
}

impl Job {
    fn run(self) -> Result<Output, EvalError> {
        let stop = || {
            if self.canceled.load(Ordering::Relaxed) {
                Some(Stop::Canceled)
            } else if Instant::now() >= self.deadline {
                Some(Stop::TimedOut)
            } else {
                None
            }
        };
        let options = eval::Options {
            stop: Some(&stop),
            ..self.options
        };
        evaluate(&self.plan, &self.snapshot, &options)
    }
}

/// Somebody who waits for an answer. When they go away without it, the evaluation is told.
struct Asked {
    canceled: Arc<AtomicBool>,
    is_answered: bool,
    metrics: QueryMetrics,
}

impl Asked {
    fn new(metrics: &QueryMetrics) -> Self {
        Self {
            canceled: Arc::default(),
            is_answered: false,
            metrics: metrics.clone(),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_answered {
            self.canceled.store(true, Ordering::Relaxed);
            self.metrics.note_canceled();
        }
    }
}

#[cfg(test)]
mod tests;
