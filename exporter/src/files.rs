//! Reading the kernel's files. Descriptors are kept and read again from the start, which both
//! proc and sysfs answer with fresh text: opening is most of the cost of a scrape.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Roots;

/// How many descriptors are kept; what goes beyond is opened, read and closed.
const MAX_KEPT: usize = 256;
/// The longest text that is read from one file. `/proc/stat` of the largest hosts stays below.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// What sysfs gives in one read at most; a shorter read was all there is.
const SYSFS_PAGE: usize = 4096;
/// How old the names in a directory of sysfs may be.
const MAX_LIST_AGE: Duration = Duration::from_secs(10);
/// How old a text that hardly ever changes may be.
const MAX_TEXT_AGE: Duration = Duration::from_mins(1);
/// How many texts, and directories, are remembered.
const MAX_REMEMBERED: usize = 4096;
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
    /// What hardly ever changes: settings, and which devices there are.
    texts: HashMap<PathBuf, Remembered<String>>,
    lists: HashMap<PathBuf, Remembered<Vec<String>>>,
    buffer: Vec<u8>,
}

/// What was read, and when.
struct Remembered<T> {
    at: Instant,
    found: Result<Rc<T>, ReadError>,
}

impl Files {
    pub(crate) fn new(roots: Roots) -> Self {
        Self {
            roots,
            kept: HashMap::new(),
            texts: HashMap::new(),
            lists: HashMap::new(),
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
        let read = File::open(&full).and_then(|file| fill(&file, &mut self.buffer, None));
        text(read, &self.buffer, full)
    }

    /// The text of a file of proc that hardly ever changes, as it was a minute ago at most.
    pub(crate) fn proc_rarely(&mut self, path: &str) -> Result<Rc<String>, ReadError> {
        let full = self.roots.procfs.join(path);
        self.read_rarely(full)
    }

    /// The text of an ordinary file of the host by its absolute path there, as it was a minute
    /// ago at most.
    pub(crate) fn root_rarely(&mut self, path: &str) -> Result<Rc<String>, ReadError> {
        let full = self.roots.rootfs.join(path.trim_start_matches('/'));
        self.read_rarely(full)
    }

    /// What udev knew of the block device with that number, a minute ago at most.
    pub(crate) fn udev_block(&mut self, major: u32, minor: u32) -> Result<Rc<String>, ReadError> {
        let full = self.roots.udev_data.join(format!("b{major}:{minor}"));
        self.read_rarely(full)
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

    /// The names in a directory of sysfs, in order, as they were a few seconds ago at most.
    pub(crate) fn sys_list(&mut self, path: &str) -> Result<Rc<Vec<String>>, ReadError> {
        let full = self.roots.sysfs.join(path);
        remembered(&mut self.lists, full, MAX_LIST_AGE, list)
    }

    /// Forgets the names in a directory of sysfs: they are known to have changed.
    pub(crate) fn forget_sys_list(&mut self, path: &str) {
        self.lists.remove(&self.roots.sysfs.join(path));
    }

    /// The names in a directory of proc, in order.
    pub(crate) fn proc_list(&self, path: &str) -> Result<Vec<String>, ReadError> {
        list(&self.roots.procfs.join(path))
    }

    /// Whether there is something of that name in sysfs.
    pub(crate) fn sys_exists(&mut self, path: &str) -> bool {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let names = self.sys_list(directory);
        names.is_ok_and(|names| {
            names
                .binary_search_by(|known| known.as_str().cmp(name))
                .is_ok()
        })
    }

    fn read_rarely(&mut self, full: PathBuf) -> Result<Rc<String>, ReadError> {
        let buffer = &mut self.buffer;
        remembered(&mut self.texts, full, MAX_TEXT_AGE, |path| {
            let read = File::open(path).and_then(|file| fill(&file, buffer, None));
            text(read, buffer, path.to_owned()).map(Cow::into_owned)
        })
    }

    fn read_kept(&mut self, full: PathBuf, page: Option<usize>) -> Result<Cow<'_, str>, ReadError> {
        if let Some(file) = self.kept.get(&full) {
            match fill(file, &mut self.buffer, page) {
                // The device went away, perhaps to come back under the same name.
                Err(error) if is_gone(&error) => drop(self.kept.remove(&full)),
                read => return text(read, &self.buffer, full),
            }
        }
        let file = match File::open(&full) {
            Ok(file) => file,
            Err(error) => return text(Err(error), &self.buffer, full),
        };
        let read = fill(&file, &mut self.buffer, page);
        if self.kept.len() < MAX_KEPT && !read.as_ref().is_err_and(is_gone) {
            self.kept.insert(full.clone(), file);
        }
        text(read, &self.buffer, full)
    }
}

/// Whether what a descriptor stands for is no more; other errors are an answer of the driver.
fn is_gone(error: &io::Error) -> bool {
    // ESRCH, ENXIO, ENODEV and ESTALE.
    matches!(error.raw_os_error(), Some(3 | 6 | 19 | 116))
}

/// What is remembered of a path, read anew if it is too old.
fn remembered<T>(
    memory: &mut HashMap<PathBuf, Remembered<T>>,
    path: PathBuf,
    max_age: Duration,
    read: impl FnOnce(&Path) -> Result<T, ReadError>,
) -> Result<Rc<T>, ReadError> {
    if let Some(known) = memory.get(&path)
        && known.at.elapsed() < max_age
    {
        return known.found.clone();
    }
    let found = read(&path).map(Rc::new);
    if memory.len() >= MAX_REMEMBERED {
        // Names of devices long gone; what is still asked for comes back at once.
        memory.clear();
    }
    let at = Instant::now();
    memory.insert(
        path,
        Remembered {
            at,
            found: found.clone(),
        },
    );
    found
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
