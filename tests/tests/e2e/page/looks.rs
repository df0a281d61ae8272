//! Pictures of the pages for people to look at, and what can be measured of them.

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::programs::{Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::{http, wait};
use serde_json::json;

use super::{HAS_COLOURED_LINES, PATIENCE, assert_clean};

/// Everything that the page took over the network, compressed, without what is still flowing.
pub(super) const BYTES: &str = "
    const entries = [...performance.getEntriesByType('navigation'),
        ...performance.getEntriesByType('resource')];
    return entries.reduce((sum, entry) => sum + entry.encodedBodySize, 0)";

/// A fleet with hosts in every state; the day of one of them is long enough for extremes.
fn fleet(aggregator: &Aggregator) {
    let now = wait::epoch_seconds();
    let push = |name: &str, second: i64, numbers: [f64; 3]| {
        let [cpu, ram, disk] = numbers;
        let reading = json!({
            "hostname": name, "cpu": cpu, "ram": ram, "disk": disk, "timestamp": now - second,
            "disk_read": 1.5 + (second as f64 / 4000.0).sin(), "disk_write": 0.3,
        });
        assert_eq!(aggregator.push(&reading).status, 200);
    };
    for (name, numbers) in [
        ("build-07", [97.2, 71.0, 40.0]),
        ("db-1", [34.0, 88.5, 93.4]),
        ("mail", [3.0, 41.0, 66.2]),
    ] {
        push(name, 1, numbers);
    }
    push("attic", 7000, [1.0, 20.0, 30.0]);
    for at in 0..1500_u32 {
        // An outage of two hours, and a busy time.
        let second = i64::from(at) * 55;
        if (20_000..27_000).contains(&second) {
            continue;
        }
        let wave = (f64::from(at) / 90.0).sin() * 20.0;
        let noise = f64::from(at.wrapping_mul(2_654_435_761) >> 24) / 12.0;
        let disk = 48.0 - f64::from(at) / 500.0;
        let numbers = [30.0 + wave + noise, 55.0 + wave / 4.0, disk];
        push("web-1", second, numbers);
    }
}

#[test]
fn both_pages_light_and_dark_wide_and_narrow() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let configuration = scraping(&[("node", exporter.address)]);
    let aggregator = Aggregator::start(&folder, &configuration);
    fleet(&aggregator);
    let system = http::get_json(exporter.address, "/system");
    let scraped = system["system"]["hostname"].as_str().unwrap();
    wait::until("readings", PATIENCE, || {
        let readings = aggregator.readings(scraped).len();
        if readings > 4 { Ok(()) } else { Err(readings) }
    });
    let origin = format!("http://{}/", aggregator.address);
    let pages = [
        ("overview", "dashboard".to_owned(), 60_000),
        (
            "overview-grid",
            "dashboard?view=grid&sort=-cpu".to_owned(),
            60_000,
        ),
        ("host", "dashboard/hosts/web-1?range=24h".to_owned(), 80_000),
        ("host-scraped", format!("dashboard/hosts/{scraped}"), 80_000),
    ];
    for scheme in ["light", "dark"] {
        let browser = Browser::start();
        browser.prefer_colours(scheme);
        for (name, path, budget) in &pages {
            for (form, width) in [("wide", 1440), ("narrow", 400)] {
                browser.set_width(width);
                browser.open(&format!("{origin}{path}"));
                browser.wait_for("lines", PATIENCE, HAS_COLOURED_LINES);
                assert_eq!(
                    browser.run("return document.documentElement.dataset.theme"),
                    scheme
                );
                let bytes = browser.run(BYTES);
                assert!(bytes.as_u64() <= Some(*budget), "{name}: {bytes} bytes");
                browser.set_width(width);
                let beyond = browser.run("return document.documentElement.scrollWidth");
                assert!(
                    beyond.as_u64() <= Some(width.into()),
                    "{name} {form}: {beyond}"
                );
                browser.screenshot(&format!("{name}-{form}-{scheme}.png"));
            }
        }
        assert_clean(&browser, &origin);
    }
}

#[test]
fn a_step_of_many_readings_is_drawn_with_its_extremes() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    fleet(&aggregator);
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    let legend = "
        const labels = document.querySelectorAll('[data-panel=cpu] .u-legend .u-label');
        return [...labels].map((label) => label.innerText).join(' ').includes('max min')";
    browser.set_width(300);
    browser.open(&format!("{origin}dashboard/hosts/web-1?range=24h"));
    browser.wait_for("the extremes in the legend", PATIENCE, legend);
    let outlook = "return document.querySelector('[data-panel=disk] .note').innerText";
    assert_eq!(browser.run(outlook), "/ is full in 17 days at this rate");
    browser.wait_for("lines", PATIENCE, HAS_COLOURED_LINES);
    browser.screenshot("host-extremes.png");
    assert_clean(&browser, &origin);
}
