//! Storage URLs.

use std::path::PathBuf;

use crate::error::SqlError;

/// Where a storage URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// A file.
    Sqlite(PathBuf),
    /// A server; the URL as it stands.
    Postgres(String),
}

impl Location {
    pub(crate) fn parse(url: &str) -> Result<Self, SqlError> {
        let unknown = || SqlError::UnknownScheme { url: redacted(url) };
        let (scheme, rest) = url.split_once(':').ok_or_else(unknown)?;
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" => sqlite_path(url, rest).map(Self::Sqlite),
            "postgres" | "postgresql" => Ok(Self::Postgres(url.to_owned())),
            _ => Err(unknown()),
        }
    }
}

/// Everything after the scheme of a `sqlite:` URL is the path as it stands.
fn sqlite_path(url: &str, rest: &str) -> Result<PathBuf, SqlError> {
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

/// The URL without user, password and parameters.
pub(crate) fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // A password may hold whatever separates the parts of a URL, unescaped by mistake: only what
    // follows the last @ is certainly not of it.
    let (mask, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, r)| ("…@", r));
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    format!("{scheme}://{mask}{rest}")
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
                     with sqlite:// or postgres://",
                ),
            ),
            (
                "a.db",
                Err(
                    "the storage URL \"a.db\" is of an unknown kind; it has to begin with \
                     sqlite:// or postgres://",
                ),
            ),
        ];
        for (url, expected) in cases {
            let location = Location::parse(url).map_err(|error| error.to_string());
            let file = |path| Location::Sqlite(PathBuf::from(path));
            let expected = expected.map(file).map_err(str::to_owned);
            assert_eq!(location, expected, "{url}");
        }
        for url in ["postgres://me@host/db?sslmode=require", "postgresql:///db"] {
            let expected = Location::Postgres(url.to_owned());
            assert_eq!(Location::parse(url).unwrap(), expected);
        }
    }

    #[test]
    fn nothing_secret_is_left() {
        let cases = [
            ("postgres://me:secret@host:1/db", "postgres://…@host:1/db"),
            ("postgres://me:se?cr@et@host/db?a=b", "postgres://…@host/db"),
            ("postgres://host/db?password=secret", "postgres://host/db"),
            ("postgres:///db", "postgres:///db"),
            ("a.db", "a.db"),
        ];
        for (url, expected) in cases {
            assert_eq!(redacted(url), expected);
        }
    }
}
