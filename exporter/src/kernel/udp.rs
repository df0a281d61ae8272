//! `/proc/net/udp` and `/proc/net/udp6`: sockets, with what waits in their queues.

/// The bytes that wait in all sockets together: to be sent, and to be received.
pub(crate) fn parse(text: &str) -> (u64, u64) {
    let queues = text.lines().skip(1).filter_map(|line| {
        let (send, receive) = line.split_ascii_whitespace().nth(4)?.split_once(':')?;
        let bytes = |digits| u64::from_str_radix(digits, 16).ok();
        Some((bytes(send)?, bytes(receive)?))
    });
    queues.fold((0, 0), |sum: (u64, u64), queue| {
        (sum.0.saturating_add(queue.0), sum.1.saturating_add(queue.1))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn queues_are_summed() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when\n\
                    1: 00000000:0044 00000000:0000 07 0000000A:00000001 00:00000000\n\
                    2: 00000000:0045 00000000:0000 07 00000001:00000020 00:00000000\n3: odd\n";
        assert_eq!(parse(text), (11, 33));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\n?([0-9a-fA-F:]{1,34}[ \n]){0,20}|.*") {
            parse(&text);
        }
    }
}
