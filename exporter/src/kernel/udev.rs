//! `/run/udev/data/b8:0`: what udev knows of a block device. Its lines `E:NAME=value` are the
//! device's properties.

use std::collections::BTreeMap;

/// The properties of the file.
pub(crate) fn parse(text: &str) -> BTreeMap<&str, &str> {
    let properties = text.lines().filter_map(|line| line.strip_prefix("E:"));
    properties.filter_map(|line| line.split_once('=')).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn properties_are_found() {
        let found = parse("S:disk/by-id/x\nE:ID_MODEL=Toy=1\nE:odd\nI:123\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found["ID_MODEL"], "Toy=1");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "([ES]:[A-Z_]{0,4}=?.{0,4}\n){0,6}|.*") {
            parse(&text);
        }
    }
}
