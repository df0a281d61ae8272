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
}

impl Default for Config {
    fn default() -> Self {
        Self {
            roots: Roots::default(),
            disk_path: PathBuf::from("/"),
            critical_processes: Vec::new(),
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
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            procfs: PathBuf::from("/proc"),
            sysfs: PathBuf::from("/sys"),
            rootfs: PathBuf::from("/"),
        }
    }
}
