//! The exporter on a copy of /proc that is damaged: what a file would have said is absent, and
//! nothing else.

use std::fs;

use e2e::exposition::{self, Exposition};
use e2e::folder::Folder;
use e2e::http;
use e2e::programs::Exporter;
use serde_json::Value;

/// The files that make a /proc good enough for every collector of the test.
const FILES: [&str; 16] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "mounts",
    "net/dev",
    "net/netstat",
    "net/route",
    "net/snmp",
    "net/sockstat",
    "self/mountinfo",
    "self/mounts",
    "self/stat",
    "stat",
    "uptime",
    "vmstat",
];

fn copy_of_proc() -> Folder {
    let folder = Folder::new();
    for name in FILES {
        let Ok(bytes) = fs::read(format!("/proc/{name}")) else {
            continue;
        };
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    // The host's own mount table is read through process 1.
    fs::create_dir_all(folder.path().join("1")).unwrap();
    for name in ["mountinfo", "mounts"] {
        let from = folder.path().join("self").join(name);
        fs::copy(from, folder.path().join("1").join(name)).unwrap();
    }
    folder
}

fn look(folder: &Folder) -> (Exposition, Value) {
    let flag = format!("--path.procfs={}", folder.path().display());
    let exporter = Exporter::start(&[&flag]);
    let metrics = exposition::parse(&exporter.text());
    (metrics, http::get_json(exporter.address, "/system"))
}

/// What stands and falls with a file of /proc.
struct Case {
    file: &'static str,
    /// A family whose samples all come from the file.
    family: &'static str,
    /// A value of `/system` that comes from it, as a JSON pointer.
    value: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        file: "loadavg",
        family: "node_load1",
        value: "/load",
    },
    Case {
        file: "meminfo",
        family: "node_memory_MemTotal_bytes",
        value: "/memory/total",
    },
    Case {
        file: "stat",
        family: "node_cpu_seconds_total",
        value: "/cpu/percent",
    },
    Case {
        file: "diskstats",
        family: "node_disk_reads_completed_total",
        value: "/disk_io/read_count",
    },
];

fn has(metrics: &Exposition, family: &str) -> bool {
    metrics
        .get(family)
        .is_some_and(|family| !family.samples.is_empty())
}

#[test]
fn a_whole_copy_has_everything() {
    let (metrics, system) = look(&copy_of_proc());
    for Case { family, value, .. } in CASES {
        assert!(has(&metrics, family), "{family}");
        assert!(!system.pointer(value).unwrap().is_null(), "{value}");
    }
}

#[test]
fn a_missing_file_costs_its_own_series() {
    for case in &CASES {
        let folder = copy_of_proc();
        fs::remove_file(folder.path().join(case.file)).unwrap();
        assert_only_missing(&folder, case);
    }
}

#[test]
fn a_nonsense_file_costs_its_own_series() {
    let nonsense: [&[u8]; 4] = [
        b"",
        b"nonsense\n",
        b"\xff\xfe\x00\x01 \xc3(\n",
        b"99999999999999999999999999 -1 x:\n",
    ];
    for case in &CASES {
        for bytes in nonsense {
            let folder = copy_of_proc();
            fs::write(folder.path().join(case.file), bytes).unwrap();
            assert_only_missing(&folder, case);
        }
    }
}

fn assert_only_missing(folder: &Folder, broken: &Case) {
    let (metrics, system) = look(folder);
    for case in &CASES {
        let is_broken = case.file == broken.file;
        let shown = has(&metrics, case.family);
        assert_eq!(
            shown, !is_broken,
            "{} with {} damaged",
            case.family, broken.file
        );
        let value = system.pointer(case.value).expect("the key is always there");
        assert_eq!(
            value.is_null(),
            is_broken,
            "{} with {} damaged",
            case.value,
            broken.file
        );
    }
}
