//! Pages that are kept fresh.

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use flate2::write::GzDecoder;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::super::limits::MAX_STREAMS;
use super::server::{NOW, Server};

const SECOND: i64 = NOW / 1000;

async fn open(server: &Server, query: &str) -> Response {
    let request = Request::get(format!("/dashboard/events?{query}"));
    server.begin(request.body(Body::empty()).unwrap()).await
}

async fn bytes(stream: &mut BodyDataStream) -> Option<Bytes> {
    stream.next().await.map(Result::unwrap)
}

/// The next event; comments are not events.
async fn event(stream: &mut BodyDataStream) -> Value {
    loop {
        let bytes = bytes(stream).await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let text = text.strip_suffix("\n\n").unwrap();
        assert!(!text.contains('\n'), "one line an event");
        if let Some(json) = text.strip_prefix("data: ") {
            return serde_json::from_str(json).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_told_what_changed_and_nothing_else() {
    let server = Server::start().await;
    for second in [SECOND - 600, SECOND - 1] {
        server.push("pi", second, 10.0).await;
    }
    server.push("web<1>", SECOND - 1, 20.0).await;
    let query = "table=1&host=pi&range=900&width=500&panel=cpu&facts=1&step=1";
    let answer = open(&server, query).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer.into_body().into_data_stream();

    let first = event(&mut stream).await;
    assert_eq!(first["order"], json!(["pi", "web<1>"]));
    assert!(first["rows"]["pi"].as_str().unwrap().contains("10.0"));
    assert!(
        first["rows"]["web<1>"]
            .as_str()
            .unwrap()
            .contains("web&lt;1&gt;")
    );
    assert!(first["parts"]["counts"].as_str().unwrap().contains("2 up"));
    assert!(first["parts"]["facts"].as_str().unwrap().contains("<h1>"));
    let cpu = &first["charts"]["panels"][0];
    assert_eq!(
        (&cpu["id"], &cpu["lines"][0]["avg"]),
        (&json!("cpu"), &json!([10.0]))
    );

    server.push("web<1>", SECOND, 30.0).await;
    let second = event(&mut stream).await;
    assert_eq!(second.as_object().unwrap().len(), 1, "{second}");
    let rows = second["rows"].as_object().unwrap();
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["web<1>"]);

    server.clock.set(NOW + 60_000);
    server.push("pi", SECOND + 60, 40.0).await;
    let third = event(&mut stream).await;
    let charts = &third["charts"];
    assert_eq!(charts["to"], json!(NOW as f64 / 1000.0 + 60.0));
    assert_eq!(charts["step"], 1.0);
    assert_eq!(
        charts["panels"][0]["lines"][0]["avg"],
        json!([10.0, 40.0]),
        "the last ones"
    );
    assert!(charts["since"].as_f64() < charts["panels"][0]["times"][0].as_f64());
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_comment_now_and_then() {
    let server = Server::start().await;
    let mut stream = open(&server, "table=1")
        .await
        .into_body()
        .into_data_stream();
    let counts = event(&mut stream).await;
    assert!(counts["parts"]["counts"].is_string());
    let before = tokio::time::Instant::now();
    assert_eq!(bytes(&mut stream).await.unwrap(), ":\n\n");
    assert_eq!(before.elapsed().as_secs(), 14);
    server.push("pi", SECOND, 1.0).await;
    assert_eq!(event(&mut stream).await["order"], json!(["pi"]));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_program() {
    let server = Server::start().await;
    let mut stream = open(&server, "table=1")
        .await
        .into_body()
        .into_data_stream();
    server.stop.cancel();
    assert_eq!(bytes(&mut stream).await, None);
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_their_places_given_back() {
    let server = Server::start().await;
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        let answer = open(&server, "table=1").await;
        assert_eq!(answer.status(), StatusCode::OK);
        streams.push(answer);
    }
    let refused = open(&server, "table=1").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(streams.pop());
    assert_eq!(open(&server, "table=1").await.status(), StatusCode::OK);
    for (query, status) in [
        ("host=nobody", StatusCode::NOT_FOUND),
        ("host=nobody&range=x", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(open(&server, query).await.status(), status, "{query}");
    }
    server.push("pi", SECOND, 1.0).await;
    for query in ["host=pi&range=x", "host=pi&step=x", "host=pi&range=0"] {
        let status = open(&server, query).await.status();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_packed_stream_can_be_read_as_it_comes() {
    let server = Server::start().await;
    server.push("pi", SECOND, 10.0).await;
    let request = Request::get("/dashboard/events?table=1").header("accept-encoding", "gzip");
    let answer = server.begin(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    let mut stream = answer.into_body().into_data_stream();
    let mut decoder = GzDecoder::new(Vec::new());
    for (cpu, second) in [("10.0", SECOND), ("20.0", SECOND + 1)] {
        server.push("pi", second, cpu.parse().unwrap()).await;
        let packed = bytes(&mut stream).await.unwrap();
        std::io::Write::write_all(&mut decoder, &packed).unwrap();
        std::io::Write::flush(&mut decoder).unwrap();
        let plain = String::from_utf8(std::mem::take(decoder.get_mut())).unwrap();
        assert!(plain.ends_with("\n\n") && plain.contains(cpu), "{plain}");
    }
}
