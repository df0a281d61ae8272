use std::collections::BTreeSet;

use system_stats_wire::{Load, SystemStats};

use super::one_decimal;
use crate::host::Host;
use crate::kernel::cpuinfo::CpuInfo;
use crate::sampler::History;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    fill_percent(host, stats);
    let info = host.files.proc_once("cpuinfo");
    let info = info.map(|text| CpuInfo::parse(&text)).unwrap_or_default();
    let online = host.stat().ok().map(|stat| stat.cpus.len() as u64);
    stats.cpu.logical_cores = online.filter(|count| *count > 0);
    stats.cpu.physical_cores = cores(host).or(info.cores);
    frequencies(host, &info, stats);
    stats.cpu.processor = info.model;
    let load = host.load().ok().flatten();
    stats.load = load.map(|[one, five, fifteen]| Load { one, five, fifteen });
}

pub(super) fn fill_percent(host: &mut Host, stats: &mut SystemStats) {
    let percent = host.rates(History::cpu_percent);
    stats.cpu.percent = percent.map(one_decimal);
}

/// The processors that sysfs has a directory for, in order.
fn processors(host: &mut Host) -> Vec<String> {
    let names = host
        .files
        .sys_list("devices/system/cpu")
        .unwrap_or_default();
    let is_processor = |name: &&String| {
        name.strip_prefix("cpu")
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    names.iter().filter(is_processor).cloned().collect()
}

/// Threads of one core say the same of who shares it.
fn cores(host: &mut Host) -> Option<u64> {
    let processors = processors(host);
    // The second is the name in kernels before 5.3.
    for attribute in ["core_cpus_list", "thread_siblings_list"] {
        let path = |name| format!("devices/system/cpu/{name}/topology/{attribute}");
        let cores: BTreeSet<String> = processors
            .iter()
            .filter_map(|name| host.files.sys_text(&path(name)))
            .collect();
        if !cores.is_empty() {
            return Some(cores.len() as u64);
        }
    }
    None
}

/// Means over all frequency domains, in MHz; sysfs has kHz.
fn frequencies(host: &mut Host, info: &CpuInfo, stats: &mut SystemStats) {
    let policies = host.files.sys_list("devices/system/cpu/cpufreq");
    let mut domains: Vec<String> = policies
        .unwrap_or_default()
        .iter()
        .filter(|name| name.starts_with("policy"))
        .map(|name| format!("devices/system/cpu/cpufreq/{name}"))
        .collect();
    if domains.is_empty() {
        domains = processors(host)
            .into_iter()
            .map(|name| format!("devices/system/cpu/{name}/cpufreq"))
            .filter(|path| host.files.sys_exists(path))
            .collect();
    }
    let mut collect = |attributes: &[&str]| -> Vec<f64> {
        let khz = |domain: &String| {
            attributes.iter().find_map(|attribute| {
                host.files
                    .sys_number::<f64>(&format!("{domain}/{attribute}"))
            })
        };
        domains
            .iter()
            .filter_map(khz)
            .map(|khz| khz / 1000.0)
            .collect()
    };
    let lowest = collect(&["scaling_min_freq"]);
    let highest = collect(&["scaling_max_freq"]);
    // The kernel has measured what cpuinfo shows; asking cpufreq may wake processors up.
    let current = if info.mhz.is_empty() || (!domains.is_empty() && info.mhz.len() != domains.len())
    {
        collect(&["scaling_cur_freq", "cpuinfo_cur_freq"])
    } else {
        info.mhz.clone()
    };
    stats.cpu.frequency_mhz = mean(&current);
    stats.cpu.min_frequency_mhz = mean(&lowest);
    stats.cpu.max_frequency_mhz = mean(&highest);
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
