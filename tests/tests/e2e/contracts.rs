//! The REST contracts of the older systems as tables, each run in order against one server, over
//! each database; and their clients.

mod clients;
mod keys;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use e2e::folder::Folder;
use e2e::http::{Request, Response};
use e2e::postgres::Database;
use e2e::programs::{Aggregator, NO_TARGETS};
use serde_json::{Value, json};

const TABLES: [&str; 3] = ["contract_a.json", "contract_b.json", "contract_c.json"];

#[test]
fn the_tables_hold_over_sqlite() {
    for table in TABLES {
        let folder = Folder::new();
        holds(table, &Aggregator::start(&folder, NO_TARGETS));
    }
}

#[test]
fn the_tables_hold_over_postgres() {
    for table in TABLES {
        let (folder, database) = (Folder::new(), Database::new());
        folder.write("prometheus.yml", NO_TARGETS);
        let mut command = Aggregator::command_on(folder.path(), &database.url());
        holds(table, &Aggregator::run(&mut command));
    }
}

#[track_caller]
fn holds(table: &str, aggregator: &Aggregator) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("data")
        .join(table);
    let text = fs::read_to_string(path).expect(table);
    let rows: Vec<Value> = serde_json::from_str(&text).expect("a table");
    assert!(rows.len() > 20, "{table}: {} rows", rows.len());
    let mut wrong = String::new();
    for row in &rows {
        let response = request(row).send(aggregator.address);
        let found = mismatches(row, &response);
        if !found.is_empty() {
            let _ = writeln!(wrong, "{table}: {}\n  {}", row["name"], found.join("\n  "));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn request(row: &Value) -> Request {
    let asked = &row["request"];
    let text = |key: &str| asked[key].as_str();
    let mut request = Request::new(text("method").unwrap(), text("path").unwrap());
    for (name, value) in asked["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().expect("a header is text"));
    }
    if let Some(body) = asked.get("body") {
        request = request.body(body.to_string());
    }
    if let Some(body) = text("body_text") {
        request = request.body(body);
    }
    request
}

fn mismatches(row: &Value, response: &Response) -> Vec<String> {
    let mut wrong = Vec::new();
    if row["status"] != response.status {
        wrong.push(format!(
            "status {} instead of {}",
            response.status, row["status"]
        ));
    }
    for (name, expected) in row["headers"].as_object().into_iter().flatten() {
        let found = response.header(name);
        // `null`: the header must not be there.
        if found != expected.as_str() {
            wrong.push(format!("header {name}: {found:?} instead of {expected}"));
        }
    }
    if let Some(expected) = row.get("json") {
        match serde_json::from_str(&response.text()) {
            Ok(found) => compare("", expected, &found, &mut wrong),
            Err(error) => wrong.push(format!("not JSON: {error}: {}", response.text())),
        }
    }
    wrong
}

/// `found` must have everything `expected` has, and may have more keys. `"<any>"`, `"<number>"` and
/// `"<string>"` stand for values that the table cannot know.
fn compare(path: &str, expected: &Value, found: &Value, wrong: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(keys), Value::Object(_)) => {
            for (key, expected) in keys {
                match found.get(key) {
                    Some(found) => compare(&format!("{path}.{key}"), expected, found, wrong),
                    None => wrong.push(format!("{path}.{key}: not there")),
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}[{index}]"), expected, found, wrong);
            }
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        _ => {
            let is_so = match expected.as_str() {
                Some("<any>") => true,
                Some("<number>") => found.is_number(),
                Some("<string>") => found.is_string(),
                _ => expected == found,
            };
            if !is_so {
                wrong.push(format!("{path}: {found} instead of {expected}"));
            }
        }
    }
}

#[test]
fn the_comparison_can_fail() {
    let differences = |expected: Value, found: Value| {
        let mut wrong = Vec::new();
        compare("", &expected, &found, &mut wrong);
        wrong
    };
    let same = json!({"a": [1, "<any>"], "b": "<string>", "c": "<number>"});
    let found = json!({"a": [1.0, null], "b": "x", "c": 2, "more": 1});
    assert_eq!(differences(same.clone(), found), Vec::<String>::new());
    let found = json!({"a": [1], "b": 1, "c": "x"});
    assert_eq!(differences(same, found).len(), 3);
    assert_eq!(differences(json!({"a": 1}), json!({})), [".a: not there"]);
    assert_eq!(differences(json!([]), json!({})).len(), 1);
}
