//! References to groups in a replacement: `$1`, `${1}`, `$name`, `$$`, as Go's `Regexp.Expand` has
//! them (<https://pkg.go.dev/regexp#Regexp.Expand>).

use regex::Captures;

/// Whether a text refers to groups.
pub(super) fn has_references(template: &str) -> bool {
    template.contains('$')
}

/// Puts groups where the text refers to them. One that is not there is empty; a `$` that begins no
/// reference stays.
pub(super) fn expand(template: &str, captures: &Captures<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = reference(after) {
            out.push_str(group(captures, name));
            rest = after;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// The name after a `$`, as long as it goes, and what is left.
fn reference(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    let (name, rest) = match text.strip_prefix('{') {
        Some(inner) => inner.split_once('}')?,
        None => text.split_at(text.find(|c| !is_part(c)).unwrap_or(text.len())),
    };
    (!name.is_empty() && name.chars().all(is_part)).then_some((name, rest))
}

fn group<'t>(captures: &Captures<'t>, name: &str) -> &'t str {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    let group = if is_number {
        name.parse()
            .ok()
            .and_then(|number: usize| captures.get(number))
    } else {
        captures.name(name)
    };
    group.map_or("", |group| group.as_str())
}
