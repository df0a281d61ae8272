//! `relabel_configs` and its kin.

use system_stats_model::relabel::{Action, Definition, Relabel};

use super::fields::{Fields, Place, Problems};

/// The rules under a key, in order.
pub(super) fn rules(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<Relabel> {
    let places = fields.take(key).and_then(|place| place.list(problems));
    let places = places.unwrap_or_default();
    let rules = places.iter().filter_map(|place| rule(place, problems));
    rules.collect()
}

fn rule(place: &Place<'_>, problems: &mut Problems) -> Option<Relabel> {
    let mut fields = place.fields(problems)?;
    let sources = fields
        .take("source_labels")
        .and_then(|place| place.list(problems));
    let mut text = |key| {
        let place = fields.take(key)?;
        place.text(problems).map(str::to_owned)
    };
    let (separator, regex) = (text("separator"), text("regex"));
    let (target_label, replacement) = (text("target_label"), text("replacement"));
    let definition = Definition {
        separator,
        regex,
        target_label: target_label.unwrap_or_default(),
        replacement,
        action: fields.read("action", Action::Replace, problems, action),
        modulus: fields.read("modulus", 0, problems, modulus),
        source_labels: (sources.unwrap_or_default().iter())
            .filter_map(|place| place.read(problems, label_name))
            .collect(),
    };
    fields.finish(&[], problems);
    match Relabel::new(definition) {
        Ok(rule) => Some(rule),
        Err(error) => {
            place.problem(problems, error.to_string());
            None
        }
    }
}

fn action(text: &str) -> Result<Action, String> {
    Action::from_name(text).ok_or_else(|| {
        let names = Action::ALL.map(Action::as_str).join(", ");
        format!("unknown action {text:?}; use one of {names}")
    })
}

fn modulus(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is not a whole number; write one like 8"))
}

fn label_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("a label needs a name".to_owned());
    }
    Ok(text.to_owned())
}
