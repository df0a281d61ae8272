//! What the kernel prints, parsed: one module a file of proc, pure functions from text to
//! values. A line that makes no sense is left out; the rest of the file counts. The shapes are
//! those of the kernel's `Documentation/filesystems/proc.rst` unless a module says otherwise.

pub(crate) mod arp;
pub(crate) mod conntrack;
pub(crate) mod cpuinfo;
pub(crate) mod diskstats;
pub(crate) mod loadavg;
pub(crate) mod mdstat;
pub(crate) mod meminfo;
pub(crate) mod mountinfo;
pub(crate) mod net_dev;
pub(crate) mod netstat;
pub(crate) mod os_release;
pub(crate) mod pid_stat;
pub(crate) mod pressure;
pub(crate) mod route;
pub(crate) mod schedstat;
pub(crate) mod sockstat;
pub(crate) mod softnet;
pub(crate) mod stat;
pub(crate) mod udev;
pub(crate) mod udp;
