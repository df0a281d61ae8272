//! The dashboard: pages rendered on the server, useful without JavaScript, and the data that their
//! charts load.

mod assets;
mod chart;
mod strip;
mod table;
mod templates;
mod view;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HOST, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;

use super::error::ApiError;
use super::params::{self, Params, Segment};
use super::state::{Shared, State as Services};
use crate::inventory::hosts::{Fleet, Host, Status};
use chart::panels::Panels;
use chart::{Columns, Span};
use table::Table;
use view::{Counts, ErrorView, HostView, OverviewView, Range, Reading, RowsView, Stretch};

/// Rows of the table beside a host's chart.
const TABLE_ROWS: usize = 60;

/// `GET /dashboard`
pub(super) async fn overview(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let fleet = state.inventory.fleet();
    let table = Table::asked(&params);
    let hosts = rows_of(&state, &table.pick(fleet.hosts())).await?;
    let charted = match params.get("host") {
        Some(name) => fleet.resolve(name),
        None => worth_a_look(&fleet),
    };
    let charted = charted.and_then(|host| hosts.iter().find(|row| row.name == host.name));
    let authority = headers.get(HOST).and_then(|host| host.to_str().ok());
    let view = OverviewView {
        counts: Counts::of(&fleet),
        table: table.view(),
        has_hosts: !fleet.hosts().is_empty(),
        charted: charted.cloned(),
        hosts,
        range: Range::DEFAULT,
        authority: authority.unwrap_or("localhost:8000").to_owned(),
    };
    page("overview.html", &view, &headers)
}

/// `GET /dashboard/rows?q=&sort=`: the rows of the overview's table.
pub(super) async fn rows(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let fleet = state.inventory.fleet();
    let hosts = rows_of(&state, &Table::asked(&params).pick(fleet.hosts())).await?;
    page("rows.html", &RowsView { hosts }, &headers)
}

/// `GET /dashboard/hosts/{host}?range=|from=&to=`
pub(super) async fn host(
    State(state): Shared,
    host: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = params::segment(host)?;
    let fleet = state.inventory.fleet();
    let host = fleet.resolve(&name).ok_or_else(|| unknown(&name))?;
    let now = state.clock.now();
    let is_custom = params.get("from").is_some() || params.get("to").is_some();
    let range = Range::named(params.get("range"));
    let span = if is_custom {
        Span::asked(&params, now)?.in_points(TABLE_ROWS)
    } else {
        Span::last(range.seconds, now, TABLE_ROWS)
    };
    let columns = Columns::read(&state.inventory, host, span).await?;
    let fact = state.inventory.fact(host).await?;
    let view = HostView {
        host: view::Host::new(host, &fact, now),
        stretch: Stretch::new(span, (!is_custom).then_some(range)),
        ranges: &Range::ALL,
        readings: Reading::newest_first(&columns),
    };
    page("host.html", &view, &headers)
}

/// `GET /api/dashboard/hosts/{host}/series?range=|from=&to=&width=`: times in seconds, the width in
/// pixels.
pub(super) async fn series(
    State(state): Shared,
    host: Segment,
    params: Params,
) -> Result<Json<Columns>, ApiError> {
    let name = params::segment(host)?;
    let span = Span::asked(&params, state.clock.now())?;
    let fleet = state.inventory.fleet();
    let host = fleet.resolve(&name).ok_or_else(|| unknown(&name))?;
    Ok(Json(Columns::read(&state.inventory, host, span).await?))
}

/// `GET /api/dashboard/hosts/{host}/panels?range=|from=&to=&width=&panel=`: all charts of a host;
/// times in seconds, the width in pixels.
pub(super) async fn panels(
    State(state): Shared,
    host: Segment,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let name = params::segment(host)?;
    let span = Span::asked(&params, state.clock.now())?;
    let fleet = state.inventory.fleet();
    let host = fleet.resolve(&name).ok_or_else(|| unknown(&name))?;
    let panels = Panels::read(&state.inventory, host, span, params.get("panel")).await?;
    let json = serde_json::to_string(&panels).map_err(|_| ApiError::Internal)?;
    let kind = [(CONTENT_TYPE, "application/json")];
    Ok((kind, packed(&headers, json)).into_response())
}

/// `GET /api/openapi.json`: what is ours among the routes, in OpenAPI 3.1.
pub(super) async fn openapi() -> impl IntoResponse {
    let document = include_str!("../../../dashboards/openapi.json");
    ([(CONTENT_TYPE, "application/json")], document)
}

/// `GET /assets/{digest}/{path}`
pub(super) async fn asset(
    file: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Path((digest, path)) = file.map_err(|_| ApiError::NotFound)?;
    assets::serve(&digest, &path, &headers).ok_or(ApiError::NotFound)
}

/// The page that says what went wrong.
pub(super) fn error_page(status: StatusCode, message: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    let view = ErrorView { title, message };
    templates::render("error.html", &view).unwrap_or_else(|_| title.to_owned())
}

/// The host whose chart is shown when none is asked for: one that answers, if there is one.
fn worth_a_look(fleet: &Fleet) -> Option<&Host> {
    let mut with_readings = fleet.hosts().iter().filter(|host| host.readings > 0);
    let first = with_readings.clone().next();
    with_readings
        .find(|host| host.status == Status::Up)
        .or(first)
}

async fn rows_of(state: &Services, hosts: &[&Host]) -> Result<Vec<view::Host>, ApiError> {
    let now = state.clock.now();
    let trends = state.inventory.trends().await?;
    let mut rows = Vec::with_capacity(hosts.len());
    for host in hosts {
        let fact = state.inventory.fact(host).await?;
        rows.push(view::Host::new(host, &fact, now).with_trends(&trends));
    }
    Ok(rows)
}

fn page(
    template: &'static str,
    view: &impl serde::Serialize,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let html = templates::render(template, view).map_err(|error| {
        tracing::error!(%error, template, "a page cannot be rendered");
        ApiError::Internal
    })?;
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((kind, packed(headers, html)).into_response())
}

/// A body that is never kept, compressed for who takes it.
fn packed(headers: &HeaderMap, text: String) -> impl IntoResponse + use<> {
    let varies = [(CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
    if assets::takes_gzip(headers) {
        let packed = assets::gzip(text.as_bytes(), Compression::fast());
        (varies, [(CONTENT_ENCODING, "gzip")], Body::from(packed)).into_response()
    } else {
        (varies, Body::from(text)).into_response()
    }
}

fn unknown(name: &str) -> ApiError {
    ApiError::Missing(format!("no host is called {name:?}"))
}
