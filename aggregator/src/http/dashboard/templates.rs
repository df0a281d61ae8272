//! The templates, compiled once.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, UndefinedBehavior};
use serde::Serialize;

use super::assets;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"), "/../dashboards/templates/", $name
        )))),*]
    };
}

const TEMPLATES: [(&str, &str); 23] = templates![
    "layout.html",
    "macros.html",
    "alert_macros.html",
    "overview.html",
    "rows.html",
    "counts.html",
    "facts.html",
    "host.html",
    "raised.html",
    "services.html",
    "services_table.html",
    "pipelines.html",
    "pipelines_table.html",
    "alerts.html",
    "alerts_part.html",
    "alerts_active.html",
    "alerts_history.html",
    "alerts_reported.html",
    "alerts_rules.html",
    "alerts_silences.html",
    "silence.html",
    "runbooks.html",
    "error.html",
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // A line with nothing but a tag leaves nothing in the page.
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_global("assets", Value::from_safe_string(assets::base()));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
});

/// Renders a template; what it prints is escaped for HTML.
///
/// # Errors
/// When a template is wrong or prints what the view does not have.
pub(super) fn render(name: &str, view: &impl Serialize) -> Result<String, Error> {
    let environment = ENVIRONMENT
        .as_ref()
        .map_err(|error| Error::new(error.kind(), error.to_string()))?;
    environment.get_template(name)?.render(Serde(view))
}
