//! Services: how each is, since when, and when it last said so.

use serde::Serialize;
use system_stats_model::sample::Millis;

use super::super::view::{Seen, length};
use super::{Asked, SHOWN};
use crate::inventory::Inventory;
use crate::inventory::services::{Service, ServiceStatus};

#[derive(Serialize)]
pub(super) struct Table {
    up: usize,
    down: usize,
    unknown: usize,
    rows: Vec<Row>,
    /// Rows that match and are not shown.
    omitted: usize,
}

#[derive(Serialize)]
struct Row {
    name: String,
    status: &'static str,
    /// What it said last, where it has been silent since.
    said: Option<&'static str>,
    since: Seen,
    reported: Seen,
    interval: String,
    endpoint: Option<Endpoint>,
}

#[derive(Serialize)]
struct Endpoint {
    text: String,
    /// Whether a browser may be led there: whoever reports may report any address.
    is_link: bool,
}

impl Table {
    pub(super) fn read(inventory: &Inventory, asked: &Asked, now: Millis) -> Self {
        let mut services = inventory.services();
        let count = |status| {
            let alike = services.iter().filter(|service| service.status == status);
            alike.count()
        };
        let (up, down) = (count(ServiceStatus::Up), count(ServiceStatus::Down));
        let unknown = services.len() - up - down;
        // What is wrong comes first.
        services.sort_by(|a, b| {
            let badness = |service: &Service| match service.status {
                ServiceStatus::Down => 0,
                ServiceStatus::Unknown => 1,
                ServiceStatus::Up => 2,
            };
            badness(a)
                .cmp(&badness(b))
                .then_with(|| a.name.cmp(&b.name))
        });
        let is_picked = |service: &&Service| {
            let endpoint = service.endpoint.as_deref().unwrap_or_default();
            asked.picks(&[&service.name, service.status.as_str(), endpoint])
        };
        let picked: Vec<&Service> = services.iter().filter(is_picked).collect();
        let shown = picked.iter().take(SHOWN);
        Self {
            up,
            down,
            unknown,
            rows: shown.map(|service| Row::new(service, now)).collect(),
            omitted: picked.len().saturating_sub(SHOWN),
        }
    }
}

impl Row {
    fn new(service: &Service, now: Millis) -> Self {
        let said = service.reported_status;
        let endpoint = |text: &String| Endpoint {
            text: text.clone(),
            is_link: text.starts_with("http://") || text.starts_with("https://"),
        };
        Self {
            name: service.name.clone(),
            status: service.status.as_str(),
            said: (said != service.status).then(|| said.as_str()),
            since: Seen::new(service.since, now),
            reported: Seen::new(service.reported, now),
            interval: length(service.interval),
            endpoint: service.endpoint.as_ref().map(endpoint),
        }
    }
}
