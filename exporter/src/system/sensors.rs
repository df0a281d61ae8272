use std::collections::BTreeMap;

use system_stats_wire::{SystemStats, TemperatureSensor};

use crate::host::Host;
use crate::hwmon::{self, Chip, Sensor};

type Temperatures = BTreeMap<String, Vec<TemperatureSensor>>;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    let chips = host.chips().unwrap_or_default();
    let has_sensors = chips
        .iter()
        .any(|chip| chip.sensors.values().any(|sensor| sensor.kind == "temp"));
    stats.sensors_temperature = if has_sensors {
        of_chips(&chips)
    } else {
        of_thermal_zones(host)
    };
}

fn of_chips(chips: &[Chip]) -> Temperatures {
    let mut found = Temperatures::new();
    for chip in chips {
        let Some(name) = &chip.name else { continue };
        let temperatures = chip.sensors.values().filter(|sensor| sensor.kind == "temp");
        for sensor in temperatures {
            if let Some(current) = celsius(sensor, "input") {
                let label = sensor.attributes.get("label").cloned();
                found
                    .entry(name.clone())
                    .or_default()
                    .push(TemperatureSensor {
                        label: label.unwrap_or_default(),
                        current: Some(current),
                        high: celsius(sensor, "max"),
                        critical: celsius(sensor, "crit"),
                    });
            }
        }
    }
    found
}

/// Kernels before hwmon, and small boards, have thermal zones only
/// (`Documentation/driver-api/thermal/sysfs-api.rst`).
fn of_thermal_zones(host: &mut Host) -> Temperatures {
    let mut found = Temperatures::new();
    let zones = host.files.sys_list("class/thermal").unwrap_or_default();
    for zone in zones.iter().filter(|name| name.starts_with("thermal_zone")) {
        let path = format!("class/thermal/{zone}");
        let (Ok(text), Some(kind)) = (
            host.files.sys(&format!("{path}/temp")),
            host.files.sys_text(&format!("{path}/type")),
        ) else {
            continue;
        };
        let Some(current) = hwmon::number(&text) else {
            continue;
        };
        let mut trips = BTreeMap::new();
        for file in host.files.sys_list(&path).unwrap_or_default().iter() {
            let Some(trip) = file.strip_suffix("_type") else {
                continue;
            };
            let kind = host.files.sys_text(&format!("{path}/{file}"));
            let limit = host.files.sys_number::<f64>(&format!("{path}/{trip}_temp"));
            if let (true, Some(kind), Some(limit)) = (trip.starts_with("trip_point"), kind, limit) {
                trips.entry(kind).or_insert(limit / 1000.0);
            }
        }
        found.entry(kind).or_default().push(TemperatureSensor {
            label: String::new(),
            current: Some(current / 1000.0),
            high: trips.get("high").copied(),
            critical: trips.get("critical").copied(),
        });
    }
    found
}

fn celsius(sensor: &Sensor, attribute: &str) -> Option<f64> {
    Some(sensor.number(attribute)? / 1000.0)
}
