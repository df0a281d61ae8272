use std::collections::{BTreeMap, BTreeSet};

use super::{CollectError, Collector};
use crate::family::{Families, Kind};
use crate::host::Host;
use crate::kernel::stat::{CpuTimes, TICKS_PER_SECOND};

/// Idle time that runs backwards by this much or more means that the processor was taken out and
/// put back; less is an error of the kernel's accounting.
const HOTPLUG_TICKS: u64 = 300;

/// Remembers what each processor said, because its counters may run backwards a little.
#[derive(Default)]
pub(super) struct Cpu {
    known: BTreeMap<u32, CpuTimes>,
}

impl Collector for Cpu {
    fn collect(&mut self, host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
        let stat = host.stat()?;
        if stat.cpus.is_empty() {
            return Err(CollectError::Malformed { file: "stat" });
        }
        for (number, times) in &stat.cpus {
            let known = self.known.entry(*number).or_default();
            *known = forward(known, times);
        }
        self.known
            .retain(|number, _| stat.cpus.iter().any(|(present, _)| present == number));
        self.times(out);
        isolated(host, out);
        throttles(host, out);
        Ok(())
    }
}

impl Cpu {
    fn times(&self, out: &mut Families) {
        let family = out.add(
            "node_cpu_seconds_total",
            "Seconds the CPUs spent in each mode.",
            Kind::Counter,
        );
        for (number, times) in &self.known {
            let cpu = number.to_string();
            for (mode, ticks) in [
                ("idle", times.idle),
                ("iowait", times.iowait),
                ("irq", times.irq),
                ("nice", times.nice),
                ("softirq", times.softirq),
                ("steal", times.steal),
                ("system", times.system),
                ("user", times.user),
            ] {
                family.push(&[("cpu", &cpu), ("mode", mode)], seconds(ticks));
            }
        }
        let family = out.add(
            "node_cpu_guest_seconds_total",
            "Seconds the CPUs spent in guests (VMs) for each mode.",
            Kind::Counter,
        );
        for (number, times) in &self.known {
            let cpu = number.to_string();
            family.push(
                &[("cpu", &cpu), ("mode", "nice")],
                seconds(times.guest_nice),
            );
            family.push(&[("cpu", &cpu), ("mode", "user")], seconds(times.guest));
        }
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

/// What is exposed after `now` was read: never less than before, unless the processor is new.
fn forward(known: &CpuTimes, now: &CpuTimes) -> CpuTimes {
    if known.idle.saturating_sub(now.idle) >= HOTPLUG_TICKS {
        return *now;
    }
    CpuTimes {
        user: known.user.max(now.user),
        nice: known.nice.max(now.nice),
        system: known.system.max(now.system),
        idle: known.idle.max(now.idle),
        iowait: known.iowait.max(now.iowait),
        irq: known.irq.max(now.irq),
        softirq: known.softirq.max(now.softirq),
        steal: known.steal.max(now.steal),
        guest: known.guest.max(now.guest),
        guest_nice: known.guest_nice.max(now.guest_nice),
    }
}

/// Processors that the scheduler leaves alone, a list like `1,4-6`.
fn isolated(host: &mut Host, out: &mut Families) {
    let Some(list) = host.files.sys_text("devices/system/cpu/isolated") else {
        return;
    };
    let family = out.add(
        "node_cpu_isolated",
        "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
        Kind::Gauge,
    );
    for cpu in parse_list(&list) {
        family.push(&[("cpu", &cpu.to_string())], 1.0);
    }
}

/// A list of numbers and ranges as sysfs writes it; what makes no sense is left out.
fn parse_list(text: &str) -> BTreeSet<u32> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part
            .trim()
            .split_once('-')
            .unwrap_or((part.trim(), part.trim()));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            // No kernel has more processors than this.
            numbers.extend((first..=last).take(8_192));
        }
    }
    numbers
}

/// How often cores and packages were slowed down for their heat; x86 only.
fn throttles(host: &mut Host, out: &mut Families) {
    let directory = "devices/system/cpu";
    let mut packages: BTreeMap<u64, u64> = BTreeMap::new();
    let mut cores: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for name in host.files.sys_list(directory).unwrap_or_default().iter() {
        let is_cpu = name
            .strip_prefix("cpu")
            .is_some_and(|rest| rest.parse::<u32>().is_ok());
        if !is_cpu
            || !host
                .files
                .sys_exists(&format!("{directory}/{name}/thermal_throttle"))
        {
            continue;
        }
        let mut number = |file: &str| {
            host.files
                .sys_number::<u64>(&format!("{directory}/{name}/{file}"))
        };
        let Some(package) = number("topology/physical_package_id") else {
            continue;
        };
        if let Some(core) = number("topology/core_id")
            && let Some(count) = number("thermal_throttle/core_throttle_count")
        {
            cores.entry((package, core)).or_insert(count);
        }
        if let Some(count) = number("thermal_throttle/package_throttle_count") {
            packages.entry(package).or_insert(count);
        }
    }
    let family = out.add(
        "node_cpu_core_throttles_total",
        "Number of times this CPU core has been throttled.",
        Kind::Counter,
    );
    for ((package, core), count) in cores {
        let labels = [("core", core.to_string()), ("package", package.to_string())];
        family.push(
            &labels
                .each_ref()
                .map(|(name, value)| (*name, value.as_str())),
            count as f64,
        );
    }
    let family = out.add(
        "node_cpu_package_throttles_total",
        "Number of times this CPU package has been throttled.",
        Kind::Counter,
    );
    for (package, count) in packages {
        family.push(&[("package", &package.to_string())], count as f64);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn idle(ticks: u64) -> CpuTimes {
        CpuTimes {
            idle: ticks,
            user: ticks / 2,
            ..CpuTimes::default()
        }
    }

    #[test]
    fn a_small_jump_back_holds_and_a_large_one_resets() {
        assert_eq!(forward(&idle(1_000), &idle(1_100)), idle(1_100));
        assert_eq!(forward(&idle(1_000), &idle(701)), idle(1_000));
        assert_eq!(forward(&idle(1_000), &idle(700)), idle(700));
    }

    #[test]
    fn lists_have_numbers_and_ranges() {
        let numbers: Vec<u32> = parse_list("1,4-6,x,9-").into_iter().collect();
        assert_eq!(numbers, [1, 4, 5, 6]);
    }

    proptest! {
        #[test]
        fn any_list_is_parsed(text in "[0-9,-]{0,24}|.*") {
            parse_list(&text);
        }
    }
}
