use std::collections::BTreeMap;
use std::path::PathBuf;

/// What an exporter looks at and how it answers. The default is right for the host it runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the kernel's file systems are mounted.
    pub roots: Roots,
    /// A path on the file system that `/system` calls `disk`.
    pub disk_path: PathBuf,
    /// Names of processes whose absence is reported.
    pub critical_processes: Vec<String>,
    /// Which collectors run.
    pub collectors: Collectors,
    /// Where the metrics are; begins with a slash.
    pub telemetry_path: String,
}

/// Which collectors run: the default ones, but for what is switched on or off by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collectors {
    /// None but those that are switched on.
    pub disable_defaults: bool,
    /// Collectors switched on (`true`) or off by name. Names that no collector has are ignored.
    pub switched: BTreeMap<String, bool>,
}

impl Collectors {
    /// Whether the collector of that name runs.
    pub(crate) fn is_enabled(&self, name: &str, is_default: bool) -> bool {
        let switched = self.switched.get(name).copied();
        switched.unwrap_or(is_default && !self.disable_defaults)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            disk_path: PathBuf::from("/"),
            critical_processes: Vec::new(),
            collectors: Collectors::default(),
            telemetry_path: "/metrics".to_owned(),
        }
    }
}

/// Where the kernel's file systems are mounted. They differ from the default in containers that
/// see the host's under another path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// `proc(5)`.
    pub procfs: PathBuf,
    /// `sysfs(5)`.
    pub sysfs: PathBuf,
    /// The root directory of the host: put before every mount point.
    pub rootfs: PathBuf,
    /// Where udev keeps what it knows of devices (`/run/udev/data`).
    pub udev_data: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            procfs: PathBuf::from("/proc"),
            sysfs: PathBuf::from("/sys"),
            rootfs: PathBuf::from("/"),
            udev_data: PathBuf::from("/run/udev/data"),
        }
    }
}
