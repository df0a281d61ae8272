use serde::{Deserialize, Serialize};

/// Time since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Uptime {
    /// Whole seconds since boot, by the wall clock.
    pub seconds: Option<u64>,
    /// When the host booted: ISO 8601 in UTC with offset, whole seconds (`btime` of `/proc/stat`).
    pub boot_time: Option<String>,
    /// The same as people say it: `3d 4h 12m`, always with all three parts.
    pub human: Option<String>,
}

/// Names and versions of the host and its operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The host's name (`uname -n`).
    pub hostname: Option<String>,
    /// The kernel's name: `Linux`, `Darwin`.
    pub os: Option<String>,
    /// The kernel's release (`uname -r`).
    pub os_release: Option<String>,
    /// The kernel's version (`uname -v`).
    pub os_version: Option<String>,
    /// The machine's architecture (`uname -m`): `x86_64`, `aarch64`.
    pub architecture: Option<String>,
    /// Kernel, release and architecture in one: `Linux-6.1.0-18-amd64-x86_64`.
    pub platform: Option<String>,
    /// The machine's model: DMI's product name or the device tree's model.
    pub model: Option<String>,
}

/// How far the clock is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeDrift {
    /// Local clock minus reference in seconds, as the kernel's clock discipline knows it
    /// (`adjtimex(2)`, `offset`); 0 while nothing disciplines the clock, `None` where the
    /// platform cannot say.
    pub drift_seconds: Option<f64>,
}

/// One temperature sensor, in degrees Celsius.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemperatureSensor {
    /// The sensor's label (`temp*_label`); empty if it has none.
    pub label: String,
    /// What it reads now (`temp*_input`).
    pub current: Option<f64>,
    /// Above this the chip calls it hot (`temp*_max`).
    pub high: Option<f64>,
    /// Above this the chip calls it critical (`temp*_crit`).
    pub critical: Option<f64>,
}
