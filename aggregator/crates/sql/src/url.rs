//! Storage URLs.

use std::path::PathBuf;

use crate::error::SqlError;

/// The file that a `sqlite:` URL names. Everything after the scheme is the path as it stands.
pub(crate) fn sqlite_path(url: &str) -> Result<PathBuf, SqlError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(SqlError::UnknownScheme {
            url: url.to_owned(),
        });
    };
    if !scheme.eq_ignore_ascii_case("sqlite") {
        return Err(SqlError::UnknownScheme { url: redacted(url) });
    }
    let path = rest.strip_prefix("//").unwrap_or(rest);
    // What other programs write to have the file created, as is done here anyway.
    let path = path.strip_suffix("?mode=rwc").unwrap_or(path);
    if let Some((_, parameter)) = path.split_once('?') {
        return Err(SqlError::Parameter {
            url: url.to_owned(),
            parameter: parameter.to_owned(),
        });
    }
    if path.is_empty() || path == ":memory:" || path.ends_with('/') {
        return Err(SqlError::NoPath {
            url: url.to_owned(),
        });
    }
    Ok(PathBuf::from(path))
}

/// The URL without user and password.
fn redacted(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_refusals() {
        let cases = [
            ("sqlite://data/a.db", Ok("data/a.db")),
            ("sqlite:///var/lib/a.db", Ok("/var/lib/a.db")),
            ("sqlite:a.db", Ok("a.db")),
            ("SQLite://a b%20.db", Ok("a b%20.db")),
            ("sqlite://a.db?mode=rwc", Ok("a.db")),
            (
                "sqlite://a.db?cache=shared",
                Err(
                    "the storage URL \"sqlite://a.db?cache=shared\" has the parameter \
                     \"cache=shared\", but takes none; remove it",
                ),
            ),
            (
                "sqlite://",
                Err("the storage URL \"sqlite://\" names no file; write it as \
                     sqlite://data/system-stats.db"),
            ),
            (
                "mysql://me:secret@host/db",
                Err(
                    "the storage URL \"mysql://…@host/db\" is of an unknown kind; it has to begin \
                     with sqlite://",
                ),
            ),
            (
                "a.db",
                Err(
                    "the storage URL \"a.db\" is of an unknown kind; it has to begin with \
                     sqlite://",
                ),
            ),
        ];
        for (url, expected) in cases {
            let path = sqlite_path(url).map_err(|error| error.to_string());
            let expected = expected.map(PathBuf::from).map_err(str::to_owned);
            assert_eq!(path, expected, "{url}");
        }
    }
}
