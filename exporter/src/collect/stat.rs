use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let stat = host.stat()?;
    let families = [
        (
            "node_intr_total",
            "Total number of interrupts serviced.",
            Kind::Counter,
            stat.interrupts,
        ),
        (
            "node_context_switches_total",
            "Total number of context switches.",
            Kind::Counter,
            stat.context_switches,
        ),
        (
            "node_forks_total",
            "Total number of forks.",
            Kind::Counter,
            stat.forks,
        ),
        (
            "node_boot_time_seconds",
            "Node boot time, in unixtime.",
            Kind::Gauge,
            stat.boot_time,
        ),
        (
            "node_procs_running",
            "Number of processes in runnable state.",
            Kind::Gauge,
            stat.procs_running,
        ),
        (
            "node_procs_blocked",
            "Number of processes blocked waiting for I/O to complete.",
            Kind::Gauge,
            stat.procs_blocked,
        ),
    ];
    if families.iter().all(|(_, _, _, value)| value.is_none()) {
        return Err(CollectError::Malformed { file: "stat" });
    }
    for (name, help, kind, value) in families {
        if let Some(value) = value {
            out.single(name, help, kind, value as f64);
        }
    }
    Ok(())
}
