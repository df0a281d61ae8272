//! `/proc/net/stat/nf_conntrack`: a line of names, then one a processor, hexadecimal.

use std::collections::BTreeMap;

/// Each counter, summed over all processors.
pub(crate) fn parse(text: &str) -> BTreeMap<&str, u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace()
        .collect();
    let mut sums = BTreeMap::new();
    for line in lines {
        for (name, word) in names.iter().zip(line.split_ascii_whitespace()) {
            if let Ok(value) = u64::from_str_radix(word, 16) {
                let sum: &mut u64 = sums.entry(*name).or_default();
                *sum = sum.saturating_add(value);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn processors_are_summed() {
        let sums = parse("entries  found drop\n0000000a 00000001 x\n0a 02 03\n");
        assert_eq!(sums["found"], 3);
        assert_eq!(sums["drop"], 3);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "([a-z0-9]{1,20}[ \n]){0,30}|.*") {
            parse(&text);
        }
    }
}
