use system_stats_wire::{Disk, DiskIo, MountedDisk, SystemStats};

use super::one_decimal;
use crate::host::Host;
use crate::kernel::diskstats::DiskStats;
use crate::mounts::Filesystem;
use crate::statfs::Usage;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    stats.disk_io = disk_io(&host.whole_disks());
    stats.disk = disk(host);
    let filesystems = host.filesystems().unwrap_or_default();
    stats.disks = filesystems
        .iter()
        .filter(|filesystem| filesystem.is_disk)
        .map(mounted)
        .collect();
}

fn disk(host: &mut Host) -> Disk {
    let path = host.config.disk_path.clone();
    let mut disk = Disk {
        mount: Some(path.display().to_string()),
        ..Disk::default()
    };
    if let Ok(usage) = host.usage(&path) {
        disk.total = Some(usage.size);
        disk.used = Some(usage.used());
        disk.free = Some(usage.available);
        disk.percent = Some(usage.percent().map_or(0.0, one_decimal));
    }
    disk
}

fn mounted(filesystem: &Filesystem) -> MountedDisk {
    let mount = &filesystem.mount;
    let usage = filesystem.usage.as_ref().ok().copied();
    MountedDisk {
        device: mount.device.clone(),
        mountpoint: mount.mountpoint.clone(),
        fstype: mount.fstype.clone(),
        total: usage.map(|usage| usage.size),
        used: usage.map(Usage::used),
        free: usage.map(|usage| usage.available),
        percent: usage.and_then(Usage::percent).map(one_decimal),
        inode_percent: usage.and_then(Usage::inode_percent).map(one_decimal),
    }
}

fn disk_io(disks: &[DiskStats]) -> DiskIo {
    if disks.is_empty() {
        return DiskIo::default();
    }
    let sum = |get: fn(&DiskStats) -> u64| {
        let total = disks.iter().map(get).fold(0, u64::saturating_add);
        Some(total)
    };
    DiskIo {
        read_count: sum(DiskStats::reads),
        write_count: sum(DiskStats::writes),
        read_bytes: sum(DiskStats::read_bytes),
        write_bytes: sum(DiskStats::written_bytes),
        read_time: sum(DiskStats::read_millis),
        write_time: sum(DiskStats::write_millis),
        read_merged_count: sum(DiskStats::reads_merged),
        write_merged_count: sum(DiskStats::writes_merged),
        busy_time: sum(DiskStats::busy_millis),
    }
}
