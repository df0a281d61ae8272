use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

const CLASS: &str = "class/power_supply";
const ONE: f64 = 1.0;
/// Volts, amperes, watts and their products with hours come in millionths.
const MICRO: f64 = 1e-6;
/// Temperatures come in tenths of a degree.
const TENTH: f64 = 0.1;

/// Attribute, end of the name, and unit (`Documentation/ABI/testing/sysfs-class-power`).
const NUMBERS: &[(&str, &str, f64)] = &[
    ("authentic", "authentic", ONE),
    ("calibrate", "calibrate", ONE),
    ("capacity", "capacity", ONE),
    ("capacity_alert_max", "capacity_alert_max", ONE),
    ("capacity_alert_min", "capacity_alert_min", ONE),
    ("cycle_count", "cyclecount", ONE),
    ("online", "online", ONE),
    ("present", "present", ONE),
    ("time_to_empty_now", "time_to_empty_seconds", ONE),
    ("time_to_full_now", "time_to_full_seconds", ONE),
    ("charge_control_limit", "charge_control_limit", MICRO),
    (
        "charge_control_limit_max",
        "charge_control_limit_max",
        MICRO,
    ),
    ("charge_counter", "charge_counter", MICRO),
    ("charge_empty", "charge_empty", MICRO),
    ("charge_empty_design", "charge_empty_design", MICRO),
    ("charge_full", "charge_full", MICRO),
    ("charge_full_design", "charge_full_design", MICRO),
    ("charge_now", "charge_ampere", MICRO),
    ("charge_term_current", "charge_term_current", MICRO),
    ("constant_charge_current", "constant_charge_current", MICRO),
    (
        "constant_charge_current_max",
        "constant_charge_current_max",
        MICRO,
    ),
    ("constant_charge_voltage", "constant_charge_voltage", MICRO),
    (
        "constant_charge_voltage_max",
        "constant_charge_voltage_max",
        MICRO,
    ),
    ("current_boot", "current_boot", MICRO),
    ("current_max", "current_max", MICRO),
    ("current_now", "current_ampere", MICRO),
    ("energy_empty", "energy_empty", MICRO),
    ("energy_empty_design", "energy_empty_design", MICRO),
    ("energy_full", "energy_full", MICRO),
    ("energy_full_design", "energy_full_design", MICRO),
    ("energy_now", "energy_watthour", MICRO),
    ("input_current_limit", "input_current_limit", MICRO),
    ("power_now", "power_watt", MICRO),
    ("precharge_current", "precharge_current", MICRO),
    ("voltage_boot", "voltage_boot", MICRO),
    ("voltage_max", "voltage_max", MICRO),
    ("voltage_max_design", "voltage_max_design", MICRO),
    ("voltage_min", "voltage_min", MICRO),
    ("voltage_min_design", "voltage_min_design", MICRO),
    ("voltage_now", "voltage_volt", MICRO),
    ("voltage_ocv", "voltage_ocv", MICRO),
    ("temp", "temp_celsius", TENTH),
    ("temp_alert_max", "temp_alert_max_celsius", TENTH),
    ("temp_alert_min", "temp_alert_min_celsius", TENTH),
    ("temp_ambient", "temp_ambient_celsius", TENTH),
    ("temp_ambient_alert_max", "temp_ambient_max_celsius", TENTH),
    ("temp_ambient_alert_min", "temp_ambient_min_celsius", TENTH),
    ("temp_max", "temp_max_celsius", TENTH),
    ("temp_min", "temp_min_celsius", TENTH),
];

/// The attributes that are words, in the order of their labels.
const WORDS: [&str; 11] = [
    "capacity_level",
    "charge_type",
    "health",
    "manufacturer",
    "model_name",
    "scope",
    "serial_number",
    "status",
    "technology",
    "type",
    "usb_type",
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let supplies = host.files.sys_list(CLASS)?;
    let mut families: Vec<Family> = NUMBERS
        .iter()
        .map(|(_, end, _)| {
            let help = format!("{end} value of /sys/class/power_supply/<power_supply>.");
            Family::new(format!("node_power_supply_{end}"), help, Kind::Gauge)
        })
        .collect();
    let mut info = Family::new(
        "node_power_supply_info",
        "info of /sys/class/power_supply/<power_supply>.",
        Kind::Gauge,
    );
    for supply in supplies.iter() {
        let present = host.files.sys_list(&format!("{CLASS}/{supply}"))?;
        let has = |attribute: &str| present.iter().any(|name| name == attribute);
        for (family, (attribute, _, unit)) in families.iter_mut().zip(NUMBERS) {
            if !has(attribute) {
                continue;
            }
            let path = format!("{CLASS}/{supply}/{attribute}");
            if let Some(value) = host.files.sys_number::<i64>(&path) {
                family.push(&[("power_supply", supply)], value as f64 * unit);
            }
        }
        let words = WORDS.map(|word| {
            let path = format!("{CLASS}/{supply}/{word}");
            let text = if has(word) {
                host.files.sys_text(&path)
            } else {
                None
            };
            (word, text.unwrap_or_default())
        });
        let mut labels: Vec<(&str, &str)> = words
            .iter()
            .map(|(word, text)| (*word, text.as_str()))
            .collect();
        labels.push(("power_supply", supply));
        info.push(&labels, 1.0);
    }
    out.push(info);
    for family in families {
        out.push(family);
    }
    Ok(())
}
