use serde::{Deserialize, Serialize};

/// Network traffic since boot and the interface of the default route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// All interfaces together, loopback included.
    pub io_counters: IoCounters,
    /// The interface that the default route leaves by; `None` without a default route.
    pub primary_interface: Option<PrimaryInterface>,
}

/// Traffic since boot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IoCounters {
    /// Bytes sent.
    pub bytes_sent: Option<u64>,
    /// Bytes received.
    pub bytes_recv: Option<u64>,
    /// Packets sent.
    pub packets_sent: Option<u64>,
    /// Packets received.
    pub packets_recv: Option<u64>,
    /// Errors while receiving.
    pub errin: Option<u64>,
    /// Errors while sending.
    pub errout: Option<u64>,
    /// Incoming packets dropped.
    pub dropin: Option<u64>,
    /// Outgoing packets dropped.
    pub dropout: Option<u64>,
}

/// The interface that the default route leaves by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrimaryInterface {
    /// The kernel's name for it, `eth0` for one.
    pub name: String,
    /// Its first IPv4 address, dotted; `None` without one.
    pub ipv4: Option<String>,
    /// The netmask of that address, dotted.
    pub netmask: Option<String>,
    /// The broadcast address of that network, dotted; `None` on point-to-point links.
    pub broadcast: Option<String>,
    /// Link speed in Mbit/s; `None` where the driver does not know (virtual links).
    pub speed_mbps: Option<u64>,
    /// Largest packet in bytes.
    pub mtu: Option<u64>,
    /// `full` or `half`; `None` where the driver does not know.
    pub duplex: Option<String>,
}

/// Traffic of one interface since boot, from the kernel's link statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// The kernel's name for it.
    pub interface: String,
    /// Bytes received.
    pub bytes_recv: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Packets received.
    pub packets_recv: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Errors while receiving.
    pub errin: u64,
    /// Errors while sending.
    pub errout: u64,
    /// Incoming packets dropped.
    pub dropin: u64,
    /// Outgoing packets dropped.
    pub dropout: u64,
}
