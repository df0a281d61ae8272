//! The pages, rendered by the routes that serve them.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

use super::server::{NOW, Server};

const SECOND: i64 = NOW / 1000;

/// A fleet with one host of every kind.
pub(super) async fn fleet(server: &Server) {
    let name = [("hostname", "web-1")];
    let root = [("mountpoint", "/"), ("device", "a")];
    let full = [("mountpoint", "/data"), ("device", "b")];
    let package = [("chip", "coretemp"), ("sensor", "Package id 0")];
    let disk = [("chip", "nvme"), ("sensor", "Composite")];
    for at in [NOW - 10_000, NOW - 5000, NOW] {
        server.scraped(
            "10.0.0.1:5001",
            at,
            &[
                ("up", &[], 1.0),
                ("system_cpu_usage_percent", &[], 12.34),
                ("system_memory_usage_percent", &[], 70.0),
                ("system_disk_usage_percent", &root, 5.0),
                ("system_disk_usage_percent", &full, 95.55),
                ("node_load1", &[], 0.5),
                ("system_temperature_celsius", &package, 71.0),
                ("system_temperature_high_celsius", &package, 80.0),
                ("system_temperature_celsius", &disk, 40.0),
                ("node_boot_time_seconds", &[], (SECOND - 273_120) as f64),
                ("system_info", &name, 1.0),
            ],
        );
    }
    server.scraped("10.0.0.2:9100", NOW, &[("up", &[], 0.0)]);
    let body = json!({
        "hostname": "pi", "cpu": 1, "ram": 2, "disk": 3, "timestamp": SECOND - 5,
        "details": {"uptime": {"seconds": 90}},
    });
    server
        .send(Method::POST, "/metrics", body.to_string())
        .await;
    server.push("old-pi", SECOND - 7200, 4.0).await;
}

/// The page without what changes with every build.
pub(super) fn stable(page: &str) -> String {
    let digest = page
        .split("/assets/")
        .nth(1)
        .and_then(|rest| rest.get(..16));
    match digest {
        Some(digest) => page.replace(digest, "DIGEST"),
        None => page.to_owned(),
    }
}

#[tokio::test]
async fn every_page_with_sample_hosts() {
    let server = Server::start().await;
    insta::assert_snapshot!("empty", stable(server.get("/dashboard").await.text()));
    let server = Server::start().await;
    fleet(&server).await;
    for (name, path) in [
        ("overview", "/dashboard"),
        ("grid", "/dashboard?view=grid&sort=-cpu&q=web"),
        ("host", "/dashboard/hosts/web-1"),
        (
            "host_zoomed",
            &format!("/dashboard/hosts/web-1?from={}&to={SECOND}", SECOND - 60),
        ),
        ("host_pushing", "/dashboard/hosts/pi?range=15m"),
        ("host_without_readings", "/dashboard/hosts/10.0.0.2:9100"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        insta::assert_snapshot!(name, stable(answer.text()));
    }
    let missing = server.get("/dashboard/hosts/nobody").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    insta::assert_snapshot!("missing", stable(missing.text()));
}

#[tokio::test]
async fn a_page_may_load_nothing_from_elsewhere_and_run_nothing_inline() {
    let server = Server::start().await;
    fleet(&server).await;
    for path in [
        "/dashboard",
        "/dashboard/hosts/pi",
        "/dashboard/hosts/nobody",
    ] {
        let answer = server.get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'self'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(
            answer.headers["x-content-type-options"], "nosniff",
            "{path}"
        );
        let page = answer.text();
        for inline in ["style=", " onclick", "<style", "javascript:", "//cdn"] {
            assert!(!page.contains(inline), "{path} has {inline}");
        }
    }
}

#[tokio::test]
async fn hostile_names_are_shown_and_not_run() {
    let long = "ü".repeat(1000);
    let names = [
        "<script>alert(1)</script>",
        "\" onmouseover=\"x",
        "'><b>",
        "{{ 7 * 7 }}",
        "\u{202e}evil",
        "a/b?c#d",
        long.as_str(),
    ];
    for name in names {
        let server = Server::start().await;
        assert_eq!(
            server.push(name, SECOND, 1.0).await,
            StatusCode::OK,
            "{name}"
        );
        let page = server.get("/dashboard").await;
        let page = page.text();
        for raw in ["<script>a", "\" onm", "<b>", "49"] {
            assert!(!page.contains(raw), "{name}: {raw}");
        }
        // The row's link leads to the host's page, which names it.
        let path = page.split("<th scope=\"row\"><a href=\"").nth(1).unwrap();
        let path = path.split('"').next().unwrap();
        let answer = server.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let panels = format!("{}/panels", path.replace("/dashboard/", "/api/dashboard/"));
        let panels = server.get(&panels).await.json();
        assert_eq!(
            panels["panels"][0]["lines"][0]["avg"],
            json!([1.0]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_address_says_which_hosts_are_shown_and_in_which_order() {
    let server = Server::start().await;
    fleet(&server).await;
    let shown = async |query: &str| {
        let rows = server.get(&format!("/dashboard{query}")).await;
        let names = rows.text().split("<tr data-host=\"").skip(1);
        let names = names.map(|row| row.split('"').next().unwrap().to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    for (query, names) in [
        ("", "10.0.0.2:9100 old-pi pi web-1"),
        ("?q=PI", "old-pi pi"),
        ("?q=10.0", "10.0.0.2:9100 web-1"),
        ("?q=job%3Dhosts", "10.0.0.2:9100 web-1"),
        ("?q=job%3Dhosts+web", "web-1"),
        ("?q=status%3Ddown", "10.0.0.2:9100"),
        ("?q=job%3Dhost", ""),
        ("?q=__name__%3Dup", ""),
        ("?sort=-cpu", "web-1 old-pi pi 10.0.0.2:9100"),
        ("?sort=cpu", "pi old-pi web-1 10.0.0.2:9100"),
        ("?sort=-name", "web-1 pi old-pi 10.0.0.2:9100"),
        ("?sort=status", "10.0.0.2:9100 old-pi pi web-1"),
        ("?sort=-nonsense", "10.0.0.2:9100 old-pi pi web-1"),
    ] {
        assert_eq!(shown(query).await, names, "{query}");
    }
    let page = server
        .get("/dashboard?q=%22%3E%3Cb%3E&sort=-cpu&view=grid")
        .await;
    let page = page.text();
    assert!(!page.contains("<b>") && page.contains("No host matches"));
    assert!(page.contains("data-rows=\"?q=%22%3E%3Cb%3E&amp;sort=-cpu&amp;view=grid\""));
}

#[tokio::test]
async fn a_page_is_compressed_for_who_takes_it() {
    let server = Server::start().await;
    fleet(&server).await;
    let plain = server.get("/dashboard").await;
    let request = Request::get("/dashboard").header("accept-encoding", "gzip");
    let packed = server.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&packed.body[..]);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert_eq!(text, plain.text());
}

#[tokio::test]
async fn a_chart_asks_for_what_it_can_draw() {
    let server = Server::start().await;
    for n in 0..100 {
        server.push("pi", SECOND - 1000 + n * 10, 1.0).await;
    }
    let panels = async |query: &str| {
        let path = format!("/api/dashboard/hosts/pi/panels?panel=cpu&{query}");
        server.get(&path).await
    };
    let points = async |query: &str| {
        let answer = panels(query).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        let panels = answer.json()["panels"].take();
        panels[0]["times"].as_array().unwrap().len()
    };
    assert_eq!(points("").await, 100);
    assert_eq!(points("range=100").await, 10);
    assert!(points("range=1000&width=10").await <= 20);
    let (from, to) = (SECOND - 500, SECOND - 400);
    assert_eq!(points(&format!("from={from}&to={to}&width=800")).await, 11);
    for query in [
        "from=x",
        "from=5&to=5",
        "range=0",
        "range=-1",
        "to=9223372036854775807",
        "width=w",
    ] {
        let answer = panels(query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer.json()["error"].is_string());
    }
    let unknown = server.get("/api/dashboard/hosts/nobody/panels").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_hosts_charts_are_what_there_is_of_it() {
    let server = Server::start().await;
    fleet(&server).await;
    let eth = [("device", "eth0")];
    for (at, bytes) in [
        (NOW - 20_000, 5000.0),
        (NOW - 10_000, 9000.0),
        (NOW, 1000.0),
    ] {
        let received = ("node_network_receive_bytes_total", &eth[..], bytes);
        server.scraped("10.0.0.3:9100", at, &[("up", &[], 1.0), received]);
    }
    let panels = async |host: &str, query: &str| {
        let path = format!("/api/dashboard/hosts/{host}/panels?{query}");
        let answer = server.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.json()["panels"].take()
    };
    let ids = |panels: &serde_json::Value| {
        let panels = panels.as_array().unwrap().iter();
        panels
            .map(|panel| panel["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&panels("web-1", "").await),
        ["cpu", "load", "memory", "disk", "temperature"]
    );
    assert_eq!(ids(&panels("web-1", "panel=load").await), ["load"]);
    assert_eq!(
        ids(&panels("web-1", "panel=memory,cpu").await),
        ["cpu", "memory"]
    );
    assert_eq!(
        ids(&panels("pi", "").await),
        ["cpu", "memory", "disk", "io"],
        "a push"
    );
    let disk = &panels("web-1", "panel=disk").await[0]["lines"];
    assert_eq!(disk[0]["name"], "/");
    assert_eq!(disk[1]["name"], "/data");
    assert_eq!(disk[1]["avg"], json!([95.55, 95.55, 95.55]));
    let network = &panels("10.0.0.3:9100", "range=60").await[0];
    assert_eq!(network["lines"][0]["name"], "eth0 received");
    assert_eq!(
        network["lines"][0]["avg"],
        json!([400.0, 100.0]),
        "a reset is no fall"
    );
    let wide = &panels("web-1", "panel=cpu&range=3600&width=1").await[0];
    assert_eq!(
        wide["lines"][0]["min"],
        json!([12.34]),
        "several samples in a step"
    );
    let bad = server
        .get("/api/dashboard/hosts/pi/panels?from=5&to=5")
        .await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
    let missing = server.get("/api/dashboard/hosts/nobody/panels").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn everything_a_page_loads_is_there() {
    let server = Server::start().await;
    let page = server.get("/dashboard").await;
    let mut loaded = 0;
    for link in page
        .text()
        .split('"')
        .filter(|link| link.starts_with("/assets/"))
    {
        let answer = server.get(link).await;
        assert_eq!(answer.status, StatusCode::OK, "{link}");
        assert!(
            answer.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let folder = link.rsplit_once('/').unwrap().0;
        for import in answer.text().split("from \"./").skip(1) {
            let import = import.split('"').next().unwrap();
            let answer = server.get(&format!("{folder}/{import}")).await;
            assert_eq!(answer.status, StatusCode::OK, "{import}");
        }
        loaded += 1;
    }
    assert_eq!(loaded, 5);
}

#[tokio::test]
async fn the_lifecycle_api_is_off_unless_it_is_on() {
    let server = Server::start().await;
    for method in [Method::POST, Method::PUT] {
        let answer = server.send(method, "/-/reload", "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.text().contains("--web.enable-lifecycle"));
    }
    assert_eq!(
        server.get("/-/reload").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(server.get("/-/healthy").await.status, StatusCode::OK);
    assert_eq!(server.get("/-/ready").await.status, StatusCode::OK);
    let request = Request::get("/dashboard/x").body(Body::empty()).unwrap();
    assert_eq!(server.ask(request).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_custom_stretch_is_dates_in_utc() {
    let server = Server::start().await;
    fleet(&server).await;
    let path = "/dashboard/hosts/web-1?from=2026-05-28T20%3A26%3A30&to=2026-05-28T20%3A26%3A36";
    let page = server.get(path).await;
    let page = page.text();
    for expected in [
        "name=\"from\" step=\"1\" value=\"2026-05-28T20:26:30\"",
        "name=\"to\" step=\"1\" value=\"2026-05-28T20:26:36\"",
        "2026-05-28 20:26:30 to 2026-05-28 20:26:36 UTC",
        "<tr><td>2026-05-28 20:26:35</td><td>12.3</td></tr>",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    assert!(!page.contains("data-live"), "a stretch with an end");
    let refused = server.get("/dashboard/hosts/web-1?from=noon").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("from is neither"));
}
