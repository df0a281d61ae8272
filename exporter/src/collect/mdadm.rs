use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::mdstat::{self, Array, State};

const STATES: [(State, &str); 5] = [
    (State::Active, "active"),
    (State::Checking, "check"),
    (State::Inactive, "inactive"),
    (State::Recovering, "recovering"),
    (State::Resyncing, "resync"),
];

type Get = fn(&Array) -> u64;

const COUNTS: &[(&str, &str, Get)] = &[
    (
        "node_md_blocks",
        "Total number of blocks on device.",
        |array| array.blocks,
    ),
    (
        "node_md_blocks_synced",
        "Number of blocks synced on device.",
        |array| array.blocks_synced,
    ),
    (
        "node_md_disks_required",
        "Total number of disks of device.",
        |array| array.required,
    ),
];

/// Only there with the driver for software RAID.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let arrays = mdstat::parse(&host.files.proc("mdstat")?);
    for (name, help, get) in COUNTS {
        let family = out.add(*name, *help, Kind::Gauge);
        for array in &arrays {
            family.push(&[("device", &array.device)], get(array) as f64);
        }
    }
    let disks = out.add(
        "node_md_disks",
        "Number of active/failed/spare disks of device.",
        Kind::Gauge,
    );
    for array in &arrays {
        for (state, count) in [
            ("active", array.active),
            ("failed", array.failed),
            ("spare", array.spare),
        ] {
            disks.push(&[("device", &array.device), ("state", state)], count as f64);
        }
    }
    let states = out.add(
        "node_md_state",
        "Indicates the state of md-device.",
        Kind::Gauge,
    );
    for array in &arrays {
        for (state, label) in STATES {
            let value = f64::from(u8::from(array.state == state));
            states.push(&[("device", &array.device), ("state", label)], value);
        }
    }
    Ok(())
}
