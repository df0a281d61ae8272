use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let [one, five, fifteen] = host
        .load()?
        .ok_or(CollectError::Malformed { file: "loadavg" })?;
    out.single("node_load1", "1m load average.", Kind::Gauge, one);
    out.single("node_load5", "5m load average.", Kind::Gauge, five);
    out.single("node_load15", "15m load average.", Kind::Gauge, fifteen);
    Ok(())
}
