//! Mounted file systems: which ones count, and how full they are.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::files::{Files, ReadError};
use crate::kernel::mountinfo::{self, Mount};
use crate::statfs::{Asker, Unanswered, Usage};

/// Types of file systems that hold no data of users, as `node_exporter` has them by default.
const EXCLUDED_TYPES: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "erofs",
    "sysfs",
    "tracefs",
];

/// Directories whose mounts are the system's own, those below included.
const EXCLUDED_TREES: &[&str] = &["/dev", "/proc", "/sys"];

/// Directories whose mounts come and go with containers and services: what is below them.
const EXCLUDED_BELOW: &[&str] = &[
    "/run/credentials",
    "/var/lib/docker",
    "/var/lib/containers/storage",
];

/// A mounted file system and its size, if it answers.
#[derive(Clone, Debug)]
pub(crate) struct Filesystem {
    pub(crate) mount: Mount,
    pub(crate) usage: Result<Usage, Unanswered>,
    /// Whether it is kept on a device of this host, as psutil's list of partitions has it.
    pub(crate) is_disk: bool,
}

/// Reads the mount table of the first process, or of this one where that is not allowed, and
/// asks every file system that counts for its size.
pub(crate) fn read(files: &mut Files, asker: &mut Asker) -> Result<Vec<Filesystem>, ReadError> {
    let first = files
        .proc("1/mountinfo")
        .map(|text| mountinfo::parse(&text));
    let mounts = match first {
        Ok(mounts) => mounts,
        Err(_) => files
            .proc("self/mountinfo")
            .map(|text| mountinfo::parse(&text))?,
    };
    let device_types = device_types(files);
    let rootfs = files.roots().rootfs.clone();
    let mut seen = HashSet::new();
    let mut counting = Vec::new();
    for mut mount in mounts {
        mount.mountpoint = without_prefix(&rootfs, &mount.mountpoint);
        if is_excluded(&mount) {
            continue;
        }
        // Something mounted over another hides it; statfs speaks of the upper one only.
        let key = (
            mount.device.clone(),
            mount.mountpoint.clone(),
            mount.fstype.clone(),
        );
        if !seen.insert(key) {
            continue;
        }
        counting.push(mount);
    }
    let path = |mount: &Mount| below(&rootfs, Path::new(&mount.mountpoint));
    let usages = asker.usages(&counting.iter().map(path).collect::<Vec<PathBuf>>());
    let filesystem = |(mount, usage): (Mount, _)| Filesystem {
        is_disk: match &device_types {
            Some(types) => types.contains(&mount.fstype),
            None => mount.device.starts_with('/'),
        },
        mount,
        usage,
    };
    Ok(counting.into_iter().zip(usages).map(filesystem).collect())
}

/// The types of file systems that live on a device (`/proc/filesystems`), and ZFS, which keeps
/// its devices to itself.
fn device_types(files: &mut Files) -> Option<HashSet<String>> {
    let text = files.proc_rarely("filesystems").ok()?;
    let mut types: HashSet<String> = text
        .lines()
        .filter(|line| !line.starts_with("nodev"))
        .map(|line| line.trim().to_owned())
        .collect();
    types.insert("zfs".to_owned());
    Some(types)
}

fn is_excluded(mount: &Mount) -> bool {
    let path = mount.mountpoint.as_str();
    let below = |tree: &&&str| {
        path.strip_prefix(**tree)
            .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
    };
    let within = |tree: &&&str| path == **tree || below(tree);
    EXCLUDED_TYPES.contains(&mount.fstype.as_str())
        || EXCLUDED_TREES.iter().any(|tree| within(&tree))
        || EXCLUDED_BELOW.iter().any(|tree| below(&tree))
}

/// Where a path of the host is found when its root directory is mounted at `rootfs`.
pub(crate) fn below(rootfs: &Path, path: &Path) -> PathBuf {
    rootfs.join(path.strip_prefix("/").unwrap_or(path))
}

/// A mount point as the host itself calls it.
fn without_prefix(rootfs: &Path, mountpoint: &str) -> String {
    if rootfs == Path::new("/") {
        return mountpoint.to_owned();
    }
    match Path::new(mountpoint).strip_prefix(rootfs) {
        Ok(rest) => format!("/{}", rest.display()),
        Err(_) => mountpoint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(mountpoint: &str, fstype: &str) -> Mount {
        Mount {
            major: "8".to_owned(),
            minor: "1".to_owned(),
            device: "/dev/sda1".to_owned(),
            mountpoint: mountpoint.to_owned(),
            fstype: fstype.to_owned(),
            is_read_only: false,
        }
    }

    #[test]
    fn the_systems_own_mounts_are_left_out() {
        for (mountpoint, fstype, excluded) in [
            ("/", "ext4", false),
            ("/dev", "ext4", true),
            ("/dev/shm", "tmpfs", true),
            ("/device", "ext4", false),
            ("/run", "tmpfs", false),
            ("/run/credentials/x.service", "ramfs", true),
            ("/var/lib/docker", "xfs", false),
            ("/var/lib/docker/overlay2/1", "xfs", true),
            ("/snap/core/1", "squashfs", true),
            ("/sys/fs/cgroup", "cgroup2", true),
        ] {
            assert_eq!(
                is_excluded(&mount(mountpoint, fstype)),
                excluded,
                "{mountpoint}"
            );
        }
    }

    #[test]
    fn paths_go_below_another_root_and_back() {
        let root = Path::new("/host");
        assert_eq!(below(root, Path::new("/var")), Path::new("/host/var"));
        assert_eq!(without_prefix(root, "/host"), "/");
        assert_eq!(without_prefix(root, "/host/var"), "/var");
        assert_eq!(without_prefix(root, "/var"), "/var");
        assert_eq!(without_prefix(Path::new("/"), "/var"), "/var");
    }
}
