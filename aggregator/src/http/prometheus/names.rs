//! `/api/v1/labels`, `/api/v1/label/<name>/values`, `/api/v1/series`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use system_stats_model::labels::Labels;
use system_stats_model::matcher::Matcher;

use super::body::{self, PIECE, Pieces, write_notes, write_text};
use super::form::{Form, MATCH, invalid};
use crate::http::error::ApiError;
use crate::http::params::{Segment, segment};
use crate::http::state::{Shared, State as Parts};

/// The most there is to say about a list that was cut short.
const TRUNCATED: &str = "results truncated due to limit";

/// `GET` and `POST /api/v1/labels?match[]=&start=&end=&limit=`
pub(in crate::http) async fn names(
    State(state): Shared,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    let limit = form.limit()?;
    let range = form.range()?;
    let sets = matchers(&state, &form).map_err(ApiError::BadRequest)?;
    let names = state.query.label_names(sets, range, limit).await?;
    Ok(list(&headers, names, limit))
}

/// `GET /api/v1/label/<name>/values?match[]=&start=&end=&limit=`
pub(in crate::http) async fn values(
    State(state): Shared,
    headers: HeaderMap,
    name: Segment,
    form: Form,
) -> Result<Response, ApiError> {
    let name = unescaped(&segment(name)?);
    if name.is_empty() {
        return Err(ApiError::BadRequest(format!(
            "invalid label name: {name:?}"
        )));
    }
    let limit = form.limit()?;
    let range = form.range()?;
    let sets = matchers(&state, &form).map_err(ApiError::BadRequest)?;
    let values = state.query.label_values(name, sets, range, limit).await?;
    Ok(list(&headers, values, limit))
}

/// `GET` and `POST /api/v1/series?match[]=&start=&end=&limit=`
pub(in crate::http) async fn series(
    State(state): Shared,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, ApiError> {
    form.check()?;
    if form.all(MATCH).next().is_none() {
        return Err(ApiError::BadRequest(
            "no match[] parameter provided".to_owned(),
        ));
    }
    let limit = form.limit()?;
    let range = form.range()?;
    let sets = matchers(&state, &form).map_err(|reason| invalid(MATCH, &reason))?;
    let series = state.query.series(sets, range, limit).await?;
    Ok(list(&headers, series, limit))
}

/// The matchers of each `match[]`; each must ask for something that is there.
fn matchers(state: &Parts, form: &Form) -> Result<Vec<Vec<Matcher>>, String> {
    let read = |text| {
        state
            .query
            .matchers(text)
            .map_err(|error| error.to_string())
    };
    let sets = form.all(MATCH).map(read).collect::<Result<Vec<_>, _>>()?;
    let asks = |set: &Vec<Matcher>| set.iter().any(|matcher| !matcher.matches(""));
    if !sets.iter().all(asks) {
        return Err("match[] must contain at least one non-empty matcher".to_owned());
    }
    Ok(sets)
}

fn list<T: Item>(headers: &HeaderMap, mut items: Vec<T>, limit: usize) -> Response {
    let is_cut = limit > 0 && items.len() > limit;
    if is_cut {
        items.truncate(limit);
    }
    body::json(
        headers,
        List {
            items,
            is_cut,
            at: 0,
        },
    )
}

trait Item: Send + 'static {
    fn write(&self, out: &mut String);
}

impl Item for String {
    fn write(&self, out: &mut String) {
        write_text(out, self);
    }
}

impl Item for Labels {
    fn write(&self, out: &mut String) {
        super::result::write_labels(out, self);
    }
}

struct List<T> {
    items: Vec<T>,
    is_cut: bool,
    at: usize,
}

impl<T: Item> Pieces for List<T> {
    fn write(&mut self, out: &mut String) -> bool {
        if self.at == 0 {
            out.push_str("{\"status\":\"success\",\"data\":[");
        }
        while let Some(item) = self.items.get(self.at) {
            if out.len() >= PIECE {
                return true;
            }
            if self.at > 0 {
                out.push(',');
            }
            item.write(out);
            self.at += 1;
        }
        out.push(']');
        let notes = if self.is_cut {
            vec![TRUNCATED.to_owned()]
        } else {
            Vec::new()
        };
        write_notes(out, "warnings", &notes);
        out.push('}');
        false
    }
}

/// A name that may be written as `U__` with what is no letter, digit or underscore in hexadecimal
/// between underscores, and `__` for an underscore: how names in UTF-8 get into a path.
///
/// <https://github.com/prometheus/proposals/blob/main/proposals/0028-utf8.md>
fn unescaped(name: &str) -> String {
    name.strip_prefix("U__")
        .and_then(read_escapes)
        .unwrap_or_else(|| name.to_owned())
}

fn read_escapes(escaped: &str) -> Option<String> {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, after)) = rest.split_once('_') {
        out.push_str(plain);
        if let Some(after) = after.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (code, after) = after.split_once('_')?;
        let is_code = code.len() <= 6 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let code = is_code.then(|| u32::from_str_radix(code, 16).ok())??;
        out.push(char::from_u32(code)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_utf8_in_a_path() {
        let cases = [
            ("job", "job"),
            ("U__a_2e_b", "a.b"),
            ("U__a__b_2E_", "a_b."),
            ("U___1F600_", "😀"),
            ("U__a.b", "a.b"),
            ("U__", ""),
            ("U__a_", "U__a_"),
            ("U__a_zz_", "U__a_zz_"),
            ("U__a_d800_", "U__a_d800_"),
            ("U__a_0110000_", "U__a_0110000_"),
            ("U__a_+2e_", "U__a_+2e_"),
        ];
        for (escaped, expected) in cases {
            assert_eq!(unescaped(escaped), expected);
        }
    }
}
