use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::pressure::{self, Pressure};

type Get = fn(&Pressure) -> Option<u64>;

const FAMILIES: &[(&str, &str, &str, Get)] = &[
    (
        "pressure/cpu",
        "node_pressure_cpu_waiting_seconds_total",
        "Total time in seconds that processes have waited for CPU time",
        |pressure| pressure.some,
    ),
    (
        "pressure/io",
        "node_pressure_io_waiting_seconds_total",
        "Total time in seconds that processes have waited due to IO congestion",
        |pressure| pressure.some,
    ),
    (
        "pressure/io",
        "node_pressure_io_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IO congestion",
        |pressure| pressure.full,
    ),
    (
        "pressure/memory",
        "node_pressure_memory_waiting_seconds_total",
        "Total time in seconds that processes have waited for memory",
        |pressure| pressure.some,
    ),
    (
        "pressure/memory",
        "node_pressure_memory_stalled_seconds_total",
        "Total time in seconds no process could make progress due to memory congestion",
        |pressure| pressure.full,
    ),
    (
        "pressure/irq",
        "node_pressure_irq_stalled_seconds_total",
        "Total time in seconds no process could make progress due to IRQ congestion",
        |pressure| pressure.full,
    ),
];

/// Kernels may be built, or booted, without any of it.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let mut found = false;
    let mut known: Option<(&str, Pressure)> = None;
    for (file, name, help, get) in FAMILIES {
        let pressure = match known {
            Some((same, pressure)) if same == *file => pressure,
            _ => match host.files.proc(file) {
                Ok(text) => pressure::parse(&text),
                Err(_) => Pressure::default(),
            },
        };
        known = Some((file, pressure));
        if let Some(micros) = get(&pressure) {
            found = true;
            out.single(*name, *help, Kind::Counter, micros as f64 / 1e6);
        }
    }
    if found {
        Ok(())
    } else {
        Err(CollectError::NoData)
    }
}
