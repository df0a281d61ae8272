//! The newest sample of every host, in the shape in which hardware monitors' agents report: made
//! from the host's `/system` object where there is one, from its series otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::super::stream::Pieces;
use crate::inventory::devices::DeviceSample;
use crate::inventory::hosts::Host;
use crate::inventory::{Details, Inventory, InventoryError};

/// Bytes written at a time.
const PIECE: usize = 64 << 10;

/// The body of `GET /metrics` for clients that read JSON: an array, as devices sent it or made of
/// what is known of a host.
pub(crate) struct Newest {
    inventory: Arc<Inventory>,
    /// By name.
    rows: IntoIter<Row>,
    at: Place,
}

enum Row {
    Device(DeviceSample),
    Host(Box<Host>),
}

#[derive(PartialEq)]
enum Place {
    Start,
    First,
    Further,
    End,
}

impl Newest {
    pub(crate) fn new(inventory: Arc<Inventory>) -> Self {
        let devices = inventory.device_samples().into_iter();
        let device = |sample: DeviceSample| (sample.name.clone(), Row::Device(sample));
        let mut rows: BTreeMap<String, Row> = devices.map(device).collect();
        let others = inventory.other_hosts();
        for host in others.hosts().iter().filter(|host| host.readings > 0) {
            // A name that a device has belongs to the device.
            let taken = rows.contains_key(&host.name);
            let name = if taken { &host.instance } else { &host.name };
            if !rows.contains_key(name) {
                rows.insert(name.clone(), Row::Host(Box::new(host.clone())));
            }
        }
        Self {
            rows: rows.into_values().collect::<Vec<_>>().into_iter(),
            inventory,
            at: Place::Start,
        }
    }

    /// The text of a row; none of a device that is gone meanwhile.
    async fn text(&self, row: Row) -> Result<Option<Bytes>, InventoryError> {
        let host = match row {
            Row::Device(sample) if sample.json.is_some() => return Ok(sample.json),
            Row::Device(sample) => return self.inventory.device_sample(&sample.name).await,
            Row::Host(host) => host,
        };
        let details = match host.details_updated {
            Some(_) => self.inventory.kept(&host.instance).await?,
            None => None,
        };
        let text = sample(&host, details.as_ref()).to_string();
        Ok(Some(Bytes::from(text)))
    }
}

impl Pieces for Newest {
    async fn next(&mut self) -> Result<Option<Bytes>, InventoryError> {
        if self.at == Place::End {
            return Ok(None);
        }
        let mut piece = Vec::new();
        if self.at == Place::Start {
            self.at = Place::First;
            piece.push(b'[');
        }
        while piece.len() < PIECE {
            let Some(row) = self.rows.next() else {
                self.at = Place::End;
                piece.push(b']');
                break;
            };
            let Some(text) = self.text(row).await? else {
                continue;
            };
            if self.at == Place::Further {
                piece.push(b',');
            }
            self.at = Place::Further;
            piece.extend_from_slice(&text);
        }
        Ok(Some(Bytes::from(piece)))
    }
}

/// One host's sample. Blocks without anything to say are absent; the numbers of the series are
/// newer than those of the object and count.
pub(super) fn sample(host: &Host, details: Option<&Details>) -> Value {
    let system = details.and_then(|details| serde_json::from_str(&details.json).ok());
    let system: Value = system.unwrap_or_default();
    let mut sample = Map::new();
    let seconds = host.last_seen.unwrap_or_default() as f64 / 1000.0;
    sample.insert("agent_id".to_owned(), json!(host.name));
    sample.insert("timestamp".to_owned(), json!(seconds));
    let mut block = |name: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            sample.insert(name.to_owned(), value);
        }
    };
    block("cpu", host.cpu.map(|cpu| json!({ "total_percent": cpu })));
    block("memory", memory(host, &system));
    block("disks", disks(host, &system));
    block("network", list(&system, "interfaces", interface));
    for same in [
        "load",
        "sensors_temperature",
        "time_drift",
        "zombie_processes",
        "critical_processes",
        "uptime",
    ] {
        block(same, system.get(same).cloned());
    }
    Value::Object(sample)
}

fn memory(host: &Host, system: &Value) -> Option<Value> {
    let mut memory = json!({ "percent": host.memory? });
    if let Some(swap) = system
        .pointer("/swap/percent")
        .filter(|swap| swap.is_number())
    {
        memory["swap_percent"] = swap.clone();
    }
    Some(memory)
}

fn disks(host: &Host, system: &Value) -> Option<Value> {
    let from_object = list(system, "disks", |disk| {
        picked(disk, &["mountpoint", "device", "percent", "inode_percent"])
    });
    from_object.or_else(|| {
        let disks = host.disks.iter();
        let row =
            |(mount, percent): &(String, f64)| json!({ "mountpoint": mount, "percent": percent });
        (!host.disks.is_empty()).then(|| disks.map(row).collect())
    })
}

fn interface(interface: &Value) -> Value {
    picked(
        interface,
        &["interface", "bytes_recv", "bytes_sent", "errin", "errout"],
    )
}

/// The objects of a list of the object, each cut down to what the sample reports.
fn list(system: &Value, name: &str, row: impl Fn(&Value) -> Value) -> Option<Value> {
    let rows = system.get(name)?.as_array()?;
    Some(rows.iter().map(row).collect())
}

fn picked(object: &Value, fields: &[&str]) -> Value {
    let field = |name: &&str| Some(((*name).to_owned(), object.get(*name)?.clone()));
    Value::Object(fields.iter().filter_map(field).collect())
}
