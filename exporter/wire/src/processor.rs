use serde::{Deserialize, Serialize};

/// Processor use and kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cpu {
    /// Busy share of all cores together, 0-100, over the last second or two: everything but idle
    /// and iowait; guest time counts once. From `/proc/stat`, rounded to one decimal.
    pub percent: Option<f64>,
    /// Processors that are online, hardware threads included.
    pub logical_cores: Option<u64>,
    /// Cores, from `/sys/devices/system/cpu/cpu*/topology`, else from `/proc/cpuinfo`.
    pub physical_cores: Option<u64>,
    /// Mean current frequency in MHz, from cpufreq or `/proc/cpuinfo`.
    pub frequency_mhz: Option<f64>,
    /// Mean lowest frequency allowed in MHz, from cpufreq.
    pub min_frequency_mhz: Option<f64>,
    /// Mean highest frequency allowed in MHz, from cpufreq.
    pub max_frequency_mhz: Option<f64>,
    /// The processor's marketing name, from `/proc/cpuinfo`.
    pub processor: Option<String>,
}

/// Load averages: runnable and uninterruptible tasks, as `getloadavg(3)` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Over one minute.
    #[serde(rename = "1")]
    pub one: f64,
    /// Over five minutes.
    #[serde(rename = "5")]
    pub five: f64,
    /// Over fifteen minutes.
    #[serde(rename = "15")]
    pub fifteen: f64,
}
