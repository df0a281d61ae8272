use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::schedstat::{self, CpuSchedule};

const NANO: f64 = 1e-9;

type Get = fn(&CpuSchedule<'_>) -> f64;

const FAMILIES: &[(&str, &str, Get)] = &[
    (
        "node_schedstat_running_seconds_total",
        "Number of seconds CPU spent running a process.",
        |cpu| cpu.running_nanos as f64 * NANO,
    ),
    (
        "node_schedstat_waiting_seconds_total",
        "Number of seconds spent by processing waiting for this CPU.",
        |cpu| cpu.waiting_nanos as f64 * NANO,
    ),
    (
        "node_schedstat_timeslices_total",
        "Number of timeslices executed by CPU.",
        |cpu| cpu.timeslices as f64,
    ),
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let text = host.files.proc("schedstat")?;
    let cpus = schedstat::parse(&text);
    if cpus.is_empty() {
        return Err(CollectError::Malformed { file: "schedstat" });
    }
    for (name, help, get) in FAMILIES {
        let family = out.add(*name, *help, Kind::Counter);
        for cpu in &cpus {
            family.push(&[("cpu", cpu.cpu)], get(cpu));
        }
    }
    Ok(())
}
