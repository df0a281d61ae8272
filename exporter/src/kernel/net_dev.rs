//! `/proc/net/dev`.

/// The statistics of one network interface since boot, in the kernel's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkStats {
    pub(crate) name: String,
    pub(crate) receive: Receive,
    pub(crate) transmit: Transmit,
}

/// What came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Receive {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) errors: u64,
    /// Dropped and missed together.
    pub(crate) dropped: u64,
    pub(crate) fifo: u64,
    pub(crate) frame: u64,
    pub(crate) compressed: u64,
    pub(crate) multicast: u64,
    /// Packets that nothing wanted; only netlink tells.
    pub(crate) nohandler: Option<u64>,
}

/// What went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transmit {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
    pub(crate) fifo: u64,
    pub(crate) collisions: u64,
    pub(crate) carrier: u64,
    pub(crate) compressed: u64,
}

/// Every interface that the file names.
pub(crate) fn parse(text: &str) -> Vec<LinkStats> {
    text.lines().skip(2).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<LinkStats> {
    // An alias (`eth0:1`) has a colon in its name.
    let (name, numbers) = line.rsplit_once(':')?;
    let mut fields = [0_u64; 16];
    let mut words = numbers.split_ascii_whitespace();
    for slot in &mut fields {
        *slot = words.next()?.parse().ok()?;
    }
    let [
        bytes,
        packets,
        errors,
        dropped,
        fifo,
        frame,
        compressed,
        multicast, //
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
        tx_fifo,
        collisions,
        carrier,
        tx_compressed,
    ] = fields;
    let name = name.trim();
    (!name.is_empty()).then(|| LinkStats {
        name: name.to_owned(),
        receive: Receive {
            bytes,
            packets,
            errors,
            dropped,
            fifo,
            frame,
            compressed,
            multicast,
            nohandler: None,
        },
        transmit: Transmit {
            bytes: tx_bytes,
            packets: tx_packets,
            errors: tx_errors,
            dropped: tx_dropped,
            fifo: tx_fifo,
            collisions,
            carrier,
            compressed: tx_compressed,
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_column_finds_its_place() {
        let text = "Inter-|   Receive\n face |bytes\n  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n\
                    eth0:1:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n bad: 1 2\n";
        let links = parse(text);
        assert_eq!(links.len(), 2);
        assert_eq!(links[1].name, "eth0:1");
        assert_eq!(links[0].receive.multicast, 8);
        assert_eq!(links[0].transmit.bytes, 9);
        assert_eq!(links[0].transmit.compressed, 16);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\n\n[a-z:]{0,9}( [0-9x]{1,21}){0,18}\n?.*") {
            parse(&text);
        }
    }
}
