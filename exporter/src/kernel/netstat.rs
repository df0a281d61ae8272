//! `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`: whatever counters the kernel has.

/// One counter: `TcpExt`, `ListenDrops`, 3. Signed, because `MaxConn` is -1 for "no limit".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) name: &'a str,
    pub(crate) value: i128,
}

/// The counters of the first two files: a line of names, then a line of values.
pub(crate) fn parse(text: &str) -> Vec<Counter<'_>> {
    let mut counters = Vec::new();
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((protocol, names)), Some((other, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            continue;
        };
        if protocol != other {
            continue;
        }
        let pairs = names
            .split_ascii_whitespace()
            .zip(values.split_ascii_whitespace());
        counters.extend(pairs.filter_map(|(name, value)| {
            Some(Counter {
                protocol,
                name,
                value: value.parse().ok()?,
            })
        }));
    }
    counters
}

/// The counters of the third: one a line, the protocol up to the 6.
pub(crate) fn parse_v6(text: &str) -> Vec<Counter<'_>> {
    text.lines().filter_map(parse_v6_line).collect()
}

fn parse_v6_line(line: &str) -> Option<Counter<'_>> {
    let mut words = line.split_ascii_whitespace();
    let key = words.next()?;
    let value = words.next()?.parse().ok()?;
    let (protocol, name) = key.split_at(key.find('6')? + 1);
    (!name.is_empty()).then_some(Counter {
        protocol,
        name,
        value,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_values_meet() {
        let text = "Tcp: MaxConn CurrEstab\nTcp: -1 3\nUdp: A\nOther: 1\n";
        let found: Vec<String> = parse(text)
            .iter()
            .map(|counter| format!("{}.{}={}", counter.protocol, counter.name, counter.value))
            .collect();
        assert_eq!(found, ["Tcp.MaxConn=-1", "Tcp.CurrEstab=3"]);
        let v6 = parse_v6("Icmp6InType133   \t 4\nIp6   7\nodd\n");
        assert_eq!(
            (v6[0].protocol, v6[0].name, v6[0].value),
            ("Icmp6", "InType133", 4)
        );
        assert_eq!(v6.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "(([A-Z][a-z6]{0,5}:?|-?[0-9]{1,40}|\n) ?){0,30}|.*") {
            parse(&text);
            parse_v6(&text);
        }
    }
}
