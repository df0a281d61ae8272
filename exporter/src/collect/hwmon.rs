use super::CollectError;
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::hwmon::{Chip, Sensor, clean, number};

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let chips = host.chips()?;
    for chip in chips.iter() {
        if let Some(name) = chip
            .name
            .as_deref()
            .map(clean)
            .filter(|name| !name.is_empty())
        {
            once(
                out,
                "node_hwmon_chip_names",
                "Annotation metric for human-readable chip names",
                &[("chip", &chip.id), ("chip_name", &name)],
                1.0,
            );
        }
        for (name, sensor) in &chip.sensors {
            expose(chip, name, sensor, out);
        }
    }
    Ok(())
}

fn expose(chip: &Chip, name: &str, sensor: &Sensor, out: &mut Families) {
    let labels = [("chip", chip.id.as_str()), ("sensor", name)];
    if let Some(label) = sensor
        .attributes
        .get("label")
        .filter(|label| !label.is_empty())
    {
        once(
            out,
            "node_hwmon_sensor_label",
            "Label for given chip and sensor",
            &[labels[0], ("label", label), labels[1]],
            1.0,
        );
    }
    let plain = sensor.number("");
    match sensor.kind.as_str() {
        "beep_enable" => {
            let enabled = f64::from(u8::from(plain == Some(1.0)));
            once(
                out,
                "node_hwmon_beep_enabled",
                "Hardware beep enabled",
                &labels,
                enabled,
            );
            return;
        }
        "vrm" => {
            if let Some(version) = plain {
                let name = "node_hwmon_voltage_regulator_version";
                once(out, name, "Hardware voltage regulator", &labels, version);
            }
            return;
        }
        "update_interval" => {
            if let Some(millis) = plain {
                let name = "node_hwmon_update_interval_seconds";
                once(
                    out,
                    name,
                    "Hardware monitor update interval",
                    &labels,
                    millis * 1e-3,
                );
            }
            return;
        }
        _ => {}
    }
    for (attribute, text) in &sensor.attributes {
        if attribute == "label" {
            continue;
        }
        let Some(value) = number(text) else { continue };
        if sensor.kind == "freq" {
            if attribute == "input" {
                let label = sensor.attributes.get("label").map(|label| clean(label));
                let labels = [labels[0], ("sensor", label.as_deref().unwrap_or(name))];
                let help = "Hardware monitor for GPU frequency in MHz";
                once(out, "node_hwmon_freq_freq_mhz", help, &labels, value / 1e6);
            }
            continue;
        }
        let measure = measure(&sensor.kind, attribute, sensor.attributes.contains_key(""));
        let family = out.named(measure.name, measure.help, measure.kind);
        family.push(&labels, value * measure.unit);
    }
}

/// What an attribute is exposed as.
struct Measure {
    name: String,
    help: String,
    kind: Kind,
    unit: f64,
}

/// The kernel's units are thousandths of volts, degrees and amperes, and millionths of watts,
/// joules and ratios.
fn measure(kind: &str, attribute: &str, has_plain: bool) -> Measure {
    let mut name = format!("node_hwmon_{kind}");
    match attribute {
        // The input is the value itself, unless the sensor has one without a name as well.
        "input" if has_plain => name.push_str("_input"),
        "input" | "" => {}
        other => {
            name.push('_');
            name.push_str(&clean(other));
        }
    }
    let (suffix, help, unit) = match (kind, attribute) {
        (_, "fault" | "alarm") => (
            "",
            format!("Hardware sensor {attribute} status ({kind})"),
            1.0,
        ),
        (_, "beep") => (
            "_enabled",
            "Hardware monitor sensor has beeping enabled".to_owned(),
            1.0,
        ),
        ("in" | "cpu", _) => (
            "_volts",
            format!("Hardware monitor for voltage ({attribute})"),
            1e-3,
        ),
        ("temp", other) if other != "type" => (
            "_celsius",
            format!("Hardware monitor for temperature ({attribute})"),
            1e-3,
        ),
        ("curr", _) => (
            "_amps",
            format!("Hardware monitor for current ({attribute})"),
            1e-3,
        ),
        ("energy", _) => (
            "_joule_total",
            format!("Hardware monitor for joules used so far ({attribute})"),
            1e-6,
        ),
        ("power", "accuracy") => (
            "",
            "Hardware monitor power meter accuracy, as a ratio".to_owned(),
            1e-6,
        ),
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => (
            "_seconds",
            format!("Hardware monitor power usage update interval ({attribute})"),
            1e-3,
        ),
        ("power", _) => (
            "_watt",
            format!("Hardware monitor for power usage in watts ({attribute})"),
            1e-6,
        ),
        ("humidity", _) => (
            "",
            format!(
                "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the \
                 humidity as a percentage) ({attribute})"
            ),
            1e-6,
        ),
        ("fan", "input" | "min" | "max" | "target") => (
            "_rpm",
            format!("Hardware monitor for fan revolutions per minute ({attribute})"),
            1.0,
        ),
        _ => (
            "",
            format!("Hardware monitor {kind} element {attribute}"),
            1.0,
        ),
    };
    name.push_str(suffix);
    Measure {
        kind: if kind == "energy" && suffix == "_joule_total" {
            Kind::Counter
        } else {
            Kind::Gauge
        },
        name,
        help,
        unit,
    }
}

fn once(
    out: &mut Families,
    name: &'static str,
    help: &'static str,
    labels: &[(&str, &str)],
    value: f64,
) {
    out.named(name.to_owned(), help.to_owned(), Kind::Gauge)
        .push(labels, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_get_their_units() {
        for (kind, attribute, plain, name) in [
            ("temp", "input", false, "node_hwmon_temp_celsius"),
            ("temp", "crit", false, "node_hwmon_temp_crit_celsius"),
            (
                "temp",
                "crit_alarm",
                false,
                "node_hwmon_temp_crit_alarm_celsius",
            ),
            ("temp", "type", false, "node_hwmon_temp_type"),
            ("temp", "alarm", false, "node_hwmon_temp_alarm"),
            ("fan", "input", false, "node_hwmon_fan_rpm"),
            ("fan", "div", false, "node_hwmon_fan_div"),
            ("in", "beep", false, "node_hwmon_in_beep_enabled"),
            ("energy", "input", false, "node_hwmon_energy_joule_total"),
            ("power", "average", false, "node_hwmon_power_average_watt"),
            ("pwm", "", true, "node_hwmon_pwm"),
            ("pwm", "input", true, "node_hwmon_pwm_input"),
        ] {
            assert_eq!(measure(kind, attribute, plain).name, name);
        }
    }
}
