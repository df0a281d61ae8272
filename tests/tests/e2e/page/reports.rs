//! Services, pipelines and alerts.

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::http::Request;
use e2e::programs::{Aggregator, NO_TARGETS};
use serde_json::{Value, json};

use super::{PATIENCE, assert_clean};

#[track_caller]
fn post(aggregator: &Aggregator, path: &str, body: &Value) {
    let answer = Request::post(path, body).send(aggregator.address);
    assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
}

#[test]
fn what_is_reported_is_shown_and_moves() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let origin = format!("http://{}/", aggregator.address);
    for (name, status) in [("web", "up"), ("<b>api</b>", "down")] {
        let endpoint = "https://web.example.net/health";
        let body = json!({"name": name, "status": status, "endpoint": endpoint});
        post(&aggregator, "/services/", &body);
    }
    let run = |status: &str, progress: u8| {
        let metadata = json!({"progress": progress});
        let body = json!({"pipeline_type": "training", "status": status, "metadata": metadata});
        post(&aggregator, "/pipelines/", &body);
    };
    run("running", 40);
    let full = json!({"title": "Disk full", "message": "/srv: 1 % left", "severity": 3});
    post(&aggregator, "/alerts/", &full);
    let browser = Browser::start();
    let has = |text: &str| {
        let text = Value::from(text);
        format!("return document.querySelector('main').innerText.includes({text})")
    };

    browser.open(&format!("{origin}dashboard/services"));
    browser.wait_for("a hostile name", PATIENCE, &has("<b>api</b>"));
    let streamed = "return document.documentElement.dataset.live === 'stream'";
    browser.wait_for("the stream", PATIENCE, streamed);
    post(
        &aggregator,
        "/services/",
        &json!({"name": "web", "status": "down"}),
    );
    browser.wait_for("both are down", PATIENCE, &has("2 down"));
    browser.screenshot("services.png");

    browser.open(&format!("{origin}dashboard/pipelines"));
    browser.wait_for("its progress", PATIENCE, &has("40 %"));
    run("failed", 60);
    browser.wait_for("its end", PATIENCE, &has("1 failed"));
    browser.screenshot("pipelines.png");

    // The run that failed has raised an alert of its own.
    browser.open(&format!("{origin}dashboard/alerts"));
    browser.wait_for("both alerts", PATIENCE, &has("Firing 2"));
    browser.wait_for("the stream", PATIENCE, streamed);
    browser.screenshot("alerts.png");
    // Nothing is taken away from under who types.
    browser.run("document.querySelector('[name=by]').focus(); return true");
    let another = json!({"title": "Another", "message": "one", "severity": 1});
    post(&aggregator, "/alerts/", &another);
    let acknowledge = "
        const by = document.querySelector('[name=by]');
        by.value = 'Ann'; by.form.querySelector('button').click(); return true";
    browser.run(acknowledge);
    browser.wait_for("one is seen to", PATIENCE, &has("Silenced 1"));
    browser.open(&format!("{origin}dashboard/alerts?tab=silenced"));
    browser.wait_for("by whom", PATIENCE, &has("by Ann"));
    for (width, scheme) in [(1440, "dark"), (400, "light")] {
        browser.prefer_colours(scheme);
        for page in ["alerts?tab=reported", "services", "pipelines"] {
            browser.set_width(width);
            browser.open(&format!("{origin}dashboard/{page}"));
            browser.set_width(width);
            let name = page.split('?').next().unwrap();
            browser.screenshot(&format!("{name}-{width}-{scheme}.png"));
            let beyond = browser.run("return document.documentElement.scrollWidth");
            assert!(beyond.as_u64() <= Some(width.into()), "{page}: {beyond}");
        }
    }
    browser.open(&format!("{origin}dashboard"));
    browser.wait_for("what is wrong", PATIENCE, &has("No host yet"));
    assert_clean(&browser, &origin);
}
