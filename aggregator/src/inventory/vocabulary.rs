//! The gauges by which every host is described, whatever way it arrives, and the blocks of a
//! device's sample that they come from.

/// CPU usage, 0 to 100. One sample of it is one reading.
pub const CPU: &str = "system_cpu_usage_percent";
/// Memory in use, 0 to 100.
pub const MEMORY: &str = "system_memory_usage_percent";
/// Swap in use, 0 to 100.
pub const SWAP: &str = "system_swap_usage_percent";
/// Space in use, 0 to 100, one series per `mountpoint`.
pub const DISK: &str = "system_disk_usage_percent";
/// Inodes in use, 0 to 100, one series per `mountpoint`.
pub const INODES: &str = "system_disk_inodes_usage_percent";
/// Bytes read from all disks per second.
pub const DISK_READ: &str = "system_disk_read_bytes_per_second";
/// Bytes written to all disks per second.
pub const DISK_WRITTEN: &str = "system_disk_written_bytes_per_second";
/// Degrees Celsius, one series per `chip` and `sensor`.
pub const TEMPERATURE: &str = "system_temperature_celsius";
/// The degrees above which a sensor is too hot.
pub const TEMPERATURE_HIGH: &str = "system_temperature_high_celsius";
/// By how much the host's clock is wrong.
pub const TIME_DRIFT: &str = "system_time_drift_seconds";
/// Bytes received, one series per `device`.
pub const RECEIVED: &str = "system_network_receive_bytes_total";
/// Bytes sent, one series per `device`.
pub const TRANSMITTED: &str = "system_network_transmit_bytes_total";
/// Errors while receiving, one series per `device`.
pub const RECEIVE_ERRORS: &str = "system_network_receive_errors_total";
/// Errors while sending, one series per `device`.
pub const TRANSMIT_ERRORS: &str = "system_network_transmit_errors_total";
/// Whether the host raised an alert of its own, 0 or 1.
pub const CUSTOM_ALERT: &str = "system_custom_alert";
/// Processes that have ended and that nobody waits for.
pub const ZOMBIES: &str = "system_zombie_processes";
/// Whether a process that must run runs, 0 or 1, one series per `name`.
pub const PROCESS_RUNNING: &str = "system_critical_process_running";

/// The label that tells filesystems apart.
pub const MOUNTPOINT: &str = "mountpoint";

/// The block of a sample that a metric comes from, down to the number where a block is an object
/// of numbers; none of a metric that no sample has.
#[must_use]
pub fn block_of(metric: &str) -> Option<&'static str> {
    let block = match metric {
        CPU => "cpu.total_percent",
        MEMORY => "memory.percent",
        SWAP => "memory.swap_percent",
        DISK | INODES => "disks",
        TEMPERATURE | TEMPERATURE_HIGH => "sensors_temperature",
        TIME_DRIFT => "time_drift.drift_seconds",
        RECEIVED | TRANSMITTED | RECEIVE_ERRORS | TRANSMIT_ERRORS => "network",
        CUSTOM_ALERT => "custom_alert",
        ZOMBIES => "zombie_processes",
        PROCESS_RUNNING => "critical_processes",
        _ => return None,
    };
    Some(block)
}
