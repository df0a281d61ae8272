use system_stats_wire::{Memory, Swap, SystemStats};

use super::one_decimal;
use crate::host::Host;
use crate::kernel::meminfo::MemInfo;

/// What psutil takes a page of swap for, whatever the processor's pages are.
const SWAP_PAGE: u64 = 4096;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    let Ok(info) = host.meminfo() else { return };
    stats.memory = memory(&info);
    stats.swap = swap(&info);
    let Ok(text) = host.files.proc("vmstat") else {
        return;
    };
    let pages = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(' ')?.parse().ok()
    };
    let bytes = |name: &str| pages(name).map(|count: u64| count.saturating_mul(SWAP_PAGE));
    stats.swap.sin = bytes("pswpin");
    stats.swap.sout = bytes("pswpout");
}

fn memory(info: &MemInfo) -> Memory {
    let (Some(total), Some(free)) = (info.get("MemTotal"), info.get("MemFree")) else {
        return Memory::default();
    };
    let or_zero = |name: &str| info.get(name).unwrap_or(0);
    let buffers = or_zero("Buffers");
    let cached = or_zero("Cached").saturating_add(or_zero("SReclaimable"));
    let unused = free.saturating_add(cached).saturating_add(buffers);
    // Containers may show more cache than memory.
    let used = total
        .checked_sub(unused)
        .unwrap_or_else(|| total.saturating_sub(free));
    // Before 3.14 the kernel made no estimate; in containers it may exceed the total.
    let estimate = info.get("MemAvailable").unwrap_or(unused);
    let available = if estimate > total { free } else { estimate };
    Memory {
        total: Some(total),
        available: Some(available),
        used: Some(used),
        free: Some(free),
        percent: Some(percent(total.saturating_sub(available), total)),
        active: Some(or_zero("Active")),
        inactive: Some(or_zero("Inactive")),
        buffers: Some(buffers),
        cached: Some(cached),
        shared: Some(or_zero("Shmem")),
        slab: Some(or_zero("Slab")),
        wired: None,
    }
}

fn swap(info: &MemInfo) -> Swap {
    let (Some(total), Some(free)) = (info.get("SwapTotal"), info.get("SwapFree")) else {
        return Swap::default();
    };
    let used = total.saturating_sub(free);
    Swap {
        total: Some(total),
        used: Some(used),
        free: Some(free),
        percent: Some(percent(used, total)),
        sin: None,
        sout: None,
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    one_decimal(part as f64 / whole as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_is_what_neither_caches_nor_buffers_hold() {
        let text = "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\n\
                    Cached: 300 kB\nSReclaimable: 50 kB\n";
        let memory = memory(&MemInfo::parse(text));
        assert_eq!(memory.used, Some(400 * 1024));
        assert_eq!(memory.percent, Some(40.0));
        assert_eq!(memory.cached, Some(350 * 1024));
        assert_eq!(memory.slab, Some(0));
    }

    #[test]
    fn odd_containers_stay_within_bounds() {
        let text = "MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 900 kB\nCached: 500 kB\n";
        let memory = memory(&MemInfo::parse(text));
        assert_eq!(memory.used, Some(60 * 1024));
        assert_eq!(memory.available, Some(40 * 1024));
    }

    #[test]
    fn no_swap_is_zero_percent() {
        let none = swap(&MemInfo::parse("SwapTotal: 0 kB\nSwapFree: 0 kB\n"));
        assert_eq!(none.percent, Some(0.0));
        assert_eq!(swap(&MemInfo::default()), Swap::default());
    }
}
