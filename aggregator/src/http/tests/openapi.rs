//! The document that describes the routes, held against the routes.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use super::server::{NOW, Server};

/// Where a value is not what a schema says, if anywhere.
fn mismatch(document: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        return mismatch(document, schema, value, place);
    }
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        kind => panic!("{place}: no type is called {kind}"),
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        kind => vec![kind.clone()],
    };
    if !kinds.iter().any(|kind| is(kind.as_str().unwrap())) {
        return Some(format!("{place}: {value} is not {kinds:?}"));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.map(|name| name.as_str().unwrap()) {
        if value.get(name).is_none() {
            return Some(format!("{place}: {name} is missing"));
        }
    }
    let inner = |schema: &Value, value: &Value, name: &str| {
        mismatch(document, schema, value, &format!("{place}.{name}"))
    };
    let mut fields = schema["properties"].as_object().into_iter().flatten();
    let field = fields.find_map(|(name, schema)| inner(schema, value.get(name)?, name));
    let mut items = value.as_array().into_iter().flatten();
    field.or_else(|| items.find_map(|item| inner(schema.get("items")?, item, "[]")))
}

/// The bodies that a request is described with; an empty one where it has none.
fn examples(body: Option<&Value>) -> Vec<String> {
    let text = |example: &Value| match example {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let several = body.and_then(|body| body["examples"].as_object());
    match several {
        Some(several) => several
            .values()
            .map(|example| text(&example["value"]))
            .collect(),
        None => vec![text(body.map_or(&Value::Null, |body| &body["example"]))],
    }
}

#[tokio::test]
async fn every_documented_route_answers_as_described() {
    let server = Server::start().await;
    let document = server.get("/api/openapi.json").await.json();
    let mut routes = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let same = methods["$ref"].as_str().map_or("", |text| &text[1..]);
        let methods = document.pointer(same).filter(|_| !same.is_empty());
        let methods = methods.unwrap_or(&document["paths"][path]);
        for (method, route) in methods.as_object().unwrap() {
            let push = json!({
                "hostname": "web-1", "cpu": 1.5, "ram": 2, "disk": 3, "timestamp": NOW / 1000,
                "details": {"os": "Linux"},
            });
            let pushed = server
                .send(Method::POST, "/metrics", push.to_string())
                .await;
            assert_eq!(pushed.status, 200);

            server.fire("HighLoad", "web-1");
            let silence = server.silence("alertname", "HighLoad").await;
            let parameters = route["parameters"].as_array().into_iter().flatten();
            let mut address = path.clone();
            for parameter in parameters.filter(|parameter| parameter["required"] == true) {
                let (name, value) = (&parameter["name"], &parameter["example"]);
                let (name, value) = (name.as_str().unwrap(), value.as_str().unwrap());
                let value = value.replace("{id}", &silence);
                if parameter["in"] == "path" {
                    address = address.replace(&format!("{{{name}}}"), &value);
                } else {
                    let separator = if address.contains('?') { '&' } else { '?' };
                    address = format!("{address}{separator}{name}={value}");
                }
            }
            let bodies = route["requestBody"]["content"].as_object();
            let (kind, body) = bodies.and_then(|bodies| bodies.iter().next()).unzip();
            let kind = kind.map_or("application/json", String::as_str);
            for body in examples(body) {
                let request = Request::builder()
                    .method(method.to_uppercase().as_str())
                    .uri(&address)
                    .header("content-type", kind)
                    .body(Body::from(body))
                    .unwrap();
                let answer = server.ask(request).await;
                let status = answer.status.as_str();
                let is_fine = answer.status.is_success() || answer.status.is_redirection();
                assert!(is_fine, "{method} {address}: {status}");
                let content = route["responses"][status]["content"].as_object();
                let Some((kind, content)) = content.and_then(|content| content.iter().next())
                else {
                    assert!(answer.body.is_empty(), "{method} {address}");
                    continue;
                };
                assert_eq!(answer.headers["content-type"], kind.as_str(), "{address}");
                let wrong = mismatch(&document, &content["schema"], &answer.json(), &address);
                assert_eq!(wrong, None, "{method}");
            }
            for (status, response) in route["responses"].as_object().unwrap() {
                let reference = response["$ref"].as_str().map_or("", |text| &text[1..]);
                let described = document.pointer(reference);
                let described = described.filter(|_| !reference.is_empty());
                let text = &described.unwrap_or(response)["description"];
                assert!(text.is_string(), "{method} {path} {status}");
            }
            routes += 1;
        }
    }
    assert_eq!(routes, 64);
}

/// The paths in the text of a list of routes.
fn routes(text: &'static str) -> BTreeSet<&'static str> {
    let calls = text.split(".route(").skip(1);
    let path = |call: &'static str| call.split('"').nth(1);
    calls.filter_map(path).collect()
}

#[test]
fn every_route_is_documented() {
    const UNDOCUMENTED: [&str; 4] = ["/-/", "/api/v1/admin/", "/assets/", "/dashboard"];
    let document = include_str!("../../../../dashboards/openapi.json");
    let document: Value = serde_json::from_str(document).unwrap();
    let documented = document["paths"].as_object().unwrap().keys();
    let documented: BTreeSet<&str> = documented.map(String::as_str).collect();
    let mut served = routes(include_str!("../../http.rs"));
    assert!(served.len() > 60);
    served.retain(|path| !UNDOCUMENTED.iter().any(|start| path.starts_with(start)));
    assert_eq!(documented, served);
}

#[test]
fn a_mismatch_is_found() {
    let schema = json!({
        "type": "object", "required": ["a"],
        "properties": {"a": {"type": "array", "items": {"type": ["number", "null"]}}},
    });
    let check = |value: Value| mismatch(&json!({}), &schema, &value, "x").is_some();
    assert!(!check(json!({"a": [1, null, 2.5]})));
    assert!(check(json!({"a": [1, "2"]})));
    assert!(check(json!({"b": []})));
    assert!(check(json!([])));
}
