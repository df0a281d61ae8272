use super::CollectError;
use crate::adjtimex::Timex;
use crate::family::{Families, Kind};
use crate::host::Host;

type Get = fn(&Timex) -> f64;

const FAMILIES: &[(&str, &str, Kind, Get)] = &[
    (
        "node_timex_offset_seconds",
        "Time offset in between local system and reference clock.",
        Kind::Gauge,
        |timex| timex.offset_seconds,
    ),
    (
        "node_timex_frequency_adjustment_ratio",
        "Local clock frequency adjustment.",
        Kind::Gauge,
        |timex| timex.frequency_ratio,
    ),
    (
        "node_timex_maxerror_seconds",
        "Maximum error in seconds.",
        Kind::Gauge,
        |timex| timex.max_error_seconds,
    ),
    (
        "node_timex_estimated_error_seconds",
        "Estimated error in seconds.",
        Kind::Gauge,
        |timex| timex.estimated_error_seconds,
    ),
    (
        "node_timex_status",
        "Value of the status array bits.",
        Kind::Gauge,
        |timex| f64::from(timex.status),
    ),
    (
        "node_timex_loop_time_constant",
        "Phase-locked loop time constant.",
        Kind::Gauge,
        |timex| timex.loop_time_constant,
    ),
    (
        "node_timex_tick_seconds",
        "Seconds between clock ticks.",
        Kind::Gauge,
        |timex| timex.tick_seconds,
    ),
    (
        "node_timex_pps_frequency_hertz",
        "Pulse per second frequency.",
        Kind::Gauge,
        |timex| timex.pps_frequency_hertz,
    ),
    (
        "node_timex_pps_jitter_seconds",
        "Pulse per second jitter.",
        Kind::Gauge,
        |timex| timex.pps_jitter_seconds,
    ),
    (
        "node_timex_pps_shift_seconds",
        "Pulse per second interval duration.",
        Kind::Gauge,
        |timex| timex.pps_shift_seconds,
    ),
    (
        "node_timex_pps_stability_hertz",
        "Pulse per second stability, average of recent frequency changes.",
        Kind::Gauge,
        |timex| timex.pps_stability_hertz,
    ),
    (
        "node_timex_pps_jitter_total",
        "Pulse per second count of jitter limit exceeded events.",
        Kind::Counter,
        |timex| timex.pps_jitter_count,
    ),
    (
        "node_timex_pps_calibration_total",
        "Pulse per second count of calibration intervals.",
        Kind::Counter,
        |timex| timex.pps_calibration_count,
    ),
    (
        "node_timex_pps_error_total",
        "Pulse per second count of calibration errors.",
        Kind::Counter,
        |timex| timex.pps_error_count,
    ),
    (
        "node_timex_pps_stability_exceeded_total",
        "Pulse per second count of stability limit exceeded events.",
        Kind::Counter,
        |timex| timex.pps_stability_count,
    ),
    (
        "node_timex_tai_offset_seconds",
        "International Atomic Time (TAI) offset.",
        Kind::Gauge,
        |timex| f64::from(timex.tai_offset_seconds),
    ),
    (
        "node_timex_sync_status",
        "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
        Kind::Gauge,
        |timex| f64::from(u8::from(timex.is_synchronized)),
    ),
];

pub(super) fn collect(host: &mut Host, out: &mut Families) -> Result<(), CollectError> {
    let timex = host.timex().ok_or(CollectError::NoData)?;
    for (name, help, kind, get) in FAMILIES {
        out.single(*name, *help, *kind, get(&timex));
    }
    Ok(())
}
