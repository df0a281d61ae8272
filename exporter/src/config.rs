use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

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
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
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
            telemetry_path: TelemetryPath::default(),
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

/// The path of a URL that metrics are served under: `/metrics` by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPath(String);

impl TelemetryPath {
    /// The path, which begins with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl fmt::Display for TelemetryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a path cannot be used for metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryPathError {
    /// It is no plain path.
    #[error(
        "{0:?} is no path of letters, digits, dots, dashes and underscores; use one like /metrics"
    )]
    NotAPath(String),
    /// Something else is there.
    #[error("{0:?} is taken; use another one, /metrics for example")]
    Taken(String),
}

impl FromStr for TelemetryPath {
    type Err = TelemetryPathError;

    fn from_str(text: &str) -> Result<Self, TelemetryPathError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
        if !text.starts_with('/') || text.len() > 256 || !text.bytes().all(is_plain) {
            return Err(TelemetryPathError::NotAPath(text.to_owned()));
        }
        if matches!(text, "/health" | "/system") {
            return Err(TelemetryPathError::Taken(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_go_where_nothing_else_is() {
        for good in ["/", "/metrics", "/a/b-c_d.e", "/metrics/"] {
            assert_eq!(good.parse::<TelemetryPath>().unwrap().as_str(), good);
        }
        for bad in [
            "", "metrics", "/system", "/health", "/{x}", "/*x", "/a b", "/ä",
        ] {
            assert!(bad.parse::<TelemetryPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn switches_win_over_defaults() {
        let mut choice = Collectors::default();
        assert!(choice.is_enabled("cpu", true));
        assert!(!choice.is_enabled("processes", false));
        choice.disable_defaults = true;
        choice.switched.insert("processes".to_owned(), true);
        choice.switched.insert("stat".to_owned(), false);
        assert!(!choice.is_enabled("cpu", true));
        assert!(choice.is_enabled("processes", false));
        assert!(!choice.is_enabled("stat", true));
    }
}
