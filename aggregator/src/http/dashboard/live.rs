//! What a page shows, kept fresh: a stream of server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! One stream serves all of a page. Every two seconds it looks at what its page shows and sends the
//! parts that changed, as one JSON object: rows of the table, the counters, the facts of a host,
//! the newest points of its charts. A page that is refused a stream asks for the parts itself.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use serde::Serialize;
use system_stats_model::sample::Millis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::super::error::ApiError;
use super::super::limits::MAX_STREAMS;
use super::super::params::Params;
use super::super::state::{Shared, State as Services};
use super::alerts::{self, board::Board};
use super::chart::Span;
use super::chart::bands::Bands;
use super::chart::panels::Panels;
use super::reports::{self, Report};
use super::table::Table;
use super::view::{self, Counts, CountsView, FactsView, RaisedView, RowsView};
use super::{assets, rendered, rows_of, unknown};
use crate::inventory::hosts::Fleet;

/// The time between two looks.
const TICK: Duration = Duration::from_secs(2);
/// So many looks without news are followed by an empty line, so that a client that is gone is
/// noticed.
const QUIET_TICKS: u32 = 7;

/// For how long a look serves: all streams that come at about the time share it.
const LOOK_AGE: Duration = Duration::from_secs(1);

/// The streams that may be open at once, and how things were when one of them looked.
#[derive(Clone)]
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    look: Arc<Mutex<Option<Look>>>,
}

/// How things were at a moment.
#[derive(Clone)]
struct Look {
    at: Instant,
    fleet: Arc<Fleet>,
    board: Arc<Board>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_STREAMS)),
            look: Arc::default(),
        }
    }
}

impl Streams {
    fn look(&self, state: &Services) -> Look {
        let mut seen = self.look.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &*seen {
            Some(look) if now - look.at < LOOK_AGE => look.clone(),
            _ => {
                let fleet = Arc::new(state.inventory.fleet());
                let look = Look {
                    at: now,
                    board: Arc::new(Board::read(state, &fleet)),
                    fleet,
                };
                *seen = Some(look.clone());
                look
            }
        }
    }
}

/// `GET /dashboard/events?table=1&q=&sort=&page=&host=&range=&width=&step=&panel=&facts=1&part=`
pub(crate) async fn events(
    State(state): Shared,
    Extension(streams): Extension<Streams>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let full = |_| ApiError::Unavailable("too many pages are kept fresh already".to_owned());
    let place = streams.places.clone().try_acquire_owned().map_err(full)?;
    let charts = match params.get("host") {
        Some(name) => Some(Charts::asked(name, &params, &state)?),
        None => None,
    };
    let is_packed = assets::takes_gzip(&headers);
    let mut ticks = interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let live = Live {
        table: params.get("table").map(|_| Table::asked(&params)),
        part: params
            .get("part")
            .and_then(|name| Part::asked(name, &params, &headers)),
        charts,
        known: Known::default(),
        quiet: 0,
        ticks,
        packer: is_packed.then(|| GzEncoder::new(Vec::new(), Compression::fast())),
        state,
        streams,
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(live, async |mut live| {
        let bytes = live.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), live))
    }));
    let head = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
    ];
    let packed = is_packed.then_some([(CONTENT_ENCODING, "gzip")]);
    Ok(match packed {
        Some(packed) => (head, packed, body).into_response(),
        None => (head, body).into_response(),
    })
}

/// One page's stream.
struct Live {
    state: Arc<Services>,
    streams: Streams,
    table: Option<Table>,
    part: Option<Part>,
    charts: Option<Charts>,
    known: Known,
    /// Looks since something was sent.
    quiet: u32,
    ticks: Interval,
    packer: Option<GzEncoder<Vec<u8>>>,
    /// Given back when the client goes away.
    _place: OwnedSemaphorePermit,
}

/// The part of a page that is rendered as a whole.
enum Part {
    Report(Report, reports::Asked),
    Alerts(alerts::Asked),
}

impl Part {
    fn asked(name: &str, params: &Params, headers: &HeaderMap) -> Option<Self> {
        if name == alerts::PART {
            return Some(Self::Alerts(alerts::Asked::of(params)));
        }
        let report = Report::named(name)?;
        Some(Self::Report(report, reports::Asked::of(params, headers)))
    }

    /// What the page calls it, and how it is now.
    async fn render(
        &self,
        state: &Services,
        board: &Board,
    ) -> Result<(&'static str, String), ApiError> {
        Ok(match self {
            Self::Report(report, asked) => (report.part(), report.table(state, asked).await?),
            Self::Alerts(asked) => (alerts::PART, alerts::part(state, board, asked).await?),
        })
    }
}

/// The charts of one host.
struct Charts {
    host: String,
    /// The ids of those that are wanted.
    ids: Option<String>,
    span: Span,
    /// When its alerts fired, as far as that is known.
    bands: Option<Bands>,
    /// Until when its points were sent.
    until: Millis,
    has_facts: bool,
}

impl Charts {
    fn asked(name: &str, params: &Params, state: &Services) -> Result<Self, ApiError> {
        let now = state.clock.now();
        let fleet = state.inventory.fleet();
        let host = fleet.resolve(name).ok_or_else(|| unknown(name))?;
        Ok(Self {
            host: host.instance.clone(),
            ids: params.get("panel").map(str::to_owned),
            span: Span::asked(params, now)?.in_steps_asked(params)?,
            bands: None,
            until: now,
            has_facts: params.get("facts").is_some(),
        })
    }
}

/// What the client has.
#[derive(Default)]
struct Known {
    /// The parts of the page that are rendered as a whole, by what the page calls them.
    parts: BTreeMap<&'static str, String>,
    /// The names in the order of the table.
    order: Vec<String>,
    rows: HashMap<String, String>,
    charts: Option<Panels>,
}

/// What changed; what did not is not there.
#[derive(Default, Serialize)]
struct News<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parts: BTreeMap<&'a str, &'a str>,
    /// The hosts of the table in their order, if they are others than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a [String]>,
    /// Rows by host.
    #[serde(skip_serializing_if = "HashMap::is_empty")]
    rows: HashMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charts: Option<&'a Panels>,
}

impl Live {
    /// The next piece of the stream; nothing when the program stops or nothing can be read.
    async fn next(&mut self) -> Option<Bytes> {
        let stop = self.state.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                _ = self.ticks.tick() => {}
            }
            let text = tokio::select! {
                () = stop.cancelled() => return None,
                news = self.news() => news.ok()?,
            };
            self.quiet += 1;
            let text = text.or_else(|| (self.quiet >= QUIET_TICKS).then(|| ":\n\n".to_owned()));
            if let Some(text) = text {
                self.quiet = 0;
                return self.packed(text);
            }
        }
    }

    /// An event with everything that changed since the last one.
    async fn news(&mut self) -> Result<Option<String>, ApiError> {
        let now = self.state.clock.now();
        let Look { fleet, board, .. } = self.streams.look(&self.state);
        let mut fresh = Known::default();
        if let Some(table) = &self.table {
            let rows = rows_of(&self.state, &board, &table.pick(fleet.hosts()).hosts).await?;
            let counts = Counts::of(&fleet, &board);
            let alerts = alerts::worst(&board, now);
            let counts = rendered("counts.html", CountsView { counts, alerts }).await?;
            fresh.parts.insert("counts", counts);
            fresh.order = rows.iter().map(|row| row.name.clone()).collect();
            fresh.rows = row_by_row(rows).await?;
        }
        if let Some(part) = &self.part {
            fresh
                .parts
                .extend([part.render(&self.state, &board).await?]);
        }
        // A host that was deleted may come back; its charts wait for it.
        let charted = self.charts.as_mut();
        let charted = charted.and_then(|charts| Some((fleet.resolve(&charts.host)?, charts)));
        if let Some((host, charts)) = charted {
            let span = charts.span.going_on(charts.until, now);
            let (ids, inventory) = (charts.ids.as_deref(), &self.state.inventory);
            let bands = match charts.bands.take() {
                Some(known) => known.and(Bands::read(inventory, host, span).await?),
                None => Bands::read(inventory, host, charts.span).await?,
            };
            let panels = Panels::read(inventory, host, span, ids, &bands).await?;
            charts.bands = Some(bands);
            charts.until = now;
            if charts.has_facts {
                let fact = self.state.inventory.fact(host).await?;
                let raised = RaisedView::new(&board, &host.instance, &panels, now);
                let host = view::Host::new(host, &fact, now);
                let facts = rendered("facts.html", FactsView { host }).await?;
                let raised = rendered("raised.html", raised).await?;
                fresh.parts.extend([("facts", facts), ("raised", raised)]);
            }
            fresh.charts = Some(panels);
        }
        let event = self.known.event(&fresh).map_err(|_| ApiError::Internal)?;
        self.known = fresh;
        Ok(event)
    }

    fn packed(&mut self, text: String) -> Option<Bytes> {
        let Some(packer) = &mut self.packer else {
            return Some(Bytes::from(text));
        };
        packer.write_all(text.as_bytes()).ok()?;
        packer.flush().ok()?;
        Some(Bytes::from(std::mem::take(packer.get_mut())))
    }
}

impl Known {
    /// What `fresh` has and the client does not, as an event.
    fn event(&self, fresh: &Self) -> Result<Option<String>, serde_json::Error> {
        let parts = fresh.parts.iter();
        let parts = parts.filter(|(name, part)| self.parts.get(*name) != Some(part));
        let rows = fresh.rows.iter();
        let rows = rows.filter(|(name, row)| self.rows.get(*name) != Some(row));
        let charts = fresh.charts.as_ref().filter(|charts| {
            let known = self.charts.as_ref();
            !charts.is_empty() && !known.is_some_and(|known| known.has_points_of(charts))
        });
        let news = News {
            parts: parts.map(|(name, part)| (*name, part.as_str())).collect(),
            order: (self.order != fresh.order).then_some(&fresh.order),
            rows: rows
                .map(|(name, row)| (name.as_str(), row.as_str()))
                .collect(),
            charts,
        };
        let json = serde_json::to_string(&news)?;
        Ok((json != "{}").then(|| format!("data: {json}\n\n")))
    }
}

/// The rows of the table, each for itself.
async fn row_by_row(hosts: Vec<view::Host>) -> Result<HashMap<String, String>, ApiError> {
    let rendering = tokio::task::spawn_blocking(move || {
        let row = |host: view::Host| {
            let name = host.name.clone();
            let html = super::templates::render("rows.html", &RowsView { hosts: vec![host] })?;
            Ok((name, html))
        };
        hosts.into_iter().map(row).collect()
    });
    let rows: Result<_, minijinja::Error> = rendering.await.map_err(|_| ApiError::Internal)?;
    rows.map_err(|error| {
        tracing::error!(%error, "a row cannot be rendered");
        ApiError::Internal
    })
}
