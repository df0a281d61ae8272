//! `/system` beside psutil and against the documented table of its keys.

use std::process::Command;
use std::time::Duration;

use e2e::http::{self, Request};
use e2e::peers;
use e2e::process::Process;
use e2e::programs::Exporter;
use e2e::wait;
use serde_json::{Value, json};

/// The documented keys with their types. `?` behind a type: or `null`. An object with the key `?`
/// may be `null` as a whole; the key `*` stands for any name.
const KEYS: &str = include_str!("../../data/system.json");

/// Says what is wrong with `value` at `path`.
fn check_type(path: &str, expected: &Value, value: &Value, wrong: &mut Vec<String>) {
    match expected {
        Value::Object(keys) => {
            if keys.contains_key("?") && value.is_null() {
                return;
            }
            let Some(object) = value.as_object() else {
                wrong.push(format!("{path}: not an object: {value}"));
                return;
            };
            if let Some(each) = keys.get("*") {
                for (name, value) in object {
                    check_type(&format!("{path}.{name}"), each, value, wrong);
                }
                return;
            }
            for (name, expected) in keys.iter().filter(|(name, _)| *name != "?") {
                match object.get(name) {
                    Some(value) => check_type(&format!("{path}.{name}"), expected, value, wrong),
                    None => wrong.push(format!("{path}.{name}: not there")),
                }
            }
        }
        Value::Array(each) => match value.as_array() {
            Some(values) => {
                for value in values {
                    check_type(&format!("{path}[]"), &each[0], value, wrong);
                }
            }
            None => wrong.push(format!("{path}: not an array: {value}")),
        },
        _ => {
            let kind = expected.as_str().unwrap();
            if !has_type(kind, value) {
                wrong.push(format!("{path}: not of type {kind}: {value}"));
            }
        }
    }
}

fn has_type(kind: &str, value: &Value) -> bool {
    if let Some(kind) = kind.strip_suffix('?') {
        return value.is_null() || has_type(kind, value);
    }
    let is_utc = |text: &str| {
        // 2026-01-31T12:00:00.123+00:00, or Z.
        let body = text
            .strip_suffix('Z')
            .or_else(|| text.strip_suffix("+00:00"));
        body.is_some_and(|body| body.len() >= 19 && body.as_bytes()[10] == b'T')
    };
    let is_span = |text: &str| {
        let parts: Vec<&str> = text.split(' ').collect();
        parts.len() == 3
            && parts.iter().zip(["d", "h", "m"]).all(|(part, unit)| {
                part.strip_suffix(unit)
                    .is_some_and(|n| n.parse::<u32>().is_ok())
            })
    };
    match kind {
        "bool" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "percent" => value.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n)),
        "string" => value.as_str().is_some_and(|text| !text.is_empty()),
        "time" => value.as_str().is_some_and(is_utc),
        "duration" => value.as_str().is_some_and(is_span),
        other => panic!("{KEYS} has an unknown type {other}"),
    }
}

#[test]
fn every_documented_key_has_its_type() {
    let exporter = Exporter::start(&[]);
    let system = http::get_json(exporter.address, "/system");
    let expected: Value = serde_json::from_str(KEYS).unwrap();
    let mut wrong = Vec::new();
    check_type("", &expected, &system, &mut wrong);
    assert!(wrong.is_empty(), "{}\n{system:#}", wrong.join("\n"));
    for key in ["disks", "interfaces"] {
        assert!(
            !system[key].as_array().unwrap().is_empty(),
            "{key} is empty"
        );
    }
}

#[test]
fn the_table_of_keys_can_fail() {
    let expected: Value = serde_json::from_str(KEYS).unwrap();
    let mut wrong = Vec::new();
    let odd = json!({
        "collected_at": "yesterday", "cpu": {"percent": 101, "logical_cores": 1.5},
        "uptime": {"human": "3 days"}, "network": {"primary_interface": null}, "disks": [{}],
        "critical_processes": {"sshd": 1}, "load": null,
    });
    check_type("", &expected, &odd, &mut wrong);
    for part in [
        ".collected_at: not of type time",
        ".cpu.percent: not of type percent",
        ".cpu.logical_cores: not of type integer",
        ".cpu.processor: not there",
        ".memory: not there",
        ".uptime.human: not of type duration",
        ".disks[].device: not there",
        ".critical_processes.sshd: not of type bool",
        ".load: not an object",
    ] {
        assert!(
            wrong.iter().any(|line| line.starts_with(part)),
            "{part}\n{}",
            wrong.join("\n")
        );
    }
    assert!(!wrong.iter().any(|line| line.contains("primary_interface")));
}

#[test]
fn health_is_ok() {
    let exporter = Exporter::start(&[]);
    assert_eq!(http::get_json(exporter.address, "/health")["status"], "ok");
    assert_eq!(Request::get("/none").send(exporter.address).status, 404);
}

/// How a value may lie between psutil's reading before and the one after.
enum Rule {
    /// Between the two: it only grows.
    Counter,
    /// The same as both.
    Same,
    /// As a counter or a falling one, give or take so much of the block's `total` (or of itself
    /// where there is none).
    Gauge(f64),
}

const RULES: &[(&str, &[&str], Rule)] = &[
    ("/cpu", &["logical_cores", "physical_cores"], Rule::Same),
    ("/memory", &["total"], Rule::Same),
    (
        "/memory",
        &[
            "available",
            "used",
            "free",
            "active",
            "inactive",
            "buffers",
            "cached",
            "shared",
            "slab",
        ],
        Rule::Gauge(0.03),
    ),
    ("/swap", &["total"], Rule::Same),
    ("/swap", &["used", "free"], Rule::Gauge(0.03)),
    ("/swap", &["sin", "sout"], Rule::Counter),
    ("/disk", &["total"], Rule::Same),
    ("/disk", &["used", "free"], Rule::Gauge(0.01)),
    (
        "/disk_io",
        &[
            "read_count",
            "write_count",
            "read_bytes",
            "write_bytes",
            "read_time",
            "write_time",
            "read_merged_count",
            "write_merged_count",
            "busy_time",
        ],
        Rule::Counter,
    ),
    (
        "/network/io_counters",
        &[
            "bytes_sent",
            "bytes_recv",
            "packets_sent",
            "packets_recv",
            "errin",
            "errout",
            "dropin",
            "dropout",
        ],
        Rule::Counter,
    ),
    ("/uptime", &["seconds"], Rule::Gauge(0.0)),
    ("/load", &["1", "5", "15"], Rule::Gauge(0.25)),
    (
        "/system",
        &["hostname", "os", "os_release", "os_version", "architecture"],
        Rule::Same,
    ),
];

#[test]
fn numbers_agree_with_psutil() {
    let exporter = Exporter::start(&[]);
    let url = format!("http://{}/system", exporter.address);
    let run = peers::python("beside_psutil.py", &[&url]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let all: Value = serde_json::from_str(&run.stdout).unwrap();
    let [before, system, after] = ["before", "system", "after"].map(|name| &all[name]);
    let mut wrong = Vec::new();
    for (block, names, rule) in RULES {
        for name in *names {
            let path = format!("{block}/{name}");
            let [low, ours, high] = [before, system, after]
                .map(|from| from.pointer(&path).cloned().unwrap_or(Value::Null));
            let total = system
                .pointer(&format!("{block}/total"))
                .and_then(Value::as_f64);
            if !agrees(rule, total, &low, &ours, &high) {
                wrong.push(format!("{path}: psutil {low}, ours {ours}, psutil {high}"));
            }
        }
    }
    // psutil rounds its percentages to a tenth.
    for block in ["memory", "swap", "disk"] {
        let [low, ours, high] =
            [before, system, after].map(|from| from[block]["percent"].as_f64().unwrap());
        if ours < low.min(high) - 1.0 || ours > low.max(high) + 1.0 {
            wrong.push(format!(
                "{block}.percent: psutil {low}, ours {ours}, psutil {high}"
            ));
        }
    }
    check_primary_interface(&all, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn agrees(rule: &Rule, total: Option<f64>, low: &Value, ours: &Value, high: &Value) -> bool {
    let numbers = (low.as_f64(), ours.as_f64(), high.as_f64());
    match (rule, numbers) {
        (Rule::Same, _) => ours == low && ours == high,
        (Rule::Counter, (Some(low), Some(ours), Some(high))) => low <= ours && ours <= high,
        (Rule::Gauge(share), (Some(low), Some(ours), Some(high))) => {
            let noise = share * total.unwrap_or(high.abs().max(1.0)) + 1.0;
            ours >= low.min(high) - noise && ours <= low.max(high) + noise
        }
        _ => false,
    }
}

/// Addresses and link of the interface we call primary are those psutil knows under its name.
fn check_primary_interface(all: &Value, wrong: &mut Vec<String>) {
    let ours = &all["system"]["network"]["primary_interface"];
    let Some(name) = ours["name"].as_str() else {
        return;
    };
    let theirs = &all["interfaces"][name];
    for key in ["ipv4", "netmask", "broadcast"] {
        let known = theirs[key].as_array().cloned().unwrap_or_default();
        let is_known = known.contains(&ours[key]) || (known.is_empty() && ours[key].is_null());
        if !is_known {
            wrong.push(format!(
                "primary_interface.{key}: {} is not in {known:?}",
                ours[key]
            ));
        }
    }
    // psutil says 0 where the driver does not say; we say null.
    let is_unknown_speed = ours["speed_mbps"].is_null() && theirs["speed_mbps"] == 0;
    if ours["mtu"] != theirs["mtu"]
        || (ours["speed_mbps"] != theirs["speed_mbps"] && !is_unknown_speed)
        || (!ours["duplex"].is_null() && ours["duplex"] != theirs["duplex"])
    {
        wrong.push(format!("primary_interface: ours {ours}, psutil {theirs}"));
    }
}

/// The percentage covers a real interval from the very first request on, and sees all cores.
#[test]
fn cpu_percent_is_right_on_the_first_request() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let spin = |_| {
        // Lowest priority: the other tests keep their processors, the kernel counts it all the same.
        let mut command = Command::new("nice");
        command.args(["-n", "19", "sh", "-c", "while :; do :; done"]);
        Process::start("a busy loop", &mut command)
    };
    let spinning: Vec<Process> = (0..cores).map(spin).collect();
    let exporter = Exporter::start(&[]);
    let percent = || {
        let system = http::get_json(exporter.address, "/system");
        system["cpu"]["percent"].as_f64().expect("a number")
    };
    let first = percent();
    assert!(
        first > 30.0 && first <= 100.0,
        "{first} on the first request of a busy machine"
    );
    wait::until(
        "all cores are seen to be busy",
        Duration::from_secs(15),
        || {
            let now = percent();
            if now > 95.0 { Ok(()) } else { Err(now) }
        },
    );
    drop(spinning);
}
