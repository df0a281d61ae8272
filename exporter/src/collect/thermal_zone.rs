use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

const CLASS: &str = "class/thermal";

/// Thermal zones and what cools them (`Documentation/driver-api/thermal/sysfs-api.rst`).
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let entries = host.files.sys_list(CLASS)?;
    let mut zones = Family::new(
        "node_thermal_zone_temp",
        "Zone temperature in Celsius",
        Kind::Gauge,
    );
    let mut current = Family::new(
        "node_cooling_device_cur_state",
        "Current throttle state of the cooling device",
        Kind::Gauge,
    );
    let mut highest = Family::new(
        "node_cooling_device_max_state",
        "Maximum throttle state of the cooling device",
        Kind::Gauge,
    );
    for entry in entries.iter() {
        let directory = format!("{CLASS}/{entry}");
        let kind = host
            .files
            .sys_text(&format!("{directory}/type"))
            .unwrap_or_default();
        let mut number = |file: &str| host.files.sys_number::<i64>(&format!("{directory}/{file}"));
        if let Some(zone) = entry.strip_prefix("thermal_zone") {
            // A zone whose sensor is asleep refuses to be read.
            if let Some(millidegrees) = number("temp") {
                let labels = [("type", kind.as_str()), ("zone", zone)];
                zones.push(&labels, millidegrees as f64 / 1000.0);
            }
        } else if let Some(name) = entry.strip_prefix("cooling_device") {
            let labels = [("name", name), ("type", kind.as_str())];
            if let Some(state) = number("cur_state") {
                current.push(&labels, state as f64);
            }
            if let Some(state) = number("max_state") {
                highest.push(&labels, state as f64);
            }
        }
    }
    out.push(current);
    out.push(highest);
    out.push(zones);
    Ok(())
}
