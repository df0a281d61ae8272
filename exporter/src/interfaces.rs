//! Properties of network interfaces: from netlink as far as it knows them, from sysfs otherwise.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::files::{Files, ReadError};
use crate::netlink::Link;

const CLASS: &str = "class/net";
/// How old what sysfs says may be while the link's state stays as it is.
const MAX_AGE: Duration = Duration::from_mins(1);
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

/// What only sysfs knows of an interface. It changes with the link's state, which netlink tells.
#[derive(Clone, Debug, Default, PartialEq)]
struct Extra {
    duplex: String,
    address_assign_type: Option<f64>,
    device_id: Option<f64>,
    name_assign_type: Option<f64>,
    speed: Option<f64>,
}

impl Extra {
    fn read(files: &mut Files, name: &str) -> Self {
        let duplex = files.sys_text(&format!("{CLASS}/{name}/duplex"));
        Self {
            duplex: duplex.unwrap_or_default(),
            address_assign_type: number(files, name, "addr_assign_type"),
            device_id: number(files, name, "dev_id"),
            name_assign_type: number(files, name, "name_assign_type"),
            speed: number(files, name, "speed"),
        }
    }
}

/// The properties of interfaces, with a memory for those that cost a question to the driver.
#[derive(Default)]
pub(crate) struct Properties {
    known: HashMap<u32, Known>,
}

struct Known {
    at: Instant,
    name: String,
    flags: u32,
    carrier_changes: Option<u32>,
    extra: Extra,
}

impl Known {
    fn is_still_true_of(&self, link: &Link) -> bool {
        self.at.elapsed() < MAX_AGE
            && self.name == link.stats.name
            && self.flags == link.flags
            && self.carrier_changes == link.carrier_changes
    }
}

impl Properties {
    /// What netlink says, completed by what only sysfs knows.
    pub(crate) fn of(&mut self, files: &mut Files, links: &[Link]) -> Vec<Interface> {
        self.known
            .retain(|index, _| links.iter().any(|link| link.index == *index));
        let interface = |link: &Link| interface(link, self.extra(files, link));
        links.iter().map(interface).collect()
    }

    fn extra(&mut self, files: &mut Files, link: &Link) -> Extra {
        let known = self.known.get(&link.index);
        if let Some(known) = known.filter(|known| known.is_still_true_of(link)) {
            return known.extra.clone();
        }
        let extra = Extra::read(files, &link.stats.name);
        let known = Known {
            at: Instant::now(),
            name: link.stats.name.clone(),
            flags: link.flags,
            carrier_changes: link.carrier_changes,
            extra: extra.clone(),
        };
        self.known.insert(link.index, known);
        extra
    }
}

fn interface(link: &Link, extra: Extra) -> Interface {
    let is_up = link.flags & IFF_UP != 0;
    let count = |value: Option<u32>| value.map(f64::from);
    Interface {
        name: link.stats.name.clone(),
        address: link.address.clone(),
        broadcast: link.broadcast.clone(),
        duplex: extra.duplex,
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
        address_assign_type: extra.address_assign_type,
        device_id: extra.device_id,
        name_assign_type: extra.name_assign_type,
        speed: extra.speed,
    }
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
        let extra = Extra::read(files, name);
        interface.duplex = extra.duplex;
        interface.address_assign_type = extra.address_assign_type;
        interface.device_id = extra.device_id;
        interface.name_assign_type = extra.name_assign_type;
        interface.speed = extra.speed;
        interface.name.clone_from(name);
        interfaces.push(interface);
    }
    Ok(interfaces)
}

/// An attribute that is a number, decimal or with 0x in front.
fn number(files: &mut Files, name: &str, file: &str) -> Option<f64> {
    let text = files.sys_text(&format!("{CLASS}/{name}/{file}"))?;
    match text.strip_prefix("0x") {
        Some(digits) => Some(u64::from_str_radix(digits, 16).ok()? as f64),
        None => Some(text.parse::<i64>().ok()? as f64),
    }
}
