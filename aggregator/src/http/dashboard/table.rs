//! Which hosts the overview shows, in which order and how: all of it is in the address.

use std::cmp::Ordering;

use serde::Serialize;

use super::super::params::Params;
use super::view::encoded;
use crate::inventory::hosts::{Host, Status};

/// The longest filter that is looked at, in characters.
const MAX_FILTER: usize = 256;
/// Hosts on one page of the table: what a person can look through, and light.
pub(super) const PAGE: usize = 200;

/// What a column is called in the address and in the table's head.
const COLUMNS: [(&str, &str); 10] = [
    ("status", "Status"),
    ("name", "Host"),
    ("cpu", "CPU"),
    ("memory", "Memory"),
    ("disk", "Fullest disk"),
    ("load", "Load"),
    ("network", "Network"),
    ("temperature", "Temperature"),
    ("uptime", "Uptime"),
    ("seen", "Last seen"),
];

/// The filter, the order and the form of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    filter: String,
    column: &'static str,
    is_descending: bool,
    is_grid: bool,
    /// From 1 on.
    page: usize,
}

/// The hosts that a table shows.
pub(super) struct Picked<'a> {
    /// Those of its page, in its order.
    pub(super) hosts: Vec<&'a Host>,
    /// The number of the first of them among all that match, from 0 on.
    before: usize,
    /// How many match.
    matching: usize,
}

/// The same for the template.
#[derive(Serialize)]
pub(super) struct TableView {
    filter: String,
    /// `sort` of the address; empty for the usual order.
    sort: String,
    is_grid: bool,
    /// The query string of this table, with its `?`; empty without one.
    query: String,
    /// That of the same hosts in the other form.
    other_form: String,
    columns: Vec<Column>,
    /// Which of the hosts that match are shown, where that is not all.
    part: Option<Part>,
}

#[derive(Serialize)]
struct Part {
    first: usize,
    last: usize,
    of: usize,
    pages: Vec<Page>,
}

#[derive(Serialize)]
struct Page {
    number: usize,
    query: String,
    is_shown: bool,
}

#[derive(Serialize)]
struct Column {
    title: &'static str,
    query: String,
    /// `ascending`, `descending` or nothing, as `aria-sort` has it.
    order: Option<&'static str>,
}

impl Table {
    /// What the address asks for; what it gets wrong is as if it were not there.
    pub(super) fn asked(params: &Params) -> Self {
        let filter = params.get("q").unwrap_or_default();
        let sort = params.get("sort").unwrap_or_default();
        let is_descending = sort.starts_with('-');
        let wanted = sort.trim_start_matches('-');
        let column = COLUMNS.iter().find(|(key, _)| *key == wanted);
        Self {
            filter: filter.chars().take(MAX_FILTER).collect(),
            column: column.map_or("name", |(key, _)| key),
            is_descending: is_descending && column.is_some(),
            is_grid: params.get("view") == Some("grid"),
            page: params
                .get("page")
                .and_then(|page| page.parse().ok())
                .unwrap_or(1),
        }
    }

    /// The hosts of the fleet that it shows, in its order; of a page that is not there the last.
    pub(super) fn pick<'a>(&self, hosts: &'a [Host]) -> Picked<'a> {
        let terms: Vec<String> = self
            .filter
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        let is_wanted = |host: &&Host| terms.iter().all(|term| has(host, term));
        let mut picked: Vec<&Host> = hosts.iter().filter(is_wanted).collect();
        // The fleet is sorted by name, and sorting keeps that order among equals.
        picked.sort_by(|a, b| self.compare(a, b));
        let matching = picked.len();
        let pages = matching.div_ceil(PAGE).max(1);
        let before = (self.page.clamp(1, pages) - 1) * PAGE;
        picked.drain(..before);
        picked.truncate(PAGE);
        Picked {
            hosts: picked,
            before,
            matching,
        }
    }

    fn compare(&self, a: &Host, b: &Host) -> Ordering {
        let turned = |order: Ordering| {
            if self.is_descending {
                order.reverse()
            } else {
                order
            }
        };
        if self.column == "name" {
            return turned(a.name.cmp(&b.name));
        }
        match (self.key(a), self.key(b)) {
            (Some(a), Some(b)) => turned(a.total_cmp(&b)),
            // What has no number comes last either way.
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    fn key(&self, host: &Host) -> Option<f64> {
        match self.column {
            "status" => Some(match host.status {
                Status::Down => 0.0,
                Status::Silent => 1.0,
                Status::Gone => 2.0,
                Status::Up => 3.0,
            }),
            "cpu" => host.cpu,
            "memory" => host.memory,
            "disk" => host.worst_disk().map(|(_, usage)| *usage),
            "load" => host.load,
            "network" => host.received.zip(host.transmitted).map(|(a, b)| a + b),
            "temperature" => host.temperature,
            "uptime" => host.boot_time.map(|boot| -boot),
            "seen" => host.last_seen.map(|at| at as f64),
            _ => None,
        }
    }

    pub(super) fn view(&self, picked: &Picked<'_>) -> TableView {
        let shown = picked.before / PAGE + 1;
        let column = |(key, title): &(&'static str, &'static str)| {
            let is_sorted = *key == self.column;
            let turned = is_sorted && !self.is_descending;
            Column {
                title,
                query: self.query(key, turned, self.is_grid, 1),
                order: is_sorted.then_some(if turned { "ascending" } else { "descending" }),
            }
        };
        let own = |is_grid, page| self.query(self.column, self.is_descending, is_grid, page);
        let page = |number| Page {
            number,
            query: own(self.is_grid, number),
            is_shown: number == shown,
        };
        let part = || Part {
            first: picked.before + 1,
            last: picked.before + picked.hosts.len(),
            of: picked.matching,
            pages: (1..=picked.matching.div_ceil(PAGE)).map(page).collect(),
        };
        TableView {
            filter: self.filter.clone(),
            sort: Self::sort(self.column, self.is_descending),
            is_grid: self.is_grid,
            query: own(self.is_grid, shown),
            other_form: own(!self.is_grid, shown),
            columns: COLUMNS.iter().map(column).collect(),
            part: (picked.matching > PAGE).then(part),
        }
    }

    fn sort(column: &str, is_descending: bool) -> String {
        match (column, is_descending) {
            ("name", false) => String::new(),
            (column, false) => column.to_owned(),
            (column, true) => format!("-{column}"),
        }
    }

    fn query(&self, column: &str, is_descending: bool, is_grid: bool, page: usize) -> String {
        let sort = Self::sort(column, is_descending);
        let form = if is_grid { "grid" } else { "" };
        let page = if page > 1 {
            page.to_string()
        } else {
            String::new()
        };
        let pairs = [
            ("q", self.filter.as_str()),
            ("sort", &sort),
            ("view", form),
            ("page", &page),
        ];
        let said = pairs.iter().filter(|(_, value)| !value.is_empty());
        let said: Vec<String> = said
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        if said.is_empty() {
            String::new()
        } else {
            format!("?{}", said.join("&"))
        }
    }
}

/// Whether a lower-case term is part of the host's names, or one of its labels as `label=value`.
fn has(host: &Host, term: &str) -> bool {
    if let Some((label, value)) = term.split_once('=') {
        if label == "status" {
            return format!("{:?}", host.status).to_lowercase() == value;
        }
        return host.labels.iter().chain(&host.info).any(|labels| {
            let mut labels = labels.iter();
            labels.any(|(name, have)| {
                name != "__name__" && name.to_lowercase() == label && have.to_lowercase() == value
            })
        });
    }
    [&host.name, &host.instance]
        .into_iter()
        .chain(&host.jobs)
        .any(|text| text.to_lowercase().contains(term))
}
