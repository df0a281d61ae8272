use std::collections::BTreeMap;

use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;
use crate::kernel::diskstats::DiskStats;
use crate::kernel::udev;

/// What a field of `/proc/diskstats` is multiplied with.
const COUNT: f64 = 1.0;
const SECTORS: f64 = 512.0;
const MILLIS: f64 = 1e-3;

/// Name, help, type and unit of each field, in the kernel's order.
const FIELDS: [(&str, &str, Kind, f64); 17] = [
    (
        "node_disk_reads_completed_total",
        "The total number of reads completed successfully.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_reads_merged_total",
        "The total number of reads merged.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_read_bytes_total",
        "The total number of bytes read successfully.",
        Kind::Counter,
        SECTORS,
    ),
    (
        "node_disk_read_time_seconds_total",
        "The total number of seconds spent by all reads.",
        Kind::Counter,
        MILLIS,
    ),
    (
        "node_disk_writes_completed_total",
        "The total number of writes completed successfully.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_writes_merged_total",
        "The number of writes merged.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_written_bytes_total",
        "The total number of bytes written successfully.",
        Kind::Counter,
        SECTORS,
    ),
    (
        "node_disk_write_time_seconds_total",
        "This is the total number of seconds spent by all writes.",
        Kind::Counter,
        MILLIS,
    ),
    (
        "node_disk_io_now",
        "The number of I/Os currently in progress.",
        Kind::Gauge,
        COUNT,
    ),
    (
        "node_disk_io_time_seconds_total",
        "Total seconds spent doing I/Os.",
        Kind::Counter,
        MILLIS,
    ),
    (
        "node_disk_io_time_weighted_seconds_total",
        "The weighted # of seconds spent doing I/Os.",
        Kind::Counter,
        MILLIS,
    ),
    (
        "node_disk_discards_completed_total",
        "The total number of discards completed successfully.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_discards_merged_total",
        "The total number of discards merged.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_discarded_sectors_total",
        "The total number of sectors discarded successfully.",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_discard_time_seconds_total",
        "This is the total number of seconds spent by all discards.",
        Kind::Counter,
        MILLIS,
    ),
    (
        "node_disk_flush_requests_total",
        "The total number of flush requests completed successfully",
        Kind::Counter,
        COUNT,
    ),
    (
        "node_disk_flush_requests_time_seconds_total",
        "This is the total number of seconds spent by all flush requests.",
        Kind::Counter,
        MILLIS,
    ),
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let disks = host.disks()?;
    let mut info = Info::new();
    let mut families = FIELDS.map(|(name, help, kind, _)| Family::new(name, help, kind));
    for disk in disks.iter().filter(|disk| !is_excluded(&disk.device)) {
        // Hosts without udev have none of it.
        let udev = host
            .files
            .udev_block(disk.major, disk.minor)
            .unwrap_or_default();
        info.push(disk, &udev::parse(&udev));
        for ((family, value), (_, _, _, unit)) in families.iter_mut().zip(disk.fields()).zip(FIELDS)
        {
            family.push(&[("device", &disk.device)], *value as f64 * unit);
        }
    }
    info.finish(out);
    for family in families {
        out.push(family);
    }
    Ok(())
}

/// What udev knows of disks.
struct Info {
    disk: Family,
    filesystem: Family,
    device_mapper: Family,
    ata: [(&'static str, Family); 3],
}

impl Info {
    fn new() -> Self {
        let gauge = |name: &'static str, help: &'static str| Family::new(name, help, Kind::Gauge);
        Self {
            disk: gauge("node_disk_info", "Info of /sys/block/<block_device>."),
            filesystem: gauge("node_disk_filesystem_info", "Info about disk filesystem."),
            device_mapper: gauge(
                "node_disk_device_mapper_info",
                "Info about disk device mapper.",
            ),
            ata: [
                (
                    "ID_ATA_ROTATION_RATE_RPM",
                    gauge(
                        "node_disk_ata_rotation_rate_rpm",
                        "ATA disk rotation rate in RPMs (0 for SSDs).",
                    ),
                ),
                (
                    "ID_ATA_WRITE_CACHE",
                    gauge("node_disk_ata_write_cache", "ATA disk has a write cache."),
                ),
                (
                    "ID_ATA_WRITE_CACHE_ENABLED",
                    gauge(
                        "node_disk_ata_write_cache_enabled",
                        "ATA disk has its write cache enabled.",
                    ),
                ),
            ],
        }
    }

    fn push(&mut self, disk: &DiskStats, udev: &BTreeMap<&str, &str>) {
        let known = |name: &str| udev.get(name).copied().unwrap_or_default();
        // The one that is printed on the disk comes first; virtual disks have the last only.
        let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"];
        let serial = serials
            .into_iter()
            .map(known)
            .find(|serial| !serial.is_empty());
        let device = ("device", disk.device.as_str());
        self.disk.push(
            &[
                device,
                ("major", &disk.major.to_string()),
                ("minor", &disk.minor.to_string()),
                ("model", known("ID_MODEL")),
                ("path", known("ID_PATH")),
                ("revision", known("ID_REVISION")),
                ("serial", serial.unwrap_or_default()),
                ("wwn", known("ID_WWN")),
            ],
            1.0,
        );
        if !known("ID_FS_TYPE").is_empty() {
            self.filesystem.push(
                &[
                    device,
                    ("type", known("ID_FS_TYPE")),
                    ("usage", known("ID_FS_USAGE")),
                    ("uuid", known("ID_FS_UUID")),
                    ("version", known("ID_FS_VERSION")),
                ],
                1.0,
            );
        }
        if !known("DM_NAME").is_empty() {
            self.device_mapper.push(
                &[
                    device,
                    ("lv_layer", known("DM_LV_LAYER")),
                    ("lv_name", known("DM_LV_NAME")),
                    ("name", known("DM_NAME")),
                    ("uuid", known("DM_UUID")),
                    ("vg_name", known("DM_VG_NAME")),
                ],
                1.0,
            );
        }
        if !known("ID_ATA").is_empty() {
            for (property, family) in &mut self.ata {
                if let Ok(value) = known(property).parse::<u32>() {
                    family.push(&[device], f64::from(value));
                }
            }
        }
    }

    fn finish(self, out: &mut Families) {
        out.push(self.disk);
        out.push(self.filesystem);
        out.push(self.device_mapper);
        for (_, family) in self.ata {
            out.push(family);
        }
    }
}

/// RAM, loop and floppy devices, and partitions of disks, as `node_exporter` leaves them out.
fn is_excluded(device: &str) -> bool {
    let base = device.trim_end_matches(|char: char| char.is_ascii_digit());
    if base.len() == device.len() {
        return false;
    }
    if matches!(base, "ram" | "zram" | "loop" | "fd") {
        return true;
    }
    if let Some(disk) = base
        .strip_suffix('p')
        .and_then(|disk| disk.strip_prefix("nvme"))
    {
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        return disk
            .split_once('n')
            .is_some_and(|(controller, space)| is_number(controller) && is_number(space));
    }
    let letter = ["hd", "sd", "vd", "xvd"]
        .iter()
        .find_map(|prefix| base.strip_prefix(prefix));
    letter.is_some_and(|rest| matches!(rest.as_bytes(), [b'a'..=b'z']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_and_memory_are_left_out() {
        for device in [
            "sda1",
            "vdb12",
            "xvda1",
            "nvme0n1p2",
            "loop3",
            "ram0",
            "zram0",
            "fd0",
        ] {
            assert!(is_excluded(device), "{device}");
        }
        for device in [
            "sda",
            "nvme0n1",
            "dm-0",
            "md127",
            "mmcblk0",
            "mmcblk0p1",
            "sr0",
            "sdaa1",
        ] {
            assert!(!is_excluded(device), "{device}");
        }
    }
}
