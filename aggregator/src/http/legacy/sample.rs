//! Translates a sample as hardware monitors' agents push it: blocks of numbers, every one optional.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use system_stats_model::sample::Millis;

use super::super::error::ApiError;
use super::super::limits::MAX_NAME;
use super::fields::{Fields, expected, number, number_of};
use crate::inventory::DEVICE_JOB;
use crate::inventory::ingest::{Arrival, Kept, Measured, Moment};
use crate::inventory::vocabulary::{
    CPU, CUSTOM_ALERT, DISK, INODES, MEMORY, MOUNTPOINT, PROCESS_RUNNING, RECEIVE_ERRORS, RECEIVED,
    SWAP, TEMPERATURE, TEMPERATURE_HIGH, TIME_DRIFT, TRANSMIT_ERRORS, TRANSMITTED, ZOMBIES,
};

/// The blocks that say something; others are kept and not looked at.
pub(super) const BLOCKS: [&str; 9] = [
    "cpu",
    "memory",
    "disks",
    "sensors_temperature",
    "time_drift",
    "network",
    "custom_alert",
    "zombie_processes",
    "critical_processes",
];

/// Reads a pushed sample that arrived at `now`.
pub(super) fn translate(mut fields: Fields<'_>, now: Millis) -> Result<Arrival, ApiError> {
    if !fields.has("agent_id") && !fields.has("device") {
        fields.require(&["agent_id"])?;
    }
    let sent = match fields.peek("timestamp") {
        Some(json) => {
            Some(number(json).ok_or_else(|| expected("timestamp", "seconds since 1970"))?)
        }
        None => None,
    };
    let mut sample = Sample::default();
    let mut blocks = Vec::new();
    for name in BLOCKS {
        let Some(json) = fields.peek(name) else {
            continue;
        };
        let what = |error| expected(name, &format!("a value that can be read: {error}"));
        let value: Value = serde_json::from_str(json).map_err(what)?;
        sample.block(name, &value)?;
        blocks.push(name);
    }
    let by_device = fields.peek("agent_id").is_none() && fields.has("device");
    let field = if by_device { "device" } else { "agent_id" };
    let device = fields.peek("device");
    let host = fields.name(field)?;
    let timestamp = sent.unwrap_or(now as f64 / 1000.0);
    let json = whole(&host, timestamp, device, fields);
    Ok(Arrival {
        job: DEVICE_JOB,
        host,
        moment: Moment::Sent(sent.map(|seconds| seconds * 1000.0)),
        samples: sample.samples,
        kept: Kept::Sample { json, blocks },
    })
}

/// The whole object as it is kept: what was sent, with the name and a time in any case.
fn whole(host: &str, timestamp: f64, device: Option<&str>, mut fields: Fields<'_>) -> String {
    fields.take("agent_id");
    fields.take("timestamp");
    fields.take("device");
    let mut json = format!(
        r#"{{"agent_id":{},"timestamp":{}"#,
        Value::from(host),
        Value::from(timestamp)
    );
    let device = device.map(|json| ("device".to_owned(), json));
    let rest = fields.rest();
    let rest = rest.iter().map(|(name, value)| (name.clone(), value.get()));
    for (name, value) in device.into_iter().chain(rest) {
        json.push(',');
        json.push_str(&Value::from(name).to_string());
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

/// The samples of one push, each label set once.
#[derive(Default)]
struct Sample {
    samples: Vec<Measured>,
    seen: BTreeSet<(&'static str, Vec<(&'static str, String)>)>,
}

impl Sample {
    fn block(&mut self, name: &'static str, value: &Value) -> Result<(), ApiError> {
        match name {
            "cpu" => self.numbers(name, value, &[("total_percent", CPU)]),
            "memory" => self.numbers(name, value, &[("percent", MEMORY), ("swap_percent", SWAP)]),
            "disks" => self.disks(value),
            "sensors_temperature" => self.sensors(value),
            "time_drift" => self.numbers(name, value, &[("drift_seconds", TIME_DRIFT)]),
            "network" => self.network(value),
            "custom_alert" => {
                let alert = truth(value).ok_or_else(|| expected(name, "true or false"))?;
                self.add(CUSTOM_ALERT, Vec::new(), alert);
                Ok(())
            }
            "zombie_processes" => {
                let count = number_of(value).ok_or_else(|| expected(name, "a finite number"))?;
                self.add(ZOMBIES, Vec::new(), count);
                Ok(())
            }
            _ => self.processes(value),
        }
    }

    fn add(&mut self, metric: &'static str, mut labels: Vec<(&'static str, String)>, value: f64) {
        // Two things of one name are two series.
        let name = labels.first().map(|(_, name)| name.clone());
        let mut twin = 1;
        while !self.seen.insert((metric, labels.clone())) {
            twin += 1;
            match (labels.first_mut(), &name) {
                (Some(first), Some(name)) => first.1 = format!("{name} ({twin})"),
                _ => return,
            }
        }
        self.samples.push(Measured {
            metric,
            labels,
            value,
        });
    }

    fn numbers(
        &mut self,
        block: &str,
        value: &Value,
        fields: &[(&str, &'static str)],
    ) -> Result<(), ApiError> {
        let object = object(block, value)?;
        for (field, metric) in fields {
            if let Some(value) = finite(object, field, block)? {
                self.add(metric, Vec::new(), value);
            }
        }
        Ok(())
    }

    fn disks(&mut self, value: &Value) -> Result<(), ApiError> {
        for (at, disk) in list("disks", value)?.iter().enumerate() {
            let place = format!("disks[{at}]");
            let disk = object(&place, disk)?;
            let mountpoint = text(disk, MOUNTPOINT, &place)?;
            let device = text(disk, "device", &place)?;
            let labels = || {
                let labels = [(MOUNTPOINT, mountpoint.clone()), ("device", device.clone())];
                let said = labels.into_iter();
                let said = said.filter_map(|(name, value)| Some((name, value?)));
                said.collect::<Vec<_>>()
            };
            for (field, metric) in [("percent", DISK), ("inode_percent", INODES)] {
                if let Some(value) = finite(disk, field, &place)? {
                    self.add(metric, labels(), value);
                }
            }
        }
        Ok(())
    }

    fn sensors(&mut self, value: &Value) -> Result<(), ApiError> {
        for (chip, sensors) in object("sensors_temperature", value)? {
            let place = format!("sensors_temperature.{}", cut(chip));
            name_bounds(chip, &place)?;
            for (at, sensor) in list(&place, sensors)?.iter().enumerate() {
                let place = format!("{place}[{at}]");
                let sensor = object(&place, sensor)?;
                let label = text(sensor, "label", &place)?.filter(|label| !label.is_empty());
                let label = label.unwrap_or_else(|| at.to_string());
                let labels = vec![("chip", chip.clone()), ("sensor", label)];
                let high = finite(sensor, "high", &place)?;
                if let Some(current) = finite(sensor, "current", &place)? {
                    self.add(TEMPERATURE, labels.clone(), current);
                    // Drivers write 0 where they know no limit.
                    if let Some(high) = high.filter(|high| *high > 0.0) {
                        self.add(TEMPERATURE_HIGH, labels, high);
                    }
                }
            }
        }
        Ok(())
    }

    fn network(&mut self, value: &Value) -> Result<(), ApiError> {
        for (at, interface) in list("network", value)?.iter().enumerate() {
            let place = format!("network[{at}]");
            let interface = object(&place, interface)?;
            let name = text(interface, "interface", &place)?;
            let name = name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| at.to_string());
            for (field, metric) in [
                ("bytes_recv", RECEIVED),
                ("bytes_sent", TRANSMITTED),
                ("errin", RECEIVE_ERRORS),
                ("errout", TRANSMIT_ERRORS),
            ] {
                if let Some(value) = finite(interface, field, &place)? {
                    self.add(metric, vec![("device", name.clone())], value);
                }
            }
        }
        Ok(())
    }

    fn processes(&mut self, value: &Value) -> Result<(), ApiError> {
        for (name, runs) in object("critical_processes", value)? {
            let place = format!("critical_processes.{}", cut(name));
            name_bounds(name, &place)?;
            if runs.is_null() {
                continue;
            }
            let runs = truth(runs).ok_or_else(|| expected(&place, "true or false"))?;
            self.add(PROCESS_RUNNING, vec![("name", name.clone())], runs);
        }
        Ok(())
    }
}

fn object<'v>(place: &str, value: &'v Value) -> Result<&'v Map<String, Value>, ApiError> {
    value
        .as_object()
        .ok_or_else(|| expected(place, "an object"))
}

fn list<'v>(place: &str, value: &'v Value) -> Result<&'v [Value], ApiError> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| expected(place, "a list"))
}

/// A number where there is one; sensors and filesystems say `null` for what they do not know.
fn finite(object: &Map<String, Value>, name: &str, place: &str) -> Result<Option<f64>, ApiError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match number_of(value) {
            Some(number) => Ok(Some(number)),
            None => Err(expected(&format!("{place}.{name}"), "a finite number")),
        },
    }
}

fn text(object: &Map<String, Value>, name: &str, place: &str) -> Result<Option<String>, ApiError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            name_bounds(text, &format!("{place}.{name}"))?;
            Ok(Some(text.clone()))
        }
        Some(_) => Err(expected(&format!("{place}.{name}"), "a text")),
    }
}

/// Names of disks and the like become labels.
fn name_bounds(text: &str, place: &str) -> Result<(), ApiError> {
    if text.chars().count() > MAX_NAME || text.contains('\0') {
        let what = format!("a text of at most {MAX_NAME} characters without NUL");
        return Err(expected(place, &what));
    }
    Ok(())
}

/// A name as an error shows it.
fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Yes or no as 1 or 0; a number that is one of them counts.
fn truth(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => match number.as_u64()? {
            0 => Some(0.0),
            1 => Some(1.0),
            _ => None,
        },
        _ => None,
    }
}
