//! Hardware sensors: `/sys/class/hwmon` (`Documentation/hwmon/sysfs-interface.rst`).

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::{Files, ReadError};

const CLASS: &str = "class/hwmon";
const SENSOR_TYPES: &[&str] = &[
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];
/// The most attributes of one chip that are read.
const MAX_ATTRIBUTES: usize = 1024;

/// One chip and what its attributes say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chip {
    /// A name that is the same after every boot: where the device is on its bus.
    pub(crate) id: String,
    /// What the driver calls it.
    pub(crate) name: Option<String>,
    /// The attributes of each sensor (`temp1`), by what follows the underscore; the empty key
    /// is an attribute without one (`pwm1`).
    pub(crate) sensors: BTreeMap<String, Sensor>,
}

/// One sensor of a chip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sensor {
    /// `temp` of `temp1`.
    pub(crate) kind: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Sensor {
    /// An attribute that is a number, in the kernel's unit.
    pub(crate) fn number(&self, attribute: &str) -> Option<f64> {
        number(self.attributes.get(attribute)?)
    }
}

/// A finite number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|value: &f64| value.is_finite())
}

/// Reads every chip. One that cannot be read is left out.
pub(crate) fn read(files: &mut Files) -> Result<Vec<Chip>, ReadError> {
    let entries = files.sys_list(CLASS)?;
    let mut chips = Vec::new();
    for entry in entries.iter() {
        let directory = format!("{CLASS}/{entry}");
        let mut chip = Chip {
            name: files.sys_text(&format!("{directory}/name")),
            ..Chip::default()
        };
        chip.id = chip_id(files, &directory, chip.name.as_deref(), entry);
        if chips.iter().any(|known: &Chip| known.id == chip.id) {
            chip.id = format!("{}_{}", chip.id, clean(entry));
        }
        read_sensors(files, &directory, &mut chip);
        // Old drivers keep the attributes with the device.
        read_sensors(files, &format!("{directory}/device"), &mut chip);
        chips.push(chip);
    }
    Ok(chips)
}

fn read_sensors(files: &mut Files, directory: &str, chip: &mut Chip) {
    let Ok(names) = files.sys_list(directory) else {
        return;
    };
    for name in names.iter().take(MAX_ATTRIBUTES) {
        let Some((kind, number, attribute)) = split_name(name) else {
            continue;
        };
        if !SENSOR_TYPES.contains(&kind) {
            continue;
        }
        let Ok(text) = files.sys(&format!("{directory}/{name}")) else {
            continue;
        };
        let sensor = chip.sensors.entry(format!("{kind}{number}")).or_default();
        kind.clone_into(&mut sensor.kind);
        sensor.attributes.insert(attribute.to_owned(), text);
    }
}

/// Takes `temp1_input` apart: kind, number (0 if there is none) and attribute (may be empty).
fn split_name(name: &str) -> Option<(&str, u32, &str)> {
    let digits_at = name.find(|char: char| char.is_ascii_digit());
    match digits_at {
        Some(0) => None,
        Some(start) => {
            let rest = &name[start..];
            let length = rest
                .find(|char: char| !char.is_ascii_digit())
                .unwrap_or(rest.len());
            let number = rest[..length].parse().ok()?;
            match &rest[length..] {
                "" => Some((&name[..start], number, "")),
                attribute => Some((&name[..start], number, attribute.strip_prefix('_')?)),
            }
        }
        // Those without a number have no attributes either.
        None => Some((name, 0, "")),
    }
}

/// The chip's place on its bus, else the driver's name, else the kernel's number for it.
fn chip_id(files: &Files, directory: &str, name: Option<&str>, entry: &str) -> String {
    let device = files.roots().sysfs.join(directory).join("device");
    let place = device.canonicalize().ok().and_then(|path| place_of(&path));
    place
        .or_else(|| name.map(clean).filter(|name| !name.is_empty()))
        .unwrap_or_else(|| clean(entry))
}

/// `platform_coretemp_0` for `/sys/devices/platform/coretemp.0`.
fn place_of(device: &Path) -> Option<String> {
    let part = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        Some(clean(name)).filter(|name| !name.is_empty())
    };
    let name = part(device)?;
    Some(match device.parent().and_then(part) {
        Some(bus) => format!("{bus}_{name}"),
        None => name,
    })
}

/// Lower case, and an underscore for whatever a metric's name cannot hold.
pub(crate) fn clean(name: &str) -> String {
    let lower = name.to_lowercase();
    let replaced: String = lower
        .chars()
        .map(|char| match char {
            'a'..='z' | '0'..='9' | ':' | '_' => char,
            _ => '_',
        })
        .collect();
    replaced.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_come_apart() {
        for (name, parts) in [
            ("temp1_input", Some(("temp", 1, "input"))),
            ("temp12_crit_alarm", Some(("temp", 12, "crit_alarm"))),
            ("pwm1", Some(("pwm", 1, ""))),
            ("beep_enable", Some(("beep_enable", 0, ""))),
            ("in0_label", Some(("in", 0, "label"))),
            ("name", Some(("name", 0, ""))),
            ("1temp", None),
            ("temp1x", None),
        ] {
            assert_eq!(split_name(name), parts, "{name}");
        }
    }

    #[test]
    fn places_are_stable_names() {
        let path = Path::new("/sys/devices/platform/coretemp.0");
        assert_eq!(place_of(path).as_deref(), Some("platform_coretemp_0"));
        assert_eq!(clean(" Core 0 (Tctl)"), "core_0__tctl");
    }

    proptest! {
        #[test]
        fn any_name_comes_apart_or_not(name in "[a-z]{0,4}[0-9]{0,12}_?.*") {
            split_name(&name);
            clean(&name);
        }
    }
}
