//! Requests as clients of Prometheus send them, and the answers that a Prometheus 3.5.3 gave.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;

use super::server::{NOW, Server};
use crate::write::sample_bodies::{body, series};

const FORM: &str = "application/x-www-form-urlencoded";

/// A server with a few series at [`NOW`].
async fn server() -> Server {
    let server = Server::start().await;
    let at = [(NOW - 15_000, 1.0), (NOW, 2.0)];
    let of = |labels: &[(&str, &str)]| series(labels, &at);
    let written = body(&[
        of(&[("__name__", "temp"), ("instance", "a"), ("job", "j")]),
        of(&[("__name__", "temp"), ("instance", "b"), ("job", "j")]),
        of(&[("__name__", "o.d"), ("a.b", "<&>"), ("job", "j")]),
        series(
            &[("__name__", "old"), ("job", "j")],
            &[(NOW - 300_000, 1.0)],
        ),
        series(
            &[("__name__", "gone"), ("job", "j")],
            &[(NOW, f64::from_bits(0x7ff0_0000_0000_0002))],
        ),
    ]);
    let answer = server.send(Method::POST, "/api/v1/write", written).await;
    assert_eq!(answer.status, 204);
    server
}

/// What is asked, and the status and text of the answer; the text may go on after `…`.
type Case<'a> = (&'a str, u16, &'a str);

async fn check(server: &Server, cases: &[Case<'_>]) {
    let mut wrong = Vec::new();
    for (asked, status, text) in cases {
        let (method, rest) = asked.split_once(' ').unwrap();
        let (path, body) = rest.split_once(" <- ").unwrap_or((rest, ""));
        let mut request = Request::builder().method(method).uri(path);
        if method == "POST" {
            request = request.header("content-type", FORM);
        }
        let answer = server
            .ask(request.body(Body::from(body.to_owned())).unwrap())
            .await;
        let found = answer.text();
        let is_alike = match text.strip_suffix('…') {
            Some(start) => found.starts_with(start),
            None => found == *text,
        };
        if !is_alike || answer.status != *status {
            wrong.push(format!("{asked}: {} {found}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn where_parameters_come_from() {
    let four = r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#;
    let five = r#"{"status":"success","data":{"resultType":"scalar","result":[5,"2"]}}"#;
    let none = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": unknown position: parse error: no expression found in input"}"#;
    let escape = r#"{"status":"error","errorType":"bad_data","error":"error parsing form values: invalid URL escape \"%zz\""}"#;
    check(
        &server().await,
        &[
            ("GET /api/v1/query?query=1%2B1&time=4", 200, four),
            ("GET /api/v1/query?query=1%20%2b%201&time=4", 200, four),
            ("GET /api/v1/query?&&query=2&&time=4&", 200, four),
            ("GET /api/v1/query?query=2&query=3&time=4", 200, four),
            ("GET /api/v1/query?query=2&time=4&x=%zz&a;b=c", 200, four),
            ("GET /api/v1/query?query=&query=3&time=4", 400, none),
            ("GET /api/v1/query?QUERY=1", 400, none),
            ("GET /api/v1/query?query=%zz", 400, none),
            ("GET /api/v1/query?query=1;time=4", 400, none),
            (
                "POST /api/v1/query?query=7&time=4 <- query=1%2B1",
                200,
                four,
            ),
            ("POST /api/v1/query?query=2&time=4 <- ", 200, four),
            ("POST /api/v1/query?time=5 <- query=%zz&query=2", 200, five),
            ("GET /api/v1/series?match[]=%zz", 400, escape),
            ("GET /api/v1/series?match[]=temp&x=%zz", 400, escape),
            (
                "POST /api/v1/series?match[]=%zz <- match[]=temp",
                400,
                escape,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn times_and_steps() {
    let range = |kind: &str| {
        format!(
            r#"{{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": invalid expression type \"{kind}\" for range query, must be Scalar or instant Vector"}}"#
        )
    };
    check(
        &server().await,
        &[
            (
                "GET /api/v1/query?query=1&time=-1.5",
                200,
                r#"{"status":"success","data":{"resultType":"scalar","result":[-1.5,"1"]}}"#,
            ),
            (
                "GET /api/v1/query?query=%22s%22&time=2015-07-01T20:10:51.05Z",
                200,
                r#"{"status":"success","data":{"resultType":"string","result":[1435781451.05,"s"]}}"#,
            ),
            (
                "GET /api/v1/query?query=vector(1)&time=.5",
                200,
                r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0.500,"1"]}]}}"#,
            ),
            (
                "GET /api/v1/query?query=1&time=2015-07-01%2020:10:51Z",
                400,
                r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": invalid time value for 'time': cannot parse \"2015-07-01 20:10:51Z\" to a valid timestamp"}"#,
            ),
            (
                "GET /api/v1/query_range?query=1&start=0&end=60&step=NaN",
                400,
                r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"}"#,
            ),
            (
                "GET /api/v1/query_range?query=%22s%22&start=0&end=60&step=30",
                400,
                &range("string"),
            ),
            (
                "POST /api/v1/query_range <- query=temp[1m]&start=0&end=60&step=30",
                400,
                &range("range vector"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn expressions_without_samples() {
    check(
        &server().await,
        &[
            (
                "GET /api/v1/format_query?query=foo/bar",
                200,
                r#"{"status":"success","data":"foo / bar"}"#,
            ),
            (
                "POST /api/v1/format_query <- query=sum%20(a)by(b)",
                200,
                r#"{"status":"success","data":"sum by (b) (a)"}"#,
            ),
            (
                "GET /api/v1/format_query?query=up{",
                400,
                r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:4: parse error: …"#,
            ),
            (
                "GET /api/v1/parse_query?query=temp%20offset%201m",
                200,
                r#"{"status":"success","data":{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"temp"}],"name":"temp","offset":60000,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"}}"#,
            ),
            ("POST /api/v1/parse_query <- query=", 400, "{\"status\":\"error\"…"),
            ("GET /api/v1/query_exemplars?query=1", 204, ""),
            (
                "GET /api/v1/query_exemplars?query=sum(temp)",
                200,
                r#"{"status":"success","data":[]}"#,
            ),
            (
                "GET /api/v1/query_exemplars?query=",
                400,
                r#"{"status":"error","errorType":"bad_data","error":"unknown position: parse error: no expression found in input"}"#,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn methods_and_paths() {
    let not_allowed = "Method Not Allowed\n";
    let not_found = "404 page not found\n";
    check(
        &server().await,
        &[
            ("PUT /api/v1/query", 405, not_allowed),
            ("DELETE /api/v1/labels", 405, not_allowed),
            ("POST /api/v1/status/buildinfo", 405, not_allowed),
            ("POST /api/v1/label/job/values", 405, not_allowed),
            ("GET /api/v1/write", 405, not_allowed),
            ("OPTIONS /api/v1/query", 204, ""),
            ("OPTIONS /api/v1/nosuch", 204, ""),
            ("GET /api/v1/nosuch", 404, not_found),
            ("GET /api/v1/rules/test/test", 404, not_found),
            ("POST /federate", 405, not_allowed),
            (
                "GET /api/v1/scrape_pools",
                200,
                r#"{"status":"success","data":{"scrapePools":[]}}"#,
            ),
        ],
    )
    .await;
    let server = server().await;
    let refused = server.send(Method::PUT, "/api/v1/query", "").await;
    assert_eq!(refused.headers["content-type"], "text/plain; charset=utf-8");
    assert!(refused.headers["allow"].to_str().unwrap().contains("POST"));
}

#[tokio::test]
async fn another_prometheus_scrapes_the_newest_samples() {
    let server = server().await;
    let now = NOW;
    let temp = format!(
        "# TYPE temp untyped\ntemp{{instance=\"a\",job=\"j\"}} 2 {now}\n\
         temp{{instance=\"b\",job=\"j\"}} 2 {now}\n"
    );
    let odd = format!("# TYPE o_d untyped\no_d{{a_b=\"<&>\",job=\"j\",instance=\"\"}} 2 {now}\n");
    check(
        &server,
        &[
            ("GET /federate", 200, ""),
            ("GET /federate?match[]=nosuch", 200, ""),
            ("GET /federate?match[]=temp", 200, &temp),
            // What is too old or has ended is not there, and nothing is there twice.
            (
                "GET /federate?match[]={job=%22j%22}&match[]=temp",
                200,
                &format!("{odd}{temp}"),
            ),
            (
                "GET /federate?match[]=temp{",
                400,
                "1:6: parse error: unexpected end of input inside braces\n",
            ),
        ],
    )
    .await;
    let answer = server.get("/federate?match[]=temp").await;
    let kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert_eq!(answer.headers["content-type"], kind);
    let modern = Request::get("/federate?match[]={%22o.d%22}").header(
        "accept",
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1",
    );
    let answer = server.ask(modern.body(Body::empty()).unwrap()).await;
    let utf8 = format!(
        "# TYPE \"o.d\" untyped\n{{\"o.d\",\"a.b\"=\"<&>\",job=\"j\",instance=\"\"}} 2 {now}\n"
    );
    assert_eq!(answer.text(), utf8);
}

/// Grafana asks with POST; refused, it asks again with GET and the same parameters.
#[tokio::test]
async fn a_refused_post_is_asked_again_as_get() {
    let server = server().await;
    let at = NOW / 1000;
    let (start, end) = (at - 60, at);
    let asked = [
        (
            "/api/v1/labels",
            format!("start={start}&end={end}&limit=40000"),
        ),
        (
            "/api/v1/series",
            format!("match%5B%5D=temp&start={start}&end={end}&limit=40000"),
        ),
        ("/api/v1/query", format!("query=temp&time={at}.5")),
        (
            "/api/v1/query_range",
            format!("query=temp&start={start}&end={end}&step=15"),
        ),
        (
            "/api/v1/query_exemplars",
            format!("query=test&start={start}864&end={end}864"),
        ),
        ("/api/v1/format_query", "query=a%2Bb".to_owned()),
    ];
    for (path, parameters) in asked {
        let post = Request::post(path).header("content-type", FORM);
        let post = server
            .ask(post.body(Body::from(parameters.clone())).unwrap())
            .await;
        let get = server.get(&format!("{path}?{parameters}")).await;
        assert_eq!(
            (post.status.as_u16(), get.status.as_u16()),
            (200, 200),
            "{path}"
        );
        let json: Value = post.json();
        assert_eq!(json["status"], "success", "{path}");
        assert_eq!(post.text(), get.text(), "{path}");
    }
}
