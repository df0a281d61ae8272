use std::collections::BTreeMap;

use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::processes;

/// Counts processes and threads by state. Off by default: it reads a file for every thread.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let table = host.recent_processes().ok_or(CollectError::NoData)?;
    let thread_states = processes::thread_states(&mut host.files)?;
    out.single(
        "node_processes_threads",
        "Allocated threads in system",
        Kind::Gauge,
        table.threads as f64,
    );
    let mut limit = |file: &str| -> Option<u64> {
        let path = format!("sys/kernel/{file}");
        host.files.proc(&path).ok()?.trim().parse().ok()
    };
    let (max_threads, max_pids) = (limit("threads-max"), limit("pid_max"));
    if let Some(limit) = max_threads {
        out.single(
            "node_processes_max_threads",
            "Limit of threads in the system",
            Kind::Gauge,
            limit as f64,
        );
    }
    by_state(
        out,
        ("node_processes_state", "state"),
        "Number of processes in each state.",
        &table.states,
    );
    by_state(
        out,
        ("node_processes_threads_state", "thread_state"),
        "Number of threads in each state.",
        &thread_states,
    );
    out.single(
        "node_processes_pids",
        "Number of PIDs",
        Kind::Gauge,
        table.pids as f64,
    );
    if let Some(limit) = max_pids {
        out.single(
            "node_processes_max_processes",
            "Number of max PIDs limit",
            Kind::Gauge,
            limit as f64,
        );
    }
    Ok(())
}

fn by_state(
    out: &mut Families,
    (name, label): (&'static str, &str),
    help: &'static str,
    states: &BTreeMap<char, u64>,
) {
    let family = out.add(name, help, Kind::Gauge);
    for (state, count) in states {
        family.push(&[(label, &state.to_string())], *count as f64);
    }
}
