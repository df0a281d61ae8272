//! All charts of a host in one answer: what there is of each subject, counters as rates.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;
use system_stats_model::labels::{INSTANCE, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Samples, Selector, SeriesSource};

use super::bands::{Band, Bands};
use super::outlook;
use super::subjects::{Kind, Metric, SUBJECTS, Subject};
use super::{GAP, Span, seconds};
use crate::inventory::hosts::Host;
use crate::inventory::{Inventory, InventoryError};

/// Lines of one chart; more cannot be told apart.
const MAX_LINES: usize = 24;
/// So far before a stretch is read for what a counter was at its beginning.
const LEAD: Millis = 5 * 60 * 1000;

/// The charts of a host that have anything to show.
#[derive(Serialize)]
pub(in super::super) struct Panels {
    /// The beginning of all charts, in seconds since 1970.
    from: f64,
    /// Their end.
    to: f64,
    /// The stretch that one point stands for, in seconds.
    step: f64,
    /// Where the points that are here begin, if that is later: those before have not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<f64>,
    #[serde(rename = "panels")]
    pub(super) all: Vec<Panel>,
    /// When alerts of the host fired.
    pub(in super::super) alerts: Vec<Band>,
}

#[derive(PartialEq, Serialize)]
pub(super) struct Panel {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// Seconds since 1970, common to all lines.
    pub(super) times: Vec<f64>,
    pub(super) lines: Vec<Line>,
    /// Lines beyond the twenty-four that are here.
    pub(super) omitted: usize,
    /// What follows from the whole of the lines, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

#[derive(PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) name: String,
    is_limit: bool,
    /// The mean of each step, null where nothing was measured.
    pub(super) avg: Vec<Option<f64>>,
    /// Only where a step holds more than one sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Vec<Option<f64>>>,
}

impl Panels {
    /// The charts of a host; only those that `ids` names, separated by commas, if it is there; with the
    /// bands that are in their stretch.
    pub(in super::super) async fn read(
        inventory: &Inventory,
        host: &Host,
        span: Span,
        ids: Option<&str>,
        bands: &Bands,
    ) -> Result<Self, InventoryError> {
        let span = span.since_first(host);
        let instance = host.instance.clone();
        let is_wanted =
            |subject: &&Subject| ids.is_none_or(|ids| ids.split(',').any(|id| id == subject.id));
        let subjects = SUBJECTS.iter().filter(is_wanted);
        let subjects: Vec<&Subject> = subjects.collect();
        let metrics = subjects
            .iter()
            .flat_map(|subject| subject.sources.iter().copied().flatten());
        let selectors = metrics
            .map(|metric| span.selector(&instance, metric))
            .collect();
        let panels = inventory.decode(selectors, move |source| {
            let panel =
                |subject: &Subject| Panel::read(subject, source, &instance, span).transpose();
            subjects.into_iter().filter_map(panel).collect()
        });
        Ok(Self {
            from: seconds(span.from),
            to: seconds(span.to),
            step: seconds(span.step()),
            since: span.since.map(|_| seconds(span.start())),
            all: panels.await?,
            alerts: bands.within(span),
        })
    }

    /// Whether there is nothing to draw.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether the same would be drawn.
    pub(in super::super) fn has_points_of(&self, other: &Self) -> bool {
        self.all == other.all && self.alerts == other.alerts
    }
}

impl Span {
    fn selector(self, instance: &str, metric: &Metric) -> Selector {
        Selector {
            matchers: vec![
                Matcher::equal(METRIC_NAME, metric.1),
                Matcher::equal(INSTANCE, instance),
            ],
            range: TimeRange {
                start: self.start().saturating_sub(LEAD.max(self.step())),
                end: self.to,
            },
        }
    }
}

/// What was measured in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    /// Of the newest sample.
    time: Millis,
    sum: f64,
    count: f64,
    min: f64,
    max: f64,
}

impl Cell {
    fn new(time: Millis, value: f64) -> Self {
        Self {
            time,
            sum: value,
            count: 1.0,
            min: value,
            max: value,
        }
    }

    fn add(&mut self, other: Self) {
        self.time = self.time.max(other.time);
        self.sum += other.sum;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// By the number of the step in the span.
type Cells = BTreeMap<Millis, Cell>;
/// Limits last, else in the order of the metrics and by name.
type LineKey = (bool, usize, String);
type Lines = BTreeMap<LineKey, (Kind, Cells)>;

impl Panel {
    /// `None` without data.
    fn read(
        subject: &Subject,
        source: &dyn SeriesSource,
        instance: &str,
        span: Span,
    ) -> Result<Option<Self>, InventoryError> {
        for metrics in subject.sources {
            let mut lines = Lines::new();
            for (order, metric) in metrics.iter().enumerate() {
                let read =
                    source.for_each(&span.selector(instance, metric), &mut |labels, samples| {
                        if metric.0 == Kind::Time && labels.get("mode") == Some("idle") {
                            return ControlFlow::Continue(());
                        }
                        let name = (metric.0 == Kind::Limit, order, metric.name(labels));
                        let line = lines.entry(name).or_insert((metric.0, Cells::new()));
                        for (step, cell) in cells(metric.0, samples, span) {
                            line.1
                                .entry(step)
                                .and_modify(|have| have.add(cell))
                                .or_insert(cell);
                        }
                        ControlFlow::Continue(())
                    });
                read.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
            }
            lines.retain(|_, (_, cells)| !cells.is_empty());
            if !lines.is_empty() {
                return Ok(Some(Self::new(subject, lines, span)));
            }
        }
        Ok(None)
    }

    fn new(subject: &Subject, lines: Lines, span: Span) -> Self {
        let omitted = lines.len().saturating_sub(MAX_LINES);
        let mut steps: BTreeMap<Millis, Option<Millis>> = BTreeMap::new();
        for (_, cells) in lines.values().take(MAX_LINES) {
            for (step, cell) in cells {
                let time = steps.entry(*step).or_default();
                *time = (*time).max(Some(cell.time));
            }
        }
        // A step without numbers breaks the lines where the distance is not an ordinary one.
        let known: Vec<Millis> = steps.keys().copied().collect();
        let mut distances: Vec<Millis> = known.windows(2).map(|two| two[1] - two[0]).collect();
        distances.sort_unstable();
        let ordinary = distances.get(distances.len() / 2).copied().unwrap_or(1);
        for two in known.windows(2) {
            if two[1] - two[0] > ordinary * GAP {
                steps.insert(two[0] + 1, None);
            }
        }
        let time =
            |(step, time): (&Millis, &Option<Millis>)| seconds(time.unwrap_or(step * span.step()));
        let line = |((is_limit, _, name), (kind, cells)): (LineKey, (Kind, Cells))| {
            let column = |value: fn(&Cell) -> f64| -> Vec<Option<f64>> {
                steps
                    .keys()
                    .map(|step| cells.get(step).map(value).map(rounded))
                    .collect()
            };
            let is_spread = kind != Kind::Time && cells.values().any(|cell| cell.count > 1.0);
            Line {
                name,
                is_limit,
                avg: column(|cell| cell.sum / cell.count),
                min: is_spread.then(|| column(|cell| cell.min)),
                max: is_spread.then(|| column(|cell| cell.max)),
            }
        };
        let mut panel = Self {
            id: subject.id,
            title: subject.title,
            unit: subject.unit,
            times: steps.iter().map(time).collect(),
            lines: lines.into_iter().take(MAX_LINES).map(line).collect(),
            omitted,
            notes: Vec::new(),
        };
        if subject.fills && span.since.is_none() {
            let words = |line: &Line| outlook::words(&line.name, &panel.times, &line.avg);
            panel.notes = panel.lines.iter().filter_map(words).collect();
        }
        panel
    }
}

/// The samples of one series step by step.
fn cells(kind: Kind, samples: Samples<'_>, span: Span) -> Vec<(Millis, Cell)> {
    let mut cells: Vec<(Millis, Cell)> = Vec::new();
    let mut before: Option<(Millis, f64)> = None;
    for (at, sample) in samples.timestamps.iter().zip(samples.values) {
        if !sample.is_finite() {
            before = None;
            continue;
        }
        let now = (*at, *sample);
        let value = match kind {
            Kind::Gauge | Kind::Limit => Some(*sample),
            Kind::Rate => before.map(|before| rate(before, now)),
            Kind::Time => before.map(|before| rate(before, now) * 100.0),
        };
        before = Some(now);
        let Some(value) = value.filter(|_| *at >= span.start()) else {
            continue;
        };
        let (step, cell) = (span.step_of(*at), Cell::new(*at, value));
        match cells.last_mut().filter(|last| last.0 == step) {
            Some((_, have)) => have.add(cell),
            None => cells.push((step, cell)),
        }
    }
    cells
}

/// To five significant digits: a chart shows no more, and what is sent is a third as long.
fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let digits = 4.0 - value.abs().log10().floor();
    // The factor of the smallest and the largest numbers would be none itself.
    let factor = 10_f64.powf(digits.clamp(-300.0, 300.0));
    (value * factor).round() / factor
}

/// The increase per second; a counter that fell began anew at zero.
fn rate(before: (Millis, f64), now: (Millis, f64)) -> f64 {
    let increase = if now.1 < before.1 {
        now.1
    } else {
        now.1 - before.1
    };
    increase / seconds((now.0 - before.0).max(1))
}

#[cfg(test)]
mod tests {
    use system_stats_model::sample::STALE;

    use super::*;

    fn in_steps(to: Millis) -> Span {
        Span {
            from: 0,
            to,
            points: 0,
            step: Some(10_000),
            since: None,
        }
    }

    #[test]
    fn rates_survive_resets_and_do_not_cross_markers() {
        let samples = Samples {
            timestamps: &[0, 10_000, 20_000, 30_000, 40_000, 50_000],
            values: &[100.0, 200.0, 50.0, STALE, 500.0, 510.0],
        };
        let span = in_steps(60_000);
        let cells = cells(Kind::Rate, samples, span);
        let rates: Vec<(Millis, f64)> =
            cells.iter().map(|(step, cell)| (*step, cell.sum)).collect();
        assert_eq!(rates, [(1, 10.0), (2, 5.0), (5, 1.0)]);
    }

    #[test]
    fn five_digits_are_enough() {
        for (value, short) in [
            (12.345_678, 12.346),
            (-0.000_123_456, -0.000_123_46),
            (123_456_789.0, 123_460_000.0),
            (99.999_99, 100.0),
            (0.0, 0.0),
            (1e-320, 0.0),
        ] {
            assert_eq!(rounded(value).to_string(), short.to_string());
        }
        assert!(rounded(f64::MAX).is_finite());
    }

    #[test]
    fn a_step_has_its_extremes() {
        let samples = Samples {
            timestamps: &[0, 1, 2, 10_000],
            values: &[1.0, 9.0, 2.0, 4.0],
        };
        let cells = cells(Kind::Gauge, samples, in_steps(20_000));
        let [(0, first), (1, second)] = cells[..] else {
            panic!("two steps")
        };
        assert_eq!(
            (first.min, first.max, first.sum / first.count),
            (1.0, 9.0, 4.0)
        );
        assert_eq!((second.time, second.count), (10_000, 1.0));
    }

    #[test]
    fn what_came_since_is_what_the_whole_ends_with() {
        let timestamps: Vec<Millis> = (0..40).map(|at| at * 5_000).collect();
        let values: Vec<f64> = (0..40).map(|at| f64::from(at * at)).collect();
        let samples = || Samples {
            timestamps: &timestamps,
            values: &values,
        };
        let whole = cells(Kind::Rate, samples(), in_steps(200_000));
        let later = Span {
            since: Some(157_000),
            ..in_steps(200_000)
        };
        let rest = cells(Kind::Rate, samples(), later);
        assert_eq!(rest.first().unwrap().0, 15);
        assert_eq!(whole[whole.len() - rest.len()..], rest);
    }
}
