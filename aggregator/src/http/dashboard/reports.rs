//! The pages of what reports by itself: services, pipelines, and the alerts of all. Each is a table
//! that is rendered as a whole, on the page and again whenever it changed.

pub(super) mod alerts;
mod pipelines;
mod services;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::response::{Redirect, Response};
use serde::{Deserialize, Serialize};

use super::super::error::ApiError;
use super::super::params::{self, Params, Segment};
use super::super::state::{Shared, State as Services};
use super::super::{keys, same_site};
use super::{page, rendered};
use crate::config::api_keys::Contract;

/// Rows of one table; what is beyond is found by the filter.
const SHOWN: usize = 200;
/// The longest filter that is looked at, in characters.
const MAX_FILTER: usize = 256;
/// The longest name of somebody who acknowledges, in characters.
const MAX_USER: usize = 100;

/// One of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    Services,
    Pipelines,
    Alerts,
}

/// What of it is shown, and to whom.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    /// Terms that a row must contain, all of them.
    filter: String,
    /// One of the tables of a page that has several.
    view: String,
    /// By which name the client knows this server.
    authority: String,
}

/// A table for its template.
#[derive(Serialize)]
struct View {
    asked: Asked,
    table: Table,
    /// Whether a page may change anything: it has no key to present where one is needed.
    may_write: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Table {
    Services(services::Table),
    Pipelines(pipelines::Table),
    Alerts(alerts::Table),
}

impl Asked {
    pub(super) fn of(params: &Params, headers: &HeaderMap) -> Self {
        let filter = params.get("q").unwrap_or_default();
        let authority = headers.get(HOST).and_then(|host| host.to_str().ok());
        Self {
            filter: filter.chars().take(MAX_FILTER).collect(),
            view: params.get("view").unwrap_or_default().to_owned(),
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
        let all = [Self::Services, Self::Pipelines, Self::Alerts];
        all.into_iter().find(|report| report.part() == part)
    }

    /// What the page calls its part that changes.
    pub(super) fn part(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Pipelines => "pipelines",
            Self::Alerts => "alerts",
        }
    }

    /// The part that changes, as it is now.
    pub(super) async fn table(self, state: &Services, asked: &Asked) -> Result<String, ApiError> {
        let template = match self {
            Self::Services => "services_table.html",
            Self::Pipelines => "pipelines_table.html",
            Self::Alerts => "alerts_table.html",
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
            Self::Alerts => Table::Alerts(alerts::Table::read(&state.inventory, asked, now)),
        };
        View {
            asked: asked.clone(),
            table,
            may_write: !state.keys.current().is_needed(Contract::ServiceMonitor),
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

/// `GET /dashboard/alerts?q=&view=`
pub(in super::super) async fn alerts(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = Report::Alerts.view(&state, &Asked::of(&params, &headers));
    page("alerts.html", view, &headers).await
}

/// The form in an alert's row.
#[derive(Deserialize)]
pub(in super::super) struct Acknowledgement {
    user: String,
}

/// `POST /dashboard/alerts/{id}/acknowledge`
pub(in super::super) async fn acknowledge(
    State(state): Shared,
    id: Segment,
    headers: HeaderMap,
    form: Result<Form<Acknowledgement>, FormRejection>,
) -> Result<Redirect, ApiError> {
    keys::check(&state, &headers, Contract::ServiceMonitor)?;
    if same_site::is_cross_site(&headers) {
        return Err(ApiError::CrossSite);
    }
    let id = params::segment(id)?;
    let nobody = || ApiError::BadRequest("user is missing".to_owned());
    let Form(Acknowledgement { user }) = form.map_err(|_| nobody())?;
    let user: String = user.trim().chars().take(MAX_USER).collect();
    if user.is_empty() {
        return Err(nobody());
    }
    let missing = || ApiError::Missing(format!("there is no alert {id}"));
    let number = id.parse().map_err(|_| missing())?;
    if !state.inventory.acknowledge(number, &user).await? {
        return Err(missing());
    }
    Ok(Redirect::to("/dashboard/alerts"))
}
