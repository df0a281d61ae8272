//! The dashboard in a real browser.

mod alerts;
mod live;
mod looks;
mod plain;
mod reports;

use std::time::Duration;

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::programs::{Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::{http, wait};

const PATIENCE: Duration = Duration::from_secs(15);

/// Whether some canvas has pixels in colour: lines of series, not only grey axes and grid.
const HAS_COLOURED_LINES: &str = "
    return [...document.querySelectorAll('canvas')].some((canvas) => {
        if (!canvas.width || !canvas.height) return false;
        // Of a copy: the browser warns of a canvas that is drawn on and read again and again.
        const copy = new OffscreenCanvas(canvas.width, canvas.height);
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        let coloured = 0;
        for (let i = 0; i < data.length; i += 4) {
            const [r, g, b, a] = data.slice(i, i + 4);
            if (a > 100 && Math.max(r, g, b) - Math.min(r, g, b) > 60) coloured += 1;
        }
        return coloured > 50;
    });";

#[test]
fn the_hosts_row_and_its_chart_are_there() {
    let exporter = Exporter::start(&[]);
    let system = http::get_json(exporter.address, "/system");
    let name = system["system"]["hostname"].as_str().unwrap().to_owned();
    let folder = Folder::new();
    let configuration = scraping(&[("node", exporter.address)]);
    let aggregator = Aggregator::start(&folder, &configuration);
    // A line needs two points.
    wait::until_some("readings", PATIENCE, || {
        let hosts = aggregator.get("/hosts");
        (hosts["hosts"][0]["metric_count"].as_u64() >= Some(3)).then_some(())
    });

    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    let row = format!(
        "return [...document.querySelectorAll('tr')].map((row) => row.innerText)\
         .find((text) => text.includes({}))",
        serde_json::Value::from(name.as_str())
    );
    let text = browser.wait_for("the host's row", PATIENCE, &row);
    assert!(
        text.as_str().unwrap().contains('%'),
        "a row with numbers: {text}"
    );
    browser.wait_for("a line in a chart", PATIENCE, HAS_COLOURED_LINES);
    browser.screenshot("dashboard.png");
    assert_clean(&browser, &origin);

    // The host's own page, by the link in its row.
    let link = "const link = document.querySelector('tr[data-host] a'); link.click(); return true";
    browser.wait_for("the link to the host", PATIENCE, link);
    let heading = "return document.querySelector('h1')?.innerText";
    wait::until("the host's page", PATIENCE, || {
        let heading = browser.run(heading);
        let is_there = heading.as_str().is_some_and(|text| text.contains(&name));
        if is_there { Ok(()) } else { Err(heading) }
    });
    browser.wait_for("a line in its chart", PATIENCE, HAS_COLOURED_LINES);
    browser.screenshot("host.png");
    assert_clean(&browser, &origin);
}

#[test]
fn an_empty_dashboard_says_what_to_do() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    let text = browser.wait_for("the page", PATIENCE, "return document.body.innerText");
    assert!(
        text.as_str().unwrap().contains("system-stats-exporter"),
        "{text}"
    );
    browser.screenshot("dashboard-empty.png");
    assert_clean(&browser, &origin);
}

/// A host's name comes from outside and stays text.
#[test]
fn a_hostile_host_name_is_only_text() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let long = "w".repeat(1000);
    let names = [
        "<img src=x onerror=\"console.error('run')\"><b>\u{202e}\"'&",
        "\u{202e}\u{5d0}\u{5d1}\u{5d2} evil",
        "a/../b?c=d#e",
        long.as_str(),
    ];
    let now = wait::epoch_seconds();
    for name in names {
        for second in 0..3 {
            let reading = serde_json::json!({
                "hostname": name, "cpu": 10 * second, "ram": 50, "disk": 5,
                "timestamp": now - second,
            });
            assert_eq!(aggregator.push(&reading).status, 200);
        }
    }
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    let rows = "return document.querySelectorAll('tr[data-host]').length === 4";
    browser.wait_for("the rows", PATIENCE, rows);
    let streamed = "return document.documentElement.dataset.live === 'stream'";
    browser.wait_for("the stream", PATIENCE, streamed);
    browser.wait_for("a line in its chart", PATIENCE, HAS_COLOURED_LINES);
    browser.screenshot("dashboard-hostile.png");
    for name in names {
        let shown = format!(
            "const row = [...document.querySelectorAll('tr[data-host]')]
                .find((row) => row.dataset.host === {0});
            return row.querySelector('th').innerText === {0} && row.querySelector('a').href",
            serde_json::Value::from(name)
        );
        let link = browser.run(&shown);
        let link = link
            .as_str()
            .unwrap_or_else(|| panic!("{name} is not shown"));
        browser.open(link);
        let heading = browser.run("return document.querySelector('h1 bdi').textContent");
        assert_eq!(heading, name);
        browser.wait_for("a line in its chart", PATIENCE, HAS_COLOURED_LINES);
        assert_eq!(
            browser.run("return document.querySelectorAll('main img').length"),
            0
        );
        browser.open(&format!("{origin}dashboard"));
    }
    assert_clean(&browser, &origin);
}

#[track_caller]
fn assert_clean(browser: &Browser, origin: &str) {
    let console = browser.console();
    assert!(console.is_empty(), "console: {console:#?}");
    let requests = browser.requests();
    assert!(
        requests.iter().any(|url| url.starts_with(origin)),
        "{requests:?}"
    );
    let foreign: Vec<&String> = requests
        .iter()
        .filter(|url| !url.starts_with(origin))
        .collect();
    assert!(foreign.is_empty(), "requests to other origins: {foreign:?}");
}

/// What is typed into the filter is in the address, and a reload shows the same.
#[test]
fn a_filter_survives_a_reload() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    for name in ["web-1", "web-2", "db-1"] {
        let reading = serde_json::json!({
            "hostname": name, "cpu": 10, "ram": 50, "disk": 95, "timestamp": now,
        });
        assert_eq!(aggregator.push(&reading).status, 200);
    }
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    let slash = "
        const event = new KeyboardEvent('keydown', { key: '/', bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
        return document.activeElement.id === 'filter'";
    browser.wait_for("the filter in focus", PATIENCE, slash);
    browser.run(
        "const filter = document.getElementById('filter');
        filter.value = 'web job=monitoring-stack';
        filter.dispatchEvent(new Event('input', { bubbles: true })); return true",
    );
    let two = "return document.querySelectorAll('tr[data-host]').length === 2";
    browser.wait_for("the rows that match", PATIENCE, two);
    browser.wait_for(
        "the address",
        PATIENCE,
        "return location.search.includes('q=web')",
    );
    let address = browser.run("return location.href");
    browser.open(address.as_str().unwrap());
    browser.wait_for("the same rows", PATIENCE, two);
    let critical = "return document.querySelector('.critical + .word')?.innerText === 'critical'";
    browser.wait_for("a threshold in words", PATIENCE, critical);
    let before = browser.run("return document.documentElement.dataset.theme");
    browser.run("document.getElementById('theme').click(); return true");
    let turned = format!("return document.documentElement.dataset.theme !== {before}");
    browser.wait_for("the other theme", PATIENCE, &turned);
    browser.open(address.as_str().unwrap());
    browser.wait_for("the theme after a reload", PATIENCE, &turned);
    browser.screenshot("dashboard-filtered.png");
    assert_clean(&browser, &origin);
}

/// Dragging over a chart changes the address, and the page shows that stretch.
#[test]
fn dragging_over_a_chart_zooms() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    for second in 0..100 {
        let reading = serde_json::json!({
            "hostname": "pi", "cpu": second % 50, "ram": 50, "disk": 5, "timestamp": now - 10 * second,
        });
        assert_eq!(aggregator.push(&reading).status, 200);
    }
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard/hosts/pi"));
    browser.wait_for("lines", PATIENCE, HAS_COLOURED_LINES);
    browser.screenshot("host-charts.png");
    browser.run(
        "const over = document.querySelector('[data-panel=cpu] .u-over');
        const { left, top, width } = over.getBoundingClientRect();
        const at = (share) => ({
            clientX: left + width * share, clientY: top + 50, button: 0, bubbles: true,
            // A move that moves nothing is taken for a browser's mistake.
            movementX: 5,
        });
        over.dispatchEvent(new MouseEvent('mousemove', at(0.3)));
        over.dispatchEvent(new MouseEvent('mousedown', at(0.3)));
        document.dispatchEvent(new MouseEvent('mousemove', at(0.5)));
        over.dispatchEvent(new MouseEvent('mousemove', at(0.5)));
        document.dispatchEvent(new MouseEvent('mouseup', at(0.5))); return true",
    );
    let zoomed = "return location.search.includes('from=') && location.search.includes('to=')";
    browser.wait_for("the stretch in the address", PATIENCE, zoomed);
    browser.wait_for("lines of that stretch", PATIENCE, HAS_COLOURED_LINES);
    let table = "document.querySelector('[data-panel=cpu] details').open = true;
        return document.querySelectorAll('[data-panel=cpu] td').length > 2";
    browser.wait_for("the chart as a table", PATIENCE, table);
    let jump = "
        const event = new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true });
        document.body.dispatchEvent(event); return true";
    browser.run(jump);
    let filter = "return document.activeElement?.id === 'filter'";
    browser.wait_for("the filter, from anywhere", PATIENCE, filter);
    assert_clean(&browser, &origin);
}
