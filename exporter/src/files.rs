//! Reading the kernel's files. Descriptors are kept and read again from the start, which both
//! proc and sysfs answer with fresh text: opening is most of the cost of a scrape.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::config::Roots;

/// How many descriptors are kept; what goes beyond is opened, read and closed.
const MAX_KEPT: usize = 384;
/// The longest text that is read from one file. `/proc/stat` of the largest hosts stays below.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What sysfs gives in one read at most; a shorter read was all there is.
const SYSFS_PAGE: usize = 4096;
/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 65_536;

/// A file that cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot read {path}")]
pub(crate) struct ReadError {
    pub(crate) path: PathBuf,
    #[source]
    pub(crate) source: Arc<io::Error>,
}

impl ReadError {
    /// Whether there is simply no such thing on this host.
    pub(crate) fn is_absent(&self) -> bool {
        // ENODEV and ENXIO: the device behind the file is gone. EINVAL and EOPNOTSUPP: the file
        // is there, the driver has no value for it.
        self.source.kind() == io::ErrorKind::NotFound
            || matches!(self.source.raw_os_error(), Some(6 | 19 | 22 | 95))
    }
}

/// The kernel's files under the configured roots.
pub(crate) struct Files {
    roots: Roots,
    kept: HashMap<PathBuf, File>,
    buffer: Vec<u8>,
}

impl Files {
    pub(crate) fn new(roots: Roots) -> Self {
        Self {
            roots,
            kept: HashMap::new(),
            buffer: vec![0; 16 * 1024],
        }
    }

    pub(crate) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The text of a file of proc, by its path below the mount point.
    pub(crate) fn proc(&mut self, path: &str) -> Result<Cow<'_, str>, ReadError> {
        let full = self.roots.procfs.join(path);
        self.read_kept(full, None)
    }

    /// The text of a file of proc that is read rarely: nothing is kept open for it.
    pub(crate) fn proc_once(&mut self, path: &str) -> Result<Cow<'_, str>, ReadError> {
        let full = self.roots.procfs.join(path);
        self.read_once(full)
    }

    /// The text of an ordinary file of the host, by its absolute path there.
    pub(crate) fn root_once(&mut self, path: &str) -> Result<String, ReadError> {
        let full = self.roots.rootfs.join(path.trim_start_matches('/'));
        self.read_once(full).map(Cow::into_owned)
    }

    /// What udev knows of the block device with that number.
    pub(crate) fn udev_block(&mut self, major: u32, minor: u32) -> Result<String, ReadError> {
        let full = self.roots.udev_data.join(format!("b{major}:{minor}"));
        self.read_once(full).map(Cow::into_owned)
    }

    fn read_once(&mut self, full: PathBuf) -> Result<Cow<'_, str>, ReadError> {
        let read = File::open(&full).and_then(|file| fill(&file, &mut self.buffer, None));
        text(read, &self.buffer, full)
    }

    /// The text of an attribute of sysfs without the white space around it.
    pub(crate) fn sys(&mut self, path: &str) -> Result<String, ReadError> {
        let full = self.roots.sysfs.join(path);
        let text = self.read_kept(full, Some(SYSFS_PAGE))?;
        Ok(text.trim().to_owned())
    }

    /// An attribute of sysfs that is there and is not empty.
    pub(crate) fn sys_text(&mut self, path: &str) -> Option<String> {
        self.sys(path).ok().filter(|text| !text.is_empty())
    }

    /// An attribute of sysfs that is one number.
    pub(crate) fn sys_number<N: FromStr>(&mut self, path: &str) -> Option<N> {
        self.sys(path).ok()?.parse().ok()
    }

    /// The names in a directory of sysfs, in order.
    pub(crate) fn sys_list(&self, path: &str) -> Result<Vec<String>, ReadError> {
        list(&self.roots.sysfs.join(path))
    }

    /// The names in a directory of proc, in order.
    pub(crate) fn proc_list(&self, path: &str) -> Result<Vec<String>, ReadError> {
        list(&self.roots.procfs.join(path))
    }

    /// Whether there is something of that name in sysfs.
    pub(crate) fn sys_exists(&self, path: &str) -> bool {
        self.roots.sysfs.join(path).exists()
    }

    fn read_kept(&mut self, full: PathBuf, page: Option<usize>) -> Result<Cow<'_, str>, ReadError> {
        if let Some(file) = self.kept.get(&full) {
            match fill(file, &mut self.buffer, page) {
                Ok(length) => return text(Ok(length), &self.buffer, full),
                // The device went away, perhaps to come back under the same name.
                Err(_) => drop(self.kept.remove(&full)),
            }
        }
        let file = match File::open(&full) {
            Ok(file) => file,
            Err(error) => return text(Err(error), &self.buffer, full),
        };
        let read = fill(&file, &mut self.buffer, page);
        if read.is_ok() && self.kept.len() < MAX_KEPT {
            self.kept.insert(full.clone(), file);
        }
        text(read, &self.buffer, full)
    }
}

fn text(read: io::Result<usize>, buffer: &[u8], path: PathBuf) -> Result<Cow<'_, str>, ReadError> {
    match read {
        Ok(length) => Ok(String::from_utf8_lossy(&buffer[..length])),
        Err(error) => Err(ReadError {
            path,
            source: Arc::new(error),
        }),
    }
}

/// Reads from the start to the end. `page` is what a single read gives at most: a shorter one
/// needs no second.
fn fill(file: &File, buffer: &mut Vec<u8>, page: Option<usize>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= MAX_BYTES {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "the file is longer than 8 MiB",
                ));
            }
            buffer.resize(length * 2, 0);
        }
        let offset = u64::try_from(length).unwrap_or(u64::MAX);
        match file.read_at(&mut buffer[length..], offset) {
            Ok(0) => return Ok(length),
            Ok(count) => {
                length += count;
                if page.is_some_and(|page| count < page) {
                    return Ok(length);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn list(path: &Path) -> Result<Vec<String>, ReadError> {
    let entries = std::fs::read_dir(path).map_err(|error| ReadError {
        path: path.to_owned(),
        source: Arc::new(error),
    })?;
    let mut names: Vec<String> = entries
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    Ok(names)
}
