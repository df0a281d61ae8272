//! What the `sysinfo` crate says of hosts that have no `/proc`: macOS above all. It fills the
//! same blocks and families as far as it knows them; the rest is absent there.

use std::collections::BTreeMap;

use sysinfo::{Components, Disks, Networks, ProcessStatus, ProcessesToUpdate, System};
use system_stats_wire::{DiskIo, SystemStats, TemperatureSensor};

use crate::kernel::mountinfo::Mount;
use crate::kernel::net_dev::{LinkStats, Receive, Transmit};
use crate::mounts::Filesystem;
use crate::processes::ProcessTable;
use crate::statfs::Asker;

/// The crate's view of the host; what it cannot see is `None`.
pub(crate) struct Portable {
    system: Option<System>,
    networks: Option<Networks>,
    disks: Option<Disks>,
    components: Option<Components>,
}

impl Portable {
    pub(crate) fn new() -> Self {
        Self {
            system: System::new().ok(),
            networks: Networks::new_with_refreshed_list().ok(),
            disks: Disks::new_with_refreshed_list().ok(),
            components: Components::new_with_refreshed_list().ok(),
        }
    }

    /// Takes the reading that the processors' use is measured from. Called once a second.
    pub(crate) fn sample(&mut self) {
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
        }
    }

    pub(crate) fn links(&mut self) -> Vec<LinkStats> {
        let Some(networks) = &mut self.networks else {
            return Vec::new();
        };
        networks.refresh(true);
        networks
            .iter()
            .map(|(name, network)| LinkStats {
                name: name.to_string_lossy().into_owned(),
                receive: Receive {
                    bytes: network.total_received(),
                    packets: network.total_packets_received(),
                    errors: network.total_errors_on_received(),
                    ..Receive::default()
                },
                transmit: Transmit {
                    bytes: network.total_transmitted(),
                    packets: network.total_packets_transmitted(),
                    errors: network.total_errors_on_transmitted(),
                    ..Transmit::default()
                },
            })
            .collect()
    }

    pub(crate) fn filesystems(&mut self, asker: &mut Asker) -> Vec<Filesystem> {
        let Some(disks) = &mut self.disks else {
            return Vec::new();
        };
        disks.refresh(true);
        disks
            .iter()
            .map(|disk| Filesystem {
                mount: Mount {
                    major: String::new(),
                    minor: String::new(),
                    device: disk.name().to_string_lossy().into_owned(),
                    mountpoint: disk.mount_point().display().to_string(),
                    fstype: disk.file_system().to_string_lossy().into_owned(),
                    is_read_only: disk.is_read_only(),
                },
                usage: asker.usage(disk.mount_point()),
                is_disk: true,
            })
            .collect()
    }

    /// Bytes read from and written to all disks since boot.
    pub(crate) fn disk_bytes(&mut self) -> Option<(u64, u64)> {
        let disks = self.disks.as_mut()?;
        disks.refresh(true);
        let usages: Vec<_> = disks.iter().map(sysinfo::Disk::usage).collect();
        let read = usages.iter().map(|usage| usage.total_read_bytes);
        let written = usages.iter().map(|usage| usage.total_written_bytes);
        Some((read.sum(), written.sum()))
    }

    pub(crate) fn load() -> Option<[f64; 3]> {
        let load = System::load_average().ok()?;
        Some([load.one, load.five, load.fifteen])
    }

    pub(crate) fn boot_time() -> Option<u64> {
        System::boot_time().ok()
    }

    pub(crate) fn processes(&mut self) -> Option<ProcessTable> {
        let system = self.system.as_mut()?;
        system.refresh_processes(ProcessesToUpdate::All, true);
        let mut table = ProcessTable::default();
        for process in system.processes().values() {
            let state = match process.status() {
                ProcessStatus::Zombie => 'Z',
                ProcessStatus::Run => 'R',
                ProcessStatus::Stop => 'T',
                _ => 'S',
            };
            table.add(state, 1, process.name().to_string_lossy().into_owned());
        }
        Some(table)
    }

    fn temperatures(&mut self) -> BTreeMap<String, Vec<TemperatureSensor>> {
        let mut found = BTreeMap::new();
        let Some(components) = &mut self.components else {
            return found;
        };
        components.refresh(true);
        let sensors: &mut Vec<TemperatureSensor> =
            found.entry("components".to_owned()).or_default();
        for component in components.iter() {
            if let Some(current) = component.temperature() {
                sensors.push(TemperatureSensor {
                    label: component.label().to_owned(),
                    current: Some(f64::from(current)),
                    // The crate's `max` is the highest so far, not a limit.
                    high: None,
                    critical: component.critical().map(f64::from),
                });
            }
        }
        found.retain(|_, sensors| !sensors.is_empty());
        found
    }

    /// Fills the blocks of `/system` that come from `/proc` and `/sys` elsewhere.
    pub(crate) fn fill(&mut self, stats: &mut SystemStats) {
        stats.sensors_temperature = self.temperatures();
        if let Some((read, written)) = self.disk_bytes() {
            stats.disk_io = DiskIo {
                read_bytes: Some(read),
                write_bytes: Some(written),
                ..DiskIo::default()
            };
        }
        if let Some(system) = &mut self.system {
            processors(system, stats);
            memory(system, stats);
        }
    }
}

fn processors(system: &mut System, stats: &mut SystemStats) {
    system.refresh_cpu_frequency();
    let cpus = system.cpus();
    stats.cpu.percent = Some((f64::from(system.global_cpu_usage()) * 10.0).round() / 10.0);
    stats.cpu.logical_cores = Some(cpus.len() as u64).filter(|count| *count > 0);
    stats.cpu.physical_cores = System::physical_core_count().ok().map(|count| count as u64);
    if let Some(first) = cpus.first() {
        stats.cpu.processor = Some(first.brand().to_owned());
        stats.cpu.frequency_mhz = Some(first.frequency() as f64).filter(|mhz| *mhz > 0.0);
    }
}

fn memory(system: &mut System, stats: &mut SystemStats) {
    system.refresh_memory();
    let percent = |part: u64, whole: u64| {
        let share = if whole == 0 {
            0.0
        } else {
            part as f64 / whole as f64
        };
        Some((share * 1000.0).round() / 10.0)
    };
    let (total, available) = (system.total_memory(), system.available_memory());
    stats.memory.total = Some(total);
    stats.memory.available = Some(available);
    stats.memory.used = Some(system.used_memory());
    stats.memory.free = Some(system.free_memory());
    stats.memory.percent = percent(total.saturating_sub(available), total);
    let (swap, used) = (system.total_swap(), system.used_swap());
    stats.swap.total = Some(swap);
    stats.swap.used = Some(used);
    stats.swap.free = Some(system.free_swap());
    stats.swap.percent = percent(used, swap);
}
