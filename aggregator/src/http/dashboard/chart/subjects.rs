//! What a host's charts are about, and which metrics they draw.

use system_stats_model::labels::Labels;

/// How a metric becomes lines.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Gauge,
    /// What must not be exceeded.
    Limit,
    /// A counter; its increase per second.
    Rate,
    /// A counter of seconds; percent of the time, the mean of all series of the line, without the
    /// idle ones.
    Time,
}

/// A metric, what its lines are called, and the labels that tell them apart.
pub(super) struct Metric(
    pub(super) Kind,
    pub(super) &'static str,
    &'static str,
    &'static [&'static str],
);

/// What one chart is about.
pub(super) struct Subject {
    /// What it is called in addresses.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// Whether it is full at 100, and it matters when that will be.
    pub(super) fills: bool,
    /// The first of them that says anything is drawn.
    pub(super) sources: &'static [&'static [Metric]],
}

/// All charts in the order of the page.
pub(super) const SUBJECTS: [Subject; 10] = {
    use Kind::{Gauge, Limit, Rate, Time};
    const DEVICE: &[&str] = &["device"];
    const fn subject(
        (id, title, unit): (&'static str, &'static str, &'static str),
        sources: &'static [&'static [Metric]],
    ) -> Subject {
        Subject {
            id,
            title,
            unit,
            fills: false,
            sources,
        }
    }
    [
        subject(
            ("cpu", "CPU", "%"),
            &[&[Metric(Gauge, "system_cpu_usage_percent", "busy", &[])]],
        ),
        subject(
            ("modes", "CPU by mode", "%"),
            &[&[Metric(Time, "node_cpu_seconds_total", "", &["mode"])]],
        ),
        subject(
            ("load", "Load", ""),
            &[&[
                Metric(Gauge, "node_load1", "1 minute", &[]),
                Metric(Gauge, "node_load5", "5 minutes", &[]),
                Metric(Gauge, "node_load15", "15 minutes", &[]),
            ]],
        ),
        subject(
            ("memory", "Memory", "%"),
            &[&[Metric(Gauge, "system_memory_usage_percent", "in use", &[])]],
        ),
        subject(
            ("swap", "Swap", "%"),
            &[&[Metric(Gauge, "system_swap_usage_percent", "in use", &[])]],
        ),
        Subject {
            fills: true,
            ..subject(
                ("disk", "Disk space", "%"),
                &[&[Metric(
                    Gauge,
                    "system_disk_usage_percent",
                    "",
                    &["mountpoint"],
                )]],
            )
        },
        subject(
            ("io", "Disk I/O", "B/s"),
            &[
                &[
                    Metric(Gauge, "system_disk_read_bytes_per_second", "read", &[]),
                    Metric(
                        Gauge,
                        "system_disk_written_bytes_per_second",
                        "written",
                        &[],
                    ),
                ],
                &[
                    Metric(Rate, "node_disk_read_bytes_total", "read", DEVICE),
                    Metric(Rate, "node_disk_written_bytes_total", "written", DEVICE),
                ],
            ],
        ),
        subject(
            ("network", "Network", "B/s"),
            &[
                &[
                    Metric(
                        Rate,
                        "system_network_receive_bytes_total",
                        "received",
                        DEVICE,
                    ),
                    Metric(Rate, "system_network_transmit_bytes_total", "sent", DEVICE),
                ],
                &[
                    Metric(Rate, "node_network_receive_bytes_total", "received", DEVICE),
                    Metric(Rate, "node_network_transmit_bytes_total", "sent", DEVICE),
                ],
            ],
        ),
        subject(
            ("temperature", "Temperature", "°C"),
            &[
                &[
                    Metric(Gauge, "system_temperature_celsius", "", &["chip", "sensor"]),
                    Metric(
                        Limit,
                        "system_temperature_high_celsius",
                        "limit",
                        &["chip", "sensor"],
                    ),
                ],
                &[
                    Metric(Gauge, "node_hwmon_temp_celsius", "", &["chip", "sensor"]),
                    Metric(
                        Limit,
                        "node_hwmon_temp_max_celsius",
                        "limit",
                        &["chip", "sensor"],
                    ),
                ],
            ],
        ),
        subject(
            ("pressure", "Pressure: time in which something waited", "%"),
            &[&[
                Metric(Time, "node_pressure_cpu_waiting_seconds_total", "CPU", &[]),
                Metric(
                    Time,
                    "node_pressure_memory_waiting_seconds_total",
                    "memory",
                    &[],
                ),
                Metric(Time, "node_pressure_io_waiting_seconds_total", "I/O", &[]),
            ]],
        ),
    ]
};

impl Metric {
    /// What the line of a series is called.
    pub(super) fn name(&self, labels: &Labels) -> String {
        let values = self.3.iter().filter_map(|name| labels.get(name));
        let words = values.chain([self.2]).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}
