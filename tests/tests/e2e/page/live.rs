//! Numbers that move while one looks.

use std::io::{Read, Write};
use std::net::TcpStream;

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::programs::{Aggregator, Exporter, NO_TARGETS, scraping};
use e2e::wait;
use serde_json::json;

use super::{HAS_COLOURED_LINES, PATIENCE, assert_clean};

/// How the page is kept fresh.
const MODE: &str = "return document.documentElement.dataset.live";

#[test]
fn rows_and_charts_move_by_themselves() {
    let exporter = Exporter::start(&[]);
    let folder = Folder::new();
    let configuration = scraping(&[("node", exporter.address)]);
    let aggregator = Aggregator::start(&folder, &configuration);
    wait::until_some("readings", PATIENCE, || {
        let hosts = aggregator.get("/hosts");
        (hosts["hosts"][0]["metric_count"].as_u64() >= Some(2)).then_some(())
    });
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    browser.wait_for("the stream", PATIENCE, MODE);
    assert_eq!(browser.run(MODE), "stream");
    // The link keeps its focus, whatever happens around it.
    browser.run(
        "const row = document.querySelector('tr[data-host]');
        row.querySelector('a').focus();
        window.before = { row, text: row.innerText }; return true",
    );
    let moved = "
        const row = document.querySelector('tr[data-host]');
        return row === window.before.row && row.innerText !== window.before.text
            && row.contains(document.activeElement)";
    browser.wait_for("other numbers in the same row", PATIENCE, moved);

    let pushed = json!({
        "hostname": "new", "cpu": 99.5, "ram": 2, "disk": 3, "timestamp": wait::epoch_seconds(),
    });
    assert_eq!(aggregator.push(&pushed).status, 200);
    let row = "return document.querySelector('tr[data-host=new] .value.critical')?.innerText";
    assert_eq!(browser.wait_for("a new host", PATIENCE, row), "99.5 %");
    assert_clean(&browser, &origin);

    let link =
        "document.querySelector('tr[data-host]:not([data-host=new]) a').click(); return true";
    browser.run(link);
    browser.wait_for("lines", PATIENCE, HAS_COLOURED_LINES);
    browser.wait_for("the stream", PATIENCE, MODE);
    let newest = "
        const details = document.querySelector('[data-panel=cpu] details');
        details.open = true;
        const cells = [...details.querySelectorAll('tbody td:first-child')];
        return cells[0] && { newest: cells[0].innerText, count: cells.length }";
    let before = browser.wait_for("the chart as a table", PATIENCE, newest);
    wait::until("three more points", PATIENCE, || {
        let now = browser.run(newest);
        let more = now["count"].as_u64() >= before["count"].as_u64().map(|count| count + 3);
        if more && now["newest"].as_str() > before["newest"].as_str() {
            Ok(())
        } else {
            Err(now)
        }
    });
    let requests = browser.requests();
    let of_charts = |url: &&String| url.contains("/panels?");
    assert_eq!(
        requests.iter().filter(of_charts).count(),
        1,
        "{requests:#?}"
    );
    assert_clean_after(&browser, &origin, &requests);
    drop(browser);
    assert_eq!(aggregator.stop().code(), Some(0));
}

#[test]
fn a_link_keeps_its_focus_when_an_alert_comes_beside_it() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let push = |cpu: f64| {
        let sample = json!({"agent_id": "lab", "cpu": {"total_percent": cpu}});
        assert_eq!(aggregator.push(&sample).status, 200);
    };
    push(5.0);
    let browser = Browser::start();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    browser.wait_for("the stream", PATIENCE, MODE);
    let focus = "document.querySelector('tr[data-host=lab] th a').focus(); return true";
    browser.run(focus);
    push(97.0);
    let raised = "
        const cell = document.querySelector('tr[data-host=lab] th');
        return cell.innerText.includes('1 alert') && document.activeElement.innerText";
    assert_eq!(browser.wait_for("the alert", PATIENCE, raised), "lab");
    let is_there =
        "return document.querySelector('tr[data-host=lab] th').contains(document.activeElement)";
    assert_eq!(browser.run(is_there), true);
    assert_clean(&browser, &origin);
}

#[track_caller]
fn assert_clean_after(browser: &Browser, origin: &str, requests: &[String]) {
    assert!(requests.iter().all(|url| url.starts_with(origin)));
    let console = browser.console();
    assert!(console.is_empty(), "{console:#?}");
}

#[test]
fn a_page_that_is_refused_a_stream_asks_again_and_again() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    let push = |cpu: f64, second: i64| {
        let pushed = json!({
            "hostname": "pi", "cpu": cpu, "ram": 2, "disk": 3, "timestamp": now + second,
        });
        assert_eq!(aggregator.push(&pushed).status, 200);
    };
    push(11.5, 0);
    let mut taken = Vec::new();
    loop {
        let mut stream = TcpStream::connect(aggregator.address).unwrap();
        let request = b"GET /dashboard/events?table=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        if head.ends_with(b"503") {
            break;
        }
        taken.push(stream);
        assert!(taken.len() < 1000, "streams without a bound");
    }
    let browser = Browser::start();
    browser.open(&format!("http://{}/dashboard", aggregator.address));
    browser.wait_for("its mode", PATIENCE, MODE);
    assert_eq!(browser.run(MODE), "poll");
    push(97.5, 1);
    let row = "return document.querySelector('tr[data-host=pi] .value.critical')?.innerText";
    assert_eq!(browser.wait_for("the new number", PATIENCE, row), "97.5 %");
    // The streams end with the program, and so does the program.
    assert_eq!(aggregator.stop().code(), Some(0));
    for mut stream in taken {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"), "an end that is one");
    }
}
