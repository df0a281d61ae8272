//! The files that pages load: embedded, compressed once, cached for ever.
//!
//! Their addresses hold a digest of all of them, so that modules can import each other by plain
//! relative names and a new build is a new set of addresses.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::LazyLock;

use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

macro_rules! files {
    ($(($name:literal, $kind:literal)),* $(,)?) => {
        [$(File { name: $name, kind: $kind, plain: include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/../dashboards/static/", $name
        )) }),*]
    };
}

struct File {
    name: &'static str,
    kind: &'static str,
    plain: &'static [u8],
}

const FILES: [File; 12] = files![
    ("style.css", "text/css; charset=utf-8"),
    ("dashboard.js", "text/javascript; charset=utf-8"),
    ("bands.js", "text/javascript; charset=utf-8"),
    ("live.js", "text/javascript; charset=utf-8"),
    ("memory.js", "text/javascript; charset=utf-8"),
    ("panels.js", "text/javascript; charset=utf-8"),
    ("points.js", "text/javascript; charset=utf-8"),
    ("table.js", "text/javascript; charset=utf-8"),
    ("theme.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
    ("vendor/uplot.js", "text/javascript; charset=utf-8"),
    ("vendor/uplot.css", "text/css; charset=utf-8"),
];

struct Assets {
    digest: String,
    /// In the order of [`FILES`].
    gzipped: Vec<Bytes>,
}

static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let mut hasher = DefaultHasher::new();
    for file in &FILES {
        (file.name, file.plain).hash(&mut hasher);
    }
    Assets {
        digest: format!("{:016x}", hasher.finish()),
        gzipped: FILES
            .iter()
            .map(|file| gzip(file.plain, Compression::best()))
            .collect(),
    }
});

/// Where the files are, without a slash at the end.
pub(super) fn base() -> String {
    format!("/assets/{}", ASSETS.digest)
}

/// Answers a request for a file; `None` when there is none of that name and digest.
pub(super) fn serve(digest: &str, path: &str, headers: &HeaderMap) -> Option<Response> {
    let at = FILES.iter().position(|file| file.name == path)?;
    if digest != ASSETS.digest {
        return None;
    }
    let (file, gzipped) = (&FILES[at], &ASSETS.gzipped[at]);
    let compressed = takes_gzip(headers);
    let tag = format!("\"{digest}{}\"", if compressed { "-gzip" } else { "" });
    let tag = HeaderValue::from_str(&tag).ok()?;
    let caching = [
        (ETAG, tag.clone()),
        (VARY, HeaderValue::from_static("accept-encoding")),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    if headers.get(IF_NONE_MATCH) == Some(&tag) {
        return Some((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let kind = [(CONTENT_TYPE, file.kind)];
    Some(if compressed {
        (caching, kind, [(CONTENT_ENCODING, "gzip")], gzipped.clone()).into_response()
    } else {
        (caching, kind, Bytes::from_static(file.plain)).into_response()
    })
}

pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers
        .get(ACCEPT_ENCODING)
        .map(|value| value.to_str().unwrap_or(""));
    encodings.unwrap_or("").split(',').any(|encoding| {
        let mut parts = encoding.split(';').map(str::trim);
        parts.next() == Some("gzip") && !parts.any(|quality| quality == "q=0")
    })
}

pub(super) fn gzip(plain: &[u8], level: Compression) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing into memory does not fail.
    let _ = encoder.write_all(plain);
    Bytes::from(encoder.finish().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::to_bytes;
    use flate2::read::GzDecoder;

    use super::*;

    fn ask(path: &str, headers: &[(axum::http::HeaderName, &str)]) -> Option<Response> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, value.parse().unwrap());
        }
        serve(&ASSETS.digest, path, &map)
    }

    #[tokio::test]
    async fn compressed_for_who_takes_it_and_the_same_bytes_for_all() {
        for file in &FILES {
            let response = ask(file.name, &[(ACCEPT_ENCODING, "br, gzip;q=0.8")]).unwrap();
            assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let mut plain = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
            assert_eq!(plain, file.plain, "{}", file.name);

            let response = ask(file.name, &[(ACCEPT_ENCODING, "gzip;q=0")]).unwrap();
            assert!(!response.headers().contains_key(CONTENT_ENCODING));
            let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
            assert_eq!(body, file.plain, "{}", file.name);
        }
    }

    #[test]
    fn asked_again_with_its_tag_a_file_is_not_sent_again() {
        let first = ask("style.css", &[(ACCEPT_ENCODING, "gzip")]).unwrap();
        let tag = first.headers()[ETAG].to_str().unwrap();
        let again = [(ACCEPT_ENCODING, "gzip"), (IF_NONE_MATCH, tag)];
        let status = |headers| ask("style.css", headers).unwrap().status();
        assert_eq!(status(&again), StatusCode::NOT_MODIFIED);
        assert_eq!(
            status(&[(IF_NONE_MATCH, tag)]),
            StatusCode::OK,
            "another encoding"
        );
    }

    #[test]
    fn nothing_else_is_there() {
        assert!(ask("../templates/layout.html", &[]).is_none());
        assert!(ask("", &[]).is_none());
        assert!(serve("0", "style.css", &HeaderMap::new()).is_none());
    }

    #[test]
    fn the_whole_page_stays_light() {
        let sum: usize = ASSETS.gzipped.iter().map(Bytes::len).sum();
        assert!(sum < 40 << 10, "{sum} bytes");
    }
}
