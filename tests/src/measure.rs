//! What a program costs: processor time, bytes written, memory.

mod feed;
mod table;

use std::fs;
use std::time::Duration;

pub use feed::{Feed, Shape, open};
pub use table::{Row, Table, quantile};

/// A tick of the kernel's accounting: a hundredth of a second on every Linux there is.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used since it began, and what it has now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time of all threads, in user and in kernel mode.
    pub cpu: Duration,
    /// Bytes that it had the kernel write to disks.
    pub written: u64,
    /// Bytes in memory, without those that are files.
    pub resident: u64,
    /// The most bytes that were in memory, files included, since [`forget_peak`] or the beginning.
    pub peak: u64,
}

/// Begins anew to look for the most memory that a process of this user has.
pub fn forget_peak(process: &str) {
    let path = format!("/proc/{process}/clear_refs");
    fs::write(&path, "5").unwrap_or_else(|e| panic!("{path}: {e}"));
}

impl Usage {
    /// Of this process.
    pub fn own() -> Self {
        Self::of("self")
    }

    /// Of a process by its id.
    pub fn of(process: &str) -> Self {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
        };
        let (stat, status) = (read("stat"), read("status"));
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let field = |at: usize| -> u32 {
            let field = after_name.split_whitespace().nth(at);
            field.and_then(|field| field.parse().ok()).unwrap_or(0)
        };
        Self {
            cpu: (field(11) + field(12)) * TICK,
            written: value(&read("io"), "write_bytes:"),
            resident: value(&status, "RssAnon:") * 1024,
            peak: value(&status, "VmHWM:") * 1024,
        }
    }

    /// What was used since `before`; memory is what was added, the peak what it is now.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            written: self.written.saturating_sub(before.written),
            resident: self.resident.saturating_sub(before.resident),
            peak: self.peak,
        }
    }
}

fn value(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
