//! What is measured: one collector a subject, one line each in the list below. The names of
//! collectors and families, labels and help texts are those of `node_exporter`, so that its
//! dashboards and rules fit.
//!
//! A collector exposes what it can read. It fails only if it has nothing to say at all.

mod cpu;
mod diskstats;
mod filesystem;
mod hwmon;
mod loadavg;
mod meminfo;
mod netdev;
mod stat;
mod system;
mod uname;
mod vmstat;

use crate::family::Families;
use crate::files::ReadError;
use crate::host::Host;

/// Measures one subject.
pub(crate) trait Collector {
    /// Adds what it finds to `out`. What was added before an error counts.
    fn collect(&mut self, host: &mut Host, out: &mut Families) -> Result<(), CollectError>;
}

/// Most collectors remember nothing between scrapes and are plain functions.
impl<F> Collector for F
where
    F: FnMut(&mut Host, &mut Families) -> Result<(), CollectError>,
{
    fn collect(&mut self, host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
        self(host, out)
    }
}

/// Why a collector has nothing, or not everything, to say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    /// This host has no such thing. Not worth a line in the log.
    #[error("this host has no such data")]
    NoData,
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file holds something else than the kernel documents.
    #[error("{file} does not look as the kernel documents it")]
    Malformed {
        /// The file, below its root.
        file: &'static str,
    },
}

impl CollectError {
    /// Whether there is simply nothing to measure.
    pub(crate) fn is_absence(&self) -> bool {
        match self {
            Self::NoData => true,
            Self::Read(error) => error.is_absent(),
            Self::Malformed { .. } => false,
        }
    }
}

/// A line of the list.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Box<dyn Collector>,
}

impl Entry {
    const fn new(name: &'static str, make: fn() -> Box<dyn Collector>) -> Self {
        Self { name, make }
    }
}

/// Every collector there is.
pub(crate) const ALL: &[Entry] = &[
    Entry::new("cpu", || Box::<cpu::Cpu>::default()),
    Entry::new("diskstats", || Box::new(diskstats::collect)),
    Entry::new("filesystem", || Box::new(filesystem::collect)),
    Entry::new("hwmon", || Box::new(hwmon::collect)),
    Entry::new("loadavg", || Box::new(loadavg::collect)),
    Entry::new("meminfo", || Box::new(meminfo::collect)),
    Entry::new("netdev", || Box::new(netdev::collect)),
    Entry::new("stat", || Box::new(stat::collect)),
    Entry::new("system", || Box::new(system::collect)),
    Entry::new("uname", || Box::new(uname::collect)),
    Entry::new("vmstat", || Box::new(vmstat::collect)),
];
