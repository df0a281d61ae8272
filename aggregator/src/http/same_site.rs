//! Tells requests by which other sites' pages would delete things through a visitor's browser.
//!
//! Browsers say where a request comes from (`Sec-Fetch-Site`, and `Origin` on everything that is
//! not a plain read); programs say neither and are let through. A proxy may give the host another
//! name: the address that this server is reached at is its own as well.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Whether a page of another site made a browser send it; `external_url` is where this server is
/// reached.
pub(crate) fn is_cross_site(headers: &HeaderMap, external_url: &str) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    match text(ORIGIN) {
        None => false,
        Some(origin) => {
            let Some((scheme, authority)) = origin.split_once("://") else {
                return true;
            };
            let own = external_url.split_once("://");
            let own = own.filter(|(of, _)| of.eq_ignore_ascii_case(scheme));
            let own = own.and_then(|(_, rest)| rest.split('/').next());
            let hosts = text(HOST).into_iter().chain(own);
            let is_own = |host: &str| bare(scheme, authority) == bare(scheme, host);
            !hosts.into_iter().any(is_own)
        }
    }
}

/// A host and its port, which is left out where it is that of the scheme.
fn bare(scheme: &str, authority: &str) -> String {
    let port = if scheme.eq_ignore_ascii_case("https") {
        ":443"
    } else {
        ":80"
    };
    let bare = authority.strip_suffix(port).unwrap_or(authority);
    bare.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_let_through() {
        let cases: [(&[(&str, &str)], bool); 15] = [
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
            // Behind a proxy that renames the host its own address counts.
            (
                &[("host", "in"), ("origin", "https://outer.example")],
                false,
            ),
            (&[("origin", "https://OUTER.example:443")], false),
            (&[("host", "in"), ("origin", "http://outer.example")], true),
            (
                &[("host", "in"), ("origin", "https://outer.example.evil")],
                true,
            ),
            // Of any other address only the browser's own word counts.
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
            assert_eq!(
                is_cross_site(&headers, "https://outer.example/stats"),
                expected,
                "{pairs:?}"
            );
        }
    }
}
