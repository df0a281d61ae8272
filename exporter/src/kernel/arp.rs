//! `/proc/net/arp`: neighbours that IPv4 knows.

use std::collections::BTreeMap;

/// The entries of each interface.
pub(crate) fn parse(text: &str) -> BTreeMap<&str, u64> {
    let mut entries = BTreeMap::new();
    for line in text.lines().skip(1) {
        // The interface comes last of six.
        if let Some(device) = line.split_ascii_whitespace().nth(5) {
            *entries.entry(device).or_default() += 1;
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entries_are_counted_by_interface() {
        let text = "IP address HW type Flags HW address Mask Device\n\
                    192.0.2.1 0x1 0x2 02:00:00:00:00:01 * eth0\n\
                    192.0.2.2 0x1 0x2 02:00:00:00:00:02 * eth0\nodd line\n";
        assert_eq!(parse(text), BTreeMap::from([("eth0", 2)]));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\n?([0-9a-fx.:*]{1,12}[ \n]){0,20}|.*") {
            parse(&text);
        }
    }
}
