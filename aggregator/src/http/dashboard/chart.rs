//! The data of a chart: columns of at most two thousand points, gaps as nulls.

pub(super) mod panels;

use serde::Serialize;
use system_stats_model::sample::Millis;

use super::super::error::ApiError;
use super::super::params::Params;
use crate::inventory::hosts::Host;
use crate::inventory::readings::Reading;
use crate::inventory::{Inventory, InventoryError};

const MAX_POINTS: usize = 2000;
const DEFAULT_WIDTH: i64 = 1000;
const DEFAULT_SECONDS: i64 = 60 * 60;
/// Points further apart than so many ordinary distances have a gap between them.
const GAP: Millis = 3;

/// The shortest stretch that a chart of a host's first readings shows.
const SHORTEST: Millis = 60 * 1000;

/// What a chart shows: a stretch of time in so many points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    from: Millis,
    to: Millis,
    points: usize,
}

impl Span {
    /// The last `seconds` until `now`.
    pub(super) fn last(seconds: i64, now: Millis, points: usize) -> Self {
        Self {
            from: now - seconds * 1000,
            to: now,
            points,
        }
    }

    /// Without the time before the host's first reading: a young host's chart is not mostly empty.
    fn since_first(self, host: &Host) -> Self {
        let first = host.first_seen.unwrap_or(self.from);
        Self {
            from: self.from.max(first.min(self.to.saturating_sub(SHORTEST))),
            ..self
        }
    }

    /// What the request's parameters ask for; two points per pixel of the width.
    ///
    /// # Errors
    /// When a number is none, or the stretch is empty or out of range.
    pub(super) fn asked(params: &Params, now: Millis) -> Result<Self, ApiError> {
        let out_of_range = || ApiError::BadRequest("from, to or range is out of range".to_owned());
        let millis = |seconds: i64| seconds.checked_mul(1000).ok_or_else(out_of_range);
        let to = params.number("to")?.map_or(Ok(now), millis)?;
        let range = millis(params.number("range")?.unwrap_or(DEFAULT_SECONDS))?;
        let start = to.checked_sub(range).ok_or_else(out_of_range)?;
        let from = params.number("from")?.map_or(Ok(start), millis)?;
        if to.checked_sub(from).is_none_or(|length| length <= 0) {
            return Err(ApiError::BadRequest("from is not before to".to_owned()));
        }
        let width = params.number("width")?.unwrap_or(DEFAULT_WIDTH);
        let points = usize::try_from(width.saturating_mul(2)).unwrap_or_default();
        Ok(Self {
            from,
            to,
            points: points.clamp(2, MAX_POINTS),
        })
    }

    /// The same stretch in so many points.
    pub(super) fn in_points(self, points: usize) -> Self {
        Self { points, ..self }
    }

    /// Its first and last moment.
    pub(super) fn ends(self) -> (Millis, Millis) {
        (self.from, self.to)
    }

    /// The length of one point's stretch.
    fn step(self) -> Millis {
        let points = Millis::try_from(self.points).unwrap_or(Millis::MAX).max(1);
        ((self.to - self.from) / points).max(1)
    }
}

/// A chart's data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Columns {
    /// The beginning of the chart, in seconds since 1970.
    from: f64,
    /// Its end.
    to: f64,
    /// What the columns are.
    names: [&'static str; 3],
    /// Seconds since 1970, percent, percent; a row of nulls where readings are missing.
    #[serde(rename = "columns")]
    values: (Vec<f64>, Vec<Option<f64>>, Vec<Option<f64>>),
}

impl Columns {
    /// The mean CPU and memory usage of a host in each step of the span.
    pub(super) async fn read(
        inventory: &Inventory,
        host: &Host,
        span: Span,
    ) -> Result<Self, InventoryError> {
        let span = span.since_first(host);
        let hosts = std::slice::from_ref(host);
        let mut readings = inventory.readings(hosts, Some(span.from)).await?;
        let mut points = Points::new(span);
        while let Some(rows) = readings.next().await {
            for reading in rows? {
                if reading.timestamp > span.to {
                    return Ok(points.into_columns());
                }
                points.take(&reading);
            }
        }
        Ok(points.into_columns())
    }

    /// Time in seconds, CPU and memory of each row, oldest first; gaps are left out.
    pub(super) fn rows(&self) -> impl DoubleEndedIterator<Item = (f64, f64, f64)> {
        let (times, cpu, memory) = &self.values;
        let values = cpu.iter().zip(memory);
        let rows = times.iter().zip(values);
        rows.filter_map(|(time, (cpu, memory))| Some((*time, (*cpu)?, (*memory)?)))
    }
}

/// Readings summed up step by step.
struct Points {
    span: Span,
    step: Millis,
    all: Vec<Point>,
}

#[derive(Clone, Copy)]
struct Point {
    /// The number of the step in the span.
    step: Millis,
    /// The newest reading's time.
    time: Millis,
    count: f64,
    cpu: f64,
    memory: f64,
}

impl Points {
    fn new(span: Span) -> Self {
        Self {
            span,
            step: span.step(),
            all: Vec::new(),
        }
    }

    fn take(&mut self, reading: &Reading) {
        let step = (reading.timestamp - self.span.from) / self.step;
        match self.all.last_mut().filter(|point| point.step == step) {
            Some(point) => {
                point.time = reading.timestamp;
                point.count += 1.0;
                point.cpu += reading.cpu;
                point.memory += reading.memory;
            }
            None => self.all.push(Point {
                step,
                time: reading.timestamp,
                count: 1.0,
                cpu: reading.cpu,
                memory: reading.memory,
            }),
        }
    }

    fn into_columns(self) -> Columns {
        let gap = self.gap();
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        let mut last: Option<Millis> = None;
        for point in &self.all {
            if let Some(last) = last.filter(|last| point.time - last > gap) {
                columns.0.push(seconds(last + gap));
                columns.1.push(None);
                columns.2.push(None);
            }
            columns.0.push(seconds(point.time));
            columns.1.push(Some(point.cpu / point.count));
            columns.2.push(Some(point.memory / point.count));
            last = Some(point.time);
        }
        Columns {
            from: seconds(self.span.from),
            to: seconds(self.span.to),
            names: ["time", "cpu", "memory"],
            values: columns,
        }
    }

    /// The distance from which on two points are not joined: some of the median distance.
    fn gap(&self) -> Millis {
        let pairs = self.all.windows(2);
        let mut distances: Vec<Millis> = pairs.map(|pair| pair[1].time - pair[0].time).collect();
        let middle = distances.len() / 2;
        if distances.is_empty() {
            return Millis::MAX;
        }
        let (_, median, _) = distances.select_nth_unstable(middle);
        (*median).max(self.step).max(1).saturating_mul(GAP)
    }
}

fn seconds(at: Millis) -> f64 {
    at as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(span: Span, readings: &[(Millis, f64)]) -> (Vec<f64>, Vec<Option<f64>>) {
        let mut points = Points::new(span);
        for (timestamp, cpu) in readings {
            points.take(&Reading {
                timestamp: *timestamp,
                host: "a".into(),
                cpu: *cpu,
                memory: 0.0,
                disk: 0.0,
                disk_read: 0.0,
                disk_written: 0.0,
            });
        }
        let (times, cpu, _) = points.into_columns().values;
        (times, cpu)
    }

    #[test]
    fn few_readings_are_points_of_their_own_and_a_gap_is_a_null() {
        let span = Span::last(100, 100_000, 100);
        let readings = [(1_000, 1.0), (6_000, 2.0), (11_000, 3.0), (61_000, 4.0)];
        let (times, cpu) = columns(span, &readings);
        assert_eq!(times, [1.0, 6.0, 11.0, 26.0, 61.0]);
        assert_eq!(cpu, [Some(1.0), Some(2.0), Some(3.0), None, Some(4.0)]);
    }

    #[test]
    fn many_readings_are_averaged() {
        let span = Span::last(10, 10_000, 2);
        let readings: Vec<(Millis, f64)> = (0..10).map(|at| (at * 1000, at as f64)).collect();
        let (times, cpu) = columns(span, &readings);
        assert_eq!(times, [4.0, 9.0]);
        assert_eq!(cpu, [Some(2.0), Some(7.0)]);
    }

    #[test]
    fn never_more_points_than_allowed() {
        let span = Span::last(86_400, 86_400_000, MAX_POINTS);
        let readings: Vec<(Millis, f64)> = (0..86_400).map(|at| (at * 1000, 1.0)).collect();
        assert_eq!(columns(span, &readings).0.len(), MAX_POINTS);
    }
}
