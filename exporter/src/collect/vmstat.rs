use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

/// What is worth exposing of some two hundred counters: kills for lack of memory, paging,
/// swapping and faults.
fn is_included(field: &str) -> bool {
    ["oom_kill", "pgpg", "pswp"]
        .iter()
        .any(|prefix| field.starts_with(prefix))
        || (field.starts_with("pg") && field.contains("fault"))
}

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let text = host.files.proc("vmstat")?;
    for line in text.lines() {
        let Some((field, value)) = line.split_once(' ') else {
            continue;
        };
        let Ok(value) = value.trim().parse::<u64>() else {
            continue;
        };
        if is_included(field) {
            out.single(
                format!("node_vmstat_{field}"),
                format!("/proc/vmstat information field {field}."),
                Kind::Unknown,
                value as f64,
            );
        }
    }
    Ok(())
}
