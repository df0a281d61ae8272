//! What is measured: one collector a subject, one line each in the list below. The names of
//! collectors and families, labels and help texts are those of `node_exporter`, so that its
//! dashboards and rules fit.
//!
//! A collector exposes what it can read. It fails only if it has nothing to say at all.

mod arp;
mod bonding;
mod conntrack;
mod cpu;
mod cpufreq;
mod diskstats;
mod entropy;
mod filefd;
mod filesystem;
mod hwmon;
mod kernel_hung;
mod loadavg;
mod mdadm;
mod meminfo;
mod netclass;
mod netdev;
mod netstat;
mod os;
mod powersupplyclass;
mod pressure;
mod process;
mod processes;
mod schedstat;
mod sockstat;
mod softnet;
mod stat;
mod system;
mod thermal_zone;
mod time;
mod timex;
mod udp_queues;
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
    pub(crate) is_default: bool,
    pub(crate) make: fn() -> Box<dyn Collector>,
}

impl Entry {
    /// A collector that is on unless it is switched off.
    const fn on(name: &'static str, make: fn() -> Box<dyn Collector>) -> Self {
        Self {
            name,
            is_default: true,
            make,
        }
    }

    /// A collector that is on where there are `/proc` and `/sys`.
    const fn linux(name: &'static str, make: fn() -> Box<dyn Collector>) -> Self {
        Self {
            name,
            is_default: cfg!(target_os = "linux"),
            make,
        }
    }

    /// A collector that is off unless it is switched on.
    const fn off(name: &'static str, make: fn() -> Box<dyn Collector>) -> Self {
        Self {
            name,
            is_default: false,
            make,
        }
    }
}

/// Every collector there is.
pub(crate) const ALL: &[Entry] = &[
    Entry::linux("arp", || Box::new(arp::collect)),
    Entry::linux("bonding", || Box::new(bonding::collect)),
    Entry::linux("conntrack", || Box::new(conntrack::collect)),
    Entry::linux("cpu", || Box::<cpu::Cpu>::default()),
    Entry::linux("cpufreq", || Box::new(cpufreq::collect)),
    Entry::linux("diskstats", || Box::new(diskstats::collect)),
    Entry::linux("entropy", || Box::new(entropy::collect)),
    Entry::linux("filefd", || Box::new(filefd::collect)),
    Entry::on("filesystem", || Box::new(filesystem::collect)),
    Entry::linux("hwmon", || Box::new(hwmon::collect)),
    Entry::linux("kernel_hung", || Box::new(kernel_hung::collect)),
    Entry::on("loadavg", || Box::new(loadavg::collect)),
    Entry::linux("mdadm", || Box::new(mdadm::collect)),
    Entry::linux("meminfo", || Box::new(meminfo::collect)),
    Entry::linux("netclass", || Box::new(netclass::collect)),
    Entry::on("netdev", || Box::new(netdev::collect)),
    Entry::linux("netstat", || Box::new(netstat::collect)),
    Entry::linux("os", || Box::new(os::collect)),
    Entry::linux("powersupplyclass", || Box::new(powersupplyclass::collect)),
    Entry::linux("pressure", || Box::new(pressure::collect)),
    Entry::linux("process", || Box::new(process::collect)),
    Entry::off("processes", || Box::new(processes::collect)),
    Entry::linux("schedstat", || Box::new(schedstat::collect)),
    Entry::linux("sockstat", || Box::new(sockstat::collect)),
    Entry::linux("softnet", || Box::new(softnet::collect)),
    Entry::linux("stat", || Box::new(stat::collect)),
    Entry::on("system", || Box::new(system::collect)),
    Entry::linux("thermal_zone", || Box::new(thermal_zone::collect)),
    Entry::on("time", || Box::new(time::collect)),
    Entry::linux("timex", || Box::new(timex::collect)),
    Entry::linux("udp_queues", || Box::new(udp_queues::collect)),
    Entry::on("uname", || Box::new(uname::collect)),
    Entry::linux("vmstat", || Box::new(vmstat::collect)),
];
