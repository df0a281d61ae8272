use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::netstat::{self, Counter};

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let mut found = false;
    let mut failure = None;
    for (file, parse) in [
        (
            "net/netstat",
            netstat::parse as fn(&str) -> Vec<Counter<'_>>,
        ),
        ("net/snmp", netstat::parse),
        // Not there without IPv6.
        ("net/snmp6", netstat::parse_v6),
    ] {
        match host.files.proc(file) {
            Ok(text) => {
                let counters = parse(&text);
                found |= !counters.is_empty();
                for counter in &counters {
                    expose(counter, out);
                }
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        _ if found => Ok(()),
        Some(error) => Err(error.into()),
        None => Err(CollectError::Malformed {
            file: "net/netstat",
        }),
    }
}

fn expose(counter: &Counter<'_>, out: &mut Families) {
    let Counter {
        protocol,
        name,
        value,
    } = counter;
    if is_included(protocol, name) {
        out.single(
            format!("node_netstat_{protocol}_{name}"),
            format!("Statistic {protocol}{name}."),
            Kind::Unknown,
            *value as f64,
        );
    }
}

/// What is worth exposing of some four hundred counters: errors, volumes, connections, and
/// what dashboards ask for.
fn is_included(protocol: &str, name: &str) -> bool {
    if matches!(name, "InErrors" | "InErrs") {
        return true;
    }
    match protocol {
        "Ip" => name == "Forwarding",
        "Ip6" | "IpExt" => matches!(name, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(name, "InMsgs" | "OutMsgs"),
        "TcpExt" => {
            name.starts_with("Listen")
                || name.starts_with("Syncookies")
                || matches!(
                    name,
                    "TCPSynRetrans" | "TCPTimeouts" | "TCPOFOQueue" | "TCPRcvQDrop"
                )
        }
        "Tcp" => matches!(
            name,
            "ActiveOpens"
                | "InSegs"
                | "OutSegs"
                | "OutRsts"
                | "PassiveOpens"
                | "RetransSegs"
                | "CurrEstab"
                | "MaxConn"
        ),
        "Udp" | "Udp6" => matches!(
            name,
            "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors"
        ),
        _ => false,
    }
}
