//! `/proc/net/route` and `/proc/net/ipv6_route`: by which interface does the default route leave?

/// `RTF_UP`: the route can be used.
const UP: u32 = 0x1;
/// `RTF_REJECT`: the route exists to refuse.
const REJECT: u32 = 0x200;

/// The interface of the IPv4 default route with the lowest metric.
pub(crate) fn default_v4(text: &str) -> Option<String> {
    best(text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(8).collect();
        let &[name, destination, _, flags, _, _, metric, mask] = fields.as_slice() else {
            return None;
        };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let is_default = destination == "00000000" && mask == "00000000";
        let is_usable = flags & UP != 0 && flags & REJECT == 0;
        (is_default && is_usable).then_some((metric.parse().ok()?, name))
    }))
}

/// The interface of the IPv6 default route with the lowest metric.
pub(crate) fn default_v6(text: &str) -> Option<String> {
    best(text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
        let &[destination, length, _, _, _, metric, _, _, flags, name] = fields.as_slice() else {
            return None;
        };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let is_default = length == "00" && destination.bytes().all(|digit| digit == b'0');
        let is_usable = flags & UP != 0 && flags & REJECT == 0 && name != "lo";
        let metric = u32::from_str_radix(metric, 16).ok()?;
        (is_default && is_usable).then_some((metric, name))
    }))
}

fn best<'a>(routes: impl Iterator<Item = (u32, &'a str)>) -> Option<String> {
    let (_, name) = routes.min_by_key(|(metric, _)| *metric)?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_lowest_metric_wins() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
                    wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                    eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                    eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                    bad0\t00000000\t0\t0203\t0\t0\t1\t00000000\n";
        assert_eq!(default_v4(text).as_deref(), Some("eth0"));
        assert_eq!(default_v4("Iface\n"), None);
    }

    #[test]
    fn refusing_routes_do_not_count() {
        let zero = "00000000000000000000000000000000";
        let text = format!(
            "{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n\
             {zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 \
             00000003 eth1\n"
        );
        assert_eq!(default_v6(&text).as_deref(), Some("eth1"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "(([0-9a-fx]{1,33}|\n) ?){0,30}") {
            default_v4(&text);
            default_v6(&text);
        }
    }
}
