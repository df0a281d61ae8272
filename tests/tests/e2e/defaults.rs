//! The aggregator with no arguments, as a new user starts it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::{Duration, Instant};

use e2e::folder::Folder;
use e2e::http::{self, Request};
use e2e::process;
use e2e::programs::{self, Aggregator};
use e2e::wait;
use serde_json::Value;

/// The default ports may be taken on this machine, by the very programs that are tested. In a
/// network namespace of its own they are free: the test runs itself again in one.
#[test]
fn no_arguments_show_this_machine_within_15_seconds() {
    let id = process::run(Command::new("id").arg("-u"));
    let mut command = Command::new("unshare");
    command.arg("--net");
    if id.stdout.trim() != "0" {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "defaults::in_a_namespace",
            "--ignored",
            "--nocapture",
        ]);
    let run = process::run(&mut command);
    let all = format!("{}\n{}", run.stdout, run.stderr);
    assert_eq!(
        run.code,
        Some(0),
        "in a network namespace (unshare --net):\n{all}"
    );
    assert!(run.stdout.contains("1 passed"), "{all}");
}

#[test]
#[ignore = "started by the test above, in a network namespace"]
fn in_a_namespace() {
    let folder = Folder::new();
    let start = Instant::now();
    let aggregator = Aggregator::run(programs::aggregator().current_dir(folder.path()));
    assert_eq!(
        aggregator.address,
        SocketAddr::from((Ipv4Addr::LOCALHOST, 8000))
    );
    let left = Duration::from_secs(15).saturating_sub(start.elapsed());
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap()
        .trim()
        .to_owned();
    wait::until("this machine's row is on the dashboard", left, || {
        let page = Request::get("/dashboard")
            .header("Accept", "text/html")
            .send(aggregator.address);
        let text = page.text();
        let is_there = page.status == 200 && text.contains(&name) && text.contains("<meter");
        if is_there { Ok(()) } else { Err(text) }
    });
    let rows = aggregator.readings(&name);
    let first = rows.first().expect("a reading");
    for key in ["cpu", "ram", "disk"] {
        let percent = first[key].as_f64().expect("a number");
        assert!((0.0..=100.0).contains(&percent), "{first}");
    }
    let details = wait::until_some("the details are kept", left, || {
        let path = format!("/details?hostname={}", http::percent(&name));
        let response = Request::get(&path).send(aggregator.address);
        (response.status == 200).then(|| response.json())
    });
    assert_eq!(
        details["details"]["system"]["hostname"],
        Value::from(name.as_str())
    );
    let hosts = aggregator.get("/hosts");
    let names: Vec<&Value> = hosts["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| &host["hostname"])
        .collect();
    assert_eq!(names, [&Value::from(name.as_str())]);
    assert!(folder.path().join("data/system-stats.db").exists());
    let log = aggregator.process.log();
    let lines = log
        .iter()
        .filter(|line| line.contains("http://") && line.contains("/dashboard"));
    assert_eq!(
        lines.count(),
        1,
        "one line with the address of the page:\n{}",
        log.join("\n")
    );
    assert_eq!(aggregator.stop().code(), Some(0));
}
