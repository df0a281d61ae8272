//! All charts of a host in one answer: what there is of each subject, counters as rates.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;
use system_stats_model::labels::{INSTANCE, Labels, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Samples, Selector, SeriesSource};

use super::{GAP, Span, seconds};
use crate::inventory::hosts::Host;
use crate::inventory::{Inventory, InventoryError};

/// Lines of one chart; more cannot be told apart.
const MAX_LINES: usize = 24;

/// How a metric becomes lines.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Gauge,
    /// What must not be exceeded.
    Limit,
    /// A counter; its increase per second.
    Rate,
    /// A counter of seconds, one series per `cpu`; percent of all of them, without the idle ones.
    CpuTime,
}

/// A metric, what its lines are called, and the labels that tell them apart.
struct Metric(Kind, &'static str, &'static str, &'static [&'static str]);

struct Subject {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    /// The first of them that says anything is drawn.
    sources: &'static [&'static [Metric]],
}

const SUBJECTS: [Subject; 9] = {
    use Kind::{CpuTime, Gauge, Limit, Rate};
    const DEVICE: &[&str] = &["device"];
    const fn subject(
        (id, title, unit): (&'static str, &'static str, &'static str),
        sources: &'static [&'static [Metric]],
    ) -> Subject {
        Subject {
            id,
            title,
            unit,
            sources,
        }
    }
    [
        subject(
            ("cpu", "CPU", "%"),
            &[&[Metric(Gauge, "system_cpu_usage_percent", "busy", &[])]],
        ),
        subject(
            ("modes", "CPU by mode", "%"),
            &[&[Metric(CpuTime, "node_cpu_seconds_total", "", &["mode"])]],
        ),
        subject(
            ("load", "Load", ""),
            &[&[
                Metric(Gauge, "node_load1", "1 minute", &[]),
                Metric(Gauge, "node_load5", "5 minutes", &[]),
                Metric(Gauge, "node_load15", "15 minutes", &[]),
            ]],
        ),
        subject(
            ("memory", "Memory", "%"),
            &[&[Metric(Gauge, "system_memory_usage_percent", "in use", &[])]],
        ),
        subject(
            ("swap", "Swap", "%"),
            &[&[Metric(Gauge, "system_swap_usage_percent", "in use", &[])]],
        ),
        subject(
            ("disk", "Disk space", "%"),
            &[&[Metric(
                Gauge,
                "system_disk_usage_percent",
                "",
                &["mountpoint"],
            )]],
        ),
        subject(
            ("io", "Disk I/O", "B/s"),
            &[
                &[
                    Metric(Gauge, "system_disk_read_bytes_per_second", "read", &[]),
                    Metric(
                        Gauge,
                        "system_disk_written_bytes_per_second",
                        "written",
                        &[],
                    ),
                ],
                &[
                    Metric(Rate, "node_disk_read_bytes_total", "read", DEVICE),
                    Metric(Rate, "node_disk_written_bytes_total", "written", DEVICE),
                ],
            ],
        ),
        subject(
            ("network", "Network", "B/s"),
            &[
                &[
                    Metric(
                        Rate,
                        "system_network_receive_bytes_total",
                        "received",
                        DEVICE,
                    ),
                    Metric(Rate, "system_network_transmit_bytes_total", "sent", DEVICE),
                ],
                &[
                    Metric(Rate, "node_network_receive_bytes_total", "received", DEVICE),
                    Metric(Rate, "node_network_transmit_bytes_total", "sent", DEVICE),
                ],
            ],
        ),
        subject(
            ("temperature", "Temperature", "°C"),
            &[
                &[
                    Metric(Gauge, "system_temperature_celsius", "", &["chip", "sensor"]),
                    Metric(
                        Limit,
                        "system_temperature_high_celsius",
                        "limit",
                        &["chip", "sensor"],
                    ),
                ],
                &[Metric(
                    Gauge,
                    "node_hwmon_temp_celsius",
                    "",
                    &["chip", "sensor"],
                )],
            ],
        ),
    ]
};

/// The charts of a host that have anything to show.
#[derive(Serialize)]
pub(in super::super) struct Panels {
    /// The beginning of all charts, in seconds since 1970.
    from: f64,
    /// Their end.
    to: f64,
    /// The stretch that one point stands for, in seconds.
    step: f64,
    #[serde(rename = "panels")]
    all: Vec<Panel>,
}

#[derive(Serialize)]
struct Panel {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    /// Seconds since 1970, common to all lines.
    times: Vec<f64>,
    lines: Vec<Line>,
    /// Lines beyond the twenty-four that are here.
    omitted: usize,
}

#[derive(Serialize)]
struct Line {
    name: String,
    is_limit: bool,
    /// The mean of each step, null where nothing was measured.
    avg: Vec<Option<f64>>,
    /// Only where a step holds more than one sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Vec<Option<f64>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Vec<Option<f64>>>,
}

impl Panels {
    /// The charts of a host; only that of `id` if one is named.
    pub(in super::super) async fn read(
        inventory: &Inventory,
        host: &Host,
        span: Span,
        id: Option<&str>,
    ) -> Result<Self, InventoryError> {
        let span = span.since_first(host);
        let instance = host.instance.clone();
        let subjects = SUBJECTS
            .iter()
            .filter(|subject| id.is_none_or(|id| id == subject.id));
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
            all: panels.await?,
        })
    }
}

impl Span {
    /// The number of the step that a moment falls into; the end belongs to the last one.
    fn step_of(self, at: Millis) -> Millis {
        let last = Millis::try_from(self.points).unwrap_or(Millis::MAX) - 1;
        ((at - self.from) / self.step()).min(last)
    }

    fn selector(self, instance: &str, metric: &Metric) -> Selector {
        Selector {
            matchers: vec![
                Matcher::equal(METRIC_NAME, metric.1),
                Matcher::equal(INSTANCE, instance),
            ],
            range: TimeRange {
                start: self.from,
                end: self.to,
            },
        }
    }
}

/// What was measured in one step.
#[derive(Clone, Copy)]
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
                        if metric.0 == Kind::CpuTime && labels.get("mode") == Some("idle") {
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
        let time = |(step, time): (&Millis, &Option<Millis>)| {
            seconds(time.unwrap_or(span.from + step * span.step()))
        };
        let line = |((is_limit, _, name), (kind, cells)): (LineKey, (Kind, Cells))| {
            let column = |value: fn(&Cell) -> f64| -> Vec<Option<f64>> {
                steps
                    .keys()
                    .map(|step| cells.get(step).map(value))
                    .collect()
            };
            let is_spread = kind != Kind::CpuTime && cells.values().any(|cell| cell.count > 1.0);
            Line {
                name,
                is_limit,
                avg: column(|cell| cell.sum / cell.count),
                min: is_spread.then(|| column(|cell| cell.min)),
                max: is_spread.then(|| column(|cell| cell.max)),
            }
        };
        Self {
            id: subject.id,
            title: subject.title,
            unit: subject.unit,
            times: steps.iter().map(time).collect(),
            lines: lines.into_iter().take(MAX_LINES).map(line).collect(),
            omitted,
        }
    }
}

impl Metric {
    fn name(&self, labels: &Labels) -> String {
        let values = self.3.iter().filter_map(|name| labels.get(name));
        let words = values.chain([self.2]).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
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
            Kind::CpuTime => before.map(|before| rate(before, now) * 100.0),
        };
        before = Some(now);
        let Some(value) = value else { continue };
        let (step, cell) = (span.step_of(*at), Cell::new(*at, value));
        match cells.last_mut().filter(|last| last.0 == step) {
            Some((_, have)) => have.add(cell),
            None => cells.push((step, cell)),
        }
    }
    cells
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

    #[test]
    fn rates_survive_resets_and_do_not_cross_markers() {
        let samples = Samples {
            timestamps: &[0, 10_000, 20_000, 30_000, 40_000, 50_000],
            values: &[100.0, 200.0, 50.0, STALE, 500.0, 510.0],
        };
        let span = Span {
            from: 0,
            to: 60_000,
            points: 6,
        };
        let cells = cells(Kind::Rate, samples, span);
        let rates: Vec<(Millis, f64)> =
            cells.iter().map(|(step, cell)| (*step, cell.sum)).collect();
        assert_eq!(rates, [(1, 10.0), (2, 5.0), (5, 1.0)]);
    }

    #[test]
    fn a_step_has_its_extremes() {
        let samples = Samples {
            timestamps: &[0, 1, 2, 10_000],
            values: &[1.0, 9.0, 2.0, 4.0],
        };
        let cells = cells(
            Kind::Gauge,
            samples,
            Span {
                from: 0,
                to: 20_000,
                points: 2,
            },
        );
        let [(0, first), (1, second)] = cells[..] else {
            panic!("two steps")
        };
        assert_eq!(
            (first.min, first.max, first.sum / first.count),
            (1.0, 9.0, 4.0)
        );
        assert_eq!((second.time, second.count), (10_000, 1.0));
    }
}
