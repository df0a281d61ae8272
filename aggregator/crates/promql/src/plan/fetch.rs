use system_stats_model::matcher::Matcher;
use system_stats_model::rollup::resolution_of;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Fetch, Selector};

use super::Plan;
use super::node::{Kind, Node, RangeNode, SelectNode, SubqueryNode};
use crate::ast::{At, Extent, Function, QueryTimes};
use crate::value::Timeline;

/// The times at which a query asks for values, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    /// The first time.
    pub start: Millis,
    /// No time lies after it.
    pub end: Millis,
    /// The distance between the times; 0 asks for one time, `start`.
    pub step: Millis,
}

impl TimeSpan {
    /// One time only.
    #[must_use]
    pub fn instant(at: Millis) -> Self {
        Self {
            start: at,
            end: at,
            step: 0,
        }
    }

    /// The times themselves.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        if self.step == 0 {
            Timeline::instant(self.start)
        } else {
            Timeline::between(self.start, self.end, self.step)
        }
    }

    pub(crate) fn resolve(&self, at: Option<At>) -> Option<Millis> {
        at.map(|at| match at {
            At::Time(time) => time,
            At::Start => self.start,
            At::End => self.last(),
        })
    }

    /// The end of the query.
    pub(crate) fn last(&self) -> Millis {
        if self.step == 0 { self.start } else { self.end }
    }

    /// One of the lengths that a query has, in seconds.
    pub(crate) fn seconds(&self, which: QueryTimes) -> f64 {
        let millis = match which {
            QueryTimes::Step => self.step,
            QueryTimes::Range => self.last().saturating_sub(self.start),
        };
        millis as f64 / 1000.0
    }
}

/// How far an evaluation looks around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// How old the newest sample of a series may be, in milliseconds: younger than this.
    pub lookback: Millis,
    /// The distance of a subquery's steps where it names none, in milliseconds.
    pub subquery_step: Millis,
}

impl Lookup {
    /// The grid on which a subquery is evaluated: multiples of its distance, so that it does not
    /// move with the query.
    pub(crate) fn grid(&self, node: &SubqueryNode, at: Option<Millis>, of: &Timeline) -> Timeline {
        let step = node.step.unwrap_or(self.subquery_step).max(1);
        let reference = of.shifted(at, node.offset);
        let before = reference.first.saturating_sub(node.range);
        let mut start = before / step * step;
        if start <= before {
            start = start.saturating_add(step);
        }
        Timeline::between(start, reference.last(), step)
    }
}

/// What has to be read for an evaluation, and which part of it each selector means.
pub(crate) struct Fetches {
    pub(crate) fetches: Vec<Fetch>,
    keys: Vec<(String, Option<Millis>)>,
}

impl Fetches {
    /// The number of the fetch that covers what a selector looks at.
    pub(crate) fn find(&self, matchers: &[Matcher], look: Look) -> Option<usize> {
        let key = (key_of(matchers), look.resolution);
        let range = |at: usize| self.fetches[at].selector.range;
        let covers = |have: TimeRange| have.start <= look.range.start && look.range.end <= have.end;
        (0..self.keys.len()).find(|at| self.keys[*at] == key && covers(range(*at)))
    }

    fn add(&mut self, select: &SelectNode, look: Look) {
        let Look { range, resolution } = look;
        self.keys.push((key_of(&select.matchers), resolution));
        let matchers = select.matchers.clone();
        let selector = Selector { matchers, range };
        self.fetches.push(Fetch {
            selector,
            resolution,
        });
        // What overlaps becomes one; growing, it may reach others.
        let mut last = self.keys.len() - 1;
        let range = |fetches: &[Fetch], at: usize| fetches[at].selector.range;
        while let Some(at) = (0..last).find(|at| {
            self.keys[*at] == self.keys[last]
                && range(&self.fetches, *at).overlaps(range(&self.fetches, last))
        }) {
            let grown = self.fetches.swap_remove(last).selector.range;
            self.keys.swap_remove(last);
            let range = &mut self.fetches[at].selector.range;
            range.start = range.start.min(grown.start);
            range.end = range.end.max(grown.end);
            last = self.keys.len() - 1;
            self.keys.swap(at, last);
            self.fetches.swap(at, last);
        }
    }
}

fn key_of(matchers: &[Matcher]) -> String {
    let mut conditions: Vec<String> = matchers.iter().map(ToString::to_string).collect();
    conditions.sort_unstable();
    format!("{conditions:?}")
}

impl Plan {
    /// What has to be fetched before the expression can be evaluated at `span`: each set of series
    /// once, with the stretch of time that is looked at. Stretches that do not overlap are listed
    /// one by one.
    #[must_use]
    pub fn selectors(&self, span: &TimeSpan, lookup: &Lookup) -> Vec<Selector> {
        let fetches = self.wanted(span, lookup).into_iter();
        fetches.map(|fetch| fetch.selector).collect()
    }

    /// The same, with how coarse each may come: where the times and the length of the windows are
    /// multiples of a resolution, and buckets answer what is asked of the samples.
    #[must_use]
    pub fn wanted(&self, span: &TimeSpan, lookup: &Lookup) -> Vec<Fetch> {
        match self.timed(span) {
            Ok(Some(plan)) => plan.fetches(span, lookup).fetches,
            Ok(None) => self.fetches(span, lookup).fetches,
            // It cannot be evaluated either.
            Err(_) => Vec::new(),
        }
    }

    pub(crate) fn fetches(&self, span: &TimeSpan, lookup: &Lookup) -> Fetches {
        let mut walk = Walk {
            span: *span,
            lookup: *lookup,
            found: Fetches {
                fetches: Vec::new(),
                keys: Vec::new(),
            },
        };
        walk.node(&self.root, &span.timeline());
        walk.found
    }
}

/// What a selector looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) range: TimeRange,
    /// The resolution of the buckets that would do.
    pub(crate) resolution: Option<Millis>,
}

/// Which samples are asked for at each time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Want {
    /// The newest, if it is younger than this.
    Newest(Millis),
    /// Those of the last milliseconds, for a function if there is one.
    Window(Millis, Option<Function>),
    /// Those of the last milliseconds, and those so much before or, where the selector is smoothed,
    /// behind them.
    Around(Millis, Millis),
}

impl Want {
    /// What an instant selector asks for.
    pub(crate) fn newest(select: &SelectNode, lookup: &Lookup) -> Self {
        match select.extent {
            Some(Extent::Smoothed) => Self::Around(0, lookup.lookback),
            // There is no beginning to be anchored.
            Some(Extent::Anchored) | None => Self::Newest(lookup.lookback),
        }
    }

    /// What a range asks for.
    pub(crate) fn window(range: &RangeNode, function: Option<Function>, lookup: &Lookup) -> Self {
        match range.select.extent {
            Some(_) => Self::Around(range.range, lookup.lookback),
            None => Self::Window(range.range, function),
        }
    }
}

/// The stretch of samples that a selector looks at, left end open: `(first - length, last]`, and
/// by which buckets it could be covered.
pub(crate) fn stretch(select: &SelectNode, span: &TimeSpan, on: &Timeline, want: Want) -> Look {
    let reference = on.shifted(span.resolve(select.at), select.offset);
    let step = if reference.steps > 1 {
        reference.step
    } else {
        0
    };
    let (length, resolution) = match want {
        Want::Newest(lookback) => (lookback, resolution_of(&[reference.first, step])),
        Want::Window(length, function) if function.is_some_and(suits_buckets) => {
            (length, resolution_of(&[reference.first, step, length]))
        }
        Want::Window(length, _) => (length, None),
        Want::Around(length, around) => (length.saturating_add(around), None),
    };
    let behind = match want {
        Want::Around(_, around) if select.extent == Some(Extent::Smoothed) => around,
        _ => 0,
    };
    let range = TimeRange {
        start: reference.first.saturating_sub(length).saturating_add(1),
        end: reference.last().saturating_add(behind),
    };
    Look { range, resolution }
}

/// Whether a function can be answered by buckets as well as by samples.
pub(crate) fn suits_buckets(function: Function) -> bool {
    matches!(
        function,
        Function::Rate
            | Function::Increase
            | Function::Delta
            | Function::CountOverTime
            | Function::PresentOverTime
            | Function::AbsentOverTime
            | Function::LastOverTime
            | Function::MinOverTime
            | Function::MaxOverTime
            | Function::SumOverTime
            | Function::AvgOverTime
    )
}

struct Walk {
    span: TimeSpan,
    lookup: Lookup,
    found: Fetches,
}

impl Walk {
    fn node(&mut self, node: &Node, on: &Timeline) {
        self.node_of(node, None, on);
    }

    /// `function` is the one whose argument the node is.
    fn node_of(&mut self, node: &Node, function: Option<Function>, on: &Timeline) {
        if on.steps == 0 {
            return;
        }
        let newest = Want::Newest(self.lookup.lookback);
        let mut of = None;
        match &node.kind {
            Kind::Select(select) => self.add(select, on, Want::newest(select, &self.lookup)),
            Kind::Range(range) => {
                self.add(
                    &range.select,
                    on,
                    Want::window(range, function, &self.lookup),
                );
            }
            Kind::Subquery(subquery) => {
                let at = self.span.resolve(subquery.at);
                let grid = self.lookup.grid(subquery, at, on);
                self.node(&subquery.expr, &grid);
                return;
            }
            Kind::Call { function, info, .. } => {
                of = Some(*function);
                if let Some(info) = info {
                    self.add(info, on, newest);
                }
            }
            _ => {}
        }
        for child in node.children() {
            self.node_of(child, of, on);
        }
    }

    fn add(&mut self, select: &SelectNode, on: &Timeline, want: Want) {
        let look = stretch(select, &self.span, on, want);
        self.found.add(select, look);
    }
}
