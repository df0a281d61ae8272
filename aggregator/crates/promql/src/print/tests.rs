use super::*;
use crate::parse::{ParseOptions, parse};

fn check(text: &str, expected: &str) {
    let options = ParseOptions::default();
    let expr = parse(text, &options).unwrap();
    let formatted = format_query(&expr);
    assert_eq!(formatted, expected);
    let again = parse(&formatted, &options).unwrap();
    assert_eq!(again.to_string(), expr.to_string());
}

#[test]
fn what_fits_stays_in_one_line() {
    check("sum(  rate(a[5m]) )by(x)", "sum by (x) (rate(a[5m]))");
}

#[test]
fn what_is_long_is_broken_where_it_nests() {
    check(
        "histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket{job=\"api\",code=~\"5..\"}[5m])))",
        "histogram_quantile(
  0.99,
  sum by (le, job) (rate(http_request_duration_seconds_bucket{code=~\"5..\",job=\"api\"}[5m]))
)",
    );
    check(
        "-(sum by (job) (rate(request_failures_total{zone=\"eu\"}[5m])) / ignoring (x) group_left sum(rate(requests_total{zone=\"eu\"}[5m])))",
        "-(
    sum by (job) (rate(request_failures_total{zone=\"eu\"}[5m]))
  / ignoring (x) group_left ()
    sum(rate(requests_total{zone=\"eu\"}[5m]))
)",
    );
    check(
        "topk(5, sum_over_time(avg by (instance, device) (rate(node_disk_written_bytes_total{job=\"node\"}[5m]))[1h:1m] @ end()))",
        "topk(
  5,
  sum_over_time(
    avg by (instance, device) (rate(node_disk_written_bytes_total{job=\"node\"}[5m]))[1h:1m] @ end()
  )
)",
    );
}
