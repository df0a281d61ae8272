//! What of an answer is stored, and what of its absence.

use super::fixture::{Fixture, START, text};
use crate::scrape::client::Answer;
use crate::scrape::error::ScrapeError;

fn refused() -> ScrapeError {
    ScrapeError::Connect("connection refused".to_owned())
}

#[tokio::test]
async fn samples_carry_the_time_of_the_scrape_and_the_labels_of_the_target() {
    let mut fixture = Fixture::new("").await;
    let scraped = fixture.scrape(0, "a 1\nb{l=\"x\",instance=\"mine\"} 2\n");
    assert!(scraped.error.is_none(), "{scraped:?}");
    fixture.scrape(15, "a 3\nb{l=\"x\",instance=\"mine\"} 4\n");
    assert_eq!(
        fixture.stored().await,
        "a: 0=1 15=3\nb{exported_instance=mine,l=x}: 0=2 15=4\n"
    );
    assert_eq!(fixture.report("up").await, "0=1 15=1");
    assert_eq!(fixture.report("scrape_samples_scraped").await, "0=2 15=2");
    assert_eq!(
        fixture
            .report("scrape_samples_post_metric_relabeling")
            .await,
        "0=2 15=2"
    );
    assert_eq!(fixture.report("scrape_series_added").await, "0=2 15=0");
    assert!(
        fixture
            .report("scrape_duration_seconds")
            .await
            .starts_with("0=")
    );
}

#[tokio::test]
async fn exposed_labels_win_when_honored() {
    let mut fixture = Fixture::new("honor_labels: true").await;
    fixture.scrape(0, "a{job=\"x\"} 1\nb{instance=\"\"} 2\n");
    assert_eq!(fixture.stored().await, "a{job=x}: 0=1\nb: 0=2\n");
}

#[tokio::test]
async fn series_that_vanish_end_at_once_and_come_back() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(0, "a 1\nb 1\n");
    fixture.scrape(15, "b 2\n");
    fixture.scrape(30, "b 3\n");
    fixture.scrape(45, "a 4\nb 4\n");
    assert_eq!(
        fixture.stored().await,
        "a: 0=1 15=end 45=4\nb: 0=1 15=2 30=3 45=4\n"
    );
    assert_eq!(
        fixture.report("scrape_series_added").await,
        "0=2 15=0 30=0 45=1"
    );
}

#[tokio::test]
async fn a_failed_scrape_ends_all_series_once() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(0, "a 1\nb 1\n");
    let scraped = fixture.scrape_with(15, Err(refused()));
    assert_eq!(scraped.error.unwrap().to_string(), "connection refused");
    fixture.scrape_with(30, Err(refused()));
    fixture.scrape(45, "a 4\n");
    assert_eq!(
        fixture.stored().await,
        "a: 0=1 15=end 45=4\nb: 0=1 15=end\n"
    );
    assert_eq!(fixture.report("up").await, "0=1 15=0 30=0 45=1");
    assert_eq!(
        fixture.report("scrape_samples_scraped").await,
        "0=2 15=0 30=0 45=1"
    );
}

#[tokio::test]
async fn nothing_of_a_body_with_an_error_is_stored() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(0, "a 1\n");
    let scraped = fixture.scrape(15, "a 2\nnew 2\nb~ 2\n");
    assert_eq!(
        scraped.error.unwrap().to_string(),
        "line 3: no value after the metric: \"b~ 2\"; write: name{label=\"value\"} number"
    );
    fixture.scrape(30, "a 3\nnew 3\n");
    assert_eq!(fixture.stored().await, "a: 0=1 15=end 30=3\nnew: 30=3\n");
    assert_eq!(fixture.report("up").await, "0=1 15=0 30=1");
    assert_eq!(
        fixture.report("scrape_samples_scraped").await,
        "0=1 15=2 30=2"
    );
}

#[tokio::test]
async fn bad_labels_fail_the_scrape() {
    let mut fixture = Fixture::new("").await;
    for body in [
        "a{b=\"1\",b=\"2\"} 1\n",
        "{b=\"1\"} 1\n",
        "a 1\nb{1=\"x\"} 1\n",
    ] {
        assert!(fixture.scrape(0, body).error.is_some(), "{body}");
    }
    assert_eq!(fixture.stored().await, "");
}

#[tokio::test]
async fn of_a_series_that_is_there_twice_the_first_counts() {
    let mut fixture = Fixture::new("").await;
    let scraped = fixture.scrape(0, "a 1\na 2\na{} 3\na 4 1700000000005\n");
    assert!(scraped.error.is_none());
    assert_eq!((scraped.counts.scraped, scraped.counts.repeated), (4, 3));
    assert_eq!(fixture.stored().await, "a: 0=1\n");
    assert_eq!(
        fixture
            .report("scrape_samples_post_metric_relabeling")
            .await,
        "0=4"
    );
    assert_eq!(fixture.report("scrape_series_added").await, "0=1");
}

#[tokio::test]
async fn samples_with_their_own_time_fade_instead_of_ending() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(20, &format!("a 1 {}\nb 1\n", START + 5000));
    fixture.scrape(40, &format!("a 2 {}\n", START + 25_000));
    fixture.scrape(60, "");
    fixture.scrape_with(80, Err(refused()));
    assert_eq!(fixture.stored().await, "a: 5=1 25=2\nb: 20=1 40=end\n");
}

#[tokio::test]
async fn their_ends_are_marked_when_asked_for() {
    let mut fixture = Fixture::new("track_timestamps_staleness: true").await;
    fixture.scrape(20, &format!("a 1 {}\n", START + 5000));
    fixture.scrape(40, "");
    assert_eq!(fixture.stored().await, "a: 5=1 40=end\n");
}

#[tokio::test]
async fn exposed_times_are_ignored_when_not_honored() {
    let mut fixture = Fixture::new("honor_timestamps: false").await;
    fixture.scrape(20, &format!("a 1 {}\n", START + 5000));
    fixture.scrape(40, "");
    assert_eq!(fixture.stored().await, "a: 20=1 40=end\n");
}

#[tokio::test]
async fn late_early_and_ancient_samples_are_left_out_and_counted() {
    let mut fixture = Fixture::new("").await;
    let at = |seconds: i64| START + seconds * 1000;
    fixture.scrape(0, &format!("a 1 {}\n", at(0)));
    // Older than what is there; as far ahead as may be; too far ahead.
    let body = format!("a 2 {}\nb 2 {}\nc 2 {}\n", at(-5), at(615), at(616));
    let scraped = fixture.scrape(15, &body);
    assert!(scraped.error.is_none());
    assert_eq!(scraped.counts.out_of_bounds, 1);
    assert_eq!(fixture.stored().await, "a: 0=1\nb: 615=2\n");
    assert_eq!(fixture.report("up").await, "0=1 15=1");
    let before_1970 = Answer {
        body: b"d 1 -1\n# EOF\n".to_vec(),
        content_type: Some("application/openmetrics-text".to_owned()),
    };
    let scraped = fixture.scrape_with(30, Ok(before_1970));
    assert_eq!(
        (scraped.error.is_none(), scraped.counts.out_of_bounds),
        (true, 1)
    );
}

#[tokio::test]
async fn the_content_type_decides_how_a_body_is_read() {
    let answer = |content_type: Option<&str>| Answer {
        body: b"# TYPE a gauge\na 1 1700000000.5\n# EOF\n".to_vec(),
        content_type: content_type.map(str::to_owned),
    };
    let mut fixture = Fixture::new("").await;
    let open_metrics = answer(Some(
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ));
    assert!(fixture.scrape_with(0, Ok(open_metrics)).error.is_none());
    assert_eq!(fixture.stored().await, "a: 0.5=1\n");
    let error = fixture
        .scrape_with(15, Ok(answer(Some("text/plain"))))
        .error
        .unwrap();
    assert!(
        error.to_string().starts_with("line 2: no timestamp"),
        "{error}"
    );
    let error = fixture
        .scrape_with(30, Ok(answer(Some("text/html"))))
        .error
        .unwrap();
    assert!(error.to_string().contains("\"text/html\""), "{error}");

    let mut fixture = Fixture::new("fallback_scrape_protocol: OpenMetricsText1.0.0").await;
    assert!(fixture.scrape_with(0, Ok(answer(None))).error.is_none());
    assert_eq!(fixture.stored().await, "a: 0.5=1\n");
}

#[tokio::test]
async fn an_exposed_staleness_marker_is_an_ordinary_nan() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(0, "a NaN\n");
    assert_eq!(fixture.stored().await, "a: 0=NaN\n");
}

#[tokio::test]
async fn a_target_that_is_no_more_ends_with_its_report_series() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(0, "a 1\nb 1\n");
    fixture.scrape(15, "a 1\n");
    fixture
        .memory
        .store_end(&fixture.shared, START + 30_000)
        .unwrap();
    assert_eq!(
        fixture.stored().await,
        "a: 0=1 15=1 30=end\nb: 0=1 15=end\n"
    );
    assert_eq!(fixture.report("up").await, "0=1 15=1 30=end");
    assert!(
        fixture
            .report("scrape_duration_seconds")
            .await
            .ends_with(" 30=end")
    );
}

#[tokio::test]
async fn the_end_of_a_target_that_came_back_is_refused() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape(0, "a 1\nb 1\n");
    let mut old = std::mem::take(&mut fixture.memory);
    fixture.scrape(40, "a 2\n");
    old.store_end(&fixture.shared, START + 15_000).unwrap();
    assert_eq!(fixture.stored().await, "a: 0=1 40=2\nb: 0=1 15=end\n");
    assert_eq!(fixture.report("up").await, "0=1 40=1");
}

#[tokio::test]
async fn buckets_are_named_alike_in_both_formats() {
    let mut fixture = Fixture::new("").await;
    fixture.scrape_with(0, Ok(text("# TYPE h histogram\nh_bucket{le=\"1\"} 1\n")));
    let open_metrics = Answer {
        body: b"# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\n# EOF\n".to_vec(),
        content_type: Some("application/openmetrics-text".to_owned()),
    };
    fixture.scrape_with(15, Ok(open_metrics));
    assert_eq!(fixture.stored().await, "h_bucket{le=1.0}: 0=1 15=2\n");
}
