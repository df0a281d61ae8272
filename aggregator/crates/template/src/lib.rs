//! The templates of alert labels and annotations: the language of Go's `text/template` with the
//! functions that Prometheus adds to it, its way of printing numbers and its messages.
//!
//! Not here: rules, evaluation of expressions (whoever expands a template passes it in), files.
//!
//! * [`expand`] - from a text to its expansion; [`check`] - whether it could be expanded at all
//! * `lex`, `parse`, `node` - the language; `exec` - walking it within bounds
//! * `functions` - what may be called; `print` - numbers and formats as Go writes them
//!
//! Of Go's `time.Time` only `Unix` and `UnixMilli` can be asked for.

mod exec;
mod functions;
mod lex;
mod literal;
mod node;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod value;

pub use exec::ExecError;
pub use functions::Query;
pub use parse::ParseError;
pub use value::{Data, Sample};

use functions::Environment;

/// The variables that every template of a rule begins with.
const VARIABLES: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
     {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// A template could not be expanded. The messages are Prometheus' own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// It is not a template.
    #[error("error parsing template {name}: {source}")]
    Parse {
        /// The template's name.
        name: String,
        /// What is wrong.
        source: ParseError,
    },
    /// It asks for something that cannot be done.
    #[error("error executing template {name}: {source}")]
    Execute {
        /// The template's name.
        name: String,
        /// What is wrong.
        source: Box<ExecError>,
    },
}

/// Expands `text` for `data`. `query` is called for every use of the function of that name.
///
/// Bounded: a text of 1 MiB, a result of 1 MiB, a million steps.
///
/// # Errors
/// [`ExpandError`]; nothing of the text is kept then.
pub fn expand(
    name: &str,
    text: &str,
    data: &Data,
    query: &Query<'_>,
) -> Result<String, ExpandError> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let whole = format!("{VARIABLES}{text}");
    let tree = parse::parse(name, &whole).map_err(|source| ExpandError::Parse {
        name: name.to_owned(),
        source,
    })?;
    let environment = Environment {
        query,
        external_url: &data.external_url,
    };
    let result = exec::execute(name, &whole, &tree, data, &environment);
    result.map_err(|source| ExpandError::Execute {
        name: name.to_owned(),
        source,
    })
}

/// Whether `text` is a template at all.
///
/// # Errors
/// [`ParseError`].
pub fn check(name: &str, text: &str) -> Result<(), ParseError> {
    parse::parse(name, &format!("{VARIABLES}{text}")).map(drop)
}

/// The address, below a server's external one, of the page that shows `expression` as a table.
#[must_use]
pub fn table_link(expression: &str) -> String {
    functions::graph_link(expression, 1)
}
