//! The rows of the fleet's history, oldest first.
//!
//! The history is read in stretches of time that hold a bounded number of rows; a stretch is
//! decoded off the asynchronous threads when the caller asks for it and not before.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use system_stats_model::labels::{INSTANCE, Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange, is_stale};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::{Snapshot, Storage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::InventoryError;
use super::hosts::Host;
use super::vocabulary::{CPU, DISK, DISK_READ, DISK_WRITTEN, MEMORY, MOUNTPOINT};

/// The most rows decoded at once, unless one second has more.
const MAX_ROWS: usize = 10_000;
const SHORTEST_STRETCH: Millis = 1000;
const FIRST_STRETCH: Millis = 60 * 60 * 1000;
const LONGEST_STRETCH: Millis = 7 * 24 * 60 * 60 * 1000;

/// One reading of one host. A number that was not there is 0, as the contract's rows have no
/// empty fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Milliseconds since 1970.
    pub timestamp: Millis,
    /// The host's name for clients.
    pub host: Arc<str>,
    /// CPU usage, 0 to 100.
    pub cpu: f64,
    /// Memory usage, 0 to 100.
    pub memory: f64,
    /// Usage of the filesystem that matters, 0 to 100.
    pub disk: f64,
    /// Bytes read per second.
    pub disk_read: f64,
    /// Bytes written per second.
    pub disk_written: f64,
}

/// A host whose readings are wanted, with the mount point of the filesystem that its rows report.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    name: Arc<str>,
    mount: String,
}

impl Subject {
    /// `mount` is what the host itself calls its disk; else it is the root, else the first.
    pub(crate) fn new(host: &Host, mount: Option<&str>) -> Self {
        let has = |mount: &str| host.disks.iter().any(|(have, _)| have == mount);
        let first = || host.disks.first().map_or("/", |(mount, _)| mount.as_str());
        let mount = mount.filter(|mount| has(mount));
        let mount = mount.unwrap_or_else(|| if has("/") { "/" } else { first() });
        Self {
            name: Arc::from(host.name.as_str()),
            mount: mount.to_owned(),
        }
    }
}

/// Readings still to be read; see [`Readings::next`].
pub struct Readings {
    storage: Arc<Storage>,
    decoders: Arc<Semaphore>,
    /// Given back when the last row was read or nobody wants it any more.
    _place: OwnedSemaphorePermit,
    subjects: Arc<HashMap<String, Subject>>,
    /// What is left; empty when it ends before it starts.
    left: TimeRange,
    stretch: Millis,
}

impl Readings {
    pub(crate) fn new(
        storage: Arc<Storage>,
        decoders: Arc<Semaphore>,
        place: OwnedSemaphorePermit,
        subjects: HashMap<String, Subject>,
        range: TimeRange,
    ) -> Self {
        Self {
            storage,
            decoders,
            _place: place,
            subjects: Arc::new(subjects),
            left: range,
            stretch: FIRST_STRETCH,
        }
    }

    /// The next rows, at least one, oldest first; `None` at the end. Cancel-safe: a dropped call
    /// has taken nothing.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read; the rest is lost then.
    pub async fn next(&mut self) -> Option<Result<Vec<Reading>, InventoryError>> {
        while self.left.start <= self.left.end {
            let end = self.left.start.saturating_add(self.stretch - 1);
            let range = TimeRange {
                start: self.left.start,
                end: end.min(self.left.end),
            };
            match self.read(range).await {
                Ok(Stretch::TooMuch) => self.stretch = (self.stretch / 8).max(SHORTEST_STRETCH),
                Ok(Stretch::Rows(rows)) => {
                    self.left.start = range.end.saturating_add(1);
                    if rows.len() < MAX_ROWS / 8 {
                        self.stretch = (self.stretch * 4).min(LONGEST_STRETCH);
                    }
                    if !rows.is_empty() {
                        return Some(Ok(rows));
                    }
                    // Years may lie between two readings: a clock may be wrong by any time.
                    let next = self.storage.next_hour(self.left.start);
                    self.left.start = self.left.start.max(next.unwrap_or(Millis::MAX));
                }
                Err(error) => {
                    self.left.start = Millis::MAX;
                    self.left.end = Millis::MIN;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    async fn read(&self, range: TimeRange) -> Result<Stretch, InventoryError> {
        let unavailable =
            |error: &dyn std::fmt::Display| InventoryError::Unavailable(error.to_string());
        let closed = self.decoders.acquire().await;
        let _turn = closed.map_err(|error| unavailable(&error))?;
        let host = match self.subjects.len() {
            1 => self.subjects.keys().next(),
            _ => None,
        };
        let selectors = [CPU, MEMORY, DISK, DISK_READ, DISK_WRITTEN].map(|metric| {
            let named = Matcher::equal(METRIC_NAME, metric);
            let of_host = host.map(|host| Matcher::equal(INSTANCE, host));
            Selector {
                matchers: std::iter::once(named).chain(of_host).collect(),
                range,
            }
        });
        let snapshot = self.storage.snapshot(&selectors).await;
        let snapshot = snapshot.map_err(|error| unavailable(&error))?;
        let subjects = Arc::clone(&self.subjects);
        let may_split = range.end - range.start >= SHORTEST_STRETCH;
        let decode = move || decode(&snapshot, &selectors, &subjects, may_split);
        let decoded = tokio::task::spawn_blocking(decode).await;
        decoded.map_err(|error| unavailable(&error))?
    }
}

enum Stretch {
    Rows(Vec<Reading>),
    /// More rows than may be held, and the stretch can be shorter.
    TooMuch,
}

/// One clock's readings: a host may be scraped by several jobs, or have been given other labels.
struct Track {
    subject: Subject,
    timestamps: Vec<Millis>,
    /// In the order of the selectors.
    columns: [Vec<f64>; 5],
}

fn decode(
    snapshot: &Snapshot,
    selectors: &[Selector; 5],
    subjects: &HashMap<String, Subject>,
    may_split: bool,
) -> Result<Stretch, InventoryError> {
    let unreadable = |error: system_stats_model::source::SourceError| {
        InventoryError::Unreadable(error.to_string())
    };
    let [cpu, rest @ ..] = selectors;
    let mut tracks: HashMap<Labels, Track> = HashMap::new();
    let (mut rows, mut is_too_much) = (0, false);
    let cpu_series = snapshot.for_each(cpu, &mut |labels, samples| {
        let subject = subjects.get(labels.get(INSTANCE).unwrap_or_default());
        let Some(subject) = subject.cloned() else {
            return ControlFlow::Continue(());
        };
        let pairs = samples.timestamps.iter().zip(samples.values);
        let (timestamps, values): (Vec<Millis>, Vec<f64>) =
            pairs.filter(|(_, value)| !is_stale(**value)).unzip();
        rows += timestamps.len();
        if may_split && rows > MAX_ROWS {
            is_too_much = true;
            return ControlFlow::Break(());
        }
        let empty = || vec![0.0; timestamps.len()];
        let columns = [values, empty(), empty(), empty(), empty()];
        let track = Track {
            subject,
            timestamps,
            columns,
        };
        tracks.insert(clock_of(labels), track);
        ControlFlow::Continue(())
    });
    cpu_series.map_err(unreadable)?;
    if is_too_much {
        return Ok(Stretch::TooMuch);
    }
    for (column, selector) in rest.iter().enumerate() {
        let series = snapshot.for_each(selector, &mut |labels, samples| {
            let mount = labels.get(MOUNTPOINT);
            let is_wanted = |track: &&mut Track| mount.is_none_or(|at| at == track.subject.mount);
            if let Some(track) = tracks.get_mut(&clock_of(labels)).filter(is_wanted) {
                let into = &mut track.columns[column + 1];
                fill(&track.timestamps, into, samples.timestamps, samples.values);
            }
            ControlFlow::Continue(())
        });
        series.map_err(unreadable)?;
    }
    Ok(Stretch::Rows(in_order(tracks.into_values())))
}

/// Puts the values whose time is in `times` into their places. Both lists ascend.
fn fill(times: &[Millis], into: &mut [f64], timestamps: &[Millis], values: &[f64]) {
    let mut at = 0;
    for (timestamp, value) in timestamps.iter().zip(values) {
        while times.get(at).is_some_and(|time| time < timestamp) {
            at += 1;
        }
        if times.get(at) == Some(timestamp) && !value.is_nan() {
            into[at] = *value;
        }
    }
}

fn in_order(tracks: impl Iterator<Item = Track>) -> Vec<Reading> {
    let mut rows = Vec::new();
    for track in tracks {
        let [cpu, memory, disk, disk_read, disk_written] = &track.columns;
        let times = track.timestamps.iter().enumerate();
        rows.extend(times.map(|(at, timestamp)| Reading {
            timestamp: *timestamp,
            host: Arc::clone(&track.subject.name),
            cpu: cpu[at],
            memory: memory[at],
            disk: disk[at],
            disk_read: disk_read[at],
            disk_written: disk_written[at],
        }));
    }
    rows.sort_by(|a, b| (a.timestamp, &a.host).cmp(&(b.timestamp, &b.host)));
    rows
}

/// What the series of one reading have in common.
fn clock_of(labels: &Labels) -> Labels {
    let mut common = LabelsBuilder::from(labels);
    for own in [METRIC_NAME, MOUNTPOINT, "device", "fstype"] {
        common.remove(own);
    }
    common.build()
}
