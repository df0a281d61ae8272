use serde::{Deserialize, Serialize};

/// Physical memory, all sizes in bytes, from `/proc/meminfo` on Linux.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// All memory that the kernel manages (`MemTotal`).
    pub total: Option<u64>,
    /// What can be given to processes without swapping (`MemAvailable`).
    pub available: Option<u64>,
    /// `total - free - buffers - cached`.
    pub used: Option<u64>,
    /// Memory that nothing uses (`MemFree`).
    pub free: Option<u64>,
    /// `(total - available) / total`, 0-100, rounded to one decimal.
    pub percent: Option<f64>,
    /// Recently used pages. Linux and macOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
    /// Pages not used recently. Linux and macOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive: Option<u64>,
    /// Block device cache (`Buffers`). Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffers: Option<u64>,
    /// Page cache and reclaimable slabs (`Cached + SReclaimable`). Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<u64>,
    /// Shared memory and tmpfs (`Shmem`). Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// The kernel's own data structures (`Slab`). Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slab: Option<u64>,
    /// Pages that can never be paged out. macOS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wired: Option<u64>,
}

/// Swap space, all sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Swap {
    /// `SwapTotal` of `/proc/meminfo`.
    pub total: Option<u64>,
    /// `total - free`.
    pub used: Option<u64>,
    /// `SwapFree` of `/proc/meminfo`.
    pub free: Option<u64>,
    /// `used / total`, 0-100, rounded to one decimal; 0 without swap space.
    pub percent: Option<f64>,
    /// Bytes swapped in since boot: `pswpin` of `/proc/vmstat`, counted as 4 KiB pages.
    pub sin: Option<u64>,
    /// Bytes swapped out since boot: `pswpout` of `/proc/vmstat`, counted as 4 KiB pages.
    pub sout: Option<u64>,
}
