//! The JSON that `GET /system` of an exporter answers with, as serde types for both ends of the
//! wire. Names and meanings are those of psutil 5.9 unless a field says otherwise.
//!
//! Two rules hold for every type here:
//! - *Writing*: every key is there; a value that the platform does not have is `null`. The few
//!   keys that exist on one platform only (`active`, `buffers`, `busy_time`, …) are left out
//!   elsewhere, and say so.
//! - *Reading*: unknown keys are ignored and missing ones are `None` or empty, so that older and
//!   newer writers are understood.
//!
//! This crate does no I/O and knows no formats but JSON's shape:
//! - [`SystemStats`] is the whole object
//! - `processor`, `memory`, `storage`, `network` and `host` hold its blocks

mod host;
mod memory;
mod network;
mod processor;
mod storage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use host::{Identity, TemperatureSensor, TimeDrift, Uptime};
pub use memory::{Memory, Swap};
pub use network::{Interface, IoCounters, Network, PrimaryInterface};
pub use processor::{Cpu, Load};
pub use storage::{Disk, DiskIo, MountedDisk};

/// Everything that one host says about itself at one moment: the answer to `GET /system`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemStats {
    /// When the numbers were taken: ISO 8601 in UTC with offset, `2026-01-31T09:30:00.125+00:00`.
    pub collected_at: String,
    /// Processor use and kind.
    pub cpu: Cpu,
    /// Physical memory.
    pub memory: Memory,
    /// Swap space.
    pub swap: Swap,
    /// The one file system that stands for "the disk" of this host.
    pub disk: Disk,
    /// Block device traffic since boot, all whole disks together.
    pub disk_io: DiskIo,
    /// Network traffic since boot and the interface of the default route.
    pub network: Network,
    /// Time since boot.
    pub uptime: Uptime,
    /// Names and versions.
    pub system: Identity,
    /// Load averages; `None` on platforms without them.
    pub load: Option<Load>,
    /// Every mounted file system that holds data.
    pub disks: Vec<MountedDisk>,
    /// Traffic of every network interface since boot.
    pub interfaces: Vec<Interface>,
    /// Temperature sensors by chip name (hwmon's `name`, or the type of a thermal zone).
    pub sensors_temperature: BTreeMap<String, Vec<TemperatureSensor>>,
    /// How far the clock is off.
    pub time_drift: TimeDrift,
    /// Processes in state Z; `None` when the process table cannot be read.
    pub zombie_processes: Option<u64>,
    /// Whether each process that was configured as critical is running, by its name.
    pub critical_processes: BTreeMap<String, bool>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::SystemStats;

    #[test]
    fn an_empty_object_has_every_documented_key() {
        let value = serde_json::to_value(SystemStats::default()).unwrap();
        let keys = |path: &str| -> Vec<String> {
            let object = value.pointer(path).and_then(Value::as_object).unwrap();
            object.keys().cloned().collect()
        };
        let expected = [
            (
                "",
                "collected_at cpu critical_processes disk disk_io disks interfaces load memory \
                 network sensors_temperature swap system time_drift uptime zombie_processes",
            ),
            (
                "/cpu",
                "frequency_mhz logical_cores max_frequency_mhz min_frequency_mhz percent \
                 physical_cores processor",
            ),
            ("/memory", "available free percent total used"),
            ("/swap", "free percent sin sout total used"),
            ("/disk", "free mount percent total used"),
            (
                "/disk_io",
                "read_bytes read_count read_time write_bytes write_count write_time",
            ),
            ("/network", "io_counters primary_interface"),
            (
                "/network/io_counters",
                "bytes_recv bytes_sent dropin dropout errin errout packets_recv packets_sent",
            ),
            ("/uptime", "boot_time human seconds"),
            (
                "/system",
                "architecture hostname model os os_release os_version platform",
            ),
            ("/time_drift", "drift_seconds"),
        ];
        for (path, names) in expected {
            let mut found = keys(path);
            found.sort();
            assert_eq!(found.join(" "), names, "keys of {path:?}");
        }
    }

    #[test]
    fn unknown_and_missing_keys_are_no_error() {
        let old = json!({"cpu": {"percent": 4.5, "flavour": "x"}, "new_block": [1], "swap": {}});
        let stats: SystemStats = serde_json::from_value(old).unwrap();
        assert_eq!(stats.cpu.percent, Some(4.5));
        assert_eq!(stats.swap.total, None);
    }

    #[test]
    fn load_is_keyed_by_minutes() {
        let stats: SystemStats =
            serde_json::from_value(json!({"load": {"1": 0.5, "5": 0.25, "15": 0.0}})).unwrap();
        assert_eq!(
            serde_json::to_value(stats.load).unwrap(),
            json!({"1": 0.5, "5": 0.25, "15": 0.0})
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = serde_json::from_slice::<SystemStats>(&bytes);
        }

        #[test]
        fn a_round_trip_changes_nothing(tenths in 0..1000_u16, total in any::<u64>(), name in ".*") {
            let mut stats = SystemStats::default();
            stats.cpu.percent = Some(f64::from(tenths) / 10.0);
            stats.memory.total = Some(total);
            stats.critical_processes.insert(name, true);
            let text = serde_json::to_string(&stats).unwrap();
            prop_assert_eq!(serde_json::from_str::<SystemStats>(&text).unwrap(), stats);
        }
    }
}
