//! The dashboard: pages rendered on the server, useful without JavaScript, and the data that their
//! charts load.

pub(super) mod alerts;
mod assets;
mod chart;
pub(super) mod live;
pub(super) mod reports;
pub(super) mod runbooks;
mod strip;
mod table;
mod templates;
mod view;

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
use alerts::board::Board;
use chart::Span;
use chart::bands::Bands;
use chart::panels::Panels;
use table::Table;
use view::{Counts, ErrorView, HostView, OverviewView, RaisedView, Range, Stretch};

/// Rows of the table beside each of a host's charts.
const TABLE_ROWS: usize = 40;

/// `GET /dashboard`
pub(super) async fn overview(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let fleet = state.inventory.fleet();
    let table = Table::asked(&params);
    let picked = table.pick(fleet.hosts());
    let board = Board::read(&state, &fleet);
    let hosts = rows_of(&state, &board, &picked.hosts).await?;
    let charted = match params.get("host") {
        Some(name) => fleet.resolve(name),
        None => worth_a_look(&fleet),
    };
    let charted = charted.and_then(|host| hosts.iter().find(|row| row.name == host.name));
    let authority = headers.get(HOST).and_then(|host| host.to_str().ok());
    let view = OverviewView {
        counts: Counts::of(&fleet, &board),
        alerts: alerts::worst(&board, state.clock.now()),
        table: table.view(&picked),
        has_hosts: !fleet.hosts().is_empty(),
        charted: charted.cloned(),
        hosts,
        range: Range::DEFAULT,
        authority: authority.unwrap_or("localhost:8000").to_owned(),
    };
    page("overview.html", view, &headers).await
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
    let bands = Bands::read(&state.inventory, host, span).await?;
    let charts = Panels::read(&state.inventory, host, span, None, &bands).await?;
    let board = Board::read(&state, &fleet);
    let fact = state.inventory.fact(host).await?;
    let view = HostView {
        host: view::Host::new(host, &fact, now),
        stretch: Stretch::new(span, (!is_custom).then_some(range)),
        ranges: Range::ALL,
        raised: RaisedView::new(&board, &host.instance, &charts, now),
        charts: charts.twins(),
    };
    page("host.html", view, &headers).await
}

/// `GET /api/dashboard/hosts/{host}/panels?range=|from=&to=&width=&panel=`: the charts of a host,
/// all or those of a list; times in seconds or as dates, the width in pixels.
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
    let (inventory, ids) = (&state.inventory, params.get("panel"));
    let bands = Bands::read(inventory, host, span).await?;
    let panels = Panels::read(inventory, host, span, ids, &bands).await?;
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

/// The host whose chart is shown when none is asked for: one that answers and has a line to draw.
fn worth_a_look(fleet: &Fleet) -> Option<&Host> {
    let with_readings = fleet.hosts().iter().filter(|host| host.readings > 0);
    let is_better = |host: &&Host| (host.readings > 1, host.status == Status::Up);
    // Of equals the first.
    with_readings.rev().max_by_key(is_better)
}

async fn rows_of(
    state: &Services,
    board: &Board,
    hosts: &[&Host],
) -> Result<Vec<view::Host>, ApiError> {
    let now = state.clock.now();
    let trends = state.inventory.trends().await?;
    let mut rows = Vec::with_capacity(hosts.len());
    for host in hosts {
        let fact = state.inventory.fact(host).await?;
        let row = view::Host::new(host, &fact, now).with_trends(&trends);
        rows.push(row.with_alerts(board.of_host(&host.instance)));
    }
    Ok(rows)
}

async fn page(
    template: &'static str,
    view: impl serde::Serialize + Send + 'static,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let html = rendered(template, view).await?;
    let kind = [(CONTENT_TYPE, "text/html; charset=utf-8")];
    Ok((kind, packed(headers, html)).into_response())
}

/// The text of a page, made off the asynchronous threads.
async fn rendered(
    template: &'static str,
    view: impl serde::Serialize + Send + 'static,
) -> Result<String, ApiError> {
    let html = tokio::task::spawn_blocking(move || templates::render(template, &view)).await;
    html.map_err(|_| ApiError::Internal)?.map_err(|error| {
        tracing::error!(%error, template, "a page cannot be rendered");
        ApiError::Internal
    })
}

/// A body that is never kept, compressed for who takes it.
fn packed(headers: &HeaderMap, text: String) -> impl IntoResponse + use<> {
    let varies = [(CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
    if assets::takes_gzip(headers) {
        let packed = assets::gzip(text.as_bytes(), Compression::default());
        (varies, [(CONTENT_ENCODING, "gzip")], Body::from(packed)).into_response()
    } else {
        (varies, Body::from(text)).into_response()
    }
}

fn unknown(name: &str) -> ApiError {
    ApiError::Missing(format!("no host is called {name:?}"))
}
