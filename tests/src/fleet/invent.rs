//! A host that nobody has, as `node_exporter` would show it.

use std::fmt::Write as _;

use super::{Trace, Track};
use crate::random::Random;

/// How a series goes on from one scrape to the next.
#[derive(Clone, Copy)]
enum Walk {
    /// It rests.
    Rest,
    /// It rises by about so many units a scrape, in so many scrapes of a hundred.
    Rise(u64, u64),
    /// It goes up and down by up to so many units, in so many scrapes of a hundred.
    Roam(u64, u64),
}

/// A family: name, label combinations, digits behind the point, and the walk.
struct Family(
    &'static str,
    &'static [(&'static str, &'static [&'static str])],
    u8,
    Walk,
);

const CPUS: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
];
const BUSY: &[&str] = &["idle", "user", "system"];
const QUIET: &[&str] = &["iowait", "irq", "nice", "softirq", "steal"];
const LINES: &[&str] = &["LOC", "RES", "CAL", "NMI"];
const PROTOCOLS: &[&str] = &[
    "Icmp", "Icmp6", "Ip", "Ip6", "IpExt", "Tcp", "TcpExt", "Udp", "Udp6", "UdpLite", "UdpLite6",
    "Sctp", "Mptcp", "Arp", "Igmp", "Raw", "Raw6", "Frag", "Unix", "Xfrm",
];
const DISKS: &[&str] = &["dm-0", "dm-1", "nvme0n1", "sda", "sdb"];
const NETS: &[&str] = &["docker0", "eth0", "eth1", "lo", "veth7f31", "wlan0"];
const MOUNTS: &[&str] = &["/", "/boot", "/home", "/run", "/srv", "/var"];
const MEMORY: &[&str] = &[
    "Active",
    "Buffers",
    "Cached",
    "Dirty",
    "Inactive",
    "Mapped",
    "MemAvailable",
    "MemFree",
    "SReclaimable",
    "Slab",
    "AnonPages",
    "Committed_AS",
    "KernelStack",
    "PageTables",
    "Shmem",
];
const UNITS: &[&str] = &[
    "cron.service",
    "dbus.service",
    "docker.service",
    "getty@tty1.service",
    "nginx.service",
    "postgresql.service",
    "rsyslog.service",
    "ssh.service",
    "systemd-journald.service",
    "systemd-logind.service",
    "systemd-udevd.service",
    "user@1000.service",
];
const STATES: &[&str] = &["activating", "active", "deactivating", "failed", "inactive"];
const ZONES: &[&str] = &["temp1", "temp2", "temp3", "temp4"];

const FAMILIES: [Family; 34] = [
    Family(
        "node_cpu_seconds_total",
        &[("cpu", CPUS), ("mode", BUSY)],
        2,
        Walk::Rise(700, 95),
    ),
    Family(
        "node_cpu_seconds_total",
        &[("cpu", CPUS), ("mode", QUIET)],
        2,
        Walk::Rise(1, 70),
    ),
    Family(
        "node_interrupts_total",
        &[("cpu", CPUS), ("type", LINES)],
        0,
        Walk::Rise(2_000, 90),
    ),
    Family(
        "node_netstat_total",
        &[("protocol", PROTOCOLS), ("direction", &["in", "out"])],
        0,
        Walk::Rise(500, 80),
    ),
    Family(
        "node_cpu_guest_seconds_total",
        &[("cpu", CPUS), ("mode", &["nice", "user"])],
        0,
        Walk::Rest,
    ),
    Family(
        "node_cpu_frequency_hertz",
        &[("cpu", CPUS)],
        0,
        Walk::Roam(900_000_000, 60),
    ),
    Family(
        "node_cpu_core_throttles_total",
        &[("core", CPUS)],
        0,
        Walk::Rest,
    ),
    Family(
        "node_softnet_processed_total",
        &[("cpu", CPUS)],
        0,
        Walk::Rise(3_000, 95),
    ),
    Family(
        "node_softnet_dropped_total",
        &[("cpu", CPUS)],
        0,
        Walk::Rest,
    ),
    Family(
        "node_softnet_times_squeezed_total",
        &[("cpu", CPUS)],
        0,
        Walk::Rise(1, 60),
    ),
    Family(
        "node_schedstat_running_seconds_total",
        &[("cpu", CPUS)],
        9,
        Walk::Rise(4_000_000_000, 100),
    ),
    Family(
        "node_schedstat_waiting_seconds_total",
        &[("cpu", CPUS)],
        9,
        Walk::Rise(900_000_000, 100),
    ),
    Family(
        "node_schedstat_timeslices_total",
        &[("cpu", CPUS)],
        0,
        Walk::Rise(9_000, 100),
    ),
    Family(
        "node_disk_read_bytes_total",
        &[("device", DISKS)],
        0,
        Walk::Rise(400_000, 30),
    ),
    Family(
        "node_disk_written_bytes_total",
        &[("device", DISKS)],
        0,
        Walk::Rise(900_000, 85),
    ),
    Family(
        "node_disk_io_time_seconds_total",
        &[("device", DISKS)],
        3,
        Walk::Rise(900, 85),
    ),
    Family(
        "node_disk_reads_completed_total",
        &[("device", DISKS)],
        0,
        Walk::Rise(40, 30),
    ),
    Family(
        "node_disk_writes_completed_total",
        &[("device", DISKS)],
        0,
        Walk::Rise(300, 85),
    ),
    Family(
        "node_disk_discards_merged_total",
        &[("device", DISKS)],
        0,
        Walk::Rest,
    ),
    Family(
        "node_filesystem_avail_bytes",
        &[("mountpoint", MOUNTS)],
        0,
        Walk::Roam(400_000, 45),
    ),
    Family(
        "node_filesystem_size_bytes",
        &[("mountpoint", MOUNTS)],
        0,
        Walk::Rest,
    ),
    Family(
        "node_filesystem_files_free",
        &[("mountpoint", MOUNTS)],
        0,
        Walk::Roam(40, 25),
    ),
    Family(
        "node_filesystem_readonly",
        &[("mountpoint", MOUNTS)],
        0,
        Walk::Rest,
    ),
    Family(
        "node_network_receive_bytes_total",
        &[("device", NETS)],
        0,
        Walk::Rise(2_000_000, 75),
    ),
    Family(
        "node_network_transmit_bytes_total",
        &[("device", NETS)],
        0,
        Walk::Rise(900_000, 75),
    ),
    Family(
        "node_network_receive_errs_total",
        &[("device", NETS)],
        0,
        Walk::Rest,
    ),
    Family("node_network_flags", &[("device", NETS)], 0, Walk::Rest),
    Family(
        "node_memory_bytes",
        &[("area", MEMORY)],
        0,
        Walk::Roam(4_000_000, 90),
    ),
    Family(
        "node_systemd_unit_state",
        &[("name", UNITS), ("state", STATES)],
        0,
        Walk::Rest,
    ),
    Family(
        "node_hwmon_temp_celsius",
        &[("sensor", ZONES)],
        0,
        Walk::Roam(2, 40),
    ),
    Family("node_load1", &[], 2, Walk::Roam(30, 90)),
    Family("node_load5", &[], 2, Walk::Roam(10, 80)),
    Family("node_load15", &[], 2, Walk::Roam(5, 60)),
    Family(
        "node_scrape_collector_duration_seconds",
        &[("collector", UNITS)],
        9,
        Walk::Roam(400_000, 100),
    ),
];

/// The share of the series that the families make up; the rest are settings that never change.
const SERIES: usize = 1000;

/// A trace of about a thousand series, about a third of which change between scrapes, every 15 s.
/// Equal seeds give equal traces.
pub fn invented(scrapes: usize, seed: u64) -> Trace {
    let random = &mut Random::new(seed);
    let mut series = Vec::with_capacity(SERIES);
    for Family(name, labels, digits, walk) in FAMILIES {
        let combinations: usize = labels.iter().map(|(_, values)| values.len()).product();
        for at in 0..combinations {
            series.push(Track {
                text: text(name, labels, at),
                is_counter: matches!(walk, Walk::Rise(..)),
                values: values(digits, walk, scrapes, random),
            });
        }
    }
    for at in series.len()..SERIES {
        series.push(Track {
            text: format!("node_setting{{number=\"{at}\"}}"),
            is_counter: false,
            values: values(0, Walk::Rest, scrapes, random),
        });
    }
    let time = |at| 1_700_000_000_000 + 15_000 * i64::try_from(at).unwrap_or(0);
    Trace {
        times: (0..scrapes).map(time).collect(),
        series,
    }
}

fn text(name: &str, labels: &[(&str, &[&str])], mut at: usize) -> String {
    let mut text = name.to_owned();
    for (number, (label, values)) in labels.iter().enumerate() {
        let open = if number == 0 { '{' } else { ',' };
        let _ = write!(text, "{open}{label}=\"{}\"", values[at % values.len()]);
        at /= values.len();
    }
    if !labels.is_empty() {
        text.push('}');
    }
    text
}

fn values(digits: u8, walk: Walk, scrapes: usize, random: &mut Random) -> Vec<Option<f64>> {
    let mut at = match walk {
        Walk::Rest => random.below(4),
        Walk::Rise(by, _) | Walk::Roam(by, _) => by * (1_000 + random.below(9_000)),
    };
    let scale = 10_f64.powi(digits.into());
    let next = |_| {
        match walk {
            Walk::Rise(by, chance) if random.below(100) < chance => {
                at += by / 2 + random.below(by + 1);
            }
            Walk::Roam(by, chance) if random.below(100) < chance => {
                at = (at + random.below(2 * by + 1)).saturating_sub(by);
            }
            _ => {}
        }
        Some(at as f64 / scale)
    };
    (0..scrapes).map(next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invented_host_is_like_a_real_one() {
        let trace = invented(60, 1);
        assert_eq!(trace.series.len(), SERIES);
        let mut texts: Vec<&str> = trace.series.iter().map(|track| &*track.text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), SERIES);
        let pairs = trace
            .series
            .iter()
            .flat_map(|track| track.values.windows(2));
        let changed = pairs.clone().filter(|pair| pair[0] != pair[1]).count();
        let share = changed as f64 / pairs.count() as f64;
        assert!((0.25..0.42).contains(&share), "{share}");
        assert_eq!(invented(60, 1), trace);
    }
}
