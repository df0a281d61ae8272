//! The page of alerts: what fires, what is about to, what somebody has seen to, what was, what
//! clients told, and the rules. Every tab is a page of its own that works without scripts.
//!
//! * `board` - everything that is wrong at a moment; the overview and the hosts' pages look at it too
//! * `asked` - the tab and the filter; `active`, `silences`, `history`, `reported`, `rules` - the
//!   tabs
//! * `graph` - where the links in alerts that were sent lead

mod active;
mod asked;
pub(super) mod board;
pub(in super::super) mod graph;
mod history;
mod reported;
mod rules;
pub(in super::super) mod silences;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::HeaderMap;
use axum::response::{Redirect, Response};
use serde::{Deserialize, Serialize};
use system_stats_model::sample::Millis;

use super::super::error::ApiError;
use super::super::params::{self, Params, Segment};
use super::super::state::{Shared, State as Services};
use super::super::{keys, same_site};
use super::view::{Firing, Level, Seen, encoded};
use super::{page, rendered};
use crate::config::api_keys::Contract;
use active::Rows;
pub(super) use asked::Asked;
use asked::Tab;
pub(super) use asked::label_filter;
use board::{Active, Board, Watch};
use history::Past;
use reported::Told;
use rules::Groups;
use silences::{MAX_USER, Silences};

/// Alerts on top of the overview.
const WORST: usize = 5;
/// Alerts on the page of their host.
const OF_HOST: usize = 50;

/// What the page calls its part that changes.
pub(super) const PART: &str = "alerts";

#[derive(Serialize)]
struct View {
    asked: Asked,
    tabs: Vec<TabView>,
    watch: Watch,
    body: Body,
    /// Whether whoever silences or acknowledges has to present a key.
    needs_key: bool,
    /// The same of what was reported.
    report_needs_key: bool,
}

#[derive(Serialize)]
struct TabView {
    name: &'static str,
    title: &'static str,
    count: Option<usize>,
    is_shown: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body {
    Active {
        alerts: Rows,
        suppressed: Rows,
        silences: Option<Silences>,
    },
    Past(Past),
    Told(Told),
    Rules(Groups),
}

/// `GET /dashboard/alerts?tab=&q=`
pub(in super::super) async fn alerts(
    State(state): Shared,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let board = Board::read(&state, &state.inventory.names());
    let view = view(&state, &board, &Asked::of(&params)).await?;
    page("alerts.html", view, &headers).await
}

/// The part of the page that changes, as it is now.
pub(super) async fn part(
    state: &Services,
    board: &Board,
    asked: &Asked,
) -> Result<String, ApiError> {
    rendered("alerts_part.html", view(state, board, asked).await?).await
}

async fn view(state: &Services, board: &Board, asked: &Asked) -> Result<View, ApiError> {
    let now = state.clock.now();
    let rows = |list: &[Active]| Rows::of(list, asked, now);
    let active = |list| Body::Active {
        alerts: rows(list),
        suppressed: rows(&[]),
        silences: None,
    };
    let body = match asked.tab {
        Tab::Firing => Body::Active {
            alerts: rows(&board.firing),
            suppressed: rows(&board.suppressed),
            silences: None,
        },
        Tab::Pending => active(&board.pending),
        Tab::Silenced => Body::Active {
            alerts: rows(&board.silenced),
            suppressed: rows(&[]),
            silences: Some(Silences::of(board, now)),
        },
        Tab::History => Body::Past(Past::read(&state.alerting, asked, now).await?),
        Tab::Reported => Body::Told(Told::of(&state.inventory, asked, now)),
        Tab::Rules => Body::Rules(Groups::of(&state.rules.groups(), asked, now)),
    };
    Ok(View {
        tabs: tabs(board, asked),
        asked: asked.clone(),
        watch: board.watch,
        body,
        needs_key: silences::needs_key(state),
        report_needs_key: state.keys.current().is_needed(Contract::ServiceMonitor),
    })
}

fn tabs(board: &Board, asked: &Asked) -> Vec<TabView> {
    let count = |tab| match tab {
        Tab::Firing => Some(board.firing.len()),
        Tab::Pending => Some(board.pending.len()),
        Tab::Silenced => Some(board.silenced.len()),
        Tab::Rules => Some(board.watch.rules),
        Tab::History | Tab::Reported => None,
    };
    let tab = |(tab, name, title)| TabView {
        name,
        title,
        count: count(tab),
        is_shown: tab == asked.tab,
    };
    Tab::ALL.into_iter().map(tab).collect()
}

/// The worst of the alerts that need somebody, for the overview.
pub(super) fn worst(board: &Board, now: Millis) -> Vec<Firing> {
    let worst = board.firing.iter().take(WORST);
    worst.map(|active| line(active, None, now)).collect()
}

/// The alerts of a host in lines, those that need somebody first.
pub(super) fn lines_of(board: &Board, instance: &str, now: Millis) -> Vec<Firing> {
    let lists = [
        (&board.firing, None),
        (&board.silenced, Some("seen to")),
        (&board.suppressed, None),
        (&board.pending, Some("pending")),
    ];
    let all = lists
        .into_iter()
        .flat_map(|(list, note)| list.iter().map(move |one| (one, note)));
    let is_its = |active: &Active| {
        let subject = active.subject.as_ref();
        subject.is_some_and(|subject| subject.instance == instance)
    };
    let its = all.filter(|(active, _)| is_its(active)).take(OF_HOST);
    its.map(|(active, note)| line(active, note, now)).collect()
}

fn line(active: &Active, note: Option<&str>, now: Millis) -> Firing {
    let severity = active
        .of_rule()
        .and_then(|alert| alert.labels.get("severity"));
    let subject = active.subject.as_ref();
    let host = subject.and_then(|subject| subject.host.clone());
    let suppressed = active.suppressed_by.as_ref();
    let suppressed = suppressed.map(|by| format!("suppressed by {by}"));
    let notes = note.map(str::to_owned).into_iter().chain(suppressed);
    Firing {
        severity: Level::of(active.severity, severity),
        title: active.title.clone(),
        path: host.as_deref().map(encoded),
        subject: host.or_else(|| subject.map(|subject| subject.instance.clone())),
        since: Seen::new(active.since, now),
        notes: notes.collect(),
    }
}

/// The form in a row.
#[derive(Deserialize)]
pub(in super::super) struct Acknowledgement {
    by: String,
    #[serde(default)]
    key: String,
}

/// `POST /dashboard/alerts/{id}/acknowledge`: of an alert that was reported.
pub(in super::super) async fn acknowledge(
    State(state): Shared,
    id: Segment,
    headers: HeaderMap,
    form: Result<Form<Acknowledgement>, FormRejection>,
) -> Result<Redirect, ApiError> {
    if same_site::is_cross_site(&headers, &state.external_url) {
        return Err(ApiError::CrossSite);
    }
    let id = params::segment(id)?;
    let nobody = || ApiError::BadRequest("by is missing: who has seen to it?".to_owned());
    let Form(Acknowledgement { by, key }) = form.map_err(|_| nobody())?;
    keys::check_form(&state, &headers, Some(Contract::ServiceMonitor), &key)?;
    let by: String = by.trim().chars().take(MAX_USER).collect();
    if by.is_empty() {
        return Err(nobody());
    }
    let missing = || ApiError::Missing(format!("there is no alert {id}"));
    let number = id.parse().map_err(|_| missing())?;
    if !state.inventory.acknowledge(number, &by).await? {
        return Err(missing());
    }
    Ok(Redirect::to("/dashboard/alerts?tab=silenced"))
}
