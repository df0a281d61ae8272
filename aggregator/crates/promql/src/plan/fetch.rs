use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::Selector;

use super::Plan;
use super::node::{Kind, Node, SelectNode, SubqueryNode};
use crate::ast::At;
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
            At::End if self.step == 0 => self.start,
            At::End => self.end,
        })
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
    pub(crate) selectors: Vec<Selector>,
    keys: Vec<String>,
}

impl Fetches {
    /// The number of the fetch that covers `range` of what `matchers` pick.
    pub(crate) fn find(&self, matchers: &[Matcher], range: TimeRange) -> Option<usize> {
        let key = key_of(matchers);
        let covers = |have: TimeRange| have.start <= range.start && range.end <= have.end;
        (0..self.keys.len()).find(|at| self.keys[*at] == key && covers(self.selectors[*at].range))
    }

    fn add(&mut self, select: &SelectNode, range: TimeRange) {
        self.keys.push(key_of(&select.matchers));
        let matchers = select.matchers.clone();
        self.selectors.push(Selector { matchers, range });
        // What overlaps becomes one; growing, it may reach others.
        let mut last = self.keys.len() - 1;
        while let Some(at) = (0..last).find(|at| {
            self.keys[*at] == self.keys[last]
                && self.selectors[*at]
                    .range
                    .overlaps(self.selectors[last].range)
        }) {
            let grown = self.selectors.swap_remove(last).range;
            self.keys.swap_remove(last);
            let range = &mut self.selectors[at].range;
            range.start = range.start.min(grown.start);
            range.end = range.end.max(grown.end);
            last = self.keys.len() - 1;
            self.keys.swap(at, last);
            self.selectors.swap(at, last);
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
        self.fetches(span, lookup).selectors
    }

    pub(crate) fn fetches(&self, span: &TimeSpan, lookup: &Lookup) -> Fetches {
        let mut walk = Walk {
            span: *span,
            lookup: *lookup,
            found: Fetches {
                selectors: Vec::new(),
                keys: Vec::new(),
            },
        };
        walk.node(&self.root, &span.timeline());
        walk.found
    }
}

/// The stretch of samples that a selector looks at, left end open: `(first - length, last]`.
pub(crate) fn stretch(
    select: &SelectNode,
    span: &TimeSpan,
    on: &Timeline,
    length: Millis,
) -> TimeRange {
    let reference = on.shifted(span.resolve(select.at), select.offset);
    TimeRange {
        start: reference.first.saturating_sub(length).saturating_add(1),
        end: reference.last(),
    }
}

struct Walk {
    span: TimeSpan,
    lookup: Lookup,
    found: Fetches,
}

impl Walk {
    fn node(&mut self, node: &Node, on: &Timeline) {
        if on.steps == 0 {
            return;
        }
        match &node.kind {
            Kind::Select(select) => self.add(select, on, self.lookup.lookback),
            Kind::Range(range) => self.add(&range.select, on, range.range),
            Kind::Subquery(subquery) => {
                let at = self.span.resolve(subquery.at);
                let grid = self.lookup.grid(subquery, at, on);
                self.node(&subquery.expr, &grid);
                return;
            }
            Kind::Call {
                info: Some(info), ..
            } => self.add(info, on, self.lookup.lookback),
            _ => {}
        }
        for child in node.children() {
            self.node(child, on);
        }
    }

    fn add(&mut self, select: &SelectNode, on: &Timeline, length: Millis) {
        let range = stretch(select, &self.span, on, length);
        self.found.add(select, range);
    }
}
