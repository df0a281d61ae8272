//! The Dockerfile and the compose file. There is no engine here to build them with: what can be
//! known without one is that every name in them is one of something that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use e2e::folder;
use e2e::process;
use e2e::programs;
use serde_json::Value;

use super::{assert_explained, parsed, path, text, words};

/// The stages with their instructions, in order.
fn stages() -> Vec<(String, Vec<(String, String)>)> {
    let text = text("docker/Dockerfile").replace("\\\n", " ");
    let mut stages: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let lines = text.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (instruction, rest) = line.split_once(' ').expect("an instruction with arguments");
        if instruction == "FROM" {
            let (_, name) = rest.split_once(" AS ").expect("a stage with a name");
            stages.push((name.to_owned(), Vec::new()));
        }
        let (_, instructions) = stages.last_mut().expect("FROM comes first");
        instructions.push((instruction.to_owned(), rest.trim().to_owned()));
    }
    stages
}

/// The arguments of an instruction in a stage that has it once.
#[track_caller]
fn only<'a>(stage: &'a [(String, String)], instruction: &str) -> &'a str {
    let mut found = stage.iter().filter(|(name, _)| name == instruction);
    let (_, rest) = found.next().unwrap_or_else(|| panic!("no {instruction}"));
    assert!(found.next().is_none(), "more than one {instruction}");
    rest
}

/// The words of the exec form.
#[track_caller]
fn exec(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn images_are_built_from_what_is_there() {
    let ignored = text("docker/Dockerfile.dockerignore");
    let stages = stages();
    let mut copied = BTreeSet::new();
    let mut earlier = BTreeSet::from(["rust", "debian"]);
    for (stage, instructions) in &stages {
        for (instruction, rest) in instructions {
            let mut words: Vec<&str> = rest.split_whitespace().collect();
            match instruction.as_str() {
                "FROM" => {
                    let from = words[0].split(':').next().unwrap();
                    assert!(earlier.contains(from), "{stage}: from {from}");
                }
                "COPY" => {
                    words.pop();
                    if let Some(from) = words[0].strip_prefix("--from=") {
                        assert!(earlier.contains(from), "{stage}: from {from}");
                        continue;
                    }
                    for source in words {
                        let file = folder::repository().join(source);
                        assert!(fs::exists(&file).unwrap(), "{}", file.display());
                        let line = format!("!{source}");
                        assert!(ignored.lines().any(|l| l == line), "{source} is ignored");
                        copied.insert(source.to_owned());
                    }
                }
                "RUN" if words[0] == "cargo" => assert!(words.contains(&"--locked"), "{rest}"),
                _ => {}
            }
        }
        earlier.insert(stage);
    }
    // Cargo wants the manifest of every member, whichever is built.
    let manifest = fs::read_to_string(folder::repository().join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").expect("a workspace");
    let (members, _) = members.split_once(']').expect("a list");
    for member in members.split(',').map(|m| m.trim().trim_matches('"')) {
        let folder = member.split('/').next().unwrap();
        assert!(folder.is_empty() || copied.contains(folder), "{member}");
    }
}

#[test]
fn images_run_our_programs_without_privileges() {
    let stages: BTreeMap<_, _> = stages().into_iter().collect();
    for (name, port, profile) in [
        ("exporter", "5001", "exporter"),
        ("aggregator", "8000", "release"),
    ] {
        let stage = &stages[name];
        let entry = exec(only(stage, "ENTRYPOINT"));
        assert_eq!(entry, [format!("/usr/local/bin/system-stats-{name}")]);
        let (_, check) = only(stage, "HEALTHCHECK").split_once(" CMD ").expect("CMD");
        assert_eq!(exec(check), [entry[0].as_str(), "healthcheck"]);
        assert_explained(&entry[0], ["healthcheck"]);
        assert_eq!(only(stage, "EXPOSE"), port);
        let user = only(stage, "USER").split(':').map(str::parse::<u32>);
        assert!(user.clone().count() == 2 && user.clone().all(|id| id.is_ok_and(|id| id > 0)));
        let built = format!("/src/target/{profile}/system-stats-{name} /usr/local/bin/");
        let is_copied = |(i, rest): &(String, String)| i == "COPY" && rest.ends_with(&built);
        assert!(stage.iter().any(is_copied), "{built}");
        let run = only(&stages[&format!("build-{name}")], "RUN");
        assert!(run.ends_with(&format!("-p system-stats-{name}")), "{run}");
        assert!(
            run.contains(&format!("--{profile} "))
                || run.contains(&format!("--profile {profile} "))
        );
        let variables = stage.iter().filter(|(instruction, _)| instruction == "ENV");
        assert_explained(&entry[0], variables.map(|(_, rest)| rest.as_str()));
    }
    assert_eq!(only(&stages["aggregator"], "VOLUME"), "/data");
}

#[test]
fn compose_runs_both_images() {
    let compose = parsed("docker/compose.yml");
    let stages: BTreeMap<_, _> = stages().into_iter().collect();
    let services = compose["services"].as_object().expect("services");
    assert_eq!(services.len(), 2);
    for (name, service) in services {
        let installed = format!("/usr/local/bin/system-stats-{name}");
        assert!(stages.contains_key(service["build"]["target"].as_str().unwrap()));
        assert!(
            path("docker")
                .join(service["build"]["context"].as_str().unwrap())
                .join(service["build"]["dockerfile"].as_str().unwrap())
                .exists()
        );
        assert_explained(&installed, words(&service["command"]));
        let variables = service["environment"].as_object().into_iter().flatten();
        assert_explained(&installed, variables.map(|(name, _)| name.as_str()));
        for volume in words(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            let is_there = match source.strip_prefix("./") {
                Some(file) => path("docker").join(file).exists(),
                None => source == "/" || compose["volumes"].get(source).is_some(),
            };
            assert!(is_there, "{name}: {volume}");
        }
    }
    let aggregator = &services["aggregator"];
    assert_eq!(aggregator["ports"][0], "${MONITOR_PORT:-8000}:8000");
    let data = words(&aggregator["volumes"]);
    assert!(
        data.iter().any(|volume| volume.ends_with(":/data")),
        "{data:?}"
    );
    let exporter = &services["exporter"];
    assert_eq!(
        (&exporter["network_mode"], &exporter["pid"]),
        (&Value::from("host"), &Value::from("host"))
    );
    assert_eq!(exporter["volumes"][0], "/:/host:ro,rslave");
    let configuration = path("docker/prometheus.yml");
    let check = process::run(
        programs::aggregator()
            .args(["check", "config"])
            .arg(configuration),
    );
    assert_eq!(check.code, Some(0), "{check:?}");
}
