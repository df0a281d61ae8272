//! What is known about the fleet: which hosts there are, what each last said, its readings; and
//! the one way by which a pushed reading gets in.
//!
//! Everything is derived from the store; what is kept here are the locks that order pushes and a
//! small cache of facts from the kept `/system` objects. Not here: HTTP, JSON of the contracts.
//!
//! * [`hosts`] - the hosts and their names
//! * [`readings`] - the rows of the fleet's history, oldest first, in bounded memory
//! * [`ingest`] - a pushed reading, stored and committed
//! * [`import`] - the history of the older server's database
//! * [`trends`] - the last day and hour of every host in a few numbers
//! * [`devices`] - the newest sample of devices that push, and the alerts they have raised; `judge`
//!   finds them
//! * [`host_alerts`] - the alerts that rules raise about hosts, in the words of devices
//! * [`services`], [`pipelines`], [`alerts`] - what clients report beside readings
//! * [`facts`] - what a kept `/system` object says that no series does

pub mod alerts;
pub mod devices;
pub mod facts;
mod history;
pub mod host_alerts;
pub mod hosts;
pub mod import;
pub mod ingest;
mod judge;
mod log;
pub mod pipelines;
pub mod readings;
pub mod service_metrics;
pub mod services;
pub mod trends;
pub mod vocabulary;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use system_stats_model::append::{AppendError, Ticket};
use system_stats_model::labels::{INSTANCE, Labels};
use system_stats_model::matcher::Matcher;
use system_stats_model::sample::{Millis, TimeRange};
use system_stats_model::source::{Selector, SeriesSource};
use system_stats_storage::{DeleteError, ObjectKind, Storage};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use alerts::{Alerts, locked};
use devices::Devices;
use facts::{Fact, Facts};
use host_alerts::HostAlerts;
pub(crate) use hosts::METRICS;
use hosts::{Fleet, Host};
use ingest::Doors;
use judge::Judge;
use pipelines::Pipelines;
use readings::{Readings, Subject};
use services::Services;
use trends::Trends;

/// The `job` of hosts that push readings themselves.
pub const PUSH_JOB: &str = "monitoring-stack";

/// The `job` of devices that push whole samples.
pub const DEVICE_JOB: &str = "hardware-monitor";
/// The `job` of services that push single metrics.
pub const SERVICE_JOB: &str = "service-monitor";

/// A stretch without a moment in it.
const NOTHING: TimeRange = TimeRange {
    start: Millis::MAX,
    end: Millis::MIN,
};

/// How many stretches of history may be decoded at once.
const DECODERS: usize = 4;
/// How many histories may be read at once; each holds one stretch in memory.
const READERS: usize = 64;

/// Why the inventory cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// The store takes or gives nothing at the moment.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The reading lies further back than samples are kept.
    #[error(
        "timestamp is further in the past than readings are kept; see --storage.retention.time"
    )]
    TooOld,
    /// A second holds a thousand readings of one host and no more.
    #[error("{host:?} already has 1000 readings in that second")]
    SecondFull {
        /// The host's name.
        host: String,
    },
    /// A host has as many series as it may have.
    #[error("{0}")]
    TooManySeries(String),
    /// As many services are known as may be.
    #[error("{0} services are known, the most there may be")]
    TooManyServices(usize),
    /// As many devices are known as may be.
    #[error("{0} devices are known, the most there may be")]
    TooManyDevices(usize),
    /// The rules by which devices are judged cannot be used.
    #[error("the rules for pushed samples cannot be used: {0}")]
    Rules(String),
    /// Stored data does not decode.
    #[error("stored data cannot be read: {0}")]
    Unreadable(String),
}

impl From<AppendError> for InventoryError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::TooManySeries { .. } => Self::TooManySeries(error.to_string()),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<DeleteError> for InventoryError {
    fn from(error: DeleteError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What a deletion removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Readings, as [`Host::readings`] counts them.
    pub readings: u64,
    /// Kept objects: one or none.
    pub objects: u64,
}

/// The newest `/system` object of a host, or the `details` of its newest push that had some.
#[derive(Clone, Debug)]
pub struct Details {
    /// When it was true.
    pub updated: Millis,
    /// The text of a JSON object.
    pub json: String,
}

/// The fleet as the store knows it.
pub struct Inventory {
    storage: Arc<Storage>,
    clock: Clock,
    doors: Doors,
    judge: Judge,
    devices: Mutex<Devices>,
    alerts: Alerts,
    host_alerts: Mutex<HostAlerts>,
    services: Mutex<Services>,
    pipelines: Mutex<Pipelines>,
    facts: Facts,
    trends: Trends,
    decoders: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl Inventory {
    /// The inventory of a store: what clients reported beside readings is read into memory.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn open(storage: Arc<Storage>, clock: Clock) -> Result<Self, InventoryError> {
        Ok(Self {
            judge: Judge::builtin()?,
            devices: Devices::load(&storage).await?,
            alerts: Alerts::load(&storage).await?,
            host_alerts: HostAlerts::load(&storage).await?,
            services: Services::load(&storage).await?,
            pipelines: Pipelines::load(&storage).await?,
            storage,
            clock,
            doors: Doors::new(),
            facts: Facts::default(),
            trends: Trends::default(),
            decoders: Arc::new(Semaphore::new(DECODERS)),
            readers: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// Waits until what the store was given is durable.
    async fn durable(&self, ticket: Ticket) -> Result<(), InventoryError> {
        let committed = self.storage.committed(ticket).await;
        committed.map_err(|error| InventoryError::Unavailable(error.to_string()))
    }

    /// Forgets devices, alerts, services and reports of pipelines from before `horizon`, if there is one.
    pub fn expire(&self, horizon: Option<Millis>) {
        let Some(horizon) = horizon else { return };
        self.expire_devices(horizon);
        self.alerts.expire(&self.storage, horizon);
        locked(&self.services).expire(&self.storage, horizon);
        locked(&self.pipelines).trim(&self.storage, Some(horizon));
    }

    /// All hosts as they are now.
    #[must_use]
    pub fn fleet(&self) -> Fleet {
        Fleet::scan(&self.storage, self.clock.now())
    }

    /// All hosts as they are now, with their names and readings only.
    #[must_use]
    pub fn names(&self) -> Fleet {
        Fleet::scan_names(&self.storage, self.clock.now())
    }

    /// The details kept of `instance`.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn kept(&self, instance: &str) -> Result<Option<Details>, InventoryError> {
        let object = self.storage.object(ObjectKind::System, instance).await;
        let object = object.map_err(|error| InventoryError::Unavailable(error.to_string()))?;
        let details = object.map(|object| {
            let json = String::from_utf8(object.body.into());
            json.map(|json| Details {
                updated: object.updated,
                json,
            })
        });
        let details = details.transpose();
        details.map_err(|_| InventoryError::Unreadable(format!("details of {instance:?}")))
    }

    /// What the details of `host` say beside its series; nothing without details.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn fact(&self, host: &Host) -> Result<Fact, InventoryError> {
        let instance = host.instance.as_str();
        let Some(updated) = host.details_updated else {
            return Ok(Fact::default());
        };
        if let Some(fact) = self.facts.get(instance, updated) {
            return Ok(fact);
        }
        let Some(details) = self.kept(instance).await? else {
            return Ok(Fact::default());
        };
        let fact = Fact::read(details.json.as_bytes(), details.updated);
        self.facts.put(instance, details.updated, fact.clone());
        Ok(fact)
    }

    /// The trends of all hosts, at most some seconds old.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read.
    pub async fn trends(&self) -> Result<Arc<trends::Fleet>, InventoryError> {
        self.trends.get(&self.storage, self.clock.now()).await
    }

    /// What `read` makes of the series that the selectors pick, off the asynchronous threads.
    pub(crate) async fn decode<T: Send + 'static>(
        &self,
        selectors: Vec<Selector>,
        read: impl FnOnce(&dyn SeriesSource) -> Result<T, InventoryError> + Send + 'static,
    ) -> Result<T, InventoryError> {
        let unavailable = |error: &dyn fmt::Display| InventoryError::Unavailable(error.to_string());
        let decoders = Arc::clone(&self.decoders);
        let place = decoders
            .acquire_owned()
            .await
            .map_err(|e| unavailable(&e))?;
        let snapshot = self.storage.snapshot(&selectors).await;
        let snapshot = snapshot.map_err(|error| unavailable(&error))?;
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            read(&snapshot)
        });
        read.await.map_err(|error| unavailable(&error))?
    }

    /// The readings of these hosts from `since` on, oldest first.
    ///
    /// # Errors
    /// [`InventoryError`] when the store cannot be read, or 64 histories are being read already.
    pub async fn readings(
        &self,
        hosts: &[Host],
        since: Option<Millis>,
    ) -> Result<Readings, InventoryError> {
        let busy = |_| InventoryError::Unavailable("64 histories are being read".to_owned());
        let place = Arc::clone(&self.readers)
            .try_acquire_owned()
            .map_err(busy)?;
        let mut subjects = HashMap::with_capacity(hosts.len());
        for host in hosts {
            let fact = if host.is_pushed() {
                Fact::default()
            } else {
                self.fact(host).await?
            };
            let subject = Subject::new(host, fact.mount.as_deref());
            subjects.insert(host.instance.clone(), subject);
        }
        let oldest = hosts.iter().filter_map(|host| host.first_seen).min();
        let newest = hosts.iter().filter_map(|host| host.last_seen).max();
        let range = match (oldest, newest) {
            (Some(start), Some(end)) => TimeRange {
                start: since.map_or(start, |since| since.max(start)),
                end,
            },
            _ => NOTHING,
        };
        let (storage, decoders) = (self.storage.clone(), self.decoders.clone());
        Ok(Readings::new(storage, decoders, place, subjects, range))
    }

    /// Deletes all samples of a host, and its details too when `details` says so. It is back with
    /// its next scrape or push.
    ///
    /// # Errors
    /// [`InventoryError`]; nothing is promised to be deleted then.
    pub async fn remove(&self, host: &Host, details: bool) -> Result<Removed, InventoryError> {
        let of_host = [Matcher::equal(INSTANCE, host.instance.as_str())];
        let (mut ticket, deleted) = self.storage.delete(&of_host, TimeRange::ALL).await?;
        let readings = |(labels, samples): &(Labels, u64)| match labels.metric_name() {
            vocabulary::CPU => *samples,
            _ => 0,
        };
        let mut removed = Removed {
            readings: deleted.series.iter().map(readings).sum(),
            objects: 0,
        };
        if details {
            let object = self
                .storage
                .delete_object(ObjectKind::System, &host.instance)?;
            ticket = object.0;
            let device = self.remove_device(&host.instance)?;
            ticket = device.map_or(ticket, |device| device.max(ticket));
            removed.objects = u64::from(object.1 || device.is_some());
            self.facts.forget(&host.instance);
        }
        self.durable(ticket).await?;
        Ok(removed)
    }
}
