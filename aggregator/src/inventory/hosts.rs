//! The hosts, derived from the store's index: one pass over the newest samples of a few series,
//! nothing decoded.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use system_stats_model::labels::{INSTANCE, JOB, Labels, METRIC_NAME};
use system_stats_model::matcher::{MatchOp, Matcher};
use system_stats_model::sample::{Millis, Sample, is_stale};
use system_stats_storage::{Departed, ObjectKind, SeriesStats, Storage};

use super::vocabulary::{CPU, DISK, MEMORY, MOUNTPOINT, TEMPERATURE};
use super::{DEVICE_JOB, PUSH_JOB, SERVICE_JOB};

/// A pushing host that said nothing for this long counts as silent: ten of the usual intervals.
const SILENCE: Millis = 5 * 60 * 1000;

/// Bytes received per second, one series per `device`.
const RECEIVED: &str = "system_network_receive_bytes_per_second";
/// Bytes sent per second, one series per `device`.
const TRANSMITTED: &str = "system_network_transmit_bytes_per_second";
/// Degrees that a sensor should stay below.
const TEMPERATURE_LIMIT: &str = "system_temperature_high_celsius";
/// The jobs of hosts that push.
pub const PUSH_JOBS: [&str; 3] = [PUSH_JOB, DEVICE_JOB, SERVICE_JOB];

/// The metrics a [`Host`] is made from.
pub(crate) const METRICS: [&str; 14] = [
    "up",
    CPU,
    MEMORY,
    DISK,
    "node_load1",
    "node_boot_time_seconds",
    "system_info",
    "node_uname_info",
    RECEIVED,
    TRANSMITTED,
    TEMPERATURE,
    TEMPERATURE_LIMIT,
    "node_hwmon_temp_celsius",
    "node_hwmon_temp_max_celsius",
];

/// Those of them that say what hosts there are, and what they are called.
const NAMING: [&str; 4] = ["up", CPU, "system_info", "node_uname_info"];

/// Whether a host answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was scraped successfully, or pushed recently.
    Up,
    /// The newest scrape failed.
    Down,
    /// It pushed, but not for five minutes.
    Silent,
    /// It is scraped no longer.
    Gone,
}

/// One host: everything with the same `instance`.
#[derive(Clone, Debug)]
pub struct Host {
    /// What the label `instance` says; unique.
    pub instance: String,
    /// What clients call it; unique. See [`Fleet::scan`].
    pub name: String,
    /// What it calls itself, where it says so.
    pub hostname: Option<String>,
    /// The jobs it belongs to.
    pub jobs: BTreeSet<String>,
    /// Whether it answers.
    pub status: Status,
    /// How many readings are kept.
    pub readings: u64,
    /// The oldest reading.
    pub first_seen: Option<Millis>,
    /// The newest reading.
    pub last_seen: Option<Millis>,
    /// The newest CPU usage, 0 to 100.
    pub cpu: Option<f64>,
    /// The newest memory usage, 0 to 100.
    pub memory: Option<f64>,
    /// The newest usage of each filesystem, 0 to 100, by mount point.
    pub disks: Vec<(String, f64)>,
    /// The newest load average over one minute.
    pub load: Option<f64>,
    /// When it was started, in seconds since 1970.
    pub boot_time: Option<f64>,
    /// Bytes received per second by all interfaces but the loopback.
    pub received: Option<f64>,
    /// Bytes sent per second by all interfaces but the loopback.
    pub transmitted: Option<f64>,
    /// The hottest sensor in degrees Celsius.
    pub temperature: Option<f64>,
    /// The degrees by which the sensor that is closest to its limit stays below it; negative
    /// above it, `None` without a sensor that has a limit.
    pub temperature_margin: Option<f64>,
    /// The labels of its target: those of `up`, or of a pushed reading.
    pub labels: Vec<Labels>,
    /// The labels of `system_info`, else of `node_uname_info`.
    pub info: Option<Labels>,
    /// When its details were last renewed; `None` without details.
    pub details_updated: Option<Millis>,
}

impl Host {
    /// Whether it pushes its readings itself (it may be scraped as well).
    #[must_use]
    pub fn is_pushed(&self) -> bool {
        PUSH_JOBS.iter().any(|job| self.jobs.contains(*job))
    }

    /// The fullest filesystem.
    #[must_use]
    pub fn worst_disk(&self) -> Option<&(String, f64)> {
        self.disks.iter().max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// The hosts at one moment, sorted by name.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    hosts: Vec<Host>,
}

impl Fleet {
    /// Reads the store's index.
    ///
    /// A host that pushes is called by its `instance`. One that is scraped is called by its own
    /// hostname where no other host has that name, pushed or scraped, and by its `instance` where
    /// one has. Without a sample or details left a host is forgotten.
    #[must_use]
    pub fn scan(storage: &Storage, now: Millis) -> Self {
        Self::scan_metrics(storage, &METRICS, now)
    }

    /// The same hosts with their names and readings only, without what they measured.
    #[must_use]
    pub fn scan_names(storage: &Storage, now: Millis) -> Self {
        Self::scan_metrics(storage, &NAMING, now)
    }

    fn scan_metrics(storage: &Storage, metrics: &[&str], now: Millis) -> Self {
        let mut found = Found::all(storage, metrics, &[]);
        for (instance, _) in storage.objects(ObjectKind::Device) {
            let jobs = &mut found.entry(instance).or_default().jobs;
            jobs.insert(DEVICE_JOB.to_owned());
        }
        Self::of(storage, found, now)
    }

    /// The hosts that do not push as devices do, or not only: the same without what devices said.
    #[must_use]
    pub fn scan_others(storage: &Storage, now: Millis) -> Self {
        let others = Matcher::new(JOB, MatchOp::NotEqual, DEVICE_JOB);
        let others: Vec<Matcher> = others.into_iter().collect();
        Self::of(storage, Found::all(storage, &METRICS, &others), now)
    }

    fn of(storage: &Storage, mut found: HashMap<String, Found>, now: Millis) -> Self {
        for (instance, updated) in storage.objects(ObjectKind::System) {
            found.entry(instance).or_default().details_updated = Some(updated);
        }
        let mut hosts: Vec<Host> = found
            .into_iter()
            .map(|(instance, found)| found.into_host(instance, now))
            .collect();
        name(&mut hosts);
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        Self { hosts }
    }

    /// All hosts, sorted by name.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The host that clients call `name`; else the one whose `instance` it is.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<&Host> {
        let by_name = self
            .hosts
            .binary_search_by(|host| host.name.as_str().cmp(name));
        match by_name {
            Ok(at) => Some(&self.hosts[at]),
            Err(_) => self.hosts.iter().find(|host| host.instance == name),
        }
    }
}

/// Gives every host the name that clients use.
fn name(hosts: &mut [Host]) {
    let mut claims: HashMap<String, usize> = HashMap::new();
    for host in hosts.iter() {
        let hostname = host
            .hostname
            .as_deref()
            .filter(|name| *name != host.instance);
        let own = hostname.filter(|_| !host.is_pushed());
        for name in own.into_iter().chain([host.instance.as_str()]) {
            *claims.entry(name.to_owned()).or_default() += 1;
        }
    }
    for host in hosts {
        let hostname = host.hostname.as_ref().filter(|_| !host.is_pushed());
        if let Some(hostname) = hostname.filter(|name| claims.get(*name) == Some(&1)) {
            host.name.clone_from(hostname);
        }
    }
}

/// What the series of one instance say, while they are visited in any order.
#[derive(Default)]
struct Found {
    jobs: BTreeSet<String>,
    up: Vec<Sample>,
    hostname: Newest<String>,
    readings: u64,
    first: Option<Millis>,
    last: Option<Millis>,
    cpu: Newest<f64>,
    memory: Newest<f64>,
    disks: HashMap<String, Newest<f64>>,
    load: Newest<f64>,
    boot_time: Newest<f64>,
    received: HashMap<String, Newest<f64>>,
    transmitted: HashMap<String, Newest<f64>>,
    temperature: Option<f64>,
    /// Degrees and limit by chip and sensor.
    sensors: HashMap<(String, String), (Option<f64>, Option<f64>)>,
    labels: Vec<Labels>,
    info: Newest<Labels>,
    uname: Newest<Labels>,
    details_updated: Option<Millis>,
}

impl Found {
    /// What the series say that satisfy these matchers too, by instance.
    fn all(storage: &Storage, metrics: &[&str], matchers: &[Matcher]) -> HashMap<String, Self> {
        let mut found: HashMap<String, Self> = HashMap::new();
        for metric in metrics {
            let mut named = vec![Matcher::equal(METRIC_NAME, *metric)];
            named.extend_from_slice(matchers);
            // These never leave memory.
            storage.series(&named, &Departed::none(), &mut |labels, stats| {
                if let Some(instance) = labels.get(INSTANCE).filter(|_| stats.samples > 0) {
                    if !found.contains_key(instance) {
                        found.insert(instance.to_owned(), Self::default());
                    }
                    if let Some(host) = found.get_mut(instance) {
                        host.take(labels, &stats);
                    }
                }
                ControlFlow::Continue(())
            });
        }
        found
    }

    fn take(&mut self, labels: &Labels, stats: &SeriesStats) {
        if let Some(job) = labels.get(JOB) {
            self.jobs.insert(job.to_owned());
        }
        let Some(sample) = stats.latest else { return };
        let metric = labels.metric_name();
        match metric {
            "up" => {
                self.up.push(sample);
                self.labels.push(labels.clone());
            }
            CPU if labels.get(JOB).is_some_and(|job| PUSH_JOBS.contains(&job)) => {
                self.labels.push(labels.clone());
            }
            "system_info" => {
                self.take_hostname(labels.get("hostname"), stats);
                self.info.offer(stats.last, || labels.clone());
            }
            "node_uname_info" => {
                self.take_hostname(labels.get("nodename"), stats);
                self.uname.offer(stats.last, || labels.clone());
            }
            // One that is gone says nothing any more: a marker is no number.
            TEMPERATURE | "node_hwmon_temp_celsius" if !sample.value.is_nan() => {
                let hottest = self.temperature.unwrap_or(sample.value);
                self.temperature = Some(hottest.max(sample.value));
                self.sensor(labels).0 = Some(sample.value);
            }
            TEMPERATURE_LIMIT | "node_hwmon_temp_max_celsius" if sample.value > 0.0 => {
                self.sensor(labels).1 = Some(sample.value);
            }
            _ => {}
        }
        if metric == CPU {
            self.readings += stats.samples;
            self.first = Some(
                self.first
                    .map_or(stats.first, |first| first.min(stats.first)),
            );
            self.last = Some(self.last.map_or(stats.last, |last| last.max(stats.last)));
        }
        let newest = match metric {
            CPU => &mut self.cpu,
            MEMORY => &mut self.memory,
            "node_load1" => &mut self.load,
            "node_boot_time_seconds" => &mut self.boot_time,
            DISK => {
                let mount = labels.get(MOUNTPOINT).unwrap_or_default();
                self.disks.entry(mount.to_owned()).or_default()
            }
            RECEIVED | TRANSMITTED => {
                let device = labels.get("device").unwrap_or_default();
                if device == "lo" {
                    return;
                }
                let devices = match metric {
                    RECEIVED => &mut self.received,
                    _ => &mut self.transmitted,
                };
                devices.entry(device.to_owned()).or_default()
            }
            _ => return,
        };
        if !is_stale(sample.value) {
            newest.offer(sample.timestamp, || sample.value);
        }
    }

    fn sensor(&mut self, labels: &Labels) -> &mut (Option<f64>, Option<f64>) {
        let label = |name| labels.get(name).unwrap_or_default().to_owned();
        let key = (label("chip"), label("sensor"));
        self.sensors.entry(key).or_default()
    }

    /// A hostname outlives its series: the host that is down is still called so.
    fn take_hostname(&mut self, hostname: Option<&str>, stats: &SeriesStats) {
        if let Some(hostname) = hostname {
            self.hostname.offer(stats.last, || hostname.to_owned());
        }
    }

    fn into_host(self, instance: String, now: Millis) -> Host {
        let status = self.status(now);
        let mut disks: Vec<(String, f64)> = self
            .disks
            .into_iter()
            .filter_map(|(mount, usage)| Some((mount, usage.get()?)))
            .collect();
        disks.sort_by(|a, b| a.0.cmp(&b.0));
        Host {
            name: instance.clone(),
            instance,
            hostname: self.hostname.get(),
            jobs: self.jobs,
            status,
            readings: self.readings,
            first_seen: self.first,
            last_seen: self.last,
            cpu: self.cpu.get(),
            memory: self.memory.get(),
            disks,
            load: self.load.get(),
            boot_time: self.boot_time.get(),
            received: sum(self.received),
            transmitted: sum(self.transmitted),
            temperature: self.temperature,
            temperature_margin: self
                .sensors
                .into_values()
                .filter_map(|(degrees, limit)| Some(limit? - degrees?))
                .min_by(f64::total_cmp),
            labels: self.labels,
            info: self.info.get().or_else(|| self.uname.get()),
            details_updated: self.details_updated,
        }
    }

    /// A host of several jobs is as well as the best of them says.
    fn status(&self, now: Millis) -> Status {
        let pushed = PUSH_JOBS.iter().any(|job| self.jobs.contains(*job));
        let silent_since = now.saturating_sub(SILENCE);
        let has_pushed = pushed && self.last.is_some_and(|last| last >= silent_since);
        // `up` is exactly 0 or 1.
        if has_pushed || self.up.iter().any(|up| up.value > 0.0) {
            Status::Up
        } else if self.up.iter().any(|up| !is_stale(up.value)) {
            Status::Down
        } else if pushed {
            Status::Silent
        } else {
            Status::Gone
        }
    }
}

/// The sum of what is there; nothing is not zero.
fn sum(values: HashMap<String, Newest<f64>>) -> Option<f64> {
    values
        .into_values()
        .filter_map(Newest::get)
        .reduce(|a, b| a + b)
}

/// The value with the greatest time among those offered.
struct Newest<T>(Option<(Millis, T)>);

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Newest<T> {
    fn offer(&mut self, at: Millis, value: impl FnOnce() -> T) {
        if self.0.as_ref().is_none_or(|(have, _)| *have <= at) {
            self.0 = Some((at, value()));
        }
    }

    fn get(self) -> Option<T> {
        self.0.map(|(_, value)| value)
    }
}
