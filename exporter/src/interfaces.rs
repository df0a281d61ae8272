//! Properties of network interfaces: from netlink as far as it knows them, from sysfs otherwise.

use crate::files::{Files, ReadError};
use crate::netlink::Link;

const CLASS: &str = "class/net";
const IFF_UP: u32 = 0x1;
/// `IFF_RUNNING`, `IFF_LOWER_UP` and `IFF_DORMANT`: states that netlink adds to the flags that
/// sysfs shows.
const VOLATILE_FLAGS: u32 = 0x40 | 0x1_0000 | 0x2_0000;

/// One interface. Numbers are as the kernel has them; `None` where it has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) broadcast: String,
    pub(crate) duplex: String,
    pub(crate) alias: String,
    pub(crate) operstate: String,
    pub(crate) address_assign_type: Option<f64>,
    pub(crate) carrier: Option<f64>,
    pub(crate) carrier_changes: Option<f64>,
    pub(crate) carrier_down: Option<f64>,
    pub(crate) carrier_up: Option<f64>,
    pub(crate) device_id: Option<f64>,
    pub(crate) dormant: Option<f64>,
    pub(crate) flags: Option<f64>,
    pub(crate) id: Option<f64>,
    pub(crate) parent: Option<f64>,
    pub(crate) mode: Option<f64>,
    pub(crate) mtu: Option<f64>,
    pub(crate) name_assign_type: Option<f64>,
    pub(crate) group: Option<f64>,
    pub(crate) protocol_type: Option<f64>,
    /// In Mbit/s; -1 if the driver does not know.
    pub(crate) speed: Option<f64>,
    pub(crate) queue_length: Option<f64>,
}

/// What netlink says, completed by what only sysfs knows.
pub(crate) fn from_netlink(files: &mut Files, links: &[Link]) -> Vec<Interface> {
    let interface = |link: &Link| {
        let name = &link.stats.name;
        let is_up = link.flags & IFF_UP != 0;
        let count = |value: Option<u32>| value.map(f64::from);
        let mut interface = Interface {
            name: name.clone(),
            address: link.address.clone(),
            broadcast: link.broadcast.clone(),
            alias: link.alias.clone(),
            operstate: link.operstate.to_owned(),
            // sysfs refuses both while the interface is down.
            carrier: link.carrier.filter(|_| is_up).map(f64::from),
            dormant: is_up.then(|| f64::from(u8::from(link.operstate == "dormant"))),
            carrier_changes: count(link.carrier_changes),
            carrier_down: count(link.carrier_down),
            carrier_up: count(link.carrier_up),
            flags: Some(f64::from(link.flags & !VOLATILE_FLAGS)),
            id: Some(f64::from(link.index)),
            parent: Some(f64::from(link.parent)),
            mode: link.mode.map(f64::from),
            mtu: count(link.mtu),
            group: count(link.group),
            protocol_type: Some(f64::from(link.protocol_type)),
            queue_length: count(link.queue_length),
            ..Interface::default()
        };
        complete(files, &mut interface);
        interface
    };
    links.iter().map(interface).collect()
}

/// What sysfs says.
pub(crate) fn from_sysfs(files: &mut Files) -> Result<Vec<Interface>, ReadError> {
    let names = files.sys_list(CLASS)?;
    let mut interfaces = Vec::new();
    for name in names.iter() {
        // `bonding_masters` is a file among the interfaces.
        if !files.sys_exists(&format!("{CLASS}/{name}/ifindex")) {
            continue;
        }
        let mut text = |file: &str| {
            files
                .sys_text(&format!("{CLASS}/{name}/{file}"))
                .unwrap_or_default()
        };
        let mut interface = Interface {
            address: text("address"),
            broadcast: text("broadcast"),
            alias: text("ifalias"),
            operstate: text("operstate"),
            ..Interface::default()
        };
        let mut number = |file: &str| number(files, name, file);
        interface.carrier = number("carrier");
        interface.carrier_changes = number("carrier_changes");
        interface.carrier_down = number("carrier_down_count");
        interface.carrier_up = number("carrier_up_count");
        interface.dormant = number("dormant");
        interface.flags = number("flags");
        interface.id = number("ifindex");
        interface.parent = number("iflink");
        interface.mode = number("link_mode");
        interface.mtu = number("mtu");
        interface.group = number("netdev_group");
        interface.protocol_type = number("type");
        interface.queue_length = number("tx_queue_len");
        interface.name.clone_from(name);
        complete(files, &mut interface);
        interfaces.push(interface);
    }
    Ok(interfaces)
}

/// The properties that netlink does not know.
fn complete(files: &mut Files, interface: &mut Interface) {
    let name = interface.name.as_str();
    let duplex = files.sys_text(&format!("{CLASS}/{name}/duplex"));
    interface.duplex = duplex.unwrap_or_default();
    interface.address_assign_type = number(files, name, "addr_assign_type");
    interface.device_id = number(files, name, "dev_id");
    interface.name_assign_type = number(files, name, "name_assign_type");
    interface.speed = number(files, name, "speed");
}

/// An attribute that is a number, decimal or with 0x in front.
fn number(files: &mut Files, name: &str, file: &str) -> Option<f64> {
    let text = files.sys_text(&format!("{CLASS}/{name}/{file}"))?;
    match text.strip_prefix("0x") {
        Some(digits) => Some(u64::from_str_radix(digits, 16).ok()? as f64),
        None => Some(text.parse::<i64>().ok()? as f64),
    }
}
