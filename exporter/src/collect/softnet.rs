use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::softnet::{self, Softnet};

type Get = fn(&Softnet) -> Option<u64>;

const FAMILIES: &[(&str, &str, Kind, Get)] = &[
    (
        "node_softnet_processed_total",
        "Number of processed packets",
        Kind::Counter,
        |cpu| Some(cpu.processed),
    ),
    (
        "node_softnet_dropped_total",
        "Number of dropped packets",
        Kind::Counter,
        |cpu| Some(cpu.dropped),
    ),
    (
        "node_softnet_times_squeezed_total",
        "Number of times processing packets ran out of quota",
        Kind::Counter,
        |cpu| Some(cpu.squeezed),
    ),
    (
        "node_softnet_cpu_collision_total",
        "Number of collision occur while obtaining device lock while transmitting",
        Kind::Counter,
        |cpu| cpu.collision,
    ),
    (
        "node_softnet_received_rps_total",
        "Number of times cpu woken up received_rps",
        Kind::Counter,
        |cpu| cpu.received_rps,
    ),
    (
        "node_softnet_flow_limit_count_total",
        "Number of times flow limit has been reached",
        Kind::Counter,
        |cpu| cpu.flow_limit,
    ),
    (
        "node_softnet_backlog_len",
        "Softnet backlog status",
        Kind::Gauge,
        |cpu| cpu.backlog,
    ),
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let cpus = softnet::parse(&host.files.proc("net/softnet_stat")?);
    if cpus.is_empty() {
        return Err(CollectError::Malformed {
            file: "net/softnet_stat",
        });
    }
    for (name, help, kind, get) in FAMILIES {
        let family = out.add(*name, *help, *kind);
        for cpu in &cpus {
            if let Some(value) = get(cpu) {
                family.push(&[("cpu", &cpu.cpu.to_string())], value as f64);
            }
        }
    }
    Ok(())
}
