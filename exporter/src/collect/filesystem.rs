use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let filesystems = host.filesystems()?;
    let gauge = |name: &'static str, help: &'static str| Family::new(name, help, Kind::Gauge);
    let mut size = gauge("node_filesystem_size_bytes", "Filesystem size in bytes.");
    let mut free = gauge(
        "node_filesystem_free_bytes",
        "Filesystem free space in bytes.",
    );
    let mut available = gauge(
        "node_filesystem_avail_bytes",
        "Filesystem space available to non-root users in bytes.",
    );
    let mut files = gauge("node_filesystem_files", "Filesystem total file nodes.");
    let mut files_free = gauge(
        "node_filesystem_files_free",
        "Filesystem total free file nodes.",
    );
    let mut read_only = gauge("node_filesystem_readonly", "Filesystem read-only status.");
    let mut device_error = gauge(
        "node_filesystem_device_error",
        "Whether an error occurred while getting statistics for the given device.",
    );
    let mut mount_info = gauge(
        "node_filesystem_mount_info",
        "Filesystem mount information.",
    );
    for filesystem in filesystems.iter() {
        let mount = &filesystem.mount;
        let error = filesystem.usage.as_ref().err();
        let labels = [
            ("device", mount.device.as_str()),
            ("device_error", error.map_or("", |error| error.0.as_str())),
            ("fstype", mount.fstype.as_str()),
            ("mountpoint", mount.mountpoint.as_str()),
        ];
        device_error.push(&labels, f64::from(u8::from(error.is_some())));
        read_only.push(&labels, f64::from(u8::from(mount.is_read_only)));
        mount_info.push(
            &[
                ("device", &mount.device),
                ("major", &mount.major),
                ("minor", &mount.minor),
                ("mountpoint", &mount.mountpoint),
            ],
            1.0,
        );
        if let Ok(usage) = &filesystem.usage {
            size.push(&labels, usage.size as f64);
            free.push(&labels, usage.free as f64);
            available.push(&labels, usage.available as f64);
            files.push(&labels, usage.inodes as f64);
            files_free.push(&labels, usage.inodes_free as f64);
        }
    }
    for family in [
        available,
        device_error,
        files,
        files_free,
        free,
        mount_info,
        read_only,
        size,
    ] {
        out.push(family);
    }
    Ok(())
}
