use super::CollectError;
use crate::clock;
use crate::family::{Families, Family, Kind};
use crate::host::Host;

const CLOCK_SOURCES: &str = "devices/system/clocksource";

#[expect(
    clippy::unnecessary_wraps,
    reason = "collectors share one signature; there is always a time"
)]
pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    out.single(
        "node_time_seconds",
        "System time in seconds since epoch (1970).",
        Kind::Gauge,
        clock::unix_seconds(host.now()),
    );
    if let Some((zone, offset)) = host.time_zone() {
        out.add(
            "node_time_zone_offset_seconds",
            "System time zone offset in seconds.",
            Kind::Gauge,
        )
        .push(&[("time_zone", &zone)], offset as f64);
    }
    clock_sources(host, out);
    Ok(())
}

fn clock_sources(host: &mut Host, out: &mut Families) {
    let mut available = Family::new(
        "node_time_clocksource_available_info",
        "Available clocksources read from '/sys/devices/system/clocksource'.",
        Kind::Gauge,
    );
    let mut current = Family::new(
        "node_time_clocksource_current_info",
        "Current clocksource read from '/sys/devices/system/clocksource'.",
        Kind::Gauge,
    );
    for entry in host
        .files
        .sys_list(CLOCK_SOURCES)
        .unwrap_or_default()
        .iter()
    {
        let Some(device) = entry.strip_prefix("clocksource") else {
            continue;
        };
        for (family, file) in [
            (&mut available, "available_clocksource"),
            (&mut current, "current_clocksource"),
        ] {
            let text = host
                .files
                .sys_text(&format!("{CLOCK_SOURCES}/{entry}/{file}"));
            for source in text.unwrap_or_default().split_ascii_whitespace() {
                family.push(&[("clocksource", source), ("device", device)], 1.0);
            }
        }
    }
    out.push(available);
    out.push(current);
}
