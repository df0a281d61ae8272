use super::CollectError;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

const CPUS: &str = "devices/system/cpu";

/// Attribute, name and help text; the kernel has kHz (`Documentation/admin-guide/pm/cpufreq.rst`).
const FREQUENCIES: [(&str, &str, &str); 6] = [
    (
        "cpuinfo_cur_freq",
        "node_cpu_frequency_hertz",
        "Current CPU thread frequency in hertz.",
    ),
    (
        "cpuinfo_min_freq",
        "node_cpu_frequency_min_hertz",
        "Minimum CPU thread frequency in hertz.",
    ),
    (
        "cpuinfo_max_freq",
        "node_cpu_frequency_max_hertz",
        "Maximum CPU thread frequency in hertz.",
    ),
    (
        "scaling_cur_freq",
        "node_cpu_scaling_frequency_hertz",
        "Current scaled CPU thread frequency in hertz.",
    ),
    (
        "scaling_min_freq",
        "node_cpu_scaling_frequency_min_hertz",
        "Minimum scaled CPU thread frequency in hertz.",
    ),
    (
        "scaling_max_freq",
        "node_cpu_scaling_frequency_max_hertz",
        "Maximum scaled CPU thread frequency in hertz.",
    ),
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let mut families = FREQUENCIES.map(|(_, name, help)| Family::new(name, help, Kind::Gauge));
    let mut governors = Family::new(
        "node_cpu_scaling_governor",
        "Current enabled CPU frequency governor.",
        Kind::Gauge,
    );
    for entry in host.files.sys_list(CPUS)?.iter() {
        let Some(cpu) = entry.strip_prefix("cpu") else {
            continue;
        };
        let directory = format!("{CPUS}/{entry}/cpufreq");
        if cpu.parse::<u32>().is_err() || !host.files.sys_exists(&directory) {
            continue;
        }
        for (family, (attribute, _, _)) in families.iter_mut().zip(FREQUENCIES) {
            let khz = host
                .files
                .sys_number::<u64>(&format!("{directory}/{attribute}"));
            if let Some(khz) = khz {
                family.push(&[("cpu", cpu)], khz as f64 * 1000.0);
            }
        }
        let current = host
            .files
            .sys_text(&format!("{directory}/scaling_governor"));
        let available = host
            .files
            .sys_text(&format!("{directory}/scaling_available_governors"));
        let (Some(current), Some(available)) = (current, available) else {
            continue;
        };
        for governor in available.split_ascii_whitespace() {
            let value = f64::from(u8::from(governor == current));
            governors.push(&[("cpu", cpu), ("governor", governor)], value);
        }
    }
    for family in families {
        out.push(family);
    }
    out.push(governors);
    Ok(())
}
