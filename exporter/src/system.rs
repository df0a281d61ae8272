//! The answer to `/system`, put together block by block. psutil 5.9's names and meanings.
//!
//! The blocks are separate steps: one that hangs is given up on, and its keys stay `null`.

mod cpu;
mod identity;
mod memory;
mod network;
mod sensors;
mod storage;
mod uptime;

use system_stats_wire::SystemStats;

use crate::clock;
use crate::host::Host;

/// A step of `/system`.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) fill: fn(&mut Host, &mut SystemStats),
}

/// Everything that `/system` consists of. What may hang comes last.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        name: "time",
        fill: |host, stats| {
            stats.collected_at = clock::iso8601_millis(host.now());
            uptime::fill(host, stats);
        },
    },
    Section {
        name: "cpu",
        fill: cpu::fill,
    },
    Section {
        name: "memory",
        fill: memory::fill,
    },
    Section {
        name: "network",
        fill: network::fill,
    },
    Section {
        name: "identity",
        fill: identity::fill,
    },
    Section {
        name: "processes",
        fill: |host, stats| {
            if let Some(table) = host.processes() {
                processes(host, stats, &table);
            }
        },
    },
    Section {
        name: "storage",
        fill: storage::fill,
    },
    Section {
        name: "sensors",
        fill: sensors::fill,
    },
    // What was found in files that are not there is put right.
    #[cfg(not(target_os = "linux"))]
    Section {
        name: "portable",
        fill: |host, stats| host.portable.fill(stats),
    },
];

/// The blocks that `system_*` families are made of, from the same functions. The process table
/// may be a moment old here: it is the one thing that costs more the more a host does.
pub(crate) fn for_metrics(host: &mut Host) -> SystemStats {
    let mut stats = SystemStats::default();
    cpu::fill_percent(host, &mut stats);
    memory::fill(host, &mut stats);
    storage::fill(host, &mut stats);
    identity::fill(host, &mut stats);
    sensors::fill(host, &mut stats);
    #[cfg(not(target_os = "linux"))]
    host.portable.fill(&mut stats);
    if let Some(table) = host.recent_processes() {
        processes(host, &mut stats, &table);
    }
    stats
}

fn processes(host: &Host, stats: &mut SystemStats, table: &crate::processes::ProcessTable) {
    stats.zombie_processes = Some(table.zombies());
    stats.critical_processes = host
        .config
        .critical_processes
        .iter()
        .map(|name| (name.clone(), table.is_running(name)))
        .collect();
}

/// Rounds to one decimal, as psutil does with percentages.
fn one_decimal(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_one_decimal() {
        assert_eq!(one_decimal(33.333).to_string(), "33.3");
        assert_eq!(one_decimal(99.95).to_string(), "100");
    }
}
