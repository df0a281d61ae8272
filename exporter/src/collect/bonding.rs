use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

const CLASS: &str = "class/net";

/// Interfaces made of several (`Documentation/networking/bonding.rst`).
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let masters = host.files.sys(&format!("{CLASS}/bonding_masters"))?;
    let mut configured = Family::new(
        "node_bonding_slaves",
        "Number of configured slaves per bonding interface.",
        Kind::Gauge,
    );
    let mut active = Family::new(
        "node_bonding_active",
        "Number of active slaves per bonding interface.",
        Kind::Gauge,
    );
    for master in masters.split_ascii_whitespace() {
        let Ok(members) = host.files.sys(&format!("{CLASS}/{master}/bonding/slaves")) else {
            continue;
        };
        let members: Vec<&str> = members.split_ascii_whitespace().collect();
        let is_up = |member: &&&str| {
            let state = format!("{CLASS}/{member}/bonding_slave/mii_status");
            host.files.sys(&state).is_ok_and(|state| state == "up")
        };
        let up = members.iter().filter(is_up).count();
        configured.push(&[("master", master)], members.len() as f64);
        active.push(&[("master", master)], up as f64);
    }
    out.push(active);
    out.push(configured);
    Ok(())
}
