//! Prometheus' API: writes, and what is read after them.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::server::{Answer, NOW, Server};
use crate::write::sample_bodies::{body, series};

const IMPORT: &str = "/api/v1/import/prometheus";

async fn written(server: &Server, series: &[Vec<u8>]) -> Answer {
    server
        .send(Method::POST, "/api/v1/write", body(series))
        .await
}

async fn data(server: &Server, path: &str) -> Value {
    let answer = server.get(path).await.json();
    assert_eq!(answer["status"], "success", "{path}: {answer}");
    answer["data"].clone()
}

#[tokio::test]
async fn a_write_is_read_back() {
    let server = Server::start().await;
    let labels = [("__name__", "m"), ("job", "j"), ("l", "v")];
    let answer = written(
        &server,
        &[series(&labels, &[(NOW - 15_000, 1.5), (NOW, 2.5)])],
    )
    .await;
    assert_eq!((answer.status, answer.text()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(
        data(&server, "/api/v1/labels").await,
        json!(["__name__", "job", "l"])
    );
    assert_eq!(data(&server, "/api/v1/label/l/values").await, json!(["v"]));
    assert_eq!(
        data(&server, "/api/v1/label/U__l/values?match[]=m").await,
        json!(["v"])
    );
    let series = json!([{"__name__": "m", "job": "j", "l": "v"}]);
    assert_eq!(
        data(&server, "/api/v1/series?match[]=%7Bl=~%22.%2B%22%7D").await,
        series
    );
    let query = format!("/api/v1/query?query=m&time={}", NOW / 1000);
    assert_eq!(
        server.get(&query).await.text(),
        format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{{\"metric\":\
             {{\"__name__\":\"m\",\"job\":\"j\",\"l\":\"v\"}},\"value\":[{},\"2.5\"]}}]}}}}",
            NOW / 1000
        )
    );
    let (start, end) = (NOW / 1000 - 15, NOW / 1000);
    let range = format!("/api/v1/query_range?query=m&start={start}&end={end}&step=15");
    assert_eq!(
        data(&server, &range).await["result"][0]["values"],
        json!([[start, "1.5"], [end, "2.5"]])
    );
}

#[tokio::test]
async fn what_will_never_be_stored_is_refused_and_the_rest_is_stored() {
    let server = Server::start().await;
    let name = |name| [("__name__", name), ("job", "j")];
    let first = [
        series(&name("a"), &[(NOW, 1.0)]),
        series(&name("b"), &[(NOW, 1.0)]),
    ];
    assert_eq!(
        written(&server, &first).await.status,
        StatusCode::NO_CONTENT
    );
    let second = [
        series(&name("a"), &[(NOW, 2.0)]),
        series(&name("b"), &[(NOW - 1000, 1.0)]),
        series(&name("c"), &[(NOW, 3.0), (NOW + 700_000, 4.0), (-1, 5.0)]),
        series(&[("job", "j")], &[(NOW, 6.0)]),
    ];
    let answer = written(&server, &second).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    insta::assert_snapshot!(answer.text(), @r#"invalid metric name or labels, got {job="j"}; too old sample: 1 of 6 samples are out of order by more than --storage.out-of-order-time-window, or before what --storage.retention.time keeps; duplicate sample for timestamp: 1 of 6 samples are at a time at which another value is stored; out of bounds: 2 of 6 samples are before 1970 or more than 10 minutes ahead"#);
    assert_eq!(
        data(&server, "/api/v1/label/__name__/values").await,
        json!(["a", "b", "c"])
    );
    // The same once more changes nothing and is no mistake.
    assert_eq!(
        written(&server, &first).await.status,
        StatusCode::NO_CONTENT
    );
}

/// Headers, a body, the status and the text of the answer.
type Refused<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

#[tokio::test]
async fn writes_that_are_none_are_refused_in_words() {
    let server = Server::start().await;
    let ask = async |headers: &[(&str, &str)], body: &[u8]| {
        let mut request = Request::post("/api/v1/write");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = server
            .ask(request.body(Body::from(body.to_vec())).unwrap())
            .await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    let empty = body(&[]);
    let cases: [Refused<'_>; 6] = [
        (&[], b"no snappy", 400, "snappy: corrupt input\n"),
        (
            &[("content-type", "application/json")],
            &empty,
            415,
            "expected application/x-protobuf as the first (media) part, got application/json content-type\n",
        ),
        (
            &[(
                "content-type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            )],
            &empty,
            415,
            "io.prometheus.write.v2.Request protobuf message is not accepted by this server; accepted [prometheus.WriteRequest]\n",
        ),
        (
            &[("content-encoding", "zstd")],
            &empty,
            415,
            "zstd encoding (compression) is not accepted by this server; only snappy is acceptable\n",
        ),
        (
            &[("content-length", "99999999999")],
            &empty,
            413,
            "the body is larger than 33554432 bytes, the most that is taken\n",
        ),
        (
            &[
                (
                    "content-type",
                    "application/x-protobuf; proto=prometheus.WriteRequest",
                ),
                ("content-encoding", "snappy"),
            ],
            &empty,
            204,
            "",
        ),
    ];
    for (headers, body, status, text) in cases {
        assert_eq!(
            ask(headers, body).await,
            (status, text.to_owned()),
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn imports_take_text_of_any_time() {
    let server = Server::start().await;
    let text =
        "# HELP m Much\n# TYPE m counter\nm{l=\"a\"} 1 1000\nm{l=\"a\"} 2 61000\nm{l=\"b\"} 3\n";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let request = Request::post(format!("{IMPORT}?extra_label=job=i&extra_label=l2=x"))
        .header("content-encoding", "gzip")
        .body(Body::from(gzip.finish().unwrap()))
        .unwrap();
    assert_eq!(server.ask(request).await.status, StatusCode::NO_CONTENT);
    let range = "/api/v1/query_range?query=m&start=1&end=61&step=60";
    assert_eq!(
        data(&server, range).await["result"],
        json!([{"metric": {"__name__": "m", "job": "i", "l": "a", "l2": "x"},
                "values": [[1, "1"], [61, "2"]]}])
    );
    let now = data(&server, "/api/v1/query?query=m").await;
    assert_eq!(now["result"][0]["value"], json!([NOW / 1000, "3"]));
    let described = json!({"m": [{"type": "counter", "help": "Much", "unit": ""}]});
    assert_eq!(data(&server, "/api/v1/metadata?metric=m").await, described);
    let wrong = server.send(Method::POST, IMPORT, "a 1 1\nb x\n").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().starts_with("line 2: "), "{}", wrong.text());
    let names = data(&server, "/api/v1/label/__name__/values").await;
    assert_eq!(
        names,
        json!(["m"]),
        "nothing of a text with a mistake is stored"
    );
    let wrong = server
        .send(Method::POST, &format!("{IMPORT}?extra_label=x"), "a 1\n")
        .await;
    assert_eq!(
        wrong.text(),
        "invalid parameter \"extra_label\": \"x\" is not name=value\n"
    );
}

#[tokio::test]
async fn other_sites_may_not_write() {
    let server = Server::start().await;
    let request = Request::post(IMPORT).header("sec-fetch-site", "cross-site");
    let answer = server.ask(request.body(Body::from("a 1\n")).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

/// What a data source of Grafana asks for when it is set up and when its editor opens.
#[tokio::test]
async fn what_grafana_asks_for() {
    let server = Server::start().await;
    let form = |path: &str, body: &str| {
        let request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let test = server
        .ask(form("/api/v1/query", "query=1%2B1&time=4"))
        .await;
    assert_eq!(
        test.text(),
        r#"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#
    );
    let build = data(&server, "/api/v1/status/buildinfo").await;
    assert!(
        build["version"].as_str().unwrap().starts_with("3."),
        "{build}"
    );
    assert!(build.get("features").is_none(), "{build}");
    assert_eq!(data(&server, "/api/v1/metadata").await, json!({}));
    let exemplars = "query=test&start=1795195546864&end=1795199146864";
    for request in [
        form("/api/v1/query_exemplars", exemplars),
        form(
            "/api/v1/labels",
            "start=1795195546&end=1795199146&limit=40000",
        ),
        form(
            "/api/v1/series",
            "match[]=up&start=1795195546&end=1795199146",
        ),
    ] {
        let path = request.uri().to_string();
        let answer = server.ask(request).await;
        let empty = r#"{"status":"success","data":[]}"#;
        assert_eq!(answer.text(), empty, "{path}");
    }
    let ruler = server.get("/api/v1/rules/test/test").await;
    assert_eq!(
        (ruler.status.as_u16(), ruler.text()),
        (404, "404 page not found\n")
    );
    assert_eq!(ruler.headers["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn mistakes_in_parameters_and_expressions() {
    let server = Server::start().await;
    let cases = [
        ("/api/v1/query?query=", 400, "bad_data"),
        ("/api/v1/query?query=up{&time=1", 400, "bad_data"),
        ("/api/v1/query?query=up&time=x", 400, "bad_data"),
        ("/api/v1/query?query=up&limit=-1", 400, "bad_data"),
        (
            "/api/v1/query?query=label_replace(vector(1),%22%7E%22,%22%22,%22%22,%22(%22)",
            422,
            "execution",
        ),
        (
            "/api/v1/query_range?query=up&start=0&end=1&step=0",
            400,
            "bad_data",
        ),
        (
            "/api/v1/query?query=sum(up)&timeout=0.000000001",
            503,
            "timeout",
        ),
        ("/api/v1/series", 400, "bad_data"),
        ("/api/v1/series?match[]=%7Bl=%22%22%7D", 400, "bad_data"),
        ("/api/v1/labels?match[]=up{", 400, "bad_data"),
        ("/api/v1/label/U__/values", 400, "bad_data"),
        ("/api/v1/metadata?limit=x", 400, "bad_data"),
    ];
    for (path, status, kind) in cases {
        let answer = server.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        let json = answer.json();
        assert_eq!(
            (&json["status"], &json["errorType"]),
            (&json!("error"), &json!(kind)),
            "{path}"
        );
        assert!(json["error"].is_string(), "{path}: {json}");
    }
    let error = server.get("/api/v1/query?query=up{").await.json();
    let text = error["error"].as_str().unwrap();
    assert!(
        text.starts_with("invalid parameter \"query\": 1:4: parse error: "),
        "{text}"
    );
}
