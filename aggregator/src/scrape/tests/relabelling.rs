//! What `metric_relabel_configs` make of series.

use super::fixture::Fixture;

async fn report(fixture: &Fixture) -> String {
    let scraped = fixture.report("scrape_samples_scraped").await;
    let kept = fixture
        .report("scrape_samples_post_metric_relabeling")
        .await;
    let added = fixture.report("scrape_series_added").await;
    format!("{scraped} | {kept} | {added}")
}

/// Rules, and what is stored of two scrapes with the same three series.
#[tokio::test]
async fn series_are_renamed_and_dropped() {
    let body = "a{l=\"1\"} 1\na{l=\"2\"} 2\nb 3\n";
    let cases = [
        (
            "{source_labels: [__name__], regex: a, action: drop}",
            "b: 0=3 15=3\n",
        ),
        (
            "{source_labels: [__name__, l], regex: 'a;2', action: keep}",
            "a{l=2}: 0=2 15=2\n",
        ),
        (
            "{source_labels: [__name__], regex: '(a)', target_label: __name__, replacement: 'my_$1'}, {regex: l, replacement: m, action: labelmap}, {regex: l, action: labeldrop}",
            "b: 0=3 15=3\nmy_a{m=1}: 0=1 15=1\nmy_a{m=2}: 0=2 15=2\n",
        ),
        // Two become one: the first counts.
        (
            "{regex: l, action: labeldrop}",
            "a: 0=1 15=1\nb: 0=3 15=3\n",
        ),
        // The target's labels are there already.
        (
            "{source_labels: [job], target_label: from}, {source_labels: [__name__], regex: a, action: drop}",
            "b{from=j}: 0=3 15=3\n",
        ),
        // Nothing is left of a.
        (
            "{source_labels: [__name__], regex: a, target_label: __tmp_gone, replacement: 'yes'}, {source_labels: [__tmp_gone], regex: 'yes', action: drop}",
            "b: 0=3 15=3\n",
        ),
        ("{regex: '.*', action: labeldrop}", ""),
    ];
    for (rules, expected) in cases {
        let mut fixture = Fixture::new(&format!("metric_relabel_configs: [{rules}]")).await;
        for seconds in [0, 15] {
            let scraped = fixture.scrape(seconds, body);
            assert!(scraped.error.is_none(), "{rules}: {scraped:?}");
        }
        assert_eq!(fixture.stored().await, expected, "{rules}");
    }
}

#[tokio::test]
async fn what_is_dropped_is_not_counted_as_kept() {
    let drop = "metric_relabel_configs: [{source_labels: [__name__], regex: a, action: drop}]";
    let mut fixture = Fixture::new(drop).await;
    fixture.scrape(0, "a 1\na{l=\"1\"} 1\nb 1\n");
    fixture.scrape(15, "a 1\nb 1\nc 1\n");
    assert_eq!(report(&fixture).await, "0=3 15=3 | 0=1 15=2 | 0=1 15=1");

    // What is dropped does not count for the limit, not even beyond it.
    let mut fixture = Fixture::new(&format!("{drop}, sample_limit: 1")).await;
    let within = fixture.scrape(0, "a 1\na{l=\"1\"} 1\nb 1\n");
    assert!(within.error.is_none(), "{within:?}");
    let beyond = fixture.scrape(15, "b 1\nc 1\na 1\na{l=\"2\"} 1\nd 1\n");
    let error = beyond.error.unwrap().to_string();
    assert_eq!(error, "more than 1 samples (sample_limit)");
    assert_eq!(report(&fixture).await, "0=3 15=5 | 0=1 15=3 | 0=1 15=0");
}

#[tokio::test]
async fn limits_hold_for_what_is_left() {
    let rules = "metric_relabel_configs: [{regex: l, action: labeldrop}], label_limit: 3";
    let mut fixture = Fixture::new(rules).await;
    assert!(fixture.scrape(0, "a{l=\"1\"} 1\n").error.is_none());
    let error = fixture.scrape(15, "a{m=\"1\"} 1\n").error.unwrap();
    assert_eq!(error.to_string(), "a has more than 3 labels (label_limit)");
}

#[tokio::test]
async fn a_series_needs_a_name() {
    let rules = "metric_relabel_configs: [{regex: __name__, action: labeldrop}]";
    let mut fixture = Fixture::new(rules).await;
    let error = fixture.scrape(0, "a 1\n").error.unwrap();
    assert_eq!(
        error.to_string(),
        "metric_relabel_configs take the name of a series away (label __name__)"
    );
    assert_eq!(fixture.report("up").await, "0=0");
}

#[tokio::test]
async fn reports_are_not_relabelled() {
    let rules = "metric_relabel_configs: [{regex: up, source_labels: [__name__], action: drop}, {target_label: x, replacement: y}]";
    let mut fixture = Fixture::new(rules).await;
    fixture.scrape(0, "a 1\nup 5\n");
    assert_eq!(fixture.stored().await, "a{x=y}: 0=1\n");
    assert_eq!(fixture.report("up").await, "0=1");
}
