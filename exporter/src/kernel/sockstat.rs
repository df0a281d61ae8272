//! `/proc/net/sockstat` and `/proc/net/sockstat6`.

/// One count: `TCP`, `inuse`, 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) state: &'a str,
    pub(crate) value: u64,
}

/// Every count of the file: `TCP: inuse 5 orphan 0 …`.
pub(crate) fn parse(text: &str) -> Vec<Count<'_>> {
    let mut counts = Vec::new();
    for line in text.lines() {
        let Some((protocol, rest)) = line.split_once(':') else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        while let (Some(state), Some(value)) = (words.next(), words.next()) {
            if let Ok(value) = value.parse() {
                counts.push(Count {
                    protocol,
                    state,
                    value,
                });
            }
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_counts() {
        let counts = parse("sockets: used 9\nTCP: inuse 5 orphan x mem 2 odd\nnothing\n");
        assert_eq!(counts.len(), 3);
        assert_eq!(
            (counts[2].protocol, counts[2].state, counts[2].value),
            ("TCP", "mem", 2)
        );
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "(([A-Z]{1,5}:?|[0-9]{1,22}|\n) ?){0,30}|.*") {
            parse(&text);
        }
    }
}
