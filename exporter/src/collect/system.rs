use system_stats_wire::SystemStats;

use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::net_dev::LinkStats;
use crate::sampler::History;

/// The numbers of `/system` as gauges: the vocabulary that every host is described in, however
/// it is monitored.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let stats = crate::system::for_metrics(host);
    if stats.cpu.percent.is_none() && stats.memory.percent.is_none() {
        return Err(CollectError::NoData);
    }
    usage(&stats, out);
    disks(&stats, out);
    temperatures(&stats, out);
    rates(host, out);
    network(host, out);
    rest(&stats, out);
    Ok(())
}

fn usage(stats: &SystemStats, out: &mut Families) {
    for (name, help, value) in [
        (
            "system_cpu_usage_percent",
            "Busy share of all processors over the last second or two, 0-100.",
            stats.cpu.percent,
        ),
        (
            "system_memory_usage_percent",
            "Share of memory that is not available, 0-100.",
            stats.memory.percent,
        ),
        (
            "system_swap_usage_percent",
            "Share of swap space in use, 0-100.",
            stats.swap.percent,
        ),
        (
            "system_time_drift_seconds",
            "How far the clock is off, as far as the kernel knows.",
            stats.time_drift.drift_seconds,
        ),
    ] {
        if let Some(value) = value {
            out.single(name, help, Kind::Gauge, value);
        }
    }
}

fn disks(stats: &SystemStats, out: &mut Families) {
    let used = out.add(
        "system_disk_usage_percent",
        "Share of a file system in use as df has it, 0-100.",
        Kind::Gauge,
    );
    for disk in &stats.disks {
        if let Some(percent) = disk.percent {
            let labels = [
                ("device", disk.device.as_str()),
                ("mountpoint", &disk.mountpoint),
            ];
            used.push(&labels, percent);
        }
    }
    let inodes = out.add(
        "system_disk_inodes_usage_percent",
        "Share of a file system's inodes in use, 0-100.",
        Kind::Gauge,
    );
    for disk in &stats.disks {
        if let Some(percent) = disk.inode_percent {
            let labels = [
                ("device", disk.device.as_str()),
                ("mountpoint", &disk.mountpoint),
            ];
            inodes.push(&labels, percent);
        }
    }
}

fn temperatures(stats: &SystemStats, out: &mut Families) {
    let mut current = Vec::new();
    let mut high = Vec::new();
    for (chip, sensors) in &stats.sensors_temperature {
        for (index, sensor) in sensors.iter().enumerate() {
            // Sensors without a label, or with the same, are told apart by their number.
            let same = sensors
                .iter()
                .filter(|other| other.label == sensor.label)
                .count();
            let name = match sensor.label.as_str() {
                "" => format!("temp{}", index + 1),
                label if same > 1 => format!("{label} {}", index + 1),
                label => label.to_owned(),
            };
            if let Some(celsius) = sensor.current {
                current.push((chip, name.clone(), celsius));
            }
            if let Some(celsius) = sensor.high {
                high.push((chip, name, celsius));
            }
        }
    }
    for (name, help, values) in [
        (
            "system_temperature_celsius",
            "What a temperature sensor reads.",
            current,
        ),
        (
            "system_temperature_high_celsius",
            "Above this a temperature sensor's chip calls it hot.",
            high,
        ),
    ] {
        let family = out.add(name, help, Kind::Gauge);
        for (chip, sensor, celsius) in values {
            family.push(&[("chip", chip), ("sensor", &sensor)], celsius);
        }
    }
}

fn rates(host: &mut Host, out: &mut Families) {
    if let Some((read, written)) = host.rates(History::disk_rates) {
        out.single(
            "system_disk_read_bytes_per_second",
            "Bytes a second read from all disks over the last second or two.",
            Kind::Gauge,
            read,
        );
        out.single(
            "system_disk_written_bytes_per_second",
            "Bytes a second written to all disks over the last second or two.",
            Kind::Gauge,
            written,
        );
    }
    let rates = host.rates(History::link_rates);
    let receive = out.add(
        "system_network_receive_bytes_per_second",
        "Bytes a second received over the last second or two.",
        Kind::Gauge,
    );
    for rate in &rates {
        receive.push(&[("device", &rate.device)], rate.receive);
    }
    let transmit = out.add(
        "system_network_transmit_bytes_per_second",
        "Bytes a second sent over the last second or two.",
        Kind::Gauge,
    );
    for rate in &rates {
        transmit.push(&[("device", &rate.device)], rate.transmit);
    }
}

fn network(host: &mut Host, out: &mut Families) {
    let links = host.links().unwrap_or_default();
    for (name, help, get) in [
        (
            "system_network_receive_bytes_total",
            "Bytes received since boot.",
            (|link| link.receive.bytes) as fn(&LinkStats) -> u64,
        ),
        (
            "system_network_transmit_bytes_total",
            "Bytes sent since boot.",
            |link| link.transmit.bytes,
        ),
        (
            "system_network_receive_errors_total",
            "Errors while receiving since boot.",
            |link| link.receive.errors,
        ),
        (
            "system_network_transmit_errors_total",
            "Errors while sending since boot.",
            |link| link.transmit.errors,
        ),
    ] {
        let family = out.add(name, help, Kind::Counter);
        for link in links.iter() {
            family.push(&[("device", &link.name)], get(link) as f64);
        }
    }
}

fn rest(stats: &SystemStats, out: &mut Families) {
    if let Some(count) = stats.zombie_processes {
        out.single(
            "system_zombie_processes",
            "Processes that ended and whose parent has not noticed.",
            Kind::Gauge,
            count as f64,
        );
    }
    let running = out.add(
        "system_critical_process_running",
        "Whether a process that was configured as critical is running.",
        Kind::Gauge,
    );
    for (name, is_running) in &stats.critical_processes {
        running.push(&[("name", name)], f64::from(u8::from(*is_running)));
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let system = &stats.system;
    out.add(
        "system_info",
        "What this host is: its name, operating system and model.",
        Kind::Gauge,
    )
    .push(
        &[
            ("architecture", &text(&system.architecture)),
            ("hostname", &text(&system.hostname)),
            ("kernel", &text(&system.os_release)),
            ("model", &text(&system.model)),
            ("os", &text(&system.os)),
        ],
        1.0,
    );
}
