//! Translates a sample as hardware monitors' agents push it: blocks of numbers, every one optional.

use std::collections::HashMap;

use serde_json::{Map, Value};
use system_stats_model::sample::Millis;

use super::super::error::ApiError;
use super::super::limits::{MAX_NAME, MAX_NUMBERS};
use super::fields::{Fields, expected, number, number_of};
use crate::inventory::DEVICE_JOB;
use crate::inventory::ingest::{Arrival, Kept, Measured, Moment};
use crate::inventory::vocabulary::{
    CPU, CUSTOM_ALERT, DISK, INODES, MEMORY, MOUNTPOINT, PROCESS_RUNNING, RECEIVE_ERRORS, RECEIVED,
    SWAP, TEMPERATURE, TEMPERATURE_HIGH, TIME_DRIFT, TRANSMIT_ERRORS, TRANSMITTED, ZOMBIES,
    block_of,
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
/// Those of them that are objects of numbers.
const NUMBERS: [&str; 3] = ["cpu", "memory", "time_drift"];

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
        if sample.samples.len() > MAX_NUMBERS {
            let what = format!("no more than {MAX_NUMBERS} numbers in all blocks together");
            return Err(expected(name, &what));
        }
        blocks.extend(sample.said(name));
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
    /// How many things of a block had these names, as far as one had.
    named: HashMap<Thing, usize>,
}

/// A block and what tells its disks, sensors or interfaces apart.
type Thing = (&'static str, Names);
type Names = Vec<(&'static str, String)>;

impl Sample {
    /// The blocks whose alerts this block can end: of numbers those that it has, as one that is
    /// not there is not normal; a list is known as a whole.
    fn said(&self, name: &'static str) -> Vec<&'static str> {
        if !NUMBERS.contains(&name) {
            return vec![name];
        }
        let parts = self.samples.iter().filter_map(|one| block_of(one.metric));
        let of_block = |part: &&str| part.split('.').next() == Some(name);
        parts.filter(of_block).collect()
    }

    /// Names for a thing of a block that no other has: of several with the same names, the later
    /// ones are numbered.
    fn names(&mut self, block: &'static str, names: &[(&'static str, String)]) -> Names {
        let mut unique = names.to_vec();
        loop {
            let twin = self.named.entry((block, names.to_vec())).or_default();
            *twin += 1;
            if let Some((first, (_, name))) = unique.first_mut().zip(names.first())
                && *twin > 1
            {
                first.1 = match name.as_str() {
                    "" => format!("({twin})"),
                    name => format!("{name} ({twin})"),
                };
                if self.named.contains_key(&(block, unique.clone())) {
                    continue;
                }
                self.named.insert((block, unique.clone()), 1);
            }
            return unique;
        }
    }

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

    fn add(&mut self, metric: &'static str, labels: Names, value: f64) {
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
            let mut names = vec![(MOUNTPOINT, mountpoint.unwrap_or_default())];
            names.extend(device.map(|device| ("device", device)));
            let names = self.names("disks", &names);
            for (field, metric) in [("percent", DISK), ("inode_percent", INODES)] {
                if let Some(value) = finite(disk, field, &place)? {
                    self.add(metric, names.clone(), value);
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
                let names = vec![("sensor", label), ("chip", chip.clone())];
                let names = self.names("sensors_temperature", &names);
                let high = finite(sensor, "high", &place)?;
                if let Some(current) = finite(sensor, "current", &place)? {
                    self.add(TEMPERATURE, names.clone(), current);
                    // Drivers write 0 where they know no limit.
                    if let Some(high) = high.filter(|high| *high > 0.0) {
                        self.add(TEMPERATURE_HIGH, names, high);
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
            let names = self.names("network", &[("device", name)]);
            for (field, metric) in [
                ("bytes_recv", RECEIVED),
                ("bytes_sent", TRANSMITTED),
                ("errin", RECEIVE_ERRORS),
                ("errout", TRANSMIT_ERRORS),
            ] {
                if let Some(value) = finite(interface, field, &place)? {
                    self.add(metric, names.clone(), value);
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

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn read(blocks: &str) -> Result<Arrival, ApiError> {
        let body = format!(r#"{{"agent_id":"a",{blocks}}}"#);
        translate(Fields::read(body.as_bytes())?, 0)
    }

    /// Every number as `labels=value`.
    fn numbers(blocks: &str) -> String {
        let mut out = String::new();
        for sample in read(blocks).unwrap().samples {
            let labels = sample.labels.iter();
            let labels: Vec<&str> = labels.map(|(_, value)| value.as_str()).collect();
            let _ = write!(out, "{}={} ", labels.join("|"), sample.value);
        }
        out.trim_end().to_owned()
    }

    #[test]
    fn things_of_one_name_stay_apart_with_all_their_numbers() {
        let cases = [
            (
                r#""disks":[{"percent":1},{"percent":2,"inode_percent":3},{"percent":4}]"#,
                "=1 (2)=2 (2)=3 (3)=4",
            ),
            (
                r#""sensors_temperature":{"c":[{"label":"x","current":1},{"label":"x","current":2,"high":3}]}"#,
                "x|c=1 x (2)|c=2 x (2)|c=3",
            ),
            (
                r#""network":[{"interface":"e (2)","errin":1},{"interface":"e","errin":2},{"interface":"e","errin":3},{"interface":"e (2)","errin":4}]"#,
                "e (2)=1 e=2 e (3)=3 e (2) (2)=4",
            ),
        ];
        for (blocks, expected) in cases {
            assert_eq!(numbers(blocks), expected, "{blocks}");
        }
    }

    #[test]
    fn blocks_say_what_they_have() {
        let blocks = |blocks: &str| match read(blocks).unwrap().kept {
            Kept::Sample { blocks, .. } => blocks,
            kept => panic!("{kept:?}"),
        };
        assert_eq!(
            blocks(r#""cpu":{},"memory":{"swap_percent":1},"time_drift":{"drift_seconds":null}"#),
            ["memory.swap_percent"]
        );
        assert_eq!(blocks(r#""disks":[],"network":null"#), ["disks"]);
    }

    #[test]
    fn numbers_are_bounded_and_the_block_is_named() {
        let disks =
            |count: usize| format!(r#""disks":[{}]"#, vec![r#"{"percent":1}"#; count].join(","));
        assert_eq!(
            read(&disks(MAX_NUMBERS)).unwrap().samples.len(),
            MAX_NUMBERS
        );
        let error = read(&disks(MAX_NUMBERS + 1)).unwrap_err().to_string();
        assert!(
            error.contains("disks: expected no more than 20000"),
            "{error}"
        );
    }
}
