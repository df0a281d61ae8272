use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;
use crate::kernel::udp;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let mut family = Family::new(
        "node_udp_queues",
        "Number of allocated memory in the kernel for UDP datagrams in bytes.",
        Kind::Gauge,
    );
    for (file, ip) in [("net/udp", "v4"), ("net/udp6", "v6")] {
        // Hosts may lack either.
        if let Ok(text) = host.files.proc(file) {
            let (send, receive) = udp::parse(&text);
            family.push(&[("ip", ip), ("queue", "rx")], receive as f64);
            family.push(&[("ip", ip), ("queue", "tx")], send as f64);
        }
    }
    if family.is_empty() {
        return Err(CollectError::NoData);
    }
    out.push(family);
    Ok(())
}
