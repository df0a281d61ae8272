//! One host as seen during one scrape: every file is read and parsed at most once, so that all
//! who ask - collectors and `/system` - speak of the same numbers.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::adjtimex::{self, Timex};
use crate::clock;
use crate::config::Config;
use crate::files::{Files, ReadError};
use crate::hwmon::{self, Chip};
use crate::interfaces::{self, Interface};
use crate::kernel::diskstats::{self, DiskStats};
use crate::kernel::loadavg;
use crate::kernel::meminfo::MemInfo;
use crate::kernel::net_dev::{self, LinkStats};
use crate::kernel::stat::Stat;
use crate::local_time;
use crate::mounts::{self, Filesystem};
use crate::netlink::{Ipv4, Link, Netlink};
use crate::processes::{ProcessReader, ProcessTable};
use crate::sampler::{History, Reading};
use crate::statfs::{Asker, Unanswered, Usage};

/// How old the process table may be for a scrape, which comes often. `/system` gets a new one.
const PROCESS_TABLE_AGE: Duration = Duration::from_secs(1);

/// What a scrape reads from.
pub(crate) struct Host {
    pub(crate) config: Arc<Config>,
    pub(crate) files: Files,
    asker: Asker,
    netlink: Netlink,
    /// Whether the roots show the machine that this runs on, so that system calls tell the same.
    pub(crate) is_live: bool,
    #[cfg(not(target_os = "linux"))]
    pub(crate) portable: crate::portable::Portable,
    history: Arc<Mutex<History>>,
    clock: fn() -> SystemTime,
    processes: Option<(Instant, Rc<ProcessTable>)>,
    process_reader: ProcessReader,
    properties: interfaces::Properties,
    /// The devices that the last `/proc/diskstats` named.
    disk_names: Vec<String>,
    read: Memo,
}

/// What has been read since the scrape began.
#[derive(Default)]
struct Memo {
    stat: OnceCell<Result<Rc<Stat>, ReadError>>,
    meminfo: OnceCell<Result<Rc<MemInfo>, ReadError>>,
    disks: OnceCell<Result<Rc<Vec<DiskStats>>, ReadError>>,
    links: OnceCell<Result<Rc<Vec<LinkStats>>, ReadError>>,
    netlink: OnceCell<Option<Rc<Vec<Link>>>>,
    interfaces: OnceCell<Result<Rc<Vec<Interface>>, ReadError>>,
    filesystems: OnceCell<Result<Rc<Vec<Filesystem>>, ReadError>>,
    chips: OnceCell<Result<Rc<Vec<Chip>>, ReadError>>,
    reading: OnceCell<Rc<Reading>>,
}

/// Reads once: from the memo if it is there, else by the expression.
macro_rules! once {
    ($self:ident . $slot:ident, $read:expr) => {{
        if let Some(known) = $self.read.$slot.get() {
            return known.clone();
        }
        let value = $read.map(Rc::new);
        $self.read.$slot.get_or_init(|| value).clone()
    }};
}

impl Host {
    pub(crate) fn new(config: Arc<Config>, history: Arc<Mutex<History>>) -> Self {
        Self {
            files: Files::new(config.roots.clone()),
            netlink: Netlink::default(),
            is_live: is_live(&config.roots.procfs),
            #[cfg(not(target_os = "linux"))]
            portable: crate::portable::Portable::new(),
            config,
            asker: Asker::new(),
            history,
            clock: clock::now,
            processes: None,
            process_reader: ProcessReader::default(),
            properties: interfaces::Properties::default(),
            disk_names: Vec::new(),
            read: Memo::default(),
        }
    }

    /// A host whose file systems and clock are the test's.
    #[cfg(test)]
    pub(crate) fn with(
        config: Arc<Config>,
        ask: fn(&Path) -> std::io::Result<Usage>,
        clock: fn() -> SystemTime,
    ) -> Self {
        Self {
            asker: Asker::with(ask, Duration::from_mins(1)),
            clock,
            ..Self::new(config, Arc::default())
        }
    }

    /// Forgets what was read: a new scrape begins.
    pub(crate) fn begin(&mut self) {
        self.read = Memo::default();
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    pub(crate) fn stat(&mut self) -> Result<Rc<Stat>, ReadError> {
        once!(
            self.stat,
            self.files.proc("stat").map(|text| Stat::parse(&text))
        )
    }

    pub(crate) fn meminfo(&mut self) -> Result<Rc<MemInfo>, ReadError> {
        once!(
            self.meminfo,
            self.files.proc("meminfo").map(|text| MemInfo::parse(&text))
        )
    }

    pub(crate) fn disks(&mut self) -> Result<Rc<Vec<DiskStats>>, ReadError> {
        once!(
            self.disks,
            self.files
                .proc("diskstats")
                .map(|text| diskstats::parse(&text))
        )
    }

    pub(crate) fn links(&mut self) -> Result<Rc<Vec<LinkStats>>, ReadError> {
        once!(self.links, self.read_links())
    }

    fn read_links(&mut self) -> Result<Vec<LinkStats>, ReadError> {
        if let Some(links) = self.netlink() {
            return Ok(links.iter().map(|link| link.stats.clone()).collect());
        }
        let links = self.files.proc("net/dev").map(|text| net_dev::parse(&text));
        #[cfg(not(target_os = "linux"))]
        let links = links.or_else(|_| Ok(self.portable.links()));
        links
    }

    fn read_filesystems(&mut self) -> Result<Vec<Filesystem>, ReadError> {
        let filesystems = mounts::read(&mut self.files, &mut self.asker);
        #[cfg(not(target_os = "linux"))]
        let filesystems = filesystems.or_else(|_| Ok(self.portable.filesystems(&mut self.asker)));
        filesystems
    }

    /// The load averages over 1, 5 and 15 minutes; `None` if there is something else.
    pub(crate) fn load(&mut self) -> Result<Option<[f64; 3]>, ReadError> {
        let load = self.files.proc("loadavg").map(|text| loadavg::parse(&text));
        #[cfg(not(target_os = "linux"))]
        let load = load.or_else(|_| Ok(crate::portable::Portable::load()));
        load
    }

    /// Seconds since 1970 at boot.
    pub(crate) fn boot_time(&mut self) -> Option<u64> {
        let boot_time = self.stat().ok().and_then(|stat| stat.boot_time);
        #[cfg(not(target_os = "linux"))]
        let boot_time = boot_time.or_else(crate::portable::Portable::boot_time);
        boot_time
    }

    /// All interfaces with their attributes; `None` if the kernel cannot be asked.
    pub(crate) fn netlink(&mut self) -> Option<Rc<Vec<Link>>> {
        if let Some(known) = self.read.netlink.get() {
            return known.clone();
        }
        let links = if self.is_live {
            self.netlink.links().ok()
        } else {
            None
        };
        self.read.netlink.get_or_init(|| links.map(Rc::new)).clone()
    }

    /// All interfaces with their properties.
    pub(crate) fn interfaces(&mut self) -> Result<Rc<Vec<Interface>>, ReadError> {
        once!(self.interfaces, self.read_interfaces())
    }

    fn read_interfaces(&mut self) -> Result<Vec<Interface>, ReadError> {
        match self.netlink() {
            Some(links) => Ok(self.properties.of(&mut self.files, &links)),
            None => interfaces::from_sysfs(&mut self.files),
        }
    }

    /// The first IPv4 address of an interface.
    pub(crate) fn ipv4_of(&mut self, interface: &str) -> Option<Ipv4> {
        let links = self.netlink()?;
        let link = links.iter().find(|link| link.stats.name == interface)?;
        let addresses = self.netlink.ipv4().ok()?;
        addresses
            .into_iter()
            .find(|address| address.link == link.index)
    }

    /// The names of the running kernel, or of the one that the roots show.
    pub(crate) fn uname(&mut self) -> Uname {
        if self.is_live {
            return Uname::of_this_host();
        }
        let mut word = |file: &str| {
            let text = self.files.proc_rarely(&format!("sys/kernel/{file}"));
            text.map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        Uname {
            sysname: word("ostype"),
            release: word("osrelease"),
            version: word("version"),
            machine: word("arch"),
            nodename: word("hostname"),
            domainname: word("domainname"),
        }
    }

    /// How far the clock is off in seconds, as far as the kernel knows.
    pub(crate) fn clock_offset(&self) -> Option<f64> {
        Some(self.timex()?.offset_seconds)
    }

    /// What the kernel knows of its clock; `None` if the roots show another machine.
    pub(crate) fn timex(&self) -> Option<Timex> {
        if self.is_live {
            adjtimex::read().ok()
        } else {
            None
        }
    }

    /// The time zone's abbreviation and its offset from UTC in seconds; `None` if the roots show
    /// another machine.
    pub(crate) fn time_zone(&self) -> Option<(String, i64)> {
        if !self.is_live {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seconds since 1970 fit in 64 bits for as long as there is a sun"
        )]
        let seconds = clock::unix_seconds(self.now()) as i64;
        local_time::zone(seconds)
    }

    /// The mounted file systems that hold data, with their sizes.
    pub(crate) fn filesystems(&mut self) -> Result<Rc<Vec<Filesystem>>, ReadError> {
        once!(self.filesystems, self.read_filesystems())
    }

    pub(crate) fn chips(&mut self) -> Result<Rc<Vec<Chip>>, ReadError> {
        once!(self.chips, hwmon::read(&mut self.files))
    }

    /// The size of the file system that holds a path of the host.
    pub(crate) fn usage(&mut self, path: &Path) -> Result<Usage, Unanswered> {
        // Mount points have been asked already; what was mounted last lies on top.
        if let Ok(filesystems) = self.filesystems()
            && let Some(known) = filesystems
                .iter()
                .rev()
                .find(|filesystem| Path::new(&filesystem.mount.mountpoint) == path)
        {
            return known.usage.clone();
        }
        let path = mounts::below(&self.files.roots().rootfs, path);
        self.asker.usage(&path)
    }

    /// All processes, as they were at most a second ago.
    pub(crate) fn recent_processes(&mut self) -> Option<Rc<ProcessTable>> {
        match &self.processes {
            Some((at, table)) if at.elapsed() < PROCESS_TABLE_AGE => Some(Rc::clone(table)),
            _ => self.processes(),
        }
    }

    /// All processes, as they are now.
    pub(crate) fn processes(&mut self) -> Option<Rc<ProcessTable>> {
        let table = self.process_reader.read(&self.files).ok();
        #[cfg(not(target_os = "linux"))]
        let table = table.or_else(|| self.portable.processes());
        // This process is one of them: an empty table means that it cannot be seen.
        let table = Rc::new(table.filter(|table| table.pids > 0)?);
        self.processes = Some((Instant::now(), Rc::clone(&table)));
        Some(table)
    }

    /// The counters that rates are made of.
    pub(crate) fn reading(&mut self) -> Rc<Reading> {
        if let Some(known) = self.read.reading.get() {
            return Rc::clone(known);
        }
        let cpu = self.stat().ok().and_then(|stat| stat.total);
        let whole_disks = self.whole_disks();
        let sum =
            |get: fn(&DiskStats) -> u64| whole_disks.iter().map(get).fold(0, u64::saturating_add);
        let disk = (!whole_disks.is_empty())
            .then(|| (sum(DiskStats::read_bytes), sum(DiskStats::written_bytes)));
        let links = self.links().unwrap_or_default();
        let reading = Reading {
            at: Instant::now(),
            cpu,
            disk,
            links: links
                .iter()
                .map(|link| (link.name.clone(), link.receive.bytes, link.transmit.bytes))
                .collect(),
        };
        Rc::clone(self.read.reading.get_or_init(|| Rc::new(reading)))
    }

    /// The statistics of whole disks, without their partitions: what `/sys/block` names.
    pub(crate) fn whole_disks(&mut self) -> Vec<DiskStats> {
        let Ok(disks) = self.disks() else {
            return Vec::new();
        };
        let names = disks.iter().map(|disk| &disk.device);
        if !names.clone().eq(&self.disk_names) {
            self.disk_names = names.cloned().collect();
            self.files.forget_sys_list("block");
        }
        let whole = |disk: &&DiskStats| {
            // A slash in a device's name is an exclamation mark in sysfs.
            let name = disk.device.replace('/', "!");
            self.files.sys_exists(&format!("block/{name}"))
        };
        disks.iter().filter(whole).cloned().collect()
    }

    /// Keeps the current reading for rates to come.
    pub(crate) fn sample(&mut self) {
        self.begin();
        #[cfg(not(target_os = "linux"))]
        self.portable.sample();
        let reading = self.reading();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push(Reading::clone(&reading));
    }

    /// Asks the history with the current reading.
    pub(crate) fn rates<T>(&mut self, ask: impl FnOnce(&History, &Reading) -> T) -> T {
        let reading = self.reading();
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&history, &reading)
    }
}

/// The names that `uname(2)` has for the kernel and its host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uname {
    pub(crate) sysname: String,
    pub(crate) release: String,
    pub(crate) version: String,
    pub(crate) machine: String,
    pub(crate) nodename: String,
    pub(crate) domainname: String,
}

impl Uname {
    fn of_this_host() -> Self {
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        Self {
            sysname: text(uname.sysname()),
            release: text(uname.release()),
            version: text(uname.version()),
            machine: text(uname.machine()),
            nodename: text(uname.nodename()),
            #[cfg(target_os = "linux")]
            domainname: text(uname.domainname()),
            #[cfg(not(target_os = "linux"))]
            domainname: String::new(),
        }
    }
}

/// Whether a directory is the proc of a running kernel and not a copy (`PROC_SUPER_MAGIC`).
#[cfg(target_os = "linux")]
fn is_live(procfs: &Path) -> bool {
    rustix::fs::statfs(procfs).is_ok_and(|stat| stat.f_type == 0x9fa0)
}

/// Where the kernel is not Linux there are no roots to choose.
#[cfg(not(target_os = "linux"))]
fn is_live(_: &Path) -> bool {
    true
}
