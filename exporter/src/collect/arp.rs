use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::arp;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let text = host.files.proc("net/arp")?;
    let family = out.add("node_arp_entries", "ARP entries by device", Kind::Gauge);
    for (device, count) in arp::parse(&text) {
        family.push(&[("device", device)], count as f64);
    }
    Ok(())
}
