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

use super::alerts::locked;
use super::devices::Judged;
use super::facts::Fact;
use super::services::{Service, ServiceStatus};
use super::{Inventory, InventoryError};

/// Pushes of as many hosts run side by side as there are doors.
const DOORS: usize = 64;
/// Readings of one host that fit into one second.
pub(super) const SECOND: Millis = 1000;
/// How far ahead of ours a sender's clock may be.
const MAX_AHEAD: Millis = 10 * 60 * 1000;
/// Bytes in what the contract calls a megabyte.
pub const MEBIBYTE: f64 = 1_048_576.0;

/// What a push in any of the contracts is translated into: samples in the one vocabulary, and what
/// is kept beside them. Its numbers are finite and its host's name is checked.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Which contract it came in by.
    pub job: &'static str,
    /// Who pushed: the `instance` of its series.
    pub host: String,
    /// When it was so.
    pub moment: Moment,
    /// What was measured.
    pub samples: Vec<Measured>,
    /// What is kept beside the samples.
    pub kept: Kept,
}

/// When something was measured.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// In this second since 1970, not before; refused when that is longer ago than samples are
    /// kept.
    Second(i64),
    /// At this time in milliseconds, by the sender's own clock, if it said one. It counts unless it
    /// lies more than ten minutes ahead or cannot be stored; then it is now.
    Sent(Option<f64>),
    /// Now.
    Receipt,
}

impl Moment {
    /// The time that it stands for at `now`.
    fn or(self, now: Millis) -> Millis {
        match self {
            Self::Second(second) => second * SECOND,
            Self::Sent(Some(sent)) if sent >= 0.0 && sent <= (now + MAX_AHEAD) as f64 => {
                #[expect(clippy::cast_possible_truncation, reason = "not above a time of ours")]
                let sent = sent as Millis;
                sent
            }
            Self::Sent(_) | Self::Receipt => now,
        }
    }
}

/// One number of a push.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The metric's name.
    pub metric: &'static str,
    /// Its own labels, without `job` and `instance`.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

impl Measured {
    /// A number without labels of its own.
    #[must_use]
    pub fn plain(metric: &'static str, value: f64) -> Self {
        Self {
            metric,
            labels: Vec::new(),
            value,
        }
    }
}

/// What is kept of a push beside its samples.
#[derive(Clone, Debug)]
pub enum Kept {
    /// The host's own description of itself.
    Details {
        /// An object.
        details: Option<Box<RawValue>>,
        /// Fields that mean nothing to us; kept with the details.
        unknown: BTreeMap<String, Box<RawValue>>,
    },
    /// A device's whole sample, which is judged.
    Sample {
        /// An object.
        json: String,
        /// The blocks that it has.
        blocks: Vec<&'static str>,
    },
    /// That a service said how it is.
    Status {
        /// How it is.
        status: ServiceStatus,
        /// Where it can be reached.
        endpoint: Option<String>,
    },
    /// That a service, if it is known, reported a metric of this type.
    Metric(String),
}

/// What became of a push.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The time that its samples carry.
    pub at: Millis,
    /// The service, where its status was reported.
    pub service: Option<Service>,
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
    /// Stores what was pushed and returns once it is committed. Every push is a row of its own:
    /// further ones of the same host in the same millisecond take the next free ones.
    ///
    /// # Errors
    /// [`InventoryError`]; the push is not acknowledged then, though it may be visible until a
    /// restart when its commit failed.
    pub async fn ingest(&self, arrival: Arrival) -> Result<Taken, InventoryError> {
        let (ticket, taken) = self.take(arrival, Urgency::Waiting).await?;
        self.durable(ticket).await?;
        Ok(taken)
    }

    /// Stores what was pushed; the ticket tells when it is committed.
    pub(super) async fn take(
        &self,
        arrival: Arrival,
        urgency: Urgency,
    ) -> Result<(Ticket, Taken), InventoryError> {
        let _door = self.doors.of(&arrival.host).lock().await;
        match arrival.kept {
            Kept::Sample { .. } => self.admit_device(&arrival.host)?,
            Kept::Status { .. } => locked(&self.services).admit(&arrival.host)?,
            _ => {}
        }
        let object = self.details_of(&arrival).await?;
        let now = self.clock.now();
        let waits = object.is_some() || !matches!(arrival.kept, Kept::Details { .. });
        // One commit for everything: the samples wait for what is kept.
        let first = if waits { Urgency::Relaxed } else { urgency };
        let at = self.free_moment(&arrival, arrival.moment.or(now)).await?;
        let (ticket, at) = match self.append(&arrival, at, first) {
            // A sender's clock may be wrong; that is no reason to lose what it says.
            Err(InventoryError::TooOld) if matches!(arrival.moment, Moment::Sent(_)) => {
                let at = self.free_moment(&arrival, now).await?;
                (self.append(&arrival, at, first)?, at)
            }
            appended => (appended?, at),
        };
        let mut taken = Taken { at, service: None };
        if let Some(object) = object {
            let fact = Fact::read(&object.body, object.updated);
            self.facts.put(&object.key, object.updated, fact);
            return Ok((self.storage.put_object(object, urgency)?, taken));
        }
        if let Kept::Sample { json, blocks } = arrival.kept {
            let judge = &self.judge;
            let verdict = judge.judge(&arrival.host, &arrival.samples, &blocks, now);
            let sample = Judged {
                json,
                verdict,
                now,
                at,
            };
            return Ok((self.put_sample(&arrival.host, sample, urgency)?, taken));
        }
        let mut services = locked(&self.services);
        let change = match arrival.kept {
            Kept::Details { .. } | Kept::Sample { .. } => None,
            Kept::Status { status, endpoint } => {
                Some(services.status(&arrival.host, status, endpoint, now)?)
            }
            Kept::Metric(kind) => services.metric(&arrival.host, &kind, now)?,
        };
        let Some(change) = change else {
            // What waited for something to be kept waits no longer.
            let ticket = if waits {
                self.storage.put_objects(Vec::new(), urgency)?
            } else {
                ticket
            };
            return Ok((ticket, taken));
        };
        let ticket = self.storage.put_object(change.object.clone(), urgency)?;
        taken.service = Some(services.put(change));
        Ok((ticket, taken))
    }

    /// The document to keep for a host that describes itself.
    async fn details_of(&self, arrival: &Arrival) -> Result<Option<Object>, InventoryError> {
        let Kept::Details { details, unknown } = &arrival.kept else {
            return Ok(None);
        };
        let more = serde_json::to_string(unknown).unwrap_or_default();
        let body = match details {
            Some(details) if unknown.is_empty() => details.get().to_owned(),
            Some(details) => merged(&more, details.get()),
            None if unknown.is_empty() => return Ok(None),
            // Without details of its own the push does not take the known ones away.
            None => match self.kept(&arrival.host).await? {
                Some(kept) => merged(&kept.json, &more),
                None => more,
            },
        };
        let updated = arrival.moment.or(self.clock.now());
        Ok(Some(Object {
            kind: ObjectKind::System,
            key: arrival.host.clone(),
            updated,
            body: Bytes::from(body),
        }))
    }

    /// The first millisecond of the second from `start` on in which this host has pushed nothing.
    async fn free_moment(
        &self,
        arrival: &Arrival,
        start: Millis,
    ) -> Result<Millis, InventoryError> {
        let end = start + SECOND - 1;
        if self
            .newest_of_device(&arrival.host)
            .is_some_and(|newest| newest < start)
            && matches!(arrival.kept, Kept::Sample { .. })
        {
            return Ok(start);
        }
        let matchers = vec![
            Matcher::equal(JOB, arrival.job),
            Matcher::equal(INSTANCE, arrival.host.as_str()),
        ];
        let mut newest = Millis::MIN;
        let since = TimeRange {
            start,
            end: Millis::MAX,
        };
        let departed = self
            .storage
            .departed(std::slice::from_ref(&matchers), since)
            .await;
        let departed = departed.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
        self.storage.series(&matchers, &departed, &mut |_, stats| {
            let latest = stats.latest.map(|sample| sample.timestamp);
            newest = newest.max(latest.unwrap_or(Millis::MIN));
            ControlFlow::Continue(())
        });
        drop(departed);
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
        let host = || arrival.host.clone();
        (start..=end)
            .find(is_free)
            .ok_or_else(|| InventoryError::SecondFull { host: host() })
    }

    fn append(
        &self,
        arrival: &Arrival,
        at: Millis,
        urgency: Urgency,
    ) -> Result<Ticket, InventoryError> {
        let taken = match self.try_append(arrival, at, urgency) {
            // The retention forgot the host between the look-up and the append.
            Err(AppendError::UnknownSeries(_) | AppendError::UnknownTarget(_)) => {
                self.try_append(arrival, at, urgency)
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
        arrival: &Arrival,
        timestamp: Millis,
        urgency: Urgency,
    ) -> Result<(Ticket, Outcome), AppendError> {
        let target = [(JOB, arrival.job), (INSTANCE, arrival.host.as_str())];
        let storage = self.storage.as_ref();
        let target = storage.target(&Labels::from_pairs(target))?;
        let mut rows = Vec::with_capacity(arrival.samples.len());
        for sample in &arrival.samples {
            let mut labels = LabelsBuilder::new();
            for (name, value) in &sample.labels {
                labels.set(name, value);
            }
            labels
                .set(METRIC_NAME, sample.metric)
                .set(JOB, arrival.job)
                .set(INSTANCE, &arrival.host);
            rows.push(Row {
                series: Appender::series(storage, target, &labels.build())?,
                timestamp,
                value: sample.value,
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

/// Both objects in one; of fields that both have, the second one's count.
fn merged(under: &str, over: &str) -> String {
    type Fields<'a> = BTreeMap<String, &'a RawValue>;
    let read = |text| serde_json::from_str::<Fields<'_>>(text).unwrap_or_default();
    let mut fields = read(under);
    fields.extend(read(over));
    serde_json::to_string(&fields).unwrap_or_default()
}
