use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::stat::TICKS_PER_SECOND;

/// This process itself, under the names that every Prometheus client has for it.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let boot_time = host.boot_time();
    let text = host.files.proc("self/stat")?;
    // The command in parentheses may hold anything; numbers follow it.
    let (_, rest) = text
        .rsplit_once(')')
        .ok_or(CollectError::Malformed { file: "self/stat" })?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // `proc_pid_stat(5)` counts from 1 and has two fields before these.
    let field = |number: usize| -> Option<f64> {
        let value: u64 = fields.get(number - 3)?.parse().ok()?;
        Some(value as f64)
    };
    let page = rustix::param::page_size() as f64;
    let ticks = field(14).zip(field(15)).map(|(user, system)| user + system);
    let start = field(22).zip(boot_time);
    let families = [
        (
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            Kind::Counter,
            ticks.map(|ticks| ticks / TICKS_PER_SECOND),
        ),
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            Kind::Gauge,
            field(24).map(|pages| pages * page),
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            Kind::Gauge,
            start.map(|(ticks, boot)| boot as f64 + ticks / TICKS_PER_SECOND),
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            Kind::Gauge,
            field(23),
        ),
    ];
    for (name, help, kind, value) in families {
        if let Some(value) = value {
            out.single(name, help, kind, value);
        }
    }
    limits(host, out);
    Ok(())
}

/// Since 6.2 the kernel says as the directory's size how many there are.
fn open_files(host: &mut Host) -> Option<u64> {
    let directory = host.files.roots().procfs.join("self/fd");
    let size = std::fs::metadata(directory).ok()?.len();
    if host.is_live && size > 0 {
        return Some(size);
    }
    // One of them is the listing's own.
    let names = host.files.proc_list("self/fd").ok()?;
    Some(names.len().saturating_sub(1) as u64)
}

fn limits(host: &mut Host, out: &mut Families) {
    if let Some(count) = open_files(host) {
        out.single(
            "process_open_fds",
            "Number of open file descriptors.",
            Kind::Gauge,
            count as f64,
        );
    }
    let Ok(text) = host.files.proc_rarely("self/limits") else {
        return;
    };
    for (line, name, help) in [
        (
            "Max open files",
            "process_max_fds",
            "Maximum number of open file descriptors.",
        ),
        (
            "Max address space",
            "process_virtual_memory_max_bytes",
            "Maximum amount of virtual memory available in bytes.",
        ),
    ] {
        let rest = text.lines().find_map(|text| text.strip_prefix(line));
        let value = match rest.and_then(|rest| rest.split_ascii_whitespace().next()) {
            Some("unlimited") => Some(u64::MAX),
            Some(number) => number.parse().ok(),
            None => None,
        };
        if let Some(value) = value {
            out.single(name, help, Kind::Gauge, value as f64);
        }
    }
}
