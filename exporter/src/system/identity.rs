use system_stats_wire::{Identity, SystemStats, TimeDrift};

use crate::host::Host;

pub(super) fn fill(host: &mut Host, stats: &mut SystemStats) {
    let uname = host.uname();
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    stats.system = Identity {
        hostname: known(&uname.nodename),
        os: known(&uname.sysname),
        os_release: known(&uname.release),
        os_version: known(&uname.version),
        architecture: known(&uname.machine),
        platform: known(&format!(
            "{}-{}-{}",
            uname.sysname, uname.release, uname.machine
        )),
        model: model(host),
    };
    stats.time_drift = TimeDrift {
        drift_seconds: host.clock_offset(),
    };
}

fn model(host: &mut Host) -> Option<String> {
    let product = host.files.sys_text("class/dmi/id/product_name");
    // The device tree's strings end with a zero byte.
    product.or_else(|| {
        let text = host.files.proc_rarely("device-tree/model").ok()?;
        let text = text.trim_matches(['\0', ' ', '\n']);
        (!text.is_empty()).then(|| text.to_owned())
    })
}
