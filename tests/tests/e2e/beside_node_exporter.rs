//! `node_exporter` beside ours: what both expose under one name must be the same thing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use e2e::exposition::{self, Exposition};
use e2e::http::Request;
use e2e::peers::NodeExporter;
use e2e::programs::Exporter;
use system_stats_model::exposition::MetricType;

/// Families that speak of the exporter itself, not of the host.
const OF_ITSELF: [&str; 4] = [
    "node_scrape_collector_",
    "node_exporter_",
    "process_",
    "go_",
];

/// What upstream leaves out, Debian building it with other defaults; and what ours has by default.
const UPSTREAM_DEFAULTS: [&str; 5] = [
    "--collector.processes",
    "--collector.interrupts",
    "--collector.netdev.device-exclude=^$",
    r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|\
     var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
];

/// Labels that `node_exporter` has got since the release Debian has.
const NEWER_LABELS: [(&str, &str); 2] = [
    ("node_disk_info", "rotational"),
    ("node_filesystem_device_error", "device_error"),
];

/// Families that must be there on both sides, so that an empty comparison cannot pass.
const EXPECTED: [&str; 9] = [
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cpu_seconds_total",
    "node_disk_io_time_seconds_total",
    "node_filesystem_size_bytes",
    "node_load1",
    "node_memory_MemTotal_bytes",
    "node_network_receive_bytes_total",
    "node_uname_info",
];

/// Compares `ours` with what `node_exporter` said `before` and `after`.
fn differences(before: &Exposition, ours: &Exposition, after: &Exposition) -> Vec<String> {
    let mut found = Vec::new();
    for (name, family) in ours {
        let (Some(first), Some(last)) = (before.get(name), after.get(name)) else {
            continue;
        };
        if OF_ITSELF.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        if family.kind != first.kind {
            found.push(format!(
                "{name}: our type is {:?}, theirs {:?}",
                family.kind, first.kind
            ));
        }
        let sets = |from: &exposition::Family| from.samples.keys().cloned().collect();
        let (mine, theirs): (BTreeSet<String>, BTreeSet<String>) = (sets(family), sets(first));
        found.extend(
            mine.difference(&theirs)
                .map(|labels| format!("{name}{labels}: only ours")),
        );
        found.extend(
            theirs
                .difference(&mine)
                .map(|labels| format!("{name}{labels}: only theirs")),
        );
        for labels in mine.intersection(&theirs) {
            let value = family.samples[labels];
            let low = first.samples[labels];
            let Some(high) = last.samples.get(labels).copied() else {
                continue;
            };
            // Ours was taken between theirs: a counter lies between them, and so does whatever
            // stood still. What moves both ways may have been anywhere.
            let is_bound =
                family.kind == Some(MetricType::Counter) || low.to_bits() == high.to_bits();
            let slack = 1e-9 * high.abs();
            let is_between = value >= low - slack && value <= high + slack;
            if is_bound && !is_between && !(value.is_nan() && low.is_nan()) {
                found.push(format!("{name}{labels}: {value}, theirs {low} and {high}"));
            }
        }
    }
    found
}

fn remove_label(exposition: &mut Exposition, family: &str, label: &str) {
    let Some(family) = exposition.get_mut(family) else {
        return;
    };
    let without = |(labels, value): (String, f64)| {
        let pairs = labels
            .trim_start_matches('{')
            .trim_end_matches('}')
            .split(',');
        let left: Vec<&str> = pairs
            .filter(|p| p.split('=').next().is_some_and(|name| name != label))
            .collect();
        (format!("{{{}}}", left.join(",")), value)
    };
    family.samples = std::mem::take(&mut family.samples)
        .into_iter()
        .map(without)
        .collect();
}

#[test]
fn what_both_have_agrees() {
    let exporter = Exporter::start(&[]);
    let node_exporter = NodeExporter::start(&UPSTREAM_DEFAULTS);
    let ours = || {
        let mut found = exposition::parse(&exporter.text());
        for (family, label) in NEWER_LABELS {
            remove_label(&mut found, family, label);
        }
        // The release that Debian has tells nothing more of a file system that cannot be asked.
        if let Some(family) = found.get_mut("node_filesystem_readonly") {
            family
                .samples
                .retain(|labels, _| !labels.contains("device_error="));
        }
        found
    };
    let theirs = || exposition::parse(&Request::get("/metrics").send(node_exporter.address).text());
    let mut left = Vec::new();
    // A value may move and come back between their two scrapes; what is wrong stays wrong.
    for attempt in 0..10 {
        let before = theirs();
        let ours = ours();
        let after = theirs();
        for name in EXPECTED {
            for (who, side) in [("ours", &ours), ("theirs", &before)] {
                assert!(side.contains_key(name), "{name} is not among {who}");
            }
        }
        let now = differences(&before, &ours, &after);
        let key = |line: &String| line.split(": ").next().unwrap().to_owned();
        if attempt == 0 {
            left = now;
        } else {
            let still: BTreeSet<String> = now.iter().map(key).collect();
            left.retain(|line| still.contains(&key(line)));
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("{} difference(s)\n{}", left.len(), left.join("\n"));
}

#[test]
fn the_comparison_can_fail() {
    let text = |kind: &str, samples: &[(&str, f64)]| {
        let mut text = format!("# TYPE node_a {kind}\n");
        for (labels, value) in samples {
            writeln!(text, "node_a{labels} {value}").unwrap();
        }
        exposition::parse(&text)
    };
    let theirs = text("counter", &[("{a=\"1\"}", 5.0), ("{a=\"2\"}", 5.0)]);
    let after = text("counter", &[("{a=\"1\"}", 6.0), ("{a=\"2\"}", 5.0)]);
    let same = text("counter", &[("{a=\"1\"}", 5.5), ("{a=\"2\"}", 5.0)]);
    assert_eq!(differences(&theirs, &same, &after), Vec::<String>::new());
    let odd = text("gauge", &[("{a=\"1\"}", 7.0), ("{b=\"2\"}", 5.0)]);
    let found = differences(&theirs, &odd, &after);
    assert_eq!(found.len(), 3, "{found:#?}");
    let moving = differences(
        &text("gauge", &[("", 1.0)]),
        &text("gauge", &[("", 9.0)]),
        &theirs,
    );
    assert_eq!(moving.len(), 0, "{moving:#?}");
    let still = text("gauge", &[("", 1.0)]);
    assert_eq!(
        differences(&still, &text("gauge", &[("", 9.0)]), &still).len(),
        1
    );
}
