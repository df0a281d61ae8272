use serde::{Deserialize, Serialize};

/// The one file system that stands for "the disk", in bytes, from `statvfs(3)`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Size of the file system.
    pub total: Option<u64>,
    /// Blocks in use, those of the superuser's reserve not counted.
    pub used: Option<u64>,
    /// What an ordinary user can still write.
    pub free: Option<u64>,
    /// `used / (used + free)`, 0-100, as `df` shows it, rounded to one decimal.
    pub percent: Option<f64>,
    /// The path that was asked about (`SYSTEM_STATS_DISK_PATH`, `/` by default).
    pub mount: Option<String>,
}

/// Block device traffic since boot, summed over the whole disks (partitions are part of theirs;
/// loop, RAM and device-mapper devices count, as psutil counts them). From `/proc/diskstats`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskIo {
    /// Reads completed.
    pub read_count: Option<u64>,
    /// Writes completed.
    pub write_count: Option<u64>,
    /// Bytes read.
    pub read_bytes: Option<u64>,
    /// Bytes written.
    pub write_bytes: Option<u64>,
    /// Milliseconds spent reading.
    pub read_time: Option<u64>,
    /// Milliseconds spent writing.
    pub write_time: Option<u64>,
    /// Adjacent reads merged into one. Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_merged_count: Option<u64>,
    /// Adjacent writes merged into one. Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_merged_count: Option<u64>,
    /// Milliseconds with I/O in flight. Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_time: Option<u64>,
}

/// One mounted file system, in bytes. The numbers are `None` while it does not answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountedDisk {
    /// What is mounted: a device path, or the name the file system goes by.
    pub device: String,
    /// Where it is mounted.
    pub mountpoint: String,
    /// The type of file system, `ext4` for one.
    pub fstype: String,
    /// Size of the file system.
    pub total: Option<u64>,
    /// Blocks in use.
    pub used: Option<u64>,
    /// What an ordinary user can still write.
    pub free: Option<u64>,
    /// `used / (used + free)`, 0-100, rounded to one decimal.
    pub percent: Option<f64>,
    /// Inodes in use, 0-100, rounded to one decimal; `None` where inodes are not counted.
    pub inode_percent: Option<f64>,
}
