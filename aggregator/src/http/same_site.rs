//! Tells requests by which other sites' pages would delete things through a visitor's browser.
//!
//! Browsers say where a request comes from (`Sec-Fetch-Site`, and `Origin` on everything that is
//! not a plain read); programs say neither and are let through.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether a page of another site made a browser send it.
pub(crate) fn is_cross_site(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    match text(ORIGIN) {
        None => false,
        Some(origin) => match (origin.split_once("://"), text(HOST)) {
            (Some((scheme, authority)), Some(host)) => {
                let port = if scheme == "https" { ":443" } else { ":80" };
                let bare = |at: &str| at.strip_suffix(port).unwrap_or(at).to_ascii_lowercase();
                bare(authority) != bare(host)
            }
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_through() {
        let cases: [(&[(&str, &str)], bool); 11] = [
            (&[], false),
            (&[("host", "a:8000"), ("origin", "http://a:8000")], false),
            (&[("host", "a"), ("origin", "http://A:80")], false),
            (&[("host", "a:443"), ("origin", "https://a")], false),
            (&[("host", "a:80"), ("origin", "https://a")], true),
            (&[("host", "a:8000"), ("origin", "http://a:8001")], true),
            (&[("host", "a"), ("origin", "http://a.evil")], true),
            (&[("host", "a"), ("origin", "null")], true),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            // Behind a proxy that renames the host only the browser's own word counts.
            (
                &[
                    ("host", "inner"),
                    ("origin", "https://outer"),
                    ("sec-fetch-site", "same-origin"),
                ],
                false,
            ),
        ];
        for (pairs, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name = axum::http::HeaderName::from_static(name);
                headers.insert(name, value.parse().unwrap());
            }
            assert_eq!(is_cross_site(&headers), expected, "{pairs:?}");
        }
    }
}
