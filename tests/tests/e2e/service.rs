//! What installs the programs: systemd's units, launchd's lists, the images. They name what is
//! there, they confine the programs, and they do not hide from them what is to be measured.

mod image;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use e2e::folder::{self, Folder};
use e2e::peers;
use e2e::process::{self, Finished};
use e2e::programs::{self, Aggregator, Exporter, NO_TARGETS};
use serde_json::Value;

/// Where the units expect the programs.
const INSTALLED: &str = "/usr/local/bin/";

/// The unit of each program, and the folder or file that its settings are named after.
const UNITS: [(&str, &str); 2] = [
    ("system-stats-exporter", "system-stats"),
    ("system-stats-aggregator", "system-stats-aggregator"),
];

/// Settings with which the exporter would report the unit's own small world as the machine.
const BLINDFOLDS: [&str; 9] = [
    "PrivateNetwork=yes",
    "PrivateTmp=disconnected",
    "ProcSubset=pid",
    "ProtectClock=yes",
    "ProtectHome=tmpfs",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProtectProc=noaccess",
    "ProtectProc=ptraceable",
];

fn path(name: &str) -> PathBuf {
    folder::repository().join("service").join(name)
}

#[track_caller]
fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("service/{name}: {error}"))
}

/// A YAML file or a property list.
#[track_caller]
fn parsed(name: &str) -> Value {
    let run = peers::python("as_json.py", &[path(name).to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "service/{name}: {run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

/// The texts in a JSON array.
fn words(array: &Value) -> Vec<&str> {
    let array = array.as_array().map(Vec::as_slice).unwrap_or_default();
    array.iter().filter_map(Value::as_str).collect()
}

/// One of our programs by the path at which it is installed.
#[track_caller]
fn program(installed: &str) -> Command {
    match installed.strip_prefix(INSTALLED) {
        Some("system-stats-exporter") => programs::exporter(),
        Some("system-stats-aggregator") => programs::aggregator(),
        _ => panic!("{installed} is no program of ours in {INSTALLED}"),
    }
}

/// Flags, variables and subcommands must be among those that the program's help explains.
#[track_caller]
fn assert_explained<'a>(installed: &str, names: impl IntoIterator<Item = &'a str>) {
    let run = process::run(program(installed).arg("--help"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let known: Vec<&str> = run.stdout.split(|c| !is_of_a_name(c)).collect();
    for name in names {
        let name = name.split('=').next().unwrap_or(name);
        assert!(known.contains(&name), "{installed} knows no {name}");
    }
}

#[track_caller]
fn systemd_analyze(arguments: &[&str]) -> Finished {
    let program = "/usr/bin/systemd-analyze";
    assert!(
        fs::exists(program).unwrap_or(false),
        "{program} is not there: install the Debian package systemd (tests/run does)",
    );
    process::run(Command::new(program).args(arguments))
}

#[test]
fn units_confine_the_programs_but_not_what_they_see() {
    for (_, name) in UNITS {
        let unit = format!("systemd/{name}.service");
        let file = path(&unit);
        // In tenths: the exit status says whether the exposure is more than 2.0.
        let mut arguments = vec!["security", "--offline=true", "--no-pager", "--threshold=20"];
        arguments.push(file.to_str().unwrap());
        let run = systemd_analyze(&arguments);
        assert_eq!(run.code, Some(0), "{unit} is too open: {}", run.stdout);
        assert!(run.stdout.contains("Overall exposure level"), "{run:?}");
        let text = text(&unit);
        for blindfold in BLINDFOLDS {
            assert!(
                text.lines().all(|line| line != blindfold),
                "{unit}: {blindfold}"
            );
        }
        // The C library of Debian asks for the clock's state by the second of these.
        let allowed = "SystemCallFilter=adjtimex clock_adjtime clock_adjtime64";
        let last = text
            .lines()
            .rfind(|line| line.starts_with("SystemCallFilter="));
        assert_eq!(last, Some(allowed), "{unit}");
    }
}

#[test]
fn units_name_what_the_programs_understand() {
    for (program, name) in UNITS {
        let unit = text(&format!("systemd/{name}.service"));
        let values = |key: &str| -> Vec<&str> {
            let lines = unit.lines().filter_map(|line| line.split_once('='));
            lines.filter(|(k, _)| *k == key).map(|(_, v)| v).collect()
        };
        let start: Vec<&str> = values("ExecStart")
            .iter()
            .flat_map(|v| v.split(' '))
            .collect();
        assert_eq!(start[0], format!("{INSTALLED}{program}"));
        assert_explained(start[0], start[1..].iter().copied());
        assert_explained(start[0], values("Environment"));
        assert_eq!(values("EnvironmentFile"), [format!("-/etc/default/{name}")]);
        assert_eq!(values("DynamicUser"), ["yes"]);
    }
}

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let folder = Folder::new();
    for (_, name) in UNITS {
        let built = format!("{}/", folder::build().display());
        let unit = text(&format!("systemd/{name}.service")).replace(INSTALLED, &built);
        let file = folder.write(&format!("{name}.service"), unit);
        let run = systemd_analyze(&["verify", "--man=no", file.to_str().unwrap()]);
        let of_ours: Vec<&str> = run
            .stderr
            .lines()
            .filter(|line| line.contains(name))
            .collect();
        assert_eq!(of_ours, [""; 0], "{run:?}");
        assert_eq!(run.code, Some(0), "{run:?}");
    }
}

#[test]
fn launchd_starts_the_programs() {
    for (label, program) in [
        ("com.local.systemstats", "system-stats-exporter"),
        (
            "com.local.systemstats.aggregator",
            "system-stats-aggregator",
        ),
    ] {
        let list = parsed(&format!("launchd/{label}.plist"));
        assert_eq!(list["Label"], label);
        let arguments = words(&list["ProgramArguments"]);
        let command = match arguments[..] {
            ["/bin/sh", "-c", script] => {
                let run = process::run(Command::new("/bin/sh").args(["-n", "-c", script]));
                assert_eq!(run.code, Some(0), "{label}: {run:?}");
                let (_, command) = script.rsplit_once("exec ").expect("exec");
                command.split(' ').collect()
            }
            _ => arguments,
        };
        assert_eq!(command[0], format!("{INSTALLED}{program}"));
        assert_explained(command[0], command[1..].iter().copied());
    }
}

#[track_caller]
fn health(mut command: Command, address: &str) -> Finished {
    process::run(command.args([&format!("--web.listen-address={address}"), "healthcheck"]))
}

#[test]
fn an_aggregator_is_asked_for_its_health() {
    let aggregator = Aggregator::start(&Folder::new(), NO_TARGETS);
    let address = aggregator.address.to_string();
    let healthy = health(programs::aggregator(), &address);
    assert_eq!((healthy.code, healthy.stderr.as_str()), (Some(0), ""));
    let url = format!("http://{address}/nothing-here");
    let sick = process::run(programs::aggregator().args(["healthcheck", "--url", &url]));
    assert_eq!(sick.code, Some(1), "{sick:?}");
    assert!(sick.stderr.contains("404"), "{sick:?}");
    assert!(aggregator.stop().success());
    let gone = health(programs::aggregator(), &address);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert_eq!(gone.stderr.lines().count(), 1, "{gone:?}");
    assert!(gone.stderr.contains(&address), "{gone:?}");
}

#[test]
fn an_exporter_is_asked_for_its_health() {
    let mut exporter = Exporter::start(&[]);
    let address = exporter.address.to_string();
    let asked = |address: &str| {
        let flag = format!("--web.listen-address={address}");
        process::run(programs::exporter().args(["healthcheck", &flag]))
    };
    let healthy = asked(&address);
    assert_eq!((healthy.code, healthy.stderr.as_str()), (Some(0), ""));
    exporter.process.signal("TERM");
    exporter.process.wait_for_end(Duration::from_secs(10));
    let gone = asked(&address);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert_eq!(gone.stderr.lines().count(), 1, "{gone:?}");
    assert!(gone.stderr.contains(&address), "{gone:?}");
}
