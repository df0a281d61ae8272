//! The pages of what reports by itself: services and pipelines. Each is a table that is rendered as a
//! whole, on the page and again whenever it changed.

mod pipelines;
mod services;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::Response;
use serde::Serialize;

use super::super::error::ApiError;
use super::super::params::Params;
use super::super::state::{Shared, State as Services};
use super::{page, rendered};

/// Rows of one table; what is beyond is found by the filter.
const SHOWN: usize = 200;
/// The longest filter that is looked at, in characters.
const MAX_FILTER: usize = 256;

/// One of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Services,
    Pipelines,
}

/// What of it is shown, and to whom.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    /// Terms that a row must contain, all of them.
    filter: String,
    /// By which name the client knows this server.
    authority: String,
}

/// A table for its template.
#[derive(Serialize)]
struct View {
    asked: Asked,
    table: Table,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Table {
    Services(services::Table),
    Pipelines(pipelines::Table),
}

impl Asked {
    pub(super) fn of(params: &Params, headers: &HeaderMap) -> Self {
        let filter = params.get("q").unwrap_or_default();
        let authority = headers.get(HOST).and_then(|host| host.to_str().ok());
        Self {
            filter: filter.chars().take(MAX_FILTER).collect(),
            authority: authority.unwrap_or("localhost:8000").to_owned(),
        }
    }

    /// Whether every term is part of one of the texts, in any case of letters.
    fn picks(&self, texts: &[&str]) -> bool {
        self.filter.split_whitespace().all(|term| {
            let term = term.to_lowercase();
            texts.iter().any(|text| text.to_lowercase().contains(&term))
        })
    }
}

impl Report {
    /// The page whose changing part is called so.
    pub(super) fn named(part: &str) -> Option<Self> {
        let all = [Self::Services, Self::Pipelines];
        all.into_iter().find(|report| report.part() == part)
    }

    /// What the page calls its part that changes.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Pipelines => "pipelines",
        }
    }

    /// The part that changes, as it is now.
    pub(super) async fn table(self, state: &Services, asked: &Asked) -> Result<String, ApiError> {
        let template = match self {
            Self::Services => "services_table.html",
            Self::Pipelines => "pipelines_table.html",
        };
        rendered(template, self.view(state, asked)).await
    }

    fn view(self, state: &Services, asked: &Asked) -> View {
        let now = state.clock.now();
        let table = match self {
            Self::Services => Table::Services(services::Table::read(&state.inventory, asked, now)),
            Self::Pipelines => {
                Table::Pipelines(pipelines::Table::read(&state.inventory, asked, now))
            }
        };
        View {
            asked: asked.clone(),
            table,
        }
    }
}

/// `GET /dashboard/services?q=`
pub(in super::super) async fn services(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = Report::Services.view(&state, &Asked::of(&params, &headers));
    page("services.html", view, &headers).await
}

/// `GET /dashboard/pipelines?q=`
pub(in super::super) async fn pipelines(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = Report::Pipelines.view(&state, &Asked::of(&params, &headers));
    page("pipelines.html", view, &headers).await
}
