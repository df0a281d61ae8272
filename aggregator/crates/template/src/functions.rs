//! The functions that a template may call: those of the language and those of Prometheus.

mod builtin;
mod humanize;
mod pattern;
mod text;

use std::sync::Arc;

use crate::value::{Sample, Value};

pub(crate) use humanize::written;

/// Evaluates an expression for the `query` function.
pub type Query<'a> = dyn Fn(&str) -> Result<Vec<Sample>, String> + 'a;

/// What functions know besides their arguments.
pub(crate) struct Environment<'a> {
    pub(crate) query: &'a Query<'a>,
    pub(crate) external_url: &'a str,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There are too many arguments, or too few.
    Count(String),
    /// One of them, counted from 0, is not of the type that the function takes.
    Type {
        argument: usize,
        /// The name of the type.
        expected: &'static str,
    },
    /// The function could not do it.
    Call(String),
}

type Called = Result<Value, String>;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Any,
    Text,
    Sample,
    Samples,
}

impl Kind {
    fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Text => matches!(value, Value::Text(_)),
            Self::Sample => matches!(value, Value::Sample(_)),
            Self::Samples => matches!(value, Value::Samples(_)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Text => "string",
            Self::Sample => "*template.sample",
            Self::Samples => "template.queryResult",
        }
    }
}

/// How many arguments, and of which types.
enum Arguments {
    Exactly(&'static [Kind]),
    /// So many at least, any type.
    AtLeast(usize),
    /// A text, and any number of any type.
    TextAndMore,
}

pub(crate) struct Function {
    name: &'static str,
    arguments: Arguments,
    run: fn(&Environment<'_>, &[Value]) -> Called,
}

impl Function {
    pub(crate) fn call(&self, env: &Environment<'_>, values: &[Value]) -> Result<Value, Refused> {
        let (name, got) = (self.name, values.len());
        match &self.arguments {
            Arguments::Exactly(kinds) => {
                if got != kinds.len() {
                    let want = kinds.len();
                    let message = format!("wrong number of args for {name}: want {want} got {got}");
                    return Err(Refused::Count(message));
                }
                fit(kinds, values)?;
            }
            Arguments::AtLeast(_) | Arguments::TextAndMore => {
                let want = match self.arguments {
                    Arguments::AtLeast(want) => want,
                    _ => 1,
                };
                if got < want {
                    let message =
                        format!("wrong number of args for {name}: want at least {want} got {got}");
                    return Err(Refused::Count(message));
                }
                if matches!(self.arguments, Arguments::TextAndMore) {
                    fit(&[Text], values)?;
                }
            }
        }
        (self.run)(env, values).map_err(Refused::Call)
    }
}

/// Whether the first values have these types.
fn fit(kinds: &[Kind], values: &[Value]) -> Result<(), Refused> {
    let mut all = kinds.iter().zip(values);
    let Some(argument) = all.position(|(kind, value)| !kind.accepts(value)) else {
        return Ok(());
    };
    let expected = kinds[argument].name();
    Err(Refused::Type { argument, expected })
}

const fn exactly(
    name: &'static str,
    kinds: &'static [Kind],
    run: fn(&Environment<'_>, &[Value]) -> Called,
) -> Function {
    let arguments = Arguments::Exactly(kinds);
    Function {
        name,
        arguments,
        run,
    }
}

const fn at_least(
    name: &'static str,
    count: usize,
    run: fn(&Environment<'_>, &[Value]) -> Called,
) -> Function {
    let arguments = Arguments::AtLeast(count);
    Function {
        name,
        arguments,
        run,
    }
}

/// The function of a name.
pub(crate) fn of(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

pub(crate) fn is_known(name: &str) -> bool {
    of(name).is_some()
}

use Kind::{Any, Samples, Text};

const FUNCTIONS: &[Function] = &[
    at_least("and", 1, |_, values| Ok(values[values.len() - 1].clone())),
    at_least("or", 1, |_, values| Ok(values[values.len() - 1].clone())),
    exactly("not", &[Any], |_, values| {
        Ok(Value::Bool(!values[0].is_true()))
    }),
    exactly("len", &[Any], |_, values| builtin::len(&values[0])),
    at_least("index", 1, |_, values| builtin::index(values)),
    at_least("slice", 1, |_, values| builtin::slice(values)),
    // A template has no functions of its own to call: who calls it says so.
    at_least("call", 1, |_, values| {
        Err(format!("non-function of type {}", values[0].type_name()))
    }),
    at_least("eq", 1, |_, values| builtin::is_any_equal(values)),
    exactly("ne", &[Any, Any], |_, values| {
        builtin::is_equal(values).map(|is| Value::Bool(!is))
    }),
    exactly("lt", &[Any, Any], |_, values| {
        builtin::is_less(values).map(Value::Bool)
    }),
    exactly("le", &[Any, Any], |_, values| {
        builtin::is_at_most(values).map(Value::Bool)
    }),
    exactly("gt", &[Any, Any], |_, values| {
        builtin::is_at_most(values).map(|is| Value::Bool(!is))
    }),
    exactly("ge", &[Any, Any], |_, values| {
        builtin::is_less(values).map(|is| Value::Bool(!is))
    }),
    at_least("print", 0, |_, values| {
        Ok(Value::text(crate::print::spaced(values, false)))
    }),
    at_least("println", 0, |_, values| {
        Ok(Value::text(crate::print::spaced(values, true)))
    }),
    Function {
        name: "printf",
        arguments: Arguments::TextAndMore,
        run: |_, values| {
            let text = crate::print::formatted(as_text(&values[0]), &values[1..]);
            Ok(Value::text(text))
        },
    },
    at_least("html", 0, |_, values| Ok(text::escaped(values, text::html))),
    at_least("js", 0, |_, values| Ok(text::escaped(values, text::js))),
    at_least("urlquery", 0, |_, values| {
        Ok(text::escaped(values, text::url_query))
    }),
    exactly("query", &[Text], |env, values| {
        let found = (env.query)(as_text(&values[0]))?;
        Ok(Value::Samples(found.into_iter().map(Arc::new).collect()))
    }),
    exactly("first", &[Samples], |_, values| match &values[0] {
        Value::Samples(samples) if !samples.is_empty() => {
            Ok(Value::Sample(Arc::clone(&samples[0])))
        }
        _ => Err("first() called on vector with no elements".to_owned()),
    }),
    exactly("label", &[Text, Kind::Sample], |_, values| {
        Ok(Value::text(label_of(&values[1], as_text(&values[0]))))
    }),
    exactly("value", &[Kind::Sample], |_, values| {
        Ok(values[0].field("Value").unwrap_or(Value::Nil))
    }),
    exactly("strvalue", &[Kind::Sample], |_, values| {
        Ok(Value::text(label_of(&values[0], "__value__")))
    }),
    at_least("args", 0, |_, values| {
        let named = (0..)
            .zip(values)
            .map(|(at, value)| (format!("arg{at}"), value.clone()));
        Ok(Value::Args(Arc::new(named.collect())))
    }),
    exactly("sortByLabel", &[Text, Samples], |_, values| {
        let label = as_text(&values[0]);
        let Value::Samples(samples) = &values[1] else {
            return Ok(Value::Nil);
        };
        let mut sorted: Vec<Arc<Sample>> = samples.to_vec();
        sorted.sort_by(|a, b| a.labels.get(label).cmp(&b.labels.get(label)));
        Ok(Value::Samples(sorted.into()))
    }),
    exactly("reReplaceAll", &[Text, Text, Text], |_, values| {
        text::replace(values)
    }),
    exactly("match", &[Text, Text], |_, values| text::matches(values)),
    exactly("safeHtml", &[Text], |_, values| Ok(values[0].clone())),
    exactly("title", &[Text], |_, values| {
        Ok(Value::text(text::title(as_text(&values[0]))))
    }),
    exactly("toUpper", &[Text], |_, values| {
        Ok(Value::text(as_text(&values[0]).to_uppercase()))
    }),
    exactly("toLower", &[Text], |_, values| {
        Ok(Value::text(as_text(&values[0]).to_lowercase()))
    }),
    exactly("graphLink", &[Text], |_, values| {
        Ok(Value::text(graph_link(as_text(&values[0]), 0)))
    }),
    exactly("tableLink", &[Text], |_, values| {
        Ok(Value::text(graph_link(as_text(&values[0]), 1)))
    }),
    exactly("stripPort", &[Text], |_, values| {
        Ok(Value::text(text::without_port(as_text(&values[0]))))
    }),
    exactly("stripDomain", &[Text], |_, values| {
        Ok(Value::text(text::without_domain(as_text(&values[0]))))
    }),
    exactly("humanize", &[Any], |_, values| {
        humanize::decimal(&values[0])
    }),
    exactly("humanize1024", &[Any], |_, values| {
        humanize::binary(&values[0])
    }),
    exactly("humanizeDuration", &[Any], |_, values| {
        humanize::duration(&values[0])
    }),
    exactly("humanizePercentage", &[Any], |_, values| {
        humanize::percentage(&values[0])
    }),
    exactly("humanizeTimestamp", &[Any], |_, values| {
        humanize::timestamp(&values[0])
    }),
    exactly("toTime", &[Any], |_, values| humanize::time(&values[0])),
    exactly("parseDuration", &[Text], |_, values| {
        text::seconds(as_text(&values[0]))
    }),
    exactly("pathPrefix", &[], |env, _| {
        Ok(Value::text(text::path_of(env.external_url)))
    }),
    exactly("externalURL", &[], |env, _| {
        Ok(Value::text(env.external_url))
    }),
];

/// The text of an argument whose type was checked.
fn as_text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn label_of(sample: &Value, name: &str) -> String {
    match sample {
        Value::Sample(sample) => sample.labels.get(name).unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

/// The address, below the external one, of the page that shows an expression.
pub(crate) fn graph_link(expression: &str, tab: u8) -> String {
    format!(
        "/graph?g0.expr={}&g0.tab={tab}",
        text::url_query(expression)
    )
}
