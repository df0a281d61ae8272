//! A thousand hosts: pages stay light and are paged.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;

use super::server::{NOW, Scraped, Server};

const SECOND: i64 = NOW / 1000;

/// Everything of a page as a browser gets it: the page, what it loads, what that imports.
async fn weight(server: &Server, path: &str) -> (BTreeMap<String, usize>, String) {
    let (mut weights, mut text) = (BTreeMap::new(), String::new());
    let mut wanted = vec![path.to_owned()];
    while let Some(path) = wanted.pop() {
        if weights.contains_key(&path) {
            continue;
        }
        let request = Request::get(&path).header("accept-encoding", "gzip");
        let answer = server.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.headers["content-encoding"], "gzip", "{path}");
        weights.insert(path.clone(), answer.body.len());
        let mut plain = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(&answer.body[..]);
        std::io::Read::read_to_end(&mut decoder, &mut plain).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        let loaded = plain.split('"').filter(|link| link.starts_with("/assets/"));
        wanted.extend(loaded.map(str::to_owned));
        let folder = path.rsplit_once('/').unwrap().0;
        let imports = plain.split(" from \"./").skip(1);
        let imports = imports.map(|rest| rest.split('"').next().unwrap());
        wanted.extend(imports.map(|import| format!("{folder}/{import}")));
        // The charts' own data, of the width of a big window.
        let charts = plain.split("data-panels=\"").nth(1);
        let charts = charts.and_then(|rest| rest.split('"').next());
        wanted.extend(charts.map(|url| format!("{}&width=1000", url.replace("&amp;", "&"))));
        if text.is_empty() {
            text = plain;
        }
    }
    assert!(weights.len() > 8, "{weights:?}");
    (weights, text)
}

/// A host with every column, each with numbers of its own.
fn scrape(server: &Server, number: u32, at: i64) {
    let noise =
        |salt: u32| f64::from(number.wrapping_mul(2_654_435_761).rotate_left(salt) % 10_000);
    let name = format!("web-{number:04}.example.net");
    let info = [
        ("hostname", name.as_str()),
        ("os", "Debian 13"),
        ("kernel", "6.12.1"),
    ];
    let root = [("mountpoint", "/")];
    let data = [("mountpoint", "/srv/data")];
    let device = [("device", "eth0")];
    let chip = [("chip", "coretemp"), ("sensor", "Package id 0")];
    let series: [Scraped<'_>; 13] = [
        ("up", &[], 1.0),
        ("system_cpu_usage_percent", &[], noise(1) / 100.0),
        ("system_memory_usage_percent", &[], noise(2) / 100.0),
        ("system_disk_usage_percent", &root, noise(3) / 100.0),
        ("system_disk_usage_percent", &data, noise(4) / 100.0),
        ("node_load1", &[], noise(5) / 100.0),
        (
            "node_boot_time_seconds",
            &[],
            SECOND as f64 - noise(6) * 100.0,
        ),
        (
            "system_network_receive_bytes_per_second",
            &device,
            noise(7) * 1000.0,
        ),
        (
            "system_network_transmit_bytes_per_second",
            &device,
            noise(8) * 1000.0,
        ),
        ("system_temperature_celsius", &chip, 30.0 + noise(9) / 200.0),
        ("system_temperature_high_celsius", &chip, 80.0),
        ("system_info", &info, 1.0),
        ("node_load5", &[], noise(10) / 100.0),
    ];
    let instance = format!("10.0.{}.{}:5001", number / 250, number % 250);
    server.scraped(&instance, at, &series);
}

#[tokio::test]
async fn a_thousand_hosts_are_pages_of_a_light_table() {
    let server = Server::start().await;
    for number in 0..1000 {
        for minutes in (0..60).rev().step_by(4) {
            scrape(&server, number, NOW - minutes * 60_000);
        }
    }
    let (weights, page) = weight(&server, "/dashboard").await;
    let bytes: usize = weights.values().sum();
    assert!(bytes <= 60_000, "{bytes} bytes: {weights:#?}");
    assert_eq!(page.matches("<tr data-host").count(), 200);
    assert!(page.contains("1000 up") && page.contains("1 to 200 of 1000"));
    assert!(page.contains("href=\"/dashboard?page=5\""));

    let last = server.get("/dashboard?sort=-name&page=5").await;
    let last = last.text();
    assert!(last.contains("801 to 1000 of 1000") && last.contains("web-0000"));
    assert!(
        last.contains("href=\"/dashboard?sort=-name\""),
        "back to the first"
    );
    for beyond in [
        "?page=6",
        "?page=99999999999999999999",
        "?page=0",
        "?page=x",
    ] {
        let page = server.get(&format!("/dashboard{beyond}")).await;
        assert_eq!(
            page.text().matches("<tr data-host").count(),
            200,
            "{beyond}"
        );
    }
    let one = server.get("/dashboard?q=web-0777&page=3").await;
    assert_eq!(one.text().matches("<tr data-host").count(), 1);
}

/// A series with names made up on the way.
type Owned = (String, Vec<(&'static str, &'static str)>, f64);

#[tokio::test]
async fn a_hosts_page_with_every_chart_is_light() {
    let server = Server::start().await;
    let devices = ["sda", "sdb", "nvme0n1", "eth0"];
    let modes = [
        "user", "system", "iowait", "irq", "softirq", "steal", "nice",
    ];
    // An hour of scrapes every five seconds.
    for at in 0..720_u32 {
        let wave =
            |salt: u32| f64::from((at * (salt + 3)).wrapping_mul(2_654_435_761) >> 22) / 10.24;
        let grown = |salt: u32| f64::from(at * (salt + 1) * 1000) + wave(salt);
        let time = NOW - i64::from(719 - at) * 5000;
        let mut owned: Vec<Owned> = Vec::new();
        for (salt, name) in ["cpu", "memory", "swap"].into_iter().enumerate() {
            let salt = u32::try_from(salt).unwrap();
            owned.push((format!("system_{name}_usage_percent"), vec![], wave(salt)));
        }
        for (salt, device) in devices.into_iter().enumerate() {
            let salt = u32::try_from(salt).unwrap();
            for metric in [
                "node_disk_read_bytes_total",
                "node_disk_written_bytes_total",
                "system_network_receive_bytes_total",
                "system_network_transmit_bytes_total",
            ] {
                owned.push((metric.to_owned(), vec![("device", device)], grown(salt)));
            }
            let mount = vec![("mountpoint", device)];
            owned.push((
                "system_disk_usage_percent".to_owned(),
                mount,
                50.0 + f64::from(salt),
            ));
            let sensor = vec![("chip", "coretemp"), ("sensor", device)];
            owned.push((
                "system_temperature_celsius".to_owned(),
                sensor,
                40.0 + wave(salt) / 9.0,
            ));
        }
        for (salt, mode) in modes.into_iter().enumerate() {
            let labels = vec![("cpu", "0"), ("mode", mode)];
            let value = grown(u32::try_from(salt).unwrap()) / 100_000.0;
            owned.push(("node_cpu_seconds_total".to_owned(), labels, value));
        }
        for name in ["node_load1", "node_load5", "node_load15"] {
            owned.push((name.to_owned(), vec![], wave(9) / 20.0));
        }
        let series: Vec<Scraped<'_>> = owned
            .iter()
            .map(|(name, labels, value)| (name.as_str(), labels.as_slice(), *value))
            .chain([("up", [].as_slice(), 1.0)])
            .collect();
        server.scraped("10.0.0.1:5001", time, &series);
    }
    let (weights, page) = weight(&server, "/dashboard/hosts/10.0.0.1:5001").await;
    let bytes: usize = weights.values().sum();
    assert_eq!(page.matches("<figure").count(), 9);
    assert!(bytes <= 80_000, "{bytes} bytes: {weights:#?}");
}
