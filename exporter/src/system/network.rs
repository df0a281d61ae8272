use system_stats_wire::{Interface, IoCounters, PrimaryInterface, SystemStats};

use crate::host::Host;
use crate::kernel::net_dev::LinkStats;
use crate::kernel::route;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    // There is a loopback interface at least: an empty list means that nothing is known.
    if let Ok(links) = host.links()
        && !links.is_empty()
    {
        stats.interfaces = links.iter().map(interface).collect();
        stats.network.io_counters = io_counters(&links);
    }
    stats.network.primary_interface = default_route(host).map(|name| primary(host, name));
}

fn interface(link: &LinkStats) -> Interface {
    Interface {
        interface: link.name.clone(),
        bytes_recv: link.receive.bytes,
        bytes_sent: link.transmit.bytes,
        packets_recv: link.receive.packets,
        packets_sent: link.transmit.packets,
        errin: link.receive.errors,
        errout: link.transmit.errors,
        dropin: link.receive.dropped,
        dropout: link.transmit.dropped,
    }
}

fn io_counters(links: &[LinkStats]) -> IoCounters {
    let sum = |get: fn(&LinkStats) -> u64| {
        let total = links.iter().map(get).fold(0, u64::saturating_add);
        Some(total)
    };
    IoCounters {
        bytes_sent: sum(|link| link.transmit.bytes),
        bytes_recv: sum(|link| link.receive.bytes),
        packets_sent: sum(|link| link.transmit.packets),
        packets_recv: sum(|link| link.receive.packets),
        errin: sum(|link| link.receive.errors),
        errout: sum(|link| link.transmit.errors),
        dropin: sum(|link| link.receive.dropped),
        dropout: sum(|link| link.transmit.dropped),
    }
}

fn default_route(host: &mut Host) -> Option<String> {
    let v4 = host.files.proc("net/route").ok();
    let v4 = v4.and_then(|text| route::default_v4(&text));
    v4.or_else(|| route::default_v6(&host.files.proc("net/ipv6_route").ok()?))
}

fn primary(host: &mut Host, name: String) -> PrimaryInterface {
    let address = host.ipv4_of(&name);
    let attribute = |file: &str| format!("class/net/{name}/{file}");
    // Drivers that do not know say -1, or refuse to be read.
    let speed: Option<i64> = host.files.sys_number(&attribute("speed"));
    let duplex = host.files.sys_text(&attribute("duplex"));
    PrimaryInterface {
        ipv4: address.map(|known| known.address.to_string()),
        netmask: address.map(|known| known.netmask.to_string()),
        broadcast: address.and_then(|known| Some(known.broadcast?.to_string())),
        speed_mbps: speed
            .and_then(|speed| u64::try_from(speed).ok())
            .filter(|speed| *speed > 0),
        mtu: host.files.sys_number(&attribute("mtu")),
        duplex: duplex.filter(|duplex| duplex != "unknown"),
        name,
    }
}
