//! The one way by which a pushed reading gets in: stored, committed, and only then acknowledged.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use bytes::Bytes;
use serde_json::value::RawValue;
use system_stats_model::append::{
    AppendError, Appender, Batch, Order, Outcome, Row, Ticket, Urgency,
};
use system_stats_model::labels::{INSTANCE, JOB, Labels, LabelsBuilder, METRIC_NAME};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::{Object, ObjectKind};
use tokio::sync::Mutex;

use super::facts::Fact;
use super::hosts::{CPU, DISK, DISK_READ, DISK_WRITTEN, MEMORY, MOUNTPOINT};
use super::{Inventory, InventoryError, PUSH_JOB};

/// Pushes of as many hosts run side by side as there are doors.
const DOORS: usize = 64;
/// Readings of one host that fit into one second.
pub(super) const SECOND: Millis = 1000;
/// Bytes in what the contract calls a megabyte.
pub const MEBIBYTE: f64 = 1_048_576.0;

/// A reading as a client pushed it, its numbers finite and its host's name checked.
#[derive(Clone, Debug)]
pub struct Push {
    /// The host's name.
    pub host: String,
    /// When, in whole seconds since 1970; not before.
    pub second: i64,
    /// CPU usage, 0 to 100.
    pub cpu: f64,
    /// Memory usage, 0 to 100.
    pub memory: f64,
    /// Disk usage, 0 to 100.
    pub disk: f64,
    /// Bytes read per second.
    pub disk_read: f64,
    /// Bytes written per second.
    pub disk_written: f64,
    /// The host's own description, an object.
    pub details: Option<Box<RawValue>>,
    /// Fields that mean nothing to us; kept with the details.
    pub unknown: BTreeMap<String, Box<RawValue>>,
}

/// Lets the pushes of one host in one at a time.
pub(super) struct Doors {
    hasher: RandomState,
    doors: [Mutex<()>; DOORS],
}

impl Doors {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            doors: std::array::from_fn(|_| Mutex::new(())),
        }
    }

    fn of(&self, host: &str) -> &Mutex<()> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let door = self.hasher.hash_one(host) as usize % DOORS;
        &self.doors[door]
    }
}

impl Inventory {
    /// Stores a pushed reading and returns once it is committed. Every reading is a row of its
    /// own: further ones of the same host in the same second take the next free milliseconds of
    /// that second.
    ///
    /// # Errors
    /// [`InventoryError`]; the reading is not acknowledged then, though it may be visible until a
    /// restart when its commit failed.
    pub async fn ingest(&self, push: Push) -> Result<(), InventoryError> {
        let ticket = self.take(push, Urgency::Waiting).await?;
        let committed = self.storage.committed(ticket).await;
        committed.map_err(|error| InventoryError::Unavailable(error.to_string()))
    }

    /// Stores a pushed reading; the ticket tells when it is committed.
    pub(super) async fn take(
        &self,
        push: Push,
        urgency: Urgency,
    ) -> Result<Ticket, InventoryError> {
        let _door = self.doors.of(&push.host).lock().await;
        let object = self.object_of(&push).await?;
        let timestamp = self.free_moment(&push).await?;
        let Some(object) = object else {
            return self.append(&push, timestamp, urgency);
        };
        // One commit for both: the samples wait for the object.
        self.append(&push, timestamp, Urgency::Relaxed)?;
        let fact = Fact::read(&object.body, object.updated);
        self.facts.put(&object.key, object.updated, fact);
        Ok(self.storage.put_object(object, urgency)?)
    }

    /// The object to keep for a push, if it brings something worth keeping.
    async fn object_of(&self, push: &Push) -> Result<Option<Object>, InventoryError> {
        let unknown = serde_json::to_string(&push.unknown).unwrap_or_default();
        let body = match &push.details {
            Some(details) if push.unknown.is_empty() => details.get().to_owned(),
            Some(details) => merged(&unknown, details.get()),
            None if push.unknown.is_empty() => return Ok(None),
            // Without details of its own the push does not take the known ones away.
            None => match self.kept(&push.host).await? {
                Some(kept) => merged(&kept.json, &unknown),
                None => unknown,
            },
        };
        Ok(Some(Object {
            kind: ObjectKind::System,
            key: push.host.clone(),
            updated: push.second * SECOND,
            body: Bytes::from(body),
        }))
    }

    /// The first millisecond of the push's second without a reading of its host.
    async fn free_moment(&self, push: &Push) -> Result<Millis, InventoryError> {
        let start = push.second * SECOND;
        let end = start + SECOND - 1;
        let cpu = series(&push.host, CPU);
        let matchers: Vec<Matcher> = cpu
            .iter()
            .map(|(name, value)| Matcher::equal(name, value))
            .collect();
        let mut newest = Millis::MIN;
        self.storage.series(&matchers, &mut |_, stats| {
            let latest = stats.latest.map(|sample| sample.timestamp);
            newest = newest.max(latest.unwrap_or(Millis::MIN));
            ControlFlow::Continue(())
        });
        if newest < start {
            return Ok(start);
        }
        if newest < end {
            return Ok(newest + 1);
        }
        let selector = Selector {
            matchers,
            range: TimeRange { start, end },
        };
        let snapshot = self.storage.snapshot(std::slice::from_ref(&selector)).await;
        let snapshot = snapshot.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
        let mut taken = Vec::new();
        let read = snapshot.for_each(&selector, &mut |_, samples| {
            taken.extend_from_slice(samples.timestamps);
            ControlFlow::Continue(())
        });
        read.map_err(|error| InventoryError::Unreadable(error.to_string()))?;
        let is_free = |moment: &Millis| !taken.contains(moment);
        let host = || push.host.clone();
        (start..=end)
            .find(is_free)
            .ok_or_else(|| InventoryError::SecondFull { host: host() })
    }

    fn append(
        &self,
        push: &Push,
        timestamp: Millis,
        urgency: Urgency,
    ) -> Result<Ticket, InventoryError> {
        let taken = match self.try_append(push, timestamp, urgency) {
            // The retention forgot the host between the look-up and the append.
            Err(AppendError::UnknownSeries(_) | AppendError::UnknownTarget(_)) => {
                self.try_append(push, timestamp, urgency)
            }
            taken => taken,
        };
        let (ticket, outcome) = taken?;
        match outcome.out_of_order {
            0 => Ok(ticket),
            _ => Err(InventoryError::TooOld),
        }
    }

    fn try_append(
        &self,
        push: &Push,
        timestamp: Millis,
        urgency: Urgency,
    ) -> Result<(Ticket, Outcome), AppendError> {
        let target = [(JOB, PUSH_JOB), (INSTANCE, push.host.as_str())];
        let storage = self.storage.as_ref();
        let target = storage.target(&Labels::from_pairs(target))?;
        let values = [
            (CPU, push.cpu),
            (MEMORY, push.memory),
            (DISK, push.disk),
            (DISK_READ, push.disk_read),
            (DISK_WRITTEN, push.disk_written),
        ];
        let mut rows = Vec::with_capacity(values.len());
        for (metric, value) in values {
            rows.push(Row {
                series: Appender::series(storage, target, &series(&push.host, metric))?,
                timestamp,
                value,
            });
        }
        let batch = Batch {
            target,
            order: Order::Unlimited,
            rows,
        };
        storage.append(batch, urgency)
    }
}

fn series(host: &str, metric: &str) -> Labels {
    let mut labels = LabelsBuilder::new();
    labels
        .set(METRIC_NAME, metric)
        .set(JOB, PUSH_JOB)
        .set(INSTANCE, host);
    if metric == DISK {
        labels.set(MOUNTPOINT, "/");
    }
    labels.build()
}

/// Both objects in one; of fields that both have, the second one's count.
fn merged(under: &str, over: &str) -> String {
    type Fields<'a> = BTreeMap<String, &'a RawValue>;
    let read = |text| serde_json::from_str::<Fields<'_>>(text).unwrap_or_default();
    let mut fields = read(under);
    fields.extend(read(over));
    serde_json::to_string(&fields).unwrap_or_default()
}
