use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::net_dev::LinkStats;

type Get = fn(&LinkStats) -> Option<u64>;

/// The statistics, by the names that `/proc/net/dev` had for them.
const STATISTICS: &[(&str, Get)] = &[
    ("receive_bytes", |link| Some(link.receive.bytes)),
    ("receive_compressed", |link| Some(link.receive.compressed)),
    ("receive_drop", |link| Some(link.receive.dropped)),
    ("receive_errs", |link| Some(link.receive.errors)),
    ("receive_fifo", |link| Some(link.receive.fifo)),
    ("receive_frame", |link| Some(link.receive.frame)),
    ("receive_multicast", |link| Some(link.receive.multicast)),
    ("receive_nohandler", |link| link.receive.nohandler),
    ("receive_packets", |link| Some(link.receive.packets)),
    ("transmit_bytes", |link| Some(link.transmit.bytes)),
    ("transmit_carrier", |link| Some(link.transmit.carrier)),
    ("transmit_colls", |link| Some(link.transmit.collisions)),
    ("transmit_compressed", |link| Some(link.transmit.compressed)),
    ("transmit_drop", |link| Some(link.transmit.dropped)),
    ("transmit_errs", |link| Some(link.transmit.errors)),
    ("transmit_fifo", |link| Some(link.transmit.fifo)),
    ("transmit_packets", |link| Some(link.transmit.packets)),
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let links = host.links()?;
    if links.is_empty() {
        return Err(CollectError::Malformed { file: "net/dev" });
    }
    for (statistic, get) in STATISTICS {
        let family = out.add(
            format!("node_network_{statistic}_total"),
            format!("Network device statistic {statistic}."),
            Kind::Counter,
        );
        for link in links.iter() {
            if let Some(value) = get(link) {
                family.push(&[("device", &link.name)], value as f64);
            }
        }
    }
    Ok(())
}
