use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

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
    let mut info = Family::new(
        "node_disk_info",
        "Info of /sys/block/<block_device>.",
        Kind::Gauge,
    );
    let mut families = FIELDS.map(|(name, help, kind, _)| Family::new(name, help, kind));
    for disk in disks.iter().filter(|disk| !is_excluded(&disk.device)) {
        let name = disk.device.replace('/', "!");
        let rotational = host
            .files
            .sys_text(&format!("block/{name}/queue/rotational"));
        info.push(
            &[
                ("device", &disk.device),
                ("major", &disk.major.to_string()),
                ("minor", &disk.minor.to_string()),
                ("rotational", rotational.as_deref().unwrap_or_default()),
            ],
            1.0,
        );
        for ((family, value), (_, _, _, unit)) in families.iter_mut().zip(disk.fields()).zip(FIELDS)
        {
            family.push(&[("device", &disk.device)], *value as f64 * unit);
        }
    }
    out.push(info);
    for family in families {
        out.push(family);
    }
    Ok(())
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
