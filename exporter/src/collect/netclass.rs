use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;
use crate::interfaces::Interface;

type Get = fn(&Interface) -> Option<f64>;

/// The end of the name, which the help text repeats.
const PROPERTIES: &[(&str, Kind, Get)] = &[
    ("address_assign_type", Kind::Gauge, |device| {
        device.address_assign_type
    }),
    ("carrier", Kind::Gauge, |device| device.carrier),
    ("carrier_changes_total", Kind::Counter, |device| {
        device.carrier_changes
    }),
    ("carrier_down_changes_total", Kind::Counter, |device| {
        device.carrier_down
    }),
    ("carrier_up_changes_total", Kind::Counter, |device| {
        device.carrier_up
    }),
    ("device_id", Kind::Gauge, |device| device.device_id),
    ("dormant", Kind::Gauge, |device| device.dormant),
    ("flags", Kind::Gauge, |device| device.flags),
    ("iface_id", Kind::Gauge, |device| device.id),
    ("iface_link", Kind::Gauge, |device| device.parent),
    ("iface_link_mode", Kind::Gauge, |device| device.mode),
    ("mtu_bytes", Kind::Gauge, |device| device.mtu),
    ("name_assign_type", Kind::Gauge, |device| {
        device.name_assign_type
    }),
    ("net_dev_group", Kind::Gauge, |device| device.group),
    ("protocol_type", Kind::Gauge, |device| device.protocol_type),
    // The driver has Mbit/s, and -1 if it does not know.
    ("speed_bytes", Kind::Gauge, |device| {
        Some(device.speed? * 1e6 / 8.0)
    }),
    ("transmit_queue_length", Kind::Gauge, |device| {
        device.queue_length
    }),
];

/// Properties of network interfaces (`Documentation/ABI/testing/sysfs-class-net`).
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let devices = host.interfaces()?;
    let mut up = Family::new(
        "node_network_up",
        "Value is 1 if operstate is 'up', 0 otherwise.",
        Kind::Gauge,
    );
    let mut info = Family::new(
        "node_network_info",
        "Non-numeric data from /sys/class/net/<iface>, value is always 1.",
        Kind::Gauge,
    );
    for device in devices.iter() {
        let is_up = f64::from(u8::from(device.operstate == "up"));
        up.push(&[("device", &device.name)], is_up);
        info.push(
            &[
                ("address", &device.address),
                ("broadcast", &device.broadcast),
                ("device", &device.name),
                ("duplex", &device.duplex),
                ("ifalias", &device.alias),
                ("operstate", &device.operstate),
            ],
            1.0,
        );
    }
    out.push(info);
    for (property, kind, get) in PROPERTIES {
        let family = out.add(
            format!("node_network_{property}"),
            format!("Network device property: {property}"),
            *kind,
        );
        for device in devices.iter() {
            if let Some(value) = get(device) {
                family.push(&[("device", &device.name)], value);
            }
        }
    }
    out.push(up);
    Ok(())
}
