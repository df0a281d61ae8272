use super::message::{attributes, text, u16_at, u32_at, u64_at};
use crate::kernel::net_dev::{LinkStats, Receive, Transmit};

/// Bytes of `ifinfomsg`, before the attributes.
const FIXED: usize = 16;

// `if_link.h`.
const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKMODE: u16 = 17;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_CARRIER: u16 = 33;
const IFLA_CARRIER_CHANGES: u16 = 35;
const IFLA_CARRIER_UP_COUNT: u16 = 47;
const IFLA_CARRIER_DOWN_COUNT: u16 = 48;

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) flags: u32,
    /// The hardware's protocol (`if_arp.h`).
    pub(crate) protocol_type: u16,
    /// Hardware addresses, in hexadecimal with colons.
    pub(crate) address: String,
    pub(crate) broadcast: String,
    pub(crate) mtu: Option<u32>,
    /// The number of the interface below; its own if there is none.
    pub(crate) parent: u32,
    pub(crate) queue_length: Option<u32>,
    /// The state after RFC 2863, in the kernel's words.
    pub(crate) operstate: &'static str,
    pub(crate) mode: Option<u8>,
    pub(crate) alias: String,
    pub(crate) group: Option<u32>,
    pub(crate) carrier: Option<u8>,
    pub(crate) carrier_changes: Option<u32>,
    pub(crate) carrier_up: Option<u32>,
    pub(crate) carrier_down: Option<u32>,
    pub(crate) stats: LinkStats,
}

pub(super) fn parse(payload: &[u8]) -> Option<Link> {
    let (fixed, rest) = payload.split_at_checked(FIXED)?;
    let index = u32_at(fixed, 4)?;
    let mut link = Link {
        index,
        flags: u32_at(fixed, 8)?,
        protocol_type: u16_at(fixed, 2)?,
        parent: index,
        operstate: "unknown",
        ..Link::default()
    };
    for (kind, value) in attributes(rest) {
        match kind {
            IFLA_ADDRESS => link.address = hardware_address(value),
            IFLA_BROADCAST => link.broadcast = hardware_address(value),
            IFLA_IFNAME => link.stats.name = text(value),
            IFLA_MTU => link.mtu = u32_at(value, 0),
            IFLA_LINK => link.parent = u32_at(value, 0)?,
            IFLA_TXQLEN => link.queue_length = u32_at(value, 0),
            IFLA_OPERSTATE => link.operstate = operstate(value.first().copied()),
            IFLA_LINKMODE => link.mode = value.first().copied(),
            IFLA_IFALIAS => link.alias = text(value),
            IFLA_STATS64 => statistics(&mut link.stats, value),
            IFLA_GROUP => link.group = u32_at(value, 0),
            IFLA_CARRIER => link.carrier = value.first().copied(),
            IFLA_CARRIER_CHANGES => link.carrier_changes = u32_at(value, 0),
            IFLA_CARRIER_UP_COUNT => link.carrier_up = u32_at(value, 0),
            IFLA_CARRIER_DOWN_COUNT => link.carrier_down = u32_at(value, 0),
            _ => {}
        }
    }
    (!link.stats.name.is_empty()).then_some(link)
}

fn hardware_address(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(":")
}

fn operstate(code: Option<u8>) -> &'static str {
    match code {
        Some(1) => "notpresent",
        Some(2) => "down",
        Some(3) => "lowerlayerdown",
        Some(4) => "testing",
        Some(5) => "dormant",
        Some(6) => "up",
        _ => "unknown",
    }
}

/// `rtnl_link_stats64`, put together as `/proc/net/dev` shows it (`dev_seq_printf_stats` in the
/// kernel's `net/core/net-procfs.c`).
fn statistics(stats: &mut LinkStats, bytes: &[u8]) {
    let field = |index: usize| u64_at(bytes, index * 8).unwrap_or(0);
    let sum = |indices: &[usize]| {
        let fields = indices.iter().map(|index| field(*index));
        fields.fold(0, u64::saturating_add)
    };
    stats.receive = Receive {
        packets: field(0),
        bytes: field(2),
        errors: field(4),
        // Dropped by the stack, missed by the device.
        dropped: sum(&[6, 15]),
        fifo: field(14),
        // Length, overrun, checksum and frame errors.
        frame: sum(&[10, 11, 12, 13]),
        compressed: field(21),
        multicast: field(8),
        nohandler: u64_at(bytes, 23 * 8),
    };
    stats.transmit = Transmit {
        packets: field(1),
        bytes: field(3),
        errors: field(5),
        dropped: field(7),
        fifo: field(18),
        collisions: field(9),
        // Carrier, aborted, window and heartbeat errors.
        carrier: sum(&[16, 17, 19, 20]),
        compressed: field(22),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
        let length = u16::try_from(value.len() + 4).unwrap();
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }

    #[test]
    fn every_attribute_finds_its_place() {
        let mut bytes = vec![0; FIXED];
        bytes[4..8].copy_from_slice(&2_u32.to_ne_bytes());
        attribute(&mut bytes, IFLA_IFNAME, b"eth0\0");
        attribute(&mut bytes, IFLA_ADDRESS, &[2, 0, 0, 0, 0, 255]);
        attribute(&mut bytes, IFLA_OPERSTATE, &[6]);
        let stats: Vec<u8> = (1..=25_u64).flat_map(u64::to_ne_bytes).collect();
        attribute(&mut bytes, IFLA_STATS64, &stats);
        let link = parse(&bytes).unwrap();
        assert_eq!(link.stats.name, "eth0");
        assert_eq!(link.address, "02:00:00:00:00:ff");
        assert_eq!((link.operstate, link.parent), ("up", 2));
        assert_eq!(link.stats.receive.bytes, 3);
        assert_eq!(link.stats.receive.dropped, 7 + 16);
        assert_eq!(link.stats.receive.nohandler, Some(24));
        assert_eq!(link.stats.transmit.carrier, 17 + 18 + 20 + 21);
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(bytes in prop::collection::vec(any::<u8>(), 0..128), kind in 0..50_u16) {
            parse(&bytes);
            let mut message = vec![0; FIXED];
            attribute(&mut message, kind, &bytes);
            attribute(&mut message, IFLA_IFNAME, &bytes);
            parse(&message);
        }
    }
}
