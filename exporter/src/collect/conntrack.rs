use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::conntrack;

/// Name of the counter, and its help text.
const STATISTICS: &[(&str, &str)] = &[
    ("found", "Number of searched entries which were successful."),
    (
        "invalid",
        "Number of packets seen which can not be tracked.",
    ),
    (
        "ignore",
        "Number of packets seen which are already connected to a conntrack entry.",
    ),
    ("insert", "Number of entries inserted into the list."),
    (
        "insert_failed",
        "Number of entries for which list insertion was attempted but failed.",
    ),
    (
        "drop",
        "Number of packets dropped due to conntrack failure.",
    ),
    (
        "early_drop",
        "Number of dropped conntrack entries to make room for new ones, if maximum table size \
         was reached.",
    ),
    (
        "search_restart",
        "Number of conntrack table lookups which had to be restarted due to hashtable resizes.",
    ),
];

/// Only there while the kernel tracks connections.
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let mut number = |file: &str| -> Result<Option<u64>, CollectError> {
        let path = format!("sys/net/netfilter/{file}");
        Ok(host.files.proc(&path)?.trim().parse().ok())
    };
    let entries = number("nf_conntrack_count")?;
    let limit = number("nf_conntrack_max")?;
    if let Some(entries) = entries {
        out.single(
            "node_nf_conntrack_entries",
            "Number of currently allocated flow entries for connection tracking.",
            Kind::Gauge,
            entries as f64,
        );
    }
    if let Some(limit) = limit {
        out.single(
            "node_nf_conntrack_entries_limit",
            "Maximum size of connection tracking table.",
            Kind::Gauge,
            limit as f64,
        );
    }
    let text = host.files.proc("net/stat/nf_conntrack")?;
    let sums = conntrack::parse(&text);
    for (name, help) in STATISTICS {
        if let Some(sum) = sums.get(name) {
            let name = format!("node_nf_conntrack_stat_{name}");
            out.single(name, *help, Kind::Gauge, *sum as f64);
        }
    }
    Ok(())
}
