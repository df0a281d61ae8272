//! The pages without JavaScript.

use e2e::browser::Browser;
use e2e::folder::Folder;
use e2e::programs::{Aggregator, NO_TARGETS};
use e2e::wait;
use serde_json::json;

use super::{PATIENCE, assert_clean};

#[test]
fn without_javascript_the_tables_are_there() {
    let folder = Folder::new();
    let aggregator = Aggregator::start(&folder, NO_TARGETS);
    let now = wait::epoch_seconds();
    for name in ["pi", "other"] {
        for second in 0..20 {
            let pushed = json!({
                "hostname": name, "cpu": 10 + second, "ram": 50, "disk": 5,
                "timestamp": now - 60 * second,
            });
            assert_eq!(aggregator.push(&pushed).status, 200);
        }
    }
    let browser = Browser::start();
    browser.without_javascript();
    let origin = format!("http://{}/", aggregator.address);
    browser.open(&format!("{origin}dashboard"));
    let theme = "return document.documentElement.dataset.theme ?? 'no script ran'";
    assert_eq!(browser.run(theme), "no script ran");
    let rows = "return [...document.querySelectorAll('tbody tr')].map((row) => row.innerText)";
    let rows = browser.run(rows);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows[1].as_str().unwrap().contains("10.0 %"), "{rows:?}");

    // A filter is a form.
    let filter = "document.getElementById('filter').value = 'pi';
        document.querySelector('form.filter button').click(); return true";
    browser.run(filter);
    let one = "return location.search === '?q=pi'
        && document.querySelectorAll('tbody tr').length === 1";
    browser.wait_for("the host that matches", PATIENCE, one);
    browser.screenshot("dashboard-plain.png");

    // So is a custom stretch of time; the tables unfold.
    browser.run("document.querySelector('tbody a').click(); return true");
    let form = "return document.querySelector('input[name=from]')?.type";
    let kind = browser.wait_for("the host's page", PATIENCE, form);
    assert_eq!(kind, "datetime-local");
    let submit = "
        const [from, to] = ['from', 'to'].map((name) => document.querySelector(`[name=${name}]`));
        from.valueAsNumber = to.valueAsNumber - 5.5 * 60 * 1000;
        to.form.querySelector('button').click(); return true";
    browser.run(submit);
    let tables = "
        if (!location.search.includes('from=')) return null;
        document.querySelector('[data-panel=cpu] summary').click();
        const { open } = document.querySelector('[data-panel=cpu] details');
        const cells = document.querySelectorAll('[data-panel=cpu] td:nth-child(2)');
        return open && cells.length && [...cells].map((cell) => cell.innerText)";
    let cells = browser.wait_for("the chart as a table", PATIENCE, tables);
    let cells = cells.as_array().unwrap();
    assert!((5..=6).contains(&cells.len()), "{cells:?}");
    assert!(cells.contains(&json!("12.0")), "{cells:?}");
    let plots = "return [...document.querySelectorAll('.plot')]
        .filter((plot) => plot.checkVisibility()).length";
    assert_eq!(
        browser.run(plots),
        0,
        "no room is left for what is not drawn"
    );
    browser.screenshot("host-plain.png");
    assert_clean(&browser, &origin);
}
