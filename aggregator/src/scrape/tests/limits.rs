//! A scrape beyond a limit fails as a whole.

use super::fixture::Fixture;

/// The first body is within the limit, the second beyond it.
async fn check(limit: &str, within: &str, beyond: &str, expected: &str) {
    let mut fixture = Fixture::new(limit).await;
    let scraped = fixture.scrape(0, within);
    assert!(scraped.error.is_none(), "{limit}: {scraped:?}");
    let error = fixture.scrape(15, beyond).error.unwrap();
    assert_eq!(error.to_string(), expected);
    assert_eq!(fixture.stored().await, "a: 0=1 15=end\n", "{limit}");
    assert_eq!(fixture.report("up").await, "0=1 15=0", "{limit}");
}

#[tokio::test]
async fn samples() {
    check(
        "sample_limit: 2",
        "a 1\n",
        "a 2\nb 2\nc 2\n",
        "more than 2 samples (sample_limit)",
    )
    .await;
}

#[tokio::test]
async fn samples_beyond_the_limit_are_counted_all_the_same() {
    let mut fixture = Fixture::new("sample_limit: 2").await;
    fixture.scrape(0, "a 1\nb 1\nc 1\nd 1\n");
    assert_eq!(fixture.report("scrape_samples_scraped").await, "0=4");
    assert_eq!(
        fixture
            .report("scrape_samples_post_metric_relabeling")
            .await,
        "0=4"
    );
}

#[tokio::test]
async fn of_a_repeated_series_only_the_first_counts_for_the_limit() {
    let mut fixture = Fixture::new("sample_limit: 2").await;
    assert!(fixture.scrape(0, "a 1\na 2\na 3\nb 1\n").error.is_none());
    assert_eq!(fixture.stored().await, "a: 0=1\nb: 0=1\n");
    assert!(fixture.scrape(15, "a 1\na 2\nb 1\nc 1\n").error.is_some());
}

#[tokio::test]
async fn labels() {
    // The name, job and instance are three.
    check(
        "label_limit: 3",
        "a 1\n",
        "a 2\nb{c=\"d\"} 2\n",
        "b has more than 3 labels (label_limit)",
    )
    .await;
}

#[tokio::test]
async fn names_and_values_of_labels() {
    check(
        "label_name_length_limit: 8",
        "a 1\n",
        "a 2\nb{ninechars=\"d\"} 2\n",
        "b has a label whose name is longer than 8 bytes (label_name_length_limit)",
    )
    .await;
    check(
        "label_value_length_limit: 8",
        "a 1\n",
        "a 2\nb{c=\"ninechars\"} 2\n",
        "b has a label whose value is longer than 8 bytes (label_value_length_limit)",
    )
    .await;
}
