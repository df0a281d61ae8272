use std::net::Ipv4Addr;

use super::message::{attributes, u32_at};

const AF_INET: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
/// Bytes of `ifaddrmsg`, before the attributes.
const FIXED: usize = 8;

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ipv4 {
    /// The number of the interface.
    pub(crate) link: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) netmask: Ipv4Addr,
    pub(crate) broadcast: Option<Ipv4Addr>,
}

pub(super) fn parse(payload: &[u8]) -> Option<Ipv4> {
    let (fixed, rest) = payload.split_at_checked(FIXED)?;
    let &[family, prefix, ..] = fixed else {
        return None;
    };
    if family != AF_INET || prefix > 32 {
        return None;
    }
    let mut peer = None;
    let mut local = None;
    let mut broadcast = None;
    for (kind, value) in attributes(rest) {
        let slot = match kind {
            IFA_ADDRESS => &mut peer,
            IFA_LOCAL => &mut local,
            IFA_BROADCAST => &mut broadcast,
            _ => continue,
        };
        *slot = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
    }
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    Some(Ipv4 {
        link: u32_at(fixed, 4)?,
        // On a point-to-point link the plain address is the other end's.
        address: local.or(peer)?,
        netmask: Ipv4Addr::from_bits(!host_bits),
        broadcast,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_a_mask_and_a_broadcast() {
        let mut bytes = vec![AF_INET, 24, 0, 0];
        bytes.extend(3_u32.to_ne_bytes());
        for (kind, last) in [(IFA_LOCAL, 7), (IFA_BROADCAST, 255)] {
            bytes.extend(8_u16.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([192, 0, 2, last]);
        }
        let found = parse(&bytes).unwrap();
        assert_eq!(found.link, 3);
        assert_eq!(found.address.to_string(), "192.0.2.7");
        assert_eq!(found.netmask.to_string(), "255.255.255.0");
        assert_eq!(found.broadcast.unwrap().to_string(), "192.0.2.255");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(bytes in prop::collection::vec(any::<u8>(), 0..64), prefix in 0..=40_u8) {
            parse(&bytes);
            let mut bytes = bytes;
            bytes.splice(0..0, [AF_INET, prefix, 0, 0, 1, 0, 0, 0]);
            parse(&bytes);
        }
    }
}
