//! What three machines expose, to the letter, in both formats and as JSON. The machines are in
//! `tests/fixtures`, what they expose in `tests/fixtures/golden`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use system_stats_wire::SystemStats;

use crate::collect;
use crate::config::{Config, Roots};
use crate::encode::Format;
use crate::family::Families;
use crate::fixture::Fixture;
use crate::host::Host;
use crate::statfs::Usage;
use crate::system::SECTIONS;

fn config(fixture: &Fixture) -> Config {
    Config {
        roots: Roots {
            procfs: fixture.path("proc"),
            sysfs: fixture.path("sys"),
            rootfs: fixture.path("root"),
            udev_data: fixture.path("udev"),
        },
        critical_processes: vec!["toy server".to_owned(), "forgotten".to_owned()],
        ..Config::default()
    }
}

fn host(fixture: &Fixture) -> Host {
    Host::with(Arc::new(config(fixture)), usage, noon)
}

/// 2026-01-03, 12:00 UTC.
fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(490_956)
}

/// File systems by where they are mounted; the archive's server is gone.
fn usage(path: &Path) -> io::Result<Usage> {
    if path.ends_with("mnt/archive") {
        return Err(io::Error::from_raw_os_error(116));
    }
    let inodes = if path.ends_with("my efi") {
        0
    } else {
        1_000_000
    };
    Ok(Usage {
        size: 100_000_000_000,
        free: 40_000_000_000,
        available: 35_000_000_000,
        inodes,
        inodes_free: inodes / 4 * 3,
    })
}

/// Every collector, those that are off by default as well; what failed is a comment at the end.
fn scrape(host: &mut Host) -> (Families, String) {
    host.begin();
    let mut families = Families::default();
    let mut failures = String::new();
    for entry in collect::ALL.iter().filter(|entry| entry.name != "timex") {
        if let Err(error) = (entry.make)().collect(host, &mut families) {
            let absent = if error.is_absence() {
                "absent"
            } else {
                "failed"
            };
            writeln!(failures, "{}: {absent}", entry.name).unwrap();
        }
    }
    (families, failures)
}

fn check(name: &str) {
    let fixture = Fixture::unpack(name);
    let mut host = host(&fixture);
    let (families, failures) = scrape(&mut host);
    let stats = describe(&mut host);

    let names: Vec<&str> = families.iter().map(|family| family.name.as_ref()).collect();
    let distinct: HashSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "a family is there twice");
    for family in families.iter() {
        let labels: Vec<&str> = family.samples().map(|(labels, _)| labels).collect();
        let distinct: HashSet<&str> = labels.iter().copied().collect();
        assert_eq!(
            labels.len(),
            distinct.len(),
            "a series of {} is there twice",
            family.name
        );
    }

    insta::with_settings!({
        snapshot_path => "../tests/fixtures/golden",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(format!("{name}.text"), Format::Text.encode(&families));
        insta::assert_snapshot!(format!("{name}.openmetrics"), Format::OpenMetrics.encode(&families));
        insta::assert_snapshot!(format!("{name}.failures"), failures);
        insta::assert_json_snapshot!(format!("{name}.system"), stats);
    });
}

fn describe(host: &mut Host) -> SystemStats {
    host.begin();
    let mut stats = SystemStats::default();
    for section in SECTIONS {
        (section.fill)(host, &mut stats);
    }
    stats
}

#[test]
fn a_virtual_machine() {
    check("vm");
}

#[test]
fn a_laptop() {
    check("laptop");
}

#[test]
fn a_server() {
    check("server");
}

#[test]
fn an_empty_tree_has_nothing_to_say_and_says_so() {
    let fixture = Fixture::unpack("vm");
    for directory in ["proc", "sys", "root", "udev"] {
        std::fs::remove_dir_all(fixture.path(directory)).unwrap();
        std::fs::create_dir(fixture.path(directory)).unwrap();
    }
    let mut host = host(&fixture);
    let (families, failures) = scrape(&mut host);
    let names: Vec<&str> = families.iter().map(|family| family.name.as_ref()).collect();
    assert_eq!(names, ["node_time_seconds"]);
    assert!(!failures.contains("failed"), "{failures}");
    assert_eq!(describe(&mut host).memory.total, None);
}

#[test]
fn one_broken_file_costs_its_own_series_only() {
    let fixture = Fixture::unpack("vm");
    let whole = {
        let (families, _) = scrape(&mut host(&fixture));
        Format::Text.encode(&families)
    };
    std::fs::write(fixture.path("proc/loadavg"), [0xff, 0xfe, 0]).unwrap();
    std::fs::remove_file(fixture.path("proc/net/sockstat6")).unwrap();
    std::fs::write(fixture.path("proc/net/netstat"), "TcpExt: A\nodd\n").unwrap();
    let (families, failures) = scrape(&mut host(&fixture));
    let broken = Format::Text.encode(&families);
    assert!(failures.contains("loadavg: failed"), "{failures}");
    let lost: Vec<&str> = whole
        .lines()
        .filter(|line| !line.starts_with('#') && !broken.contains(line))
        .map(|line| line.split([' ', '{']).next().unwrap())
        .filter(|name| !name.starts_with("system_") && !name.starts_with("node_time"))
        .collect();
    let expected = |name: &&str| {
        name.starts_with("node_load")
            || name.starts_with("node_netstat_TcpExt_")
            || name.starts_with("node_netstat_IpExt_")
            || *name == "node_sockstat_TCP6_inuse"
    };
    assert!(!lost.is_empty() && lost.iter().all(expected), "{lost:?}");
}

#[test]
fn system_and_metrics_speak_of_the_same_numbers() {
    let fixture = Fixture::unpack("laptop");
    let mut host = host(&fixture);
    let stats = describe(&mut host);
    let (families, _) = scrape(&mut host);
    let value = |name: &str| {
        let family = families.iter().find(|family| family.name == name).unwrap();
        let (_, value) = family.samples().next().unwrap();
        value
    };
    let percent = [
        ("system_cpu_usage_percent", stats.cpu.percent),
        ("system_memory_usage_percent", stats.memory.percent),
        ("system_swap_usage_percent", stats.swap.percent),
        ("system_disk_usage_percent", stats.disks[0].percent),
    ];
    for (name, expected) in percent {
        assert_eq!(value(name).to_bits(), expected.unwrap().to_bits(), "{name}");
    }
    let received = stats.network.io_counters.bytes_recv.unwrap() as f64;
    assert_eq!(
        value("node_network_receive_bytes_total").to_bits(),
        received.to_bits()
    );
    assert_eq!(
        value("system_network_receive_bytes_total").to_bits(),
        received.to_bits()
    );
}
